"""Plays each send's fate at the simulated WeChat: whose call it is, is known by the text alone."""

import asyncio
from collections import Counter, defaultdict, deque
from contextvars import ContextVar
from random import Random
from typing import Final

from qunfa.simulator import Fault, JobPlan
from qunfa.simulator.accounts import Account
from qunfa.simulator.calls import Call
from qunfa.simulator.courier import event_of
from qunfa.simulator.errors import Refusal
from qunfa.simulator.jobs import Job
from qunfa.simulator.plans import Stage
from qunfa.simulator.world import World
from tests.chaos import mishaps
from tests.chaos.plan import Fate, SendPlan

_SUBMITTING: Final = ("/mass/sendall", "/mass/send")
_LIE_LASTS_SECONDS: Final = 4.0
_FALSE_PUSH: Final = "err(30001)"


class Part:
    """What is left of one send's fate."""

    def __init__(self, fate: Fate) -> None:
        self._submissions = deque(fate.submissions)
        self._jobs = deque(fate.jobs)
        self._questions = deque(fate.questions)
        self._held: Fault | None = None
        self.lie = fate.lie
        self.accepted = False

    def submission(self) -> Fault | None:
        """The fault that comes instead of this submission; one that follows a success is held until there is one."""
        fault, self._held = self._held, None
        if fault is None or self.accepted:
            fault = self._submissions.popleft() if self._submissions else None
        if fault is not None and fault.stage == "after":
            self._held, fault = fault, None
        return fault

    def success(self) -> Fault | None:
        """The fault that follows the success of this submission."""
        fault, self._held = self._held, None
        return fault

    def question(self, stage: Stage) -> Fault | None:
        """What goes wrong with this `mass/get`."""
        if self._questions and self._questions[0].stage == stage:
            return self._questions.popleft()
        return None

    def job(self) -> JobPlan:
        """The fate of the job that is being accepted."""
        self.accepted = True
        if self.lie == "push":
            return JobPlan(delay=_LIE_LASTS_SECONDS)
        if self.lie == "poll":
            return JobPlan(status="send success", job_status="SEND_FAIL", delay=_LIE_LASTS_SECONDS)
        return self._jobs.popleft() if self._jobs else JobPlan()


class Director:
    """Stands in for the fault plan and the job plan of a world, and counts what it has let go wrong."""

    def __init__(self, world: World, sends: tuple[SendPlan, ...], seed: int) -> None:
        self._world = world
        self._parts = {send.text: Part(send.fate) for send in sends}
        self._chance = Random(f"{seed}:tokens")  # noqa: S311
        self._call: ContextVar[Call | None] = ContextVar("call", default=None)
        self._liars: set[asyncio.Task[None]] = set()
        self._token_fault: dict[int, Fault] = {}
        self.calls: defaultdict[str, list[Call]] = defaultdict(list)
        """The submissions and questions of each send, by its text: the world forgets what a call said."""
        self.struck: Counter[str] = Counter()
        self.quiet = False
        # The director is the plan of this world: the simulator's own knows a send by its clientmsgid only.
        world.take_fault = self.take_fault  # type: ignore[method-assign]  # see above
        world.take_job_plan = self.take_job_plan  # type: ignore[method-assign]  # see above

    @property
    def faults(self) -> int:
        """How many faults have struck, those of jobs and pushes among them."""
        return self.struck.total()

    def take_fault(self, call: Call, stage: Stage) -> Fault | None:
        """The fault that strikes a call, before it is carried out or after it succeeded."""
        self._call.set(call)
        fault = self._fault(call, stage)
        if fault is not None:
            call.fault = fault.kind
            self.struck[f"{call.path.rpartition('/')[2]} {fault.kind}"] += 1
        return fault

    def take_job_plan(self, account: Account, clientmsgid: str | None) -> JobPlan:
        """What is planned for a job that is being accepted."""
        call = self._call.get()
        if call is None or self.quiet or (part := self._parts.get(text_of(call))) is None:
            return JobPlan()
        plan, lie = part.job(), part.lie
        if lie is not None:
            self._tell_a_lie(call, lie)
            part.lie = None
        if plan != JobPlan():
            self.struck["job"] += 1
        return plan

    async def close(self) -> None:
        """Tell no more lies."""
        for task in self._liars:
            task.cancel()
        await asyncio.gather(*self._liars, return_exceptions=True)

    def _fault(self, call: Call, stage: Stage) -> Fault | None:
        if call.path.endswith("token"):
            return None if self.quiet else self._at_the_token_endpoint(call, stage)
        submits = call.path.endswith(_SUBMITTING)
        text = text_of(call) if submits else self._text_asked_about(call)
        if stage == "before":
            self.calls[text].append(call)
        part = self._parts.get(text)
        if part is None or self.quiet:
            return None
        if submits:
            return part.submission() if stage == "before" else part.success()
        return part.question(stage)

    def _at_the_token_endpoint(self, call: Call, stage: Stage) -> Fault | None:
        if stage != "before":
            return self._token_fault.pop(id(call), None)
        fault = mishaps.token(self._chance)
        if fault is not None and fault.stage == "after":
            self._token_fault[id(call)] = fault
            return None
        return fault

    def _text_asked_about(self, call: Call) -> str:
        try:
            msg_id = call.json().get("msg_id")
        except Refusal:
            return ""
        job = self._world.jobs.get(int(msg_id)) if isinstance(msg_id, int | str) else None
        return (job.content.text or "") if job else ""

    def _tell_a_lie(self, call: Call, lie: str) -> None:
        task = asyncio.get_running_loop().create_task(self._lie(call, lie))
        self._liars.add(task)
        task.add_done_callback(self._liars.discard)

    async def _lie(self, call: Call, lie: str) -> None:
        """A false push as soon as the job is finished; and the true one until somebody hears it."""
        await self._world.until(lambda: call.job is not None and call.job.finished_at, within=None)
        job: Job = call.job  # type: ignore[assignment]  # it is there: that was waited for
        event = event_of(job, self._world.clock.now())
        if lie == "push":
            self.struck["false push"] += 1
            await self._world.courier.push(job.account, event.model_copy(update={"status": _FALSE_PUSH}))
        await self._world.until(job.pushed.is_set, within=None)
        await self._world.courier.push(job.account, event, tries=1_000)


def text_of(call: Call) -> str:
    """The text that a submission carries."""
    try:
        body = call.json()
    except Refusal:
        return ""
    text = body.get("text")
    return str(text.get("content")) if isinstance(text, dict) else ""
