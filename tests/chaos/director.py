"""Plays each send's fate at the simulated WeChat: whose call it is, is known by its words alone."""

import asyncio
import time
from collections import Counter, defaultdict, deque
from collections.abc import Callable
from contextvars import ContextVar
from random import Random
from typing import Final
from weakref import WeakKeyDictionary

from qunfa.simulator import Fault, JobPlan
from qunfa.simulator.accounts import Account
from qunfa.simulator.jobs import Job
from qunfa.simulator.plans import Stage
from qunfa.simulator.pushes import event_of
from qunfa.simulator.world import Call, World
from tests.chaos import mishaps
from tests.chaos.lists import Rolls
from tests.chaos.plan import ChaosPlan, Fate

_SUBMITTING: Final = ("/mass/sendall", "/mass/send")
_UPLOADING: Final = ("/media/upload", "/media/uploadimg", "/material/add_material")
_LISTING: Final = ("/user/tag/get", "/user/get")
_FALSE_PUSH: Final = "err(30001)"


class Part:
    """What is left of one send's fate."""

    def __init__(self, fate: Fate) -> None:
        self._submissions = deque(fate.submissions)
        self._jobs = deque(fate.jobs)
        self._questions = deque(fate.questions)
        self._drafts = deque(fate.drafts)
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

    def draft(self) -> Fault | None:
        """What goes wrong with a new draft."""
        return self._drafts.popleft() if self._drafts else None

    def job(self) -> JobPlan:
        """The fate of the job that is being accepted."""
        self.accepted = True
        if self.lie is not None:
            return mishaps.LIES[self.lie]
        return self._jobs.popleft() if self._jobs else JobPlan()


class Director:
    """Stands in for the fault plan and the job plan of a world, and counts what it has let go wrong."""

    def __init__(self, world: World, plan: ChaosPlan, rolls: Rolls) -> None:
        self._world = world
        self._rolls = rolls
        self._parts = {part.said: Part(part.fate) for send in plan.sends for part in rolls.parts(send)}
        self._uploads = {name: deque(faults) for name, faults in plan.uploads.items()}
        self._chance = Random(f"{plan.seed}:tokens")  # noqa: S311
        self._call: ContextVar[Call | None] = ContextVar("call", default=None)
        self._liars: set[asyncio.Task[None]] = set()
        self._meant: WeakKeyDictionary[Call, Fault | None] = WeakKeyDictionary()
        self.calls: defaultdict[str, list[Call]] = defaultdict(list)
        """The drafts, submissions and questions of each send or batch, by what it says: the world forgets that."""
        self.true_since: dict[int, float] = {}
        """By msg_id, since when WeChat tells the truth of a job of which it had lied. Seconds since the epoch."""
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
        if call is None or self.quiet or (part := self._parts.get(self._rolls.of_call(self._world, call))) is None:
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
            return self._meant_for(call, stage, lambda: mishaps.token(self._chance))
        if call.path.endswith(_UPLOADING):
            return self._meant_for(call, stage, lambda: self._upload(call))
        if call.path.endswith(_LISTING):
            return self._meant_for(call, stage, lambda: mishaps.page(self._chance))
        said = self._rolls.of_call(self._world, call)
        if stage == "before":
            self.calls[said].append(call)
        part = self._parts.get(said)
        if part is None:
            return None
        if call.path.endswith("/draft/add"):
            return self._meant_for(call, stage, part.draft)
        if self.quiet:
            return None
        if call.path.endswith(_SUBMITTING):
            return part.submission() if stage == "before" else part.success()
        return part.question(stage)

    def _meant_for(self, call: Call, stage: Stage, draw: Callable[[], Fault | None]) -> Fault | None:
        """The fault drawn for a call when it came, at the stage of its life where it strikes."""
        if call not in self._meant:
            self._meant[call] = None if self.quiet else draw()
        fault = self._meant[call]
        if fault is None or fault.stage != stage:
            return None
        self._meant[call] = None
        return fault

    def _upload(self, call: Call) -> Fault | None:
        left = self._uploads.get(call.account.name) if call.account else None
        return left.popleft() if left else None

    def _tell_a_lie(self, call: Call, lie: str) -> None:
        task = asyncio.get_running_loop().create_task(self._lie(call, lie))
        self._liars.add(task)
        task.add_done_callback(self._liars.discard)

    async def _lie(self, call: Call, lie: str) -> None:
        """A false push as soon as the job is finished; the true one until somebody hears it; no lie from then on."""
        await self._world.until(lambda: call.job is not None and call.job.finished_at, within=None)
        job: Job = call.job  # type: ignore[assignment]  # it is there: that was waited for
        event = event_of(job, self._world.clock.now())
        if lie == "push":
            self.struck["false push"] += 1
            await self._world.courier.push(job.account, event.model_copy(update={"status": _FALSE_PUSH}))
        await self._world.until(job.pushed.is_set, within=None)
        await self._world.courier.push(job.account, event, tries=1_000)
        job.msg_status = "SEND_SUCCESS" if job.state == "done" else "SEND_FAIL"
        self.true_since[job.msg_id] = time.time()
