"""The upstream of one send: starts it, and does to it what callers do, by accident or on purpose."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any, Final, TypeVar

from temporalio.client import (
    Client,
    WorkflowExecutionStatus,
    WorkflowFailureError,
    WorkflowHandle,
    WorkflowQueryFailedError,
    WorkflowQueryRejectedError,
)
from temporalio.common import WorkflowIDConflictPolicy
from temporalio.exceptions import WorkflowAlreadyStartedError
from temporalio.service import RPCError, RPCStatusCode

from qunfa.contract import MASS_SEND, MassSendResult, Status, mass_send_id
from qunfa.temporal.connection import is_gone
from tests.chaos import evidence, lists, words
from tests.chaos.evidence import Run, RunState
from tests.chaos.plan import SendPlan
from tests.chaos.stage import QUEUE, RPC, reset, updated
from tests.workflows.resets import points

WORKFLOW_TASK: Final = timedelta(seconds=4)
"""How soon a send goes on elsewhere when the worker was killed that was about to tell what comes next."""
RESTARTS_MAX: Final = 4
"""How often it starts again what ended as unknown: more often than an operator aborts such a send."""
_AGAIN_SECONDS: Final = 0.25
_CONTENT: Final = 0.5
"""How many of those that have their result do not start it again after a restore."""
_PAUSE_SECONDS: Final = 1.5
_IN_DOUBT: Final = frozenset({"submitting", "unknown", "accepted"})
Done = TypeVar("Done")
Handle = WorkflowHandle[Any, MassSendResult]


@dataclass
class Upstream:
    """What one upstream has done and seen so far; `over` when it expects nothing more."""

    client: Client
    send: SendPlan
    began: float
    seed: int
    room: asyncio.Semaphore
    media: Path
    over: bool = False
    started: int = 0
    did: list[tuple[float, str]] = field(default_factory=list)
    runs: dict[str, Run] = field(default_factory=dict)
    """Those that it has started."""
    ended: list[Run] = field(default_factory=list)
    """The ends that it has seen. Where Temporal's database is restored, that may be all that is left of a run."""
    is_content: bool = False
    """Its runs are forgotten, and it has started none again."""
    caught_up: asyncio.Event = field(default_factory=asyncio.Event)
    """After a restore: what was forgotten of it was started again."""

    @property
    def id(self) -> str:
        return mass_send_id(self.send.account, self.send.key)

    async def live(self) -> None:
        """From the first start to the last result, as soon as there is room for one more."""
        await asyncio.sleep(max(0.0, self.began + self.send.starts_at - time.monotonic()))
        if self.send.crowd:
            await self._live()
            return
        async with self.room:
            await self._live()

    async def go_on(self) -> None:
        """Temporal was restored: what runs again is awaited, what is forgotten is started again.

        Half of those that have had their result are content with that.
        """
        chance = Random(f"{self.seed}:{self.send.number}:content")  # noqa: S311
        content = (self.over or self.is_content) and chance.random() < _CONTENT
        self.over = False
        try:
            run = await self._current()
            self.is_content = run is None and content
            if self.is_content:
                self._note("its runs are forgotten, and it has its result")
            elif run is None or (run in self.runs and run != next(reversed(self.runs))):
                run = await self._start(patient=True)  # the last that it started is forgotten, or all are
        finally:
            self.caught_up.set()
        if run is not None and self.send.turn == "pause":
            await self._resume(self.client.get_workflow_handle(self.id, result_type=MassSendResult))
        if run is not None:
            await self._until_known(run)
        self.over = True

    async def _current(self) -> str | None:
        """The newest run that Temporal knows."""

        async def described() -> str | None:
            try:
                return (await self.client.get_workflow_handle(self.id).describe(rpc_timeout=RPC)).run_id
            except RPCError as error:
                if is_gone(error):
                    return None
                raise

        return await self._persistently(described)

    async def _live(self) -> None:
        run = await self._start()
        if self.send.turn == "twice":
            await asyncio.gather(self._start(), self._start())
        elif self.send.turn != "none":
            run = await self._take_turn(run)
        await self._until_known(run)
        if self.send.again:
            await self._until_known(await self._start(patient=True))
        if self.send.intruder and await self._asked_its_account():
            await self._result(await self._start(content=f"{self.send.text}, otherwise"))
        self.over = True

    async def _until_known(self, run: str) -> None:
        """Until its outcome is known: started again, it asks an operator, and may take the time it needs.

        A restore may come just after its own mistake, before it has started the send again.
        """
        for _ in range(RESTARTS_MAX):
            if await self._result(run) not in {"unknown", "terminated"}:
                return
            run = await self._start(patient=True)
        await self._result(run)

    async def _asked_its_account(self) -> bool:
        """Whether the last run has; a key that ended before that, nothing sent, stands for no content yet."""

        async def asked() -> bool:
            events = self.client.get_workflow_handle(self.id).fetch_history_events()
            return any(
                [event.activity_task_scheduled_event_attributes.activity_type.name == "wish" async for event in events]
            )

        return await self._persistently(asked)

    async def _start(self, *, patient: bool = False, content: str | None = None, replace: bool = False) -> str:
        """Start the send, whatever Temporal does meanwhile, and return the id of the run; one that runs is taken."""
        self.started += 1
        began = time.time()
        request = self._request(patient=patient, content=content)
        policy = WorkflowIDConflictPolicy.TERMINATE_EXISTING if replace else WorkflowIDConflictPolicy.FAIL

        async def start() -> str:
            try:
                handle = await self.client.start_workflow(
                    MASS_SEND,
                    request,
                    id=self.id,
                    task_queue=QUEUE,
                    task_timeout=WORKFLOW_TASK,
                    id_conflict_policy=policy,
                    rpc_timeout=RPC,
                )
            except WorkflowAlreadyStartedError as running:
                return running.run_id or ""
            return handle.result_run_id or ""

        run = await self._persistently(start)
        self.runs.setdefault(run, Run(run, content or self.send.text, began, None, "running"))
        self._note(f"started as run {run}" + (" with other content" if content else ""))
        return run

    def _request(self, *, patient: bool, content: str | None) -> dict[str, Any]:
        send, now = self.send, datetime.now(UTC)
        request: dict[str, Any] = {
            "account": send.account,
            "key": send.key,
            "audience": lists.audience(send.audience, self.media),
            "message": words.message(send.form, content or send.text, self.media),
            "send_ignore_reprint": send.ignore_reprint,
            "on_problem": "wait" if patient else send.on_problem,
            "requested_by": "chaos",
            "result": {"push_timeout": 2.5, "poll_interval": 1, "give_up_after": 8},
        }
        if patient:
            return request
        if send.members:
            request["on_batch_problem"] = send.on_batch_problem
        if send.decision_timeout is not None:
            request["decision_timeout"] = send.decision_timeout
        for name, seconds in (("not_after", send.not_after), ("send_at", send.send_at)):
            if seconds is not None:
                request[name] = (now + timedelta(seconds=seconds)).isoformat()
        return request

    async def _take_turn(self, run: str) -> str:
        """What happens to the send while it runs; the id of the run that goes on."""
        await asyncio.sleep(self.send.turn_after)
        handle: Handle = self.client.get_workflow_handle(self.id, result_type=MassSendResult)
        if self.send.once_begun:
            await self._unless_gone(lambda: self._begun(handle))
        match self.send.turn:
            case "terminate":
                await self._unless_gone(lambda: handle.terminate("by mistake", rpc_timeout=RPC))
                self._note("terminated")
                return await self._start()
            case "replace":
                return await self._start(replace=True)
            case "cancel":
                await self._unless_gone(lambda: handle.cancel(rpc_timeout=RPC))
                self._note("cancellation asked for")
            case "abort":
                await self._abort(handle)
            case "pause":
                await self._pause(handle)
            case "reset":
                return await self._reset((await self._current() or run) if self.send.members else run)
            case _:
                pass
        return run

    async def _begun(self, handle: Handle) -> None:
        """Until a batch is under way, or all is over: a busy machine may plan for longer than any time that is set."""
        while True:
            seen = await handle.describe(rpc_timeout=RPC)
            if seen.status is not WorkflowExecutionStatus.RUNNING or seen.raw_description.pending_children:
                return
            await asyncio.sleep(_AGAIN_SECONDS)

    async def _abort(self, handle: Handle) -> None:
        refusal = await updated(handle, "abort", {"by": "chaos", "reason": "changed my mind"})
        self._note(f"abort {refusal or 'taken'}")

    async def _pause(self, handle: Handle) -> None:
        """Paused, where that fits, and resumed a moment later."""
        self._note(f"pause {await updated(handle, 'pause', {'by': 'chaos'}) or 'taken'}")
        await asyncio.sleep(_PAUSE_SECONDS)
        await self._resume(handle)

    async def _resume(self, handle: Handle) -> None:
        """Until it is not paused, or over; a restore may bring a pause back."""
        while True:
            try:
                status: Status = await handle.query("status", result_type=Status, rpc_timeout=RPC)
                if status.paused_by is None or status.phase == "done":
                    return
                if not await updated(handle, "resume", {"by": "chaos"}):
                    self._note("resumed")
            except RPCError as error:
                if is_gone(error):
                    return
            except (WorkflowQueryFailedError, WorkflowQueryRejectedError):
                pass  # it is asked again how it stands
            await asyncio.sleep(_AGAIN_SECONDS)

    async def _reset(self, run: str) -> str:
        """Back to a point of its history, which the seed chooses."""
        handle = self.client.get_workflow_handle(self.id, run_id=run)
        found = await self._persistently(lambda: points(handle))
        if not found:
            return run
        point = Random(f"{self.seed}:{self.send.number}:reset").choice(found)  # noqa: S311
        began = time.time()
        new = await self._persistently(lambda: reset(self.client, self.id, run, point))
        self.runs.setdefault(new, Run(new, self.send.text, began, None, "running"))
        self._note(f"reset to event {point}: run {new}")
        return new

    async def _result(self, run: str) -> str:
        """The outcome of a run, or of whatever has taken its place."""
        handle: Handle = self.client.get_workflow_handle(self.id, run_id=run, result_type=MassSendResult)

        async def outcome() -> str:
            try:
                result = await handle.result()
            except WorkflowFailureError as failure:
                state, seen = evidence.seen_of(failure)
                self._saw(run, state, seen)
                if self.send.members and state == "refused":
                    return "unknown"
                return seen.outcome if seen else state
            self._saw(run, "completed", result)
            doubtful = any(row.state in _IN_DOUBT for row in result.jobs)
            return "unknown" if self.send.members and doubtful else result.outcome

        said = await self._persistently(outcome)
        self._note(f"run {run} ended: {said}")
        return said

    async def _unless_gone(self, act: Callable[[], Awaitable[Any]]) -> None:
        async def tried() -> None:
            try:
                await act()
            except RPCError as error:
                if not is_gone(error):
                    raise

        await self._persistently(tried)

    async def _persistently(self, act: Callable[[], Awaitable[Done]]) -> Done:
        """Again and again while Temporal does not answer."""
        while True:
            try:
                return await act()
            except RPCError as error:
                if error.status is RPCStatusCode.INVALID_ARGUMENT or is_gone(error):
                    raise
                await asyncio.sleep(_AGAIN_SECONDS)

    def _saw(self, run: str, state: RunState, result: MassSendResult | None) -> None:
        before = self.runs.get(run) or Run(run, self.send.text, time.time(), None, state)
        self.ended.append(replace(before, closed_at=time.time(), state=state, result=result))

    def _note(self, what: str) -> None:
        self.did.append((time.time(), what))
