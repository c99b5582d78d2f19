"""The ledger: who received what, and how often. It is the judge of every test of reliability."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Literal

from qunfa.simulator.accounts import Account, Followers
from qunfa.simulator.content import Content
from qunfa.simulator.jobs import Job

_MORE_THAN_ONCE = re.compile(rb"[^\x00\x01]", re.DOTALL)
_SAMPLE = 20


@dataclass(frozen=True)
class Duplicate:
    """A message that followers received more than once.

    Attributes:
        group: the content's digest, or the clientmsgid.
        jobs: the jobs that delivered it, in order.
        followers: how many received it more than once.
        most: how often the worst-hit follower received it.
        sample: up to 20 of them, by number.
    """

    group: str
    jobs: tuple[Job, ...]
    followers: int
    most: int
    sample: tuple[int, ...]


@dataclass(frozen=True)
class Preview:
    """A message that one follower was shown in advance; `time` in seconds since the epoch. It is no delivery."""

    account: Account
    follower: int
    content: Content
    time: float


class Ledger:
    """One count a follower for all messages and one for each calendar month; both stop at 255.

    Previews are in a list of their own and count nowhere else.
    """

    def __init__(self) -> None:
        self._totals: dict[str, bytearray] = {}
        self._months: dict[tuple[str, str], bytearray] = {}
        self._delivered: dict[str, list[Job]] = defaultdict(list)
        self._previews: list[Preview] = []

    def deliver(self, job: Job, month: str) -> Followers:
        """Give a job's message to its audience and return who received it.

        A follower of a service account who has had `user_per_month` messages this calendar month is left out.
        """
        config = job.account.config
        this_month = self._counts_of_month(job.account, month)
        members = job.audience.members
        if config.kind == "service":
            members = members.below(this_month, config.limits.user_per_month)
        members.add_to(this_month)
        members.add_to(self.counts(job.account))
        self._delivered[job.account.name].append(job)
        return members

    def show(self, preview: Preview) -> None:
        self._previews.append(preview)

    def previews(self, account: Account) -> list[Preview]:
        """The previews of an account, in order."""
        return [preview for preview in self._previews if preview.account is account]

    def counts(self, account: Account) -> bytearray:
        """How many messages each follower has received, by number."""
        return self._totals.setdefault(account.name, bytearray(account.config.followers))

    def times(self, account: Account, clientmsgid: str | None = None) -> bytearray:
        """How often each follower was reached, by number; only by jobs whose clientmsgid fits a pattern if given."""
        if clientmsgid is None:
            return self.counts(account)
        counts = bytearray(account.config.followers)
        for job in self._delivered[account.name]:
            if job.received is not None and fnmatchcase(job.clientmsgid or "", clientmsgid):
                job.received.add_to(counts)
        return counts

    def this_month(self, account: Account, n: int, month: str) -> int:
        """How many messages follower `n` has received in a month."""
        return self._counts_of_month(account, month)[n]

    def received(self, account: Account, n: int) -> list[Job]:
        """The jobs that follower `n` received, in order."""
        return [job for job in self._delivered[account.name] if job.received is not None and n in job.received]

    def duplicates(self, account: Account, by: Literal["content", "clientmsgid"] = "content") -> list[Duplicate]:
        """The messages that some follower received more than once, told apart by content or by clientmsgid."""
        groups: dict[str, list[Job]] = defaultdict(list)
        for job in self._delivered[account.name]:
            group = job.content.digest if by == "content" else job.clientmsgid
            if group is not None:
                groups[group].append(job)
        found = (_duplicate(group, jobs, account.config.followers) for group, jobs in groups.items() if len(jobs) > 1)
        return [duplicate for duplicate in found if duplicate is not None]

    def _counts_of_month(self, account: Account, month: str) -> bytearray:
        return self._months.setdefault((account.name, month), bytearray(account.config.followers))


def tally(counts: bytearray) -> dict[int, int]:
    """How many followers were reached 0, 1, 2, … times, up to the highest count."""
    return {value: counts.count(value) for value in range(most(counts) + 1)}


def most(counts: bytearray) -> int:
    return next((value for value in range(255, 0, -1) if value in counts), 0)


def _duplicate(group: str, jobs: Iterable[Job], followers: int) -> Duplicate | None:
    counts = bytearray(followers)
    jobs = tuple(jobs)
    for job in jobs:
        if job.received is not None:
            job.received.add_to(counts)
    hit = followers - counts.count(0) - counts.count(1)
    if not hit:
        return None
    sample = tuple(match.start() for match, _ in zip(_MORE_THAN_ONCE.finditer(counts), range(_SAMPLE), strict=False))
    return Duplicate(group, jobs, hit, most(counts), sample)
