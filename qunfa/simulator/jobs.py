"""Mass-send jobs: whom they are for, the ids they get, and what makes a repeated send a duplicate."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import count
from typing import Literal

from qunfa.simulator.accounts import Account, Followers, follower_number
from qunfa.simulator.content import Content
from qunfa.simulator.errors import Refusal
from qunfa.simulator.plans import Counts, JobPlan

MsgStatus = Literal["SENDING", "SEND_SUCCESS", "SEND_FAIL", "DELETE"]
Confirmation = Literal["not_needed", "waiting", "confirmed", "refused", "timed_out"]
_TO_ALL_SERIES = 1_000_000_001
_OTHER_SERIES = 3_147_483_650
_DATA_SERIES = 2_247_483_663
_EPOCH = 1_767_225_600  # 2026-01-01
_IDS_PER_SECOND = 10
_LONGEST_NUMBER = 19
_LEAST_OPENIDS = 2


@dataclass(frozen=True)
class Audience:
    """Whom a send is for; `label` is `all`, `tag:2` or `openids`."""

    label: str
    members: Followers
    to_all: bool = False


def by_filter(account: Account, body: dict[str, object]) -> Audience:
    """Whom the filter of mass/sendall means.

    Raises:
        Refusal: 41011 there is none, 40152 it names no tag.
    """
    given = body.get("filter")
    if not isinstance(given, dict):
        raise Refusal(41011)
    if given.get("is_to_all") is True:
        return Audience("all", Followers.of(account.everybody()), to_all=True)
    tag_id = whole_number(given.get("tag_id"))
    members = account.tagged(tag_id)
    if members is None:
        raise Refusal(40152)
    return Audience(f"tag:{tag_id}", Followers.of(members))


def by_list(account: Account, body: dict[str, object]) -> Audience:
    """Whom the list of mass/send names.

    Raises:
        Refusal: 40031 it is none, 40032 too long, 40130 too short, 40003 somebody in it is no follower.
    """
    given = body.get("touser")
    if not isinstance(given, list) or not all(isinstance(item, str) for item in given):
        raise Refusal(40031)
    if len(given) > account.config.limits.openids:
        raise Refusal(40032)
    numbers = [account.number_of(item) for item in given]
    if None in numbers and account.config.invalid_openids == "reject":
        raise Refusal(40003)
    members = Followers.of({number for number in numbers if number is not None})
    if len(members) < _LEAST_OPENIDS:
        raise Refusal(40130)
    return Audience("openids", members)


def shown_to(account: Account, body: dict[str, object]) -> int:
    """The follower that a preview is for; `towxname` wins over `touser`.

    Raises:
        Refusal: 40132 a WeChat id of nobody, 40003 no openid of this account, 43004 not a follower any more.
    """
    name = body.get("towxname")
    if name:
        number = account.config.wxnames.get(name) if isinstance(name, str) else None
        if number is None:
            raise Refusal(40132)
        return number
    openid = body.get("touser")
    number = follower_number(account.config.appid, openid) if isinstance(openid, str) else None
    if number is None:
        raise Refusal(40003)
    if number >= account.config.followers:
        raise Refusal(43004)
    return number


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
        open: whether its call has not been answered yet.
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
    received: Followers | None = None
    finished_at: float | None = None
    decided: asyncio.Event = field(default_factory=asyncio.Event)
    pushed: asyncio.Event = field(default_factory=asyncio.Event)
    open: bool = True

    @property
    def pages(self) -> frozenset[int]:
        """The numbers, from 1, of its articles; a message without any is one page."""
        return frozenset(range(1, max(1, len(self.content.articles)) + 1))


class MsgIds:
    """The id series: sends to all count from 1000000001, others from 3147483650.

    Both are moved on by the seconds since 2026. So a simulator that is started anew does not give the ids of an earlier
    one again: whoever remembers those would take a new send for an old one.
    """

    def __init__(self) -> None:
        ahead = max(0, int(time.time()) - _EPOCH) * _IDS_PER_SECOND
        self._to_all = count(_TO_ALL_SERIES + ahead)
        self._other = count(_OTHER_SERIES + ahead)
        self._data = count(_DATA_SERIES + ahead)

    def msg_id(self, *, to_all: bool) -> int:
        return next(self._to_all if to_all else self._other)

    def msg_data_id(self) -> int:
        return next(self._data)


class JobBook:
    """Every job, in the order of acceptance."""

    def __init__(self) -> None:
        self._jobs: dict[int, Job] = {}

    def add(self, job: Job) -> None:
        self._jobs[job.msg_id] = job

    def get(self, msg_id: int | None) -> Job | None:
        return self._jobs.get(msg_id or 0)

    def of(self, account: str) -> list[Job]:
        return [job for job in self if job.account.name == account]

    def after(self, job: Job) -> list[Job]:
        """The jobs of the same account that were accepted later."""
        jobs = self.of(job.account.name)
        return jobs[jobs.index(job) + 1 :]

    def __iter__(self) -> Iterator[Job]:
        return iter(self._jobs.values())

    def __len__(self) -> int:
        return len(self._jobs)


class ClientMsgIds:
    """The accepted sends of all accounts, by what makes a repeated one a duplicate.

    That is a key: `id:` and the clientmsgid. Without one it is `digest:` and a digest of the message.

    Args:
        window: seconds for which a key blocks its repetition.
        too_fast: seconds after acceptance in which a repetition is told to wait.
    """

    def __init__(self, window: float, too_fast: float) -> None:
        self._window = window
        self._too_fast = too_fast
        self._jobs: dict[tuple[str, str], Job] = {}

    def check(self, account: Account, key: str, now: float) -> None:
        """Let a key pass that no recent send of the account has.

        A clientmsgid is told to wait (45066) while the first call is open or younger than `too_fast`. A digest is
        refused (45065) from the start, as users report it.

        Raises:
            Refusal: 45066, or 45065 with the earlier job's msg_id.
        """
        job = self._jobs.get((account.name, key))
        if job is None or (job.state == "failed" and not account.config.failed_jobs_keep_clientmsgid):
            return
        age = now - job.accepted_at
        if key.startswith("id:") and (job.open or age < self._too_fast):
            raise Refusal(45066)
        if age < self._window:
            raise Refusal(45065, msg_id=job.msg_id)

    def remember(self, key: str, job: Job) -> None:
        """Enter an accepted send, whose call is still open."""
        self._jobs[job.account.name, key] = job


def whole_number(given: object) -> int | None:
    """A number that may be written as a text, as ids in WeChat's samples are; None if it is none."""
    if isinstance(given, str) and given.isdecimal() and len(given) <= _LONGEST_NUMBER:
        return int(given)
    return given if isinstance(given, int) and not isinstance(given, bool) else None
