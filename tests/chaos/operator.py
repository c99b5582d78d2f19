"""The operator and the administrator: they look where people look, and answer as the table of problems allows."""

import asyncio
import time
from collections import Counter
from random import Random
from typing import Any, Final, Literal

from temporalio.client import WorkflowHandle, WorkflowQueryFailedError, WorkflowQueryRejectedError
from temporalio.service import RPCError

from qunfa.contract import Status, account_id, mass_send_id
from qunfa.contract.ids import parse_mass_send_id
from qunfa.rules.problems import BATCH_FAILED, PLAN_MISSING
from qunfa.simulator.jobs import Job
from tests.chaos import words
from tests.chaos.plan import SendPlan
from tests.chaos.stage import RPC, Stage, updated

WAITING: Final = 'ExecutionStatus = "Running" AND MassSendPhase = "needs_operator"'
FROZEN: Final = 'ExecutionStatus = "Running" AND WorkflowType = "Account" AND MassSendPhase = "frozen"'
LOOKS_EVERY_SECONDS: Final = 0.3
RETRIES_MAX: Final = 4
UNKNOWN_ABORTS_MAX: Final = 2
"""How often a send is aborted while nobody knows what became of it: less often than its upstream starts it again."""
QUIET_SECONDS: Final = 3.0
"""How long WeChat must not have heard of a send, and no worker been held up, before a try cannot be under way: three
times as long as a try may take."""
_BY_THE_LIST: Final = 0.5
"""How many answers to a batch are given to its list, which passes them on."""
Answer = tuple[str, dict[str, Any]]


class Operator:
    """Answers problems, with choices that come from the seed."""

    def __init__(self, stage: Stage) -> None:
        self._stage = stage
        self._sends = {part.key: part for send in stage.plan.sends for part in (send, *stage.rolls.parts(send))}
        self._chances: dict[str, Random] = {}
        self._retries: Counter[str] = Counter()
        self._unknown_aborts: Counter[str] = Counter()
        self._busy: set[str] = set()
        self._decided: set[int] = set()
        self.did: dict[str, list[tuple[float, str]]] = {}

    async def work(self) -> None:
        """Look after sends and jobs until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            while True:
                self._administrate()
                await self._unfreeze()
                for workflow_id in await self._found(WAITING):
                    if workflow_id not in self._busy:
                        self._busy.add(workflow_id)
                        tasks.create_task(self._look_after(workflow_id))
                await asyncio.sleep(LOOKS_EVERY_SECONDS)

    def done_to(self, send: SendPlan) -> list[tuple[float, str]]:
        """What it has done to a send, or to a list and its batches."""
        keys = {send.key, *(part.key for part in self._stage.rolls.parts(send))}
        return [(at, f"{key}: {line}") for key in sorted(keys) for at, line in self.did.get(key, [])]

    async def _found(self, query: str) -> list[str]:
        try:
            found = self._stage.client.list_workflows(query, rpc_timeout=RPC)
            return [run.id async for run in found]
        except RPCError:
            return []

    async def _unfreeze(self) -> None:
        """Unfreeze an account that was lost: a send that had not heard of an unfreeze has brought the freeze back."""
        lost = {account_id(self._stage.plan.accounts[name]["appid"]) for name in self._stage.lost_at}
        for workflow_id in await self._found(FROZEN) if lost else ():
            if workflow_id in lost:
                handle = self._stage.client.get_workflow_handle(workflow_id)
                await updated(handle, "unfreeze", {"by": "li"})

    async def _look_after(self, workflow_id: str) -> None:
        handle = self._stage.client.get_workflow_handle(workflow_id)
        named = parse_mass_send_id(workflow_id)
        send = self._sends.get(named.key) if named else None
        try:
            if send is not None:
                await self._decide(handle, send)
        except (RPCError, WorkflowQueryFailedError, WorkflowQueryRejectedError):
            pass  # Temporal or the workers are down: the next look tells
        finally:
            self._busy.discard(workflow_id)

    async def _decide(self, handle: WorkflowHandle[Any, Any], send: SendPlan) -> None:
        status: Status = await handle.query("status", result_type=Status, rpc_timeout=RPC)
        if status.phase != "needs_operator" or status.problem is None:
            return
        if status.problem.name == "quota_exhausted" and self._is_used_up(send):
            return  # there is quota again tomorrow
        of_list = bool(send.members) and not send.part
        answer = self._about_a_batch if of_list else self._answer
        chosen = answer(send, status, status.problem.name)
        if chosen is None:
            return
        name, payload = chosen
        ends_a_long_list = send.lasts and name == "abort"
        if send.part and not ends_a_long_list and self._chance(send).random() < _BY_THE_LIST:
            handle = self._stage.client.get_workflow_handle(mass_send_id(send.account, send.key.partition(".")[0]))
        hands = 2 if self._chance(send).random() < 0.1 else 1
        looked = {"by": "li", "reason": "looked", **payload}
        said = await asyncio.gather(*(updated(handle, name, looked) for _ in range(hands)))
        for sentence in said:
            line = f"{status.problem.name}: {name} {payload or ''} {sentence}"
            self.did.setdefault(send.key, []).append((time.time(), line))

    def _about_a_batch(self, send: SendPlan, status: Status, problem: str) -> Answer | None:
        """The update for a list that asks about a batch that has ended; while a batch asks, that is answered.

        Its files are never lost: where there is no plan, no batch of it was begun.
        """
        if problem != BATCH_FAILED:
            sure = {"confirm_not_delivered": True} if problem == PLAN_MISSING else {}
            return ("retry", sure) if status.batch is None and "retry" in status.answers else None
        weights = {"retry": 50, "resume": 35} if send.lasts else {"retry": 50, "resume": 35, "abort": 15}
        fitting = [name for name in weights if name in status.answers]
        if self._retries[send.key] >= RETRIES_MAX and len(fitting) > 1:
            fitting = [name for name in fitting if name != "retry"]
        if not fitting:
            return None
        name = self._chance(send).choices(fitting, [weights[name] for name in fitting])[0]
        self._retries[send.key] += name == "retry"
        return name, {}

    def _answer(self, send: SendPlan, status: Status, problem: str) -> Answer | None:
        """The update to send, or None to wait."""
        text = f"{status.problem.sentence} {status.problem.todo}" if status.problem else ""
        known = {row.msg_id for row in status.jobs}
        jobs = self._console(send)
        found = [job for job in jobs if job.msg_id not in known]
        chance = self._chance(send)
        match problem:
            case "unknown_outcome" | "clientmsgid_collision" if found:
                return "mark_sent", {"msg_id": found[-1].msg_id}
            case "unknown_outcome" if not self._none_under_way(send):
                return None
            case "unknown_outcome" if "retry" in status.answers:
                sure = {"confirm_not_delivered": True}
                return self._of_the_unknown(send, [("retry", sure), ("abort", sure)], [70, 20])
            case "no_verdict" if jobs:
                return self._of_the_unknown(send, [("retry", {}), ("mark_sent", {"msg_id": jobs[-1].msg_id})], [60, 25])
        if better := [job for job in jobs if job.state != "failed"]:
            # WeChat's console knows better than what the send was told, and the push will say so, or mass/get.
            if better[-1].msg_id not in known and "mark_sent" in status.answers:
                return "mark_sent", {"msg_id": better[-1].msg_id}
            asked = _retry(problem) if "retry" in status.answers else ("abort", {})  # before either mass/get is asked
            return asked if all(self._nothing_will_say_so(send, job, known) for job in better) else None
        if "retry" not in status.answers or self._retries[send.key] >= RETRIES_MAX or chance.random() < 0.15:
            return self._abort(send, doubtful="confirm_not_delivered" in text and not found)
        self._retries[send.key] += 1
        return _retry(problem)

    def _of_the_unknown(self, send: SendPlan, answers: list[Answer], weights: list[int]) -> Answer:
        """One of the answers that go on, or an abort in spite of what is unknown."""
        chosen = self._chance(send).choices([*answers, ("abort", {})], [*weights, 100 - sum(weights)])[0]
        if chosen != ("abort", {}):
            return chosen
        self._unknown_aborts[send.key] += 1
        return chosen if self._unknown_aborts[send.key] <= UNKNOWN_ABORTS_MAX else answers[0]

    def _abort(self, send: SendPlan, *, doubtful: bool) -> Answer | None:
        """An abort; where nobody knows what became of a try, one that says that nothing is in WeChat's console."""
        if not doubtful:
            return "abort", {}
        return ("abort", {"confirm_not_delivered": True}) if self._none_under_way(send) else None

    def _console(self, send: SendPlan) -> list[Job]:
        """The jobs of this send that WeChat's console shows."""
        return self._stage.rolls.jobs_of(self._stage.sim.world, send)

    def _is_used_up(self, send: SendPlan) -> bool:
        """Whether WeChat lets the account send nothing more today."""
        world = self._stage.sim.world
        calls = world.accounts[send.account].calls
        return calls.used("mass", world.clock.day()) >= calls.limit("mass")

    def _nothing_will_say_so(self, send: SendPlan, job: Job, known: set[int | None]) -> bool:
        """Whether no push tells the send of a job: its account has forgotten the push, or a slow try has made it."""
        if job.msg_id not in known:
            return self._none_under_way(send)
        heard = self._stage.director.true_since.get(job.msg_id)
        forgot = max(times.get(send.account, 0.0) for times in (self._stage.lost_at, self._stage.flooded_at))
        return heard is not None and heard < forgot

    def _none_under_way(self, send: SendPlan) -> bool:
        """Whether no try of the send can still reach WeChat."""
        quiet = time.time() - QUIET_SECONDS
        if any(worker.stopped or worker.held_until > quiet for worker in self._stage.workers):
            return False
        return all(call.answered and call.time < quiet for call in self._stage.director.calls[send.said])

    def _chance(self, send: SendPlan) -> Random:
        seeded = f"{self._stage.plan.seed}:operator:{send.key}"
        return self._chances.setdefault(send.key, Random(seeded))  # noqa: S311

    def _administrate(self) -> None:
        """The account's administrator confirms most sends, refuses some, and overlooks the rest."""
        world = self._stage.sim.world
        for job in world.jobs.of("asked"):
            if job.confirmation != "waiting" or job.msg_id in self._decided:
                continue
            self._decided.add(job.msg_id)
            chance = Random(f"{self._stage.plan.seed}:administrator:{words.of_content(job.content)}")  # noqa: S311
            decisions: list[Literal["confirmed", "refused"] | None] = ["confirmed", "refused", None]
            decision = chance.choices(decisions, [75, 10, 15])[0]
            if decision is not None:
                world.decide(job.account, decision, job.msg_id)


def _retry(problem: str) -> Answer:
    return "retry", ({"send_ignore_reprint": True} if problem == "reprint_needs_decision" else {})
