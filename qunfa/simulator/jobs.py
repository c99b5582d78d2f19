"""Mass-send jobs and the ids they get."""

from __future__ import annotations

import asyncio
import time
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import count
from typing import TYPE_CHECKING, Literal

from qunfa.simulator.content import Content
from qunfa.simulator.followers import FollowerSet
from qunfa.simulator.plans import Counts, JobPlan

if TYPE_CHECKING:
    from qunfa.simulator.accounts import Account


MsgStatus = Literal["SENDING", "SEND_SUCCESS", "SEND_FAIL", "DELETE"]
Confirmation = Literal["not_needed", "waiting", "confirmed", "refused", "timed_out"]
_TO_ALL_SERIES = 1_000_000_001
_OTHER_SERIES = 3_147_483_650
_DATA_SERIES = 2_247_483_663
_EPOCH = 1_767_225_600  # 2026-01-01
_IDS_PER_SECOND = 10
_LONGEST_NUMBER = 19


@dataclass(frozen=True)
class Audience:
    """Whom a send is for; `label` is `all`, `tag:2` or `openids`."""

    label: str
    members: FollowerSet
    to_all: bool = False


@dataclass(eq=False)
class Job:
    """A send that was accepted; times in seconds since the epoch of the simulator's clock.

    Attributes:
        state: `pending` until it is finished; then `done`, or `failed` if WeChat refused or failed it.
        msg_status: what mass/get says.
        status: Status of the event.
        article_urls: where its articles can be read, if it was sent.
        deleted: numbers, from 1, of the articles that were deleted.
        received: who got the message; None while nobody has.
        decided: set when the administrator has confirmed or refused.
        pushed: set when the push was tried once (or will not be).
    """

    msg_id: int
    msg_data_id: int
    account: Account
    clientmsgid: str | None
    content: Content
    audience: Audience
    ignore_reprint: bool
    accepted_at: float
    plan: JobPlan
    confirmation: Confirmation = "not_needed"
    state: Literal["pending", "done", "failed"] = "pending"
    msg_status: MsgStatus = "SENDING"
    status: str | None = None
    check_state: int = 0
    article_urls: tuple[str, ...] = ()
    deleted: frozenset[int] = frozenset()
    counts: Counts = field(default_factory=Counts)
    received: FollowerSet | None = None
    finished_at: float | None = None
    decided: asyncio.Event = field(default_factory=asyncio.Event)
    pushed: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def pages(self) -> frozenset[int]:
        """The numbers, from 1, of its articles; a message without any is one page."""
        return frozenset(range(1, max(1, len(self.content.articles)) + 1))


class MsgIds:
    """The id series: sends to all count from 1000000001, others from 3147483650.

    Both are moved on by the seconds since 2026, so that a simulator started anew does not give the ids of an earlier
    one to other jobs: whoever remembers those would take a new send for an old one.
    """

    def __init__(self) -> None:
        ahead = max(0, int(time.time()) - _EPOCH) * _IDS_PER_SECOND
        self._to_all = count(_TO_ALL_SERIES + ahead)
        self._other = count(_OTHER_SERIES + ahead)
        self._data = count(_DATA_SERIES + ahead)

    def msg_id(self, *, to_all: bool) -> int:
        """The next id of a job."""
        return next(self._to_all if to_all else self._other)

    def msg_data_id(self) -> int:
        """The next id of message data."""
        return next(self._data)


class JobBook:
    """Every job, in the order of acceptance."""

    def __init__(self) -> None:
        self._jobs: dict[int, Job] = {}
        self._of_account: dict[str, list[Job]] = defaultdict(list)

    def add(self, job: Job) -> None:
        """Enter an accepted job."""
        self._jobs[job.msg_id] = job
        self._of_account[job.account.name].append(job)

    def get(self, msg_id: int) -> Job | None:
        """The job of that id."""
        return self._jobs.get(msg_id)

    def of(self, account: str) -> list[Job]:
        """The jobs of the account of that name."""
        return self._of_account[account]

    def after(self, job: Job) -> list[Job]:
        """The jobs of the same account that were accepted later."""
        jobs = self._of_account[job.account.name]
        return jobs[jobs.index(job) + 1 :]

    def __iter__(self) -> Iterator[Job]:
        return iter(self._jobs.values())

    def __len__(self) -> int:
        return len(self._jobs)


def whole_number(given: object) -> int | None:
    """A number that may be written as a text, as ids in WeChat's samples are; None if it is none."""
    if isinstance(given, str) and given.isdecimal() and len(given) <= _LONGEST_NUMBER:
        return int(given)
    return given if isinstance(given, int) and not isinstance(given, bool) else None
