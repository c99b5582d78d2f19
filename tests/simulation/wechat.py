"""A WeChat that takes one job under a clientmsgid for a day, answers or not, and carries some calls out late."""

from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from random import Random
from typing import Final
from zoneinfo import ZoneInfo

from qunfa.contract.result import Answer, Counts, JobFinished
from qunfa.contract.steps import JobStatus

FOLLOWERS: Final = 9
NOBODY: Final = 0.15
"""How often a send reaches nobody: all are filtered out, or none gets it."""
MEMORY: Final = timedelta(hours=24)
SLOW_MAX: Final = timedelta(hours=20)
"""How late a call is carried out at most: WeChat still remembers what it may repeat."""
ADMINISTRATOR: Final = timedelta(minutes=25)
"""How long the administrator takes who has to confirm a send."""
USUAL: Final = timedelta(minutes=2)
LONGEST: Final = timedelta(hours=3)
"""How long a send may take at most: ``mass/get`` is asked before it is decided, and the push comes late."""
AT_ONCE: Final = timedelta(0)
PUSHES: Final = (0, 1, 1, 1, 2, 5)
NEGATIVE: Final = ("err(30001)", "err(30003)", "err(40002)", "send fail")
DEFINITE: Final = (45028, 45040, 48001, 40007, 40001, 42010, 46007, 40003)
FATES: Final = (
    *("delivered", "delivered", "delivered unheard", "judged", "judged", "judged unheard"),
    *("refused", "busy", "slow", "slow", "slow", "slow", "not written"),
)
HEARD: Final = ("delivered", "judged", "refused", "not written")
"""Those of which there is an answer."""
TAKEN: Final = ("delivered", "delivered", "judged")
"""Those of a WeChat that has nothing against anybody."""
VAGUE: Final = (-1, -1, 89505)
"""It is busy, or asks the administrator."""
QUOTA: Final = 45028
AFTER_OTHERS: Final = ("taken for another",) * 6
"""Those besides, where the account has other jobs that it knows."""
SURPRISES: Final = 0.5
"""How often such a call is accepted all the same: WeChat has answered so to batches, and did not tell of these."""
AFTER_SLOW: Final = (*["judged"] * 8, *FATES)
"""Those while a call is on its way for long: what matters then is a job that fails before it comes."""
_CONCURRENT: Final = 45066
_ODD: Final = (None, None, JobStatus(errcode=48001), JobStatus(errcode=89505), JobStatus(status="WAITING"))
"""What ``mass/get`` says of a job that it does not tell of."""
_YES: Final = "send success"
_SHANGHAI: Final = ZoneInfo("Asia/Shanghai")


@dataclass
class Job:
    """A job that WeChat has accepted; what becomes of it is known from ``decided_at`` on, and pushed so often.

    ``counts``: of those whom it goes to and reaches. ``is_deleted``: so somebody did in WeChat's console.
    """

    msg_id: int
    key: str
    clientmsgid: str
    at: datetime
    status: str
    decided_at: datetime
    pushes: int
    counts: Counts
    is_deleted: bool = False

    @property
    def delivered(self) -> bool:
        """Whether WeChat sends it, be it to nobody."""
        return self.status == _YES

    @property
    def has_reached(self) -> bool:
        """Whether followers get the message."""
        return bool(self.delivered and self.counts.sent)

    def push(self) -> JobFinished:
        """WeChat's push on it."""
        return JobFinished(msg_id=self.msg_id, status=self.status, counts=self.counts)


ALL: Final = Counts(total=FOLLOWERS, filter=FOLLOWERS, sent=FOLLOWERS)
_NOBODY: Final = (Counts(total=FOLLOWERS), Counts(total=FOLLOWERS, filter=FOLLOWERS, error=FOLLOWERS))


def pushed(msg_id: int, status: str) -> JobFinished:
    """A push that is not WeChat's."""
    return JobFinished(msg_id=msg_id, status=status, counts=ALL if status == _YES else Counts())


@dataclass
class Slow:
    """A call that is on its way for long."""

    key: str
    clientmsgid: str
    status: str
    at: datetime


@dataclass
class Wechat:
    """One account at WeChat.

    ``frees``: a job that failed sets its ``clientmsgid`` free. ``mute``: how often it does not say how a job stands;
    where it ``denies``, it says now and then that there is none. ``a_day``: how many jobs it takes a day in Shanghai,
    without those that have failed.
    """

    random: Random
    first: int
    frees: bool
    mute: float
    denies: bool = True
    a_day: int | None = None
    jobs: list[Job] = field(default_factory=list)
    slow: list[Slow] = field(default_factory=list)

    def of(self, key: str) -> list[Job]:
        """The key's jobs."""
        return [job for job in self.jobs if job.key == key]

    def blocking(self, clientmsgid: str, now: datetime) -> list[Job]:
        """The jobs that keep WeChat from taking another one under the same clientmsgid."""
        young = (job for job in self.jobs if job.clientmsgid == clientmsgid and now - job.at < MEMORY)
        return [job for job in young if job.delivered or not self.frees or now < job.decided_at]

    def may_deliver(self, key: str, now: datetime) -> bool:
        """Whether a call of the key that is on its way can still be delivered, once all is decided."""
        coming = (one for one in self.arriving(now) if one.key == key and one.status == _YES)
        return any(not self.blocking(one.clientmsgid, now + LONGEST) for one in coming)

    def arriving(self, now: datetime) -> list[Slow]:
        """The slow calls that may still be carried out."""
        return [one for one in self.slow if now - one.at < SLOW_MAX]

    def arrive(self, now: datetime) -> None:
        """A call that was slow on its way, and that nobody waits for any more, is carried out."""
        one = self.random.choice(self.arriving(now))
        self.slow.remove(one)
        if not self.blocking(one.clientmsgid, now):
            self._accept(one.key, one.clientmsgid, one.status, now)

    def others(self, clientmsgid: str, known: Collection[int]) -> list[int]:
        """The msg_ids, of those that are ``known``, of other jobs than those of the clientmsgid."""
        return [job.msg_id for job in self.jobs if job.clientmsgid != clientmsgid and job.msg_id in known]

    def call(self, key: str, clientmsgid: str, fate: str, now: datetime, known: Collection[int] = ()) -> Answer:
        """One call that was written. It may be taken for a repeat of another job that is ``known``, or seem to be."""
        errcode = self.random.choice(DEFINITE)
        ours, negative = self.blocking(clientmsgid, now), self.random.choice(NEGATIVE)
        if fate == "taken for another":
            other = self.random.choice(self.others(clientmsgid, known))
            if not ours and self.random.random() < SURPRISES:
                self._accept(key, clientmsgid, self.random.choice([_YES, negative]), now)
            return Answer(kind="duplicate", at=now, errcode=45065, msg_id=other)
        if ours and fate in {"delivered", "judged"}:
            return Answer(kind="duplicate", at=now, errcode=45065, msg_id=ours[0].msg_id)
        if ours or fate == "refused":
            return Answer(kind="refused", at=now, errcode=errcode)
        if any(one.clientmsgid == clientmsgid for one in self.arriving(now)) and self.random.random() < 0.25:
            return Answer(kind="refused", at=now, errcode=_CONCURRENT)
        if self.a_day is not None and self._used(now) >= self.a_day:
            return Answer(kind="refused", at=now, errcode=QUOTA)
        if fate == "slow":
            status = _YES if self.random.random() < 0.8 else negative
            self.slow.append(Slow(key, clientmsgid, status, now))
        elif fate != "busy":
            job = self._accept(key, clientmsgid, _YES if fate.startswith("delivered") else negative, now)
            if "unheard" not in fate:
                return Answer(kind="accepted", at=now, msg_id=job.msg_id)
        silent = fate == "slow" or ("unheard" in fate and self.random.random() < 0.75)
        return Answer(kind="unknown", at=now, errcode=None if silent else self.random.choice(VAGUE))

    def status(self, msg_id: int, now: datetime) -> str | None:
        """What ``mass/get`` says; nothing of a job that there is not."""
        job = next((job for job in self.jobs if job.msg_id == msg_id), None)
        if job is None:
            return None
        if now < job.decided_at:
            return "SENDING"
        if job.is_deleted:
            return "DELETE"
        return "SEND_SUCCESS" if job.delivered else "SEND_FAIL"

    def verdict(self, msg_id: int, now: datetime) -> str | None:
        """What ``mass/get`` says in the end, where it has a verdict by now; it cannot be asked, now and then."""
        said = None if self.random.random() < self.mute else self.status(msg_id, now)
        return None if said == "SENDING" else said

    def said(self, msg_id: int, now: datetime) -> JobStatus | None:
        """What ``mass/get`` says when it is asked once; now and then it cannot be asked, or does not tell."""
        if self.random.random() < self.mute:
            return self.random.choice(_ODD) if self.status(msg_id, now) else None
        denied = self.denies and self.random.random() < self.mute
        said = None if denied else self.status(msg_id, now)
        return JobStatus(status=said) if said else JobStatus(errcode=40059, errmsg="invalid msg id")

    def _accept(self, key: str, clientmsgid: str, status: str, now: datetime) -> Job:
        part = self.random.random()
        late = self.random.choice([ADMINISTRATOR, AT_ONCE, AT_ONCE, USUAL * part, LONGEST * part])
        pushes = self.random.choice(PUSHES)
        counts = self.random.choice(_NOBODY) if self.random.random() < NOBODY else ALL
        counts = counts if status == _YES else Counts()
        job = Job(self.first + len(self.jobs), key, clientmsgid, now, status, now + late, pushes, counts)
        self.jobs.append(job)
        return job

    def _used(self, now: datetime) -> int:
        """How many sends of the day are gone: a job that is under way counts, and one that failed counts no more."""
        today = (job for job in self.jobs if _day(job.at) == _day(now))
        return sum(job.delivered or now < job.decided_at for job in today)


def _day(now: datetime) -> str:
    return now.astimezone(_SHANGHAI).date().isoformat()
