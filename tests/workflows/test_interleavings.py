"""Lives of sends on a real Temporal: chance decides what happens to each, also amidst its activities.

WeChat, the people and the judge are those of the simulation, which plays such lives in milliseconds. These show that
the workflows do as the core says. `--hypothesis-profile=thorough` plays more of them.
"""

import asyncio
import contextlib
import uuid
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any, Final

import pytest
from hypothesis import settings
from temporalio.api.enums.v1 import EventType
from temporalio.client import (
    WorkflowExecutionStatus,
    WorkflowFailureError,
    WorkflowHandle,
    WorkflowUpdateFailedError,
    WorkflowUpdateRPCTimeoutOrCancelledError,
)
from temporalio.exceptions import ApplicationError, CancelledError, WorkflowAlreadyStartedError
from temporalio.service import RPCError, RPCStatusCode
from temporalio.testing import WorkflowEnvironment
from temporalio.worker import UnsandboxedWorkflowRunner

from activities.earlier_runs import VisibleRuns
from qunfa.contract import MassSendResult, Status, mass_send_id
from qunfa.contract.operators import Abort, Approve, Reschedule, Resume
from qunfa.contract.result import COMPLETES
from qunfa.send.events import Answering
from tests.looking import PATIENCE
from tests.simulation import people
from tests.simulation.books import Book
from tests.simulation.judge import Judge, Told
from tests.simulation.wechat import NEGATIVE, TAKEN, pushed
from tests.workflows import resets
from tests.workflows.conftest import scaled_facts, staffed
from tests.workflows.model import Hurried, LivingWechat
from tests.workflows.refusals import Refusing, replay

pytestmark = pytest.mark.long

LIVES: Final = settings().max_examples // 6
TOGETHER: Final = 4
"""Lives at the same time: more of them keep a crowded machine from ending any."""
KEY: Final = "spring"
TIMES: Final = {"push_timeout": "PT1S", "poll_interval": "PT1S", "give_up_after": "PT3S"}
SECOND: Final = timedelta(seconds=1)
MOMENTS: Final = (0.05, 0.2, 0.2, 1.0)
"""Seconds for which nothing happens from outside."""
WAYS: Final = (
    *("push", "push", "push", "forge", "forge", "arrive", "arrive", "stray"),
    *("answer", "answer", "answer", "late", "late", "two", "hold", "hold", "approve", "abort"),
    *("freeze", "unfreeze", "cancel", "lose_the_ledger", "restart", "reset", "reset"),
)
NO_TIME: Final = frozenset({RPCStatusCode.CANCELLED, RPCStatusCode.DEADLINE_EXCEEDED, RPCStatusCode.UNAVAILABLE})


class Life:
    """One send. ``story`` is what happened; ``left`` says how much may still happen amidst activities."""

    def __init__(self, env: WorkflowEnvironment, seed: int) -> None:
        self.random = Random(f"{seed} on a real server")  # noqa: S311  chance of the same kind for a seed
        frees = self.random.random() < 0.5
        self.truth = Hurried(self.random, first=3_000_000_000, frees=frees, mute=0.0, denies=False)
        facts = scaled_facts(window=3 * SECOND, push_grace=SECOND / 5)
        facts = facts.model_copy(update={"name": facts.appid, "quota": "ask"})
        self.wechat = LivingWechat(
            client=env.client,
            facts=facts,
            now=_now,
            task_queue=f"tests-{facts.appid}",
            asked_again=SECOND / 5,
            truth=self.truth,
            moment=self.moment,
        )
        self.desk, self.worker = staffed(env, facts, wechat=self.wechat, earlier=VisibleRuns(env.client))
        self.desk.slow.before_wish = self.desk.slow.after_wish = lambda _step: self.moment()
        self.client, self.story, self.left = env.client, list[str](), 4
        self.ids: list[tuple[str, str | None]] = [(self.desk.account.id, None)]
        self.judge = Judge({KEY: Book(self.desk.account.id, False, None, None, people.REQUESTER)})
        self.traits = {name for name in ("held", "fails", "short", "later") if self.random.random() < 0.25}
        self.broken: list[BaseException] = []
        self._answering: set[asyncio.Task[Any]] = set()
        self._restarting = 0

    @property
    def handle(self) -> WorkflowHandle[Any, Any]:
        workflow_id = mass_send_id(self.wechat.facts.name, KEY)
        return self.client.get_workflow_handle(workflow_id, result_type=MassSendResult)

    async def play(self) -> None:
        """All of it: to the end of the send, to the same key again, and every run once more in a replay."""
        await self.start()
        for _ in range(self.random.randrange(5)):
            await self._let_pass()
            await self.happen()
        self.left, self.wechat.fates = 0, TAKEN
        async with asyncio.timeout(PATIENCE):
            while self._restarting or await self._is_open():
                await self._bring_on()
        if self.broken:
            raise self.broken[0]
        ended, tries = await self._ended(), len(self.wechat.tries)
        if ended in COMPLETES:
            await self.start()
            assert (await self._ended(), len(self.wechat.tries)) == (ended, tries), "the same key again"
        await self._replays()

    async def start(self) -> None:
        """The send; nothing where it is under way."""
        raw = {**self.desk.request(KEY), "account": self.wechat.facts.name, "requested_by": people.REQUESTER}
        raw |= {"decision_timeout": "P1D", "result": TIMES}
        raw |= {"approval": {"required": True}} if "held" in self.traits else {}
        raw |= {"on_problem": "fail"} if "fails" in self.traits else {}
        raw |= {"send_at": (_now() + SECOND).isoformat()} if "later" in self.traits else {}
        raw |= {"not_after": (_now() + 4 * SECOND).isoformat()} if "short" in self.traits else {}
        with contextlib.suppress(WorkflowAlreadyStartedError):
            run = await self.desk.start_raw(raw, self.handle.id)
            self.ids.append((run.id, run.first_execution_run_id))

    async def moment(self) -> None:
        """A moment of an activity, in which something may happen."""
        if self.left and self.random.random() < 0.4:
            self.left -= 1
            await self.happen()

    async def happen(self) -> None:
        """Something; what goes wrong in an activity's moment is kept for the test."""
        what = self.random.choice(WAYS)
        self.story.append(what)
        try:
            await getattr(self, f"_{what}")()
        except (AssertionError, RPCError, TimeoutError) as error:
            self.broken.append(error)
            raise

    # WeChat

    async def _push(self) -> None:
        if jobs := self.truth.of(KEY):
            job = self.random.choice(jobs)
            job.decided_at = min(job.decided_at, _now())
            await self.wechat.signal("push", job.push())

    async def _forge(self) -> None:
        if jobs := self.truth.of(KEY):
            msg_id = self.random.choice(jobs).msg_id
            await self.wechat.signal("push", pushed(msg_id, self.random.choice(NEGATIVE)))

    async def _stray(self) -> None:
        await self.wechat.signal("push", pushed(77, "send success"))

    async def _arrive(self) -> None:
        if self.truth.arriving(_now()):
            self.truth.arrive(_now())

    # People

    async def _answer(self) -> None:
        status = await self._status()
        if status and status.problem:
            out = bool(self.wechat.under_way)
            given = people.decision(self.random, status.problem.name, self.truth, KEY, _now(), out=out)
            if given is not None:
                await self._update(given)

    async def _late(self) -> None:
        await self._update(people.late(self.random, self.truth, KEY))

    async def _two(self) -> None:
        await asyncio.gather(self._late(), self._late())

    async def _hold(self) -> None:
        await self._update(people.holding(self.random, paused=self.random.random() < 0.5, now=_now()))

    async def _approve(self) -> None:
        await self._update(people.approval(self.random))

    async def _abort(self) -> None:
        await self._update(Abort(by="li", reason="no"))

    async def _freeze(self) -> None:
        await self._asked(self.desk.account, "freeze", {"by": "li", "reason": "wrong text"})

    async def _unfreeze(self) -> None:
        await self._asked(self.desk.account, "unfreeze", {"by": "li"})

    async def _update(self, answer: Answering) -> None:
        name = {"MarkSent": "mark_sent"}.get(type(answer).__name__, type(answer).__name__.lower())
        await self._asked(self.handle, name, answer.model_dump(mode="json", exclude_none=True))

    async def _asked(self, handle: WorkflowHandle[Any, Any], name: str, payload: dict[str, Any]) -> None:
        """Send an update. A refusal must say why; a run that is over, or lost meanwhile, need not answer."""
        task = asyncio.ensure_future(handle.execute_update(name, payload, id=uuid.uuid4().hex))
        self._answering.add(task)
        await asyncio.wait({task}, timeout=PATIENCE)
        self._answering.discard(task)
        if task.cancelled():
            return
        match task.exception() if task.done() else TimeoutError(f"{name} was not answered"):
            case WorkflowUpdateFailedError(cause=cause):
                assert " " in str(cause), f"{name} was refused without a sentence: {cause}"
                self.story.append(f"  {name} refused: {cause}")
            case WorkflowUpdateRPCTimeoutOrCancelledError(__cause__=asyncio.CancelledError()):
                pass
            case RPCError(status=RPCStatusCode.NOT_FOUND) | None:
                pass
            case error:
                raise error

    # Losses

    async def _cancel(self) -> None:
        with contextlib.suppress(RPCError):  # of a send that is over
            await self.handle.cancel()

    async def _lose_the_ledger(self) -> None:
        with contextlib.suppress(RPCError):  # of an account that is not there yet, and of a send that is over
            run_id = (await self.desk.account.describe()).run_id
            await self.desk.account.terminate("lost")
            self.ids.append((self.desk.account.id, run_id))
            self._lost()
            await self.handle.signal("ledger_lost", {"at": _now().isoformat()})  # as a worker does

    async def _restart(self) -> None:
        self._restarting += 1  # for a moment no run is open, and one is about to be
        try:
            if await self._is_open():
                with contextlib.suppress(RPCError):  # of a send that has just ended
                    await self.handle.terminate("lost")
                self._lost()
            else:
                await self._ended()
            await self.start()
        finally:
            self._restarting -= 1

    async def _reset(self) -> None:
        run = self.client.get_workflow_handle(self.handle.id, run_id=(await self.handle.describe()).run_id)
        if points := await resets.points(run):
            if not await self._is_open():
                await self._ended()
            self._lost()
            reapply = self.random.choice([*[resets.Reapply.ALL] * 3, resets.Reapply.NONE])
            again = await resets.reset(self.client, run, self.random.choice(points), reapply)
            self.ids.append((again.id, again.run_id))

    def _lost(self) -> None:
        """An update of a run that is gone may never be answered."""
        for task in self._answering:
            task.cancel()

    # The end

    async def _bring_on(self) -> None:
        """WeChat has nothing against the send any more, and people answer what it asks."""
        now, random = _now(), self.random
        for job in self.truth.of(KEY):
            job.decided_at = min(job.decided_at, now)
        while self.truth.arriving(now):
            self.truth.arrive(now)
        status = await self._status()
        phase = status.phase if status else "done"
        if status and status.waiting_for and status.waiting_for.reason.startswith("frozen"):
            await self._unfreeze()
        elif phase == "needs_operator":
            await (self._abort if random.random() < 0.2 else self._answer)()
        elif phase in {"awaiting_approval", "paused", "scheduled"}:
            earlier = Reschedule(by="li", send_at=now - 60 * SECOND)
            answers: dict[str, Answering] = {"awaiting_approval": Approve(by="wang"), "paused": Resume(by="li")}
            await self._update(answers.get(phase, earlier))
        await self._let_pass()

    async def _let_pass(self) -> None:
        with contextlib.suppress(TimeoutError, WorkflowFailureError):
            async with asyncio.timeout(self.random.choice(MOMENTS)):
                await self.handle.result(follow_runs=False)

    async def _is_open(self) -> bool:
        return (await self.handle.describe()).status == WorkflowExecutionStatus.RUNNING

    async def _status(self) -> Status | None:
        """Where the send stands; nothing where Temporal has no time to ask for it."""
        try:
            return await self.desk.status(self.handle, within=8 * SECOND)
        except RPCError as error:
            if error.status not in NO_TIME:
                raise
            return None

    async def _ended(self) -> str:
        """How the current run has ended, which must be true of what WeChat has."""
        try:
            async with asyncio.timeout(PATIENCE):
                outcome: str = (await self.handle.result(follow_runs=False)).outcome
        except WorkflowFailureError as failure:
            cause, outcome = failure.cause, "aborted"
            if not isinstance(cause, CancelledError):
                assert isinstance(cause, ApplicationError)
                outcome = MassSendResult.model_validate(cause.details[0]).outcome
        self.story.append(f"ended as {outcome}")
        jobs, may_come = self.truth.of(KEY), self.truth.may_deliver(KEY, _now())
        self.judge.looks(KEY, jobs)
        told = Told(frozenset(), {}, is_settled=False)
        self.judge.ends(KEY, outcome, may_come=may_come, knows_all=False, end=told)
        return outcome

    async def _replays(self) -> None:
        """Every run of the send and of its account, also with updates that are refused in each task."""
        done = EventType.EVENT_TYPE_WORKFLOW_TASK_COMPLETED
        for workflow_id, run_id in self.ids:
            with contextlib.suppress(RPCError):  # of an account that nobody has needed
                history = await self.client.get_workflow_handle(workflow_id, run_id=run_id).fetch_history()
                if any(event.event_type == done for event in history.events):
                    for runner in (UnsandboxedWorkflowRunner(), Refusing()):
                        await replay(history, runner, self.client.namespace)


def _now() -> datetime:
    return datetime.now(UTC)


@pytest.mark.timeout(900)
async def test_the_promises_hold_in_any_order(real_env: WorkflowEnvironment) -> None:
    """Answers, pushes, people, losses, resets to any point: one delivery, true results, and all of it replays."""
    room = asyncio.Semaphore(TOGETHER)

    async def live(seed: int) -> None:
        life = Life(real_env, seed)
        async with room, life.worker():
            try:
                await life.play()
            except BaseException as error:
                error.add_note("\n".join([f"seed {seed}", *life.story]))
                raise
            finally:
                for workflow_id, _ in life.ids:
                    with contextlib.suppress(RPCError):
                        await real_env.client.get_workflow_handle(workflow_id).terminate("the test is over")

    async with asyncio.TaskGroup() as lives:
        for seed in range(LIVES):
            lives.create_task(live(seed))
