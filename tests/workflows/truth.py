"""WeChat as it truly is: what it took, what it will say of it, and what reached the followers."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final, Literal

from temporalio import activity
from temporalio.exceptions import ApplicationError, ApplicationErrorCategory

from qunfa.contract import steps
from qunfa.contract.result import Answer
from qunfa.contract.steps import SUBMIT, JobStatus, JobStatusStep, SubmitStep
from qunfa.rules.codes import return_code
from tests.workflows.model import ModelWechat, refuse_what_comes_again

Word = Literal["yes", "lost", "slow", "dies", "dies told", "unwritten"] | int
"""What a try hears: WeChat's own answer, nothing, nothing since its worker died, no connection, or a return code.

One that is slow hears nothing, and is carried out only when it arrives.
"""
Moment = Literal["wish", "wished", "submit", "written", "told", "poll"]
DELIVERED: Final = "send success"
_EXPECTED: Final = ApplicationErrorCategory.BENIGN
_POLLED: Final = {DELIVERED: "SEND_SUCCESS"}


@dataclass(frozen=True)
class Fate:
    """What becomes of one try: whether WeChat takes it, what it will say of it, and what is heard."""

    takes: bool = True
    word: Word = "yes"
    verdict: str = DELIVERED


@dataclass
class Taken:
    """A job that WeChat has. ``decided``: ``mass/get`` knows what became of it."""

    msg_id: int
    step: SubmitStep
    at: datetime
    verdict: str
    decided: bool = False


async def _nothing(_moment: Moment, _key: str | None) -> None:
    """What happens at a moment where a test has planned nothing."""


@dataclass
class TrueWechat(ModelWechat):
    """Takes a clientmsgid once for as long as it remembers it; answers by the fates of the key's tries.

    ``frees``: a job that has failed leaves its clientmsgid to others.
    """

    frees: bool = False
    memory: timedelta = timedelta(hours=24)
    asked_again: timedelta = timedelta(minutes=10)
    clock: Callable[[], Awaitable[datetime]] = field(kw_only=True)
    moment: Callable[[Moment, str | None], Awaitable[None]] = _nothing
    fates: dict[str, list[Fate]] = field(default_factory=dict)
    rest: Fate = Fate()
    jobs: list[Taken] = field(default_factory=list)
    slow: list[tuple[SubmitStep, Fate, datetime]] = field(default_factory=list)
    flying: int = 0
    lies: int = 0
    said: dict[int, str | None] = field(default_factory=dict)

    @activity.defn(name=SUBMIT)
    async def submit(self, step: SubmitStep) -> Answer:
        """One try: written before its lease is over or not at all, whatever held its worker up."""
        self.flying += 1
        try:
            return await self._submit(step)
        finally:
            self.flying -= 1

    async def _submit(self, step: SubmitStep) -> Answer:
        await self.moment("submit", step.key)
        now = await self.clock()
        refuse_what_comes_again(step)
        if now >= step.write_before:
            answer = Answer(kind="not_written", at=now, at_once=True, detail="its lease had run out")
            await self.tell(step, answer)
            return answer
        fate = self._fate(step.key)
        answer = self._write(step, fate, now)
        await self.moment("written", step.key)
        if fate.word != "dies":
            await self.tell(step, answer)
        if fate.word in {"dies", "dies told"}:
            raise ApplicationError("the worker died", type="WorkerDied", category=_EXPECTED)
        await self.moment("told", step.key)
        return answer

    def _fate(self, key: str) -> Fate:
        fates = self.fates.get(key)
        if fates is None:
            return Fate()
        return fates.pop(0) if fates else self.rest

    def _write(self, step: SubmitStep, fate: Fate, now: datetime) -> Answer:
        if fate.word == "unwritten":
            return Answer(kind="not_written", at=now, detail="ConnectError")
        self.tries.append(step)
        if fate.word == "slow":
            self.slow.append((step, fate, now))
            return Answer(kind="unknown", at=now, detail="ReadTimeout")
        job = self._blocking(step, now)
        before = job is not None
        refuses = isinstance(fate.word, int) and return_code(fate.word).definite_no
        if job is None and fate.takes and not refuses:
            job = self._take(step, fate, now)
        if isinstance(fate.word, int):
            kind = "refused" if refuses else "unknown"
            return Answer.model_validate({"kind": kind, "at": now, "errcode": fate.word, "errmsg": "no"})
        if fate.word == "lost" or job is None:
            return Answer(kind="unknown", at=now, detail="ReadTimeout")
        return Answer(kind="duplicate" if before else "accepted", at=now, msg_id=job.msg_id)

    async def arrive(self, pick: int) -> None:
        """A slow try is carried out, if there is one: not after the time for which WeChat remembers its clientmsgid."""
        if self.slow:
            step, fate, written = self.slow.pop(pick % len(self.slow))
            now = await self.clock()
            if fate.takes and now - written < self.memory and self._blocking(step, now) is None:
                self._take(step, fate, now)

    def _take(self, step: SubmitStep, fate: Fate, now: datetime) -> Taken:
        job = Taken(3_000_000_000 + int(step.clientmsgid[:6], 16) + len(self.jobs), step, now, fate.verdict)
        self.jobs.append(job)
        return job

    def _blocking(self, step: SubmitStep, now: datetime) -> Taken | None:
        """The job that keeps WeChat from taking another one under its clientmsgid."""
        return next((job for job in self.jobs if self._blocks(job, step, now)), None)

    def _blocks(self, job: Taken, step: SubmitStep, now: datetime) -> bool:
        freed = self.frees and job.decided and job.verdict != DELIVERED
        return job.step.clientmsgid == step.clientmsgid and now - job.at < self.memory and not freed

    @activity.defn(name=steps.JOB_STATUS)
    async def job_status(self, step: JobStatusStep) -> JobStatus:
        """The truth, as far as it is decided."""
        said = self._status(step.msg_id)
        self.said[step.msg_id] = said.status
        return said

    def _status(self, msg_id: int) -> JobStatus:
        job = next((job for job in self.jobs if job.msg_id == msg_id), None)
        if job is None:
            return JobStatus(errcode=40059, errmsg="invalid msg_id")
        return JobStatus(status=_POLLED.get(job.verdict, "SEND_FAIL") if job.decided else "SENDING")

    @activity.defn(name=steps.AWAIT_VERDICT)
    async def await_verdict(self, step: JobStatusStep) -> JobStatus:
        """The truth once it is decided, or a SEND_FAIL that is none."""
        await self.moment("poll", None)
        if self.lies:
            self.lies -= 1
            return JobStatus(status="SEND_FAIL")
        said = self._status(step.msg_id)
        if said.status not in {None, "SENDING"}:
            return said
        if step.until and await self.clock() >= step.until:
            return JobStatus()
        raise ApplicationError("SENDING", type=steps.NOT_DECIDED, next_retry_delay=self.asked_again, category=_EXPECTED)

    def may_come_through(self, key: str) -> bool:
        """Whether a slow try of a key would be taken if it arrived once the jobs that it has are decided."""
        ids = {job.step.clientmsgid for job in self.of(key) if job.verdict == DELIVERED or not self.frees}
        return any(step.key == key and fate.takes and step.clientmsgid not in ids for step, fate, _ in self.slow)

    def of(self, key: str) -> list[Taken]:
        """The jobs that WeChat took for a key, in order."""
        return [job for job in self.jobs if job.step.key == key]

    def delivered(self, key: str) -> list[Taken]:
        """The jobs of a key that reached its followers, or will."""
        return [job for job in self.of(key) if job.verdict == DELIVERED]
