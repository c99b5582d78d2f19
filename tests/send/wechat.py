"""A WeChat that takes one job under a clientmsgid for a day, answers or not, and carries some calls out late."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from random import Random
from typing import Final

from qunfa.contract.result import Answer, Counts, JobFinished
from qunfa.contract.steps import JobStatus

MEMORY: Final = timedelta(hours=24)
SLOW_MAX: Final = timedelta(hours=20)
"""How late a call is carried out at most: WeChat still remembers what it may repeat."""
PUSH_AFTER: Final = timedelta(minutes=2)
NEGATIVE: Final = ("err(30001)", "err(30003)", "err(40002)", "send fail")
DEFINITE: Final = (45028, 45040, 48001, 40007, 40001, 42010, 46007, 40003)
FATES: Final = (
    *("delivered", "delivered", "delivered unheard", "judged", "judged unheard"),
    *("refused", "busy", "slow", "not written"),
)
HEARD: Final = ("delivered", "judged", "refused", "not written")
"""Those of which there is an answer."""
_YES: Final = "send success"


@dataclass
class Job:
    """A job that WeChat has accepted."""

    msg_id: int
    clientmsgid: str
    at: datetime
    status: str

    @property
    def delivered(self) -> bool:
        """Whether the followers got the message."""
        return self.status == _YES

    def push(self) -> JobFinished:
        """WeChat's push on it."""
        counts = Counts(total=9, filter=9, sent=9) if self.delivered else Counts()
        return JobFinished(msg_id=self.msg_id, status=self.status, counts=counts)


@dataclass
class Slow:
    """A call that is on its way for long."""

    clientmsgid: str
    status: str
    at: datetime


@dataclass
class Wechat:
    """What WeChat has taken. ``frees``: a job that failed sets its ``clientmsgid`` free. ``mute``: how often it is."""

    random: Random
    frees: bool
    mute: float
    jobs: list[Job] = field(default_factory=list)
    slow: list[Slow] = field(default_factory=list)

    @property
    def deliveries(self) -> int:
        """How often the followers got the message."""
        return sum(job.delivered for job in self.jobs)

    def blocking(self, clientmsgid: str, now: datetime) -> list[Job]:
        """The jobs that keep WeChat from taking another one under the same clientmsgid."""
        young = (job for job in self.jobs if job.clientmsgid == clientmsgid and now - job.at < MEMORY)
        return [job for job in young if job.delivered or not self.frees]

    def arriving(self, now: datetime) -> list[Slow]:
        """The slow calls that may still be carried out."""
        return [one for one in self.slow if now - one.at < SLOW_MAX]

    def arrive(self, now: datetime) -> None:
        """A call that was slow on its way, and that nobody waits for any more, is carried out."""
        one = self.arriving(now)[0]
        self.slow.remove(one)
        if not self.blocking(one.clientmsgid, now):
            self._accept(one.clientmsgid, one.status, now)

    def call(self, clientmsgid: str, fate: str, now: datetime) -> Answer:
        """One call that was written."""
        errcode = self.random.choice(DEFINITE)
        ours, negative = self.blocking(clientmsgid, now), self.random.choice(NEGATIVE)
        if ours and fate in {"delivered", "judged"}:
            return Answer(kind="duplicate", at=now, errcode=45065, msg_id=ours[0].msg_id)
        if ours or fate == "refused":
            return Answer(kind="refused", at=now, errcode=errcode)
        status = _YES if fate.startswith("delivered") or self.random.random() < 0.5 else negative
        if fate == "slow":
            self.slow.append(Slow(clientmsgid, status, now))
        elif fate != "busy":
            job = self._accept(clientmsgid, status if fate.startswith("delivered") else negative, now)
            if "unheard" not in fate:
                return Answer(kind="accepted", at=now, msg_id=job.msg_id)
        silent = fate == "slow" or ("unheard" in fate and self.random.random() < 0.75)
        return Answer(kind="unknown", at=now, errcode=None if silent else -1)

    def status(self, msg_id: int) -> str | None:
        """What ``mass/get`` says in the end; nothing, now and then."""
        job = next((job for job in self.jobs if job.msg_id == msg_id), None)
        if job is None or self.random.random() < self.mute:
            return None
        return "SEND_SUCCESS" if job.delivered else "SEND_FAIL"

    def said(self, msg_id: int) -> JobStatus | None:
        """What ``mass/get`` says when it is asked once; it cannot be asked, now and then."""
        if self.random.random() < self.mute:
            return None
        return JobStatus(status=self.status(msg_id) or "SENDING")

    def _accept(self, clientmsgid: str, status: str, now: datetime) -> Job:
        job = Job(100 + len(self.jobs), clientmsgid, now, status)
        self.jobs.append(job)
        return job
