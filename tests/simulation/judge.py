"""The judge: its own book of who was granted, written and delivered. It shares no code with what it judges.

| promise | is broken where |
|---|---|
| at most one delivery | followers get a key's message twice |
| unknown is not no | a send ends as if nothing were delivered, and it was, or may still be |
| nobody by accident | something is written before or after its time, unapproved, paused, or aborted |
| one lease at a time | one is granted while another may be written under, or too soon after it, or while frozen |
| no result is lost | a send ends as unknown, and nothing about it is unheard or undecided; or without a push |
| no result is another's | an end says what WeChat has not said, or a send awaits the verdict on another's job |
| nothing hangs | a send goes on for ever once nothing is lost any more, or asks for too much |

A person who says what is not true is believed: what follows from that is not held against the send.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from qunfa.contract.grants import Lease
from tests.simulation.books import CLOCK, REQUESTER, Book, BrokenPromiseError
from tests.simulation.wechat import Job

COMPLETES: Final = frozenset({"sent", "sent_nobody", "partly_sent", "deleted"})
SENT: Final = frozenset({"send success", "SEND_SUCCESS", "DELETE"})
"""WeChat's yes, by a push and by ``mass/get``."""
_UNCHECKED: Final = ", so "
"""What a refusal has alone that tells what follows from a question which nobody has answered."""
SHANGHAI: Final = timedelta(hours=8)
"""How far its clocks are ahead of the world's, always."""
FILES: Final = timedelta(days=3)
"""How long WeChat keeps a file."""


@dataclass(frozen=True)
class Call:
    """Leave to write to WeChat, in the hands of a worker."""

    key: str
    wish: str
    number: int
    begins: datetime
    ends: datetime


@dataclass(frozen=True)
class Told:
    """What an end tells: the jobs whose pushes it knows, and the status of each of its jobs by msg_id.

    ``is_settled``: it has one of each job that it has tried.
    """

    pushes: frozenset[int]
    verdicts: dict[int, str]
    is_settled: bool


@dataclass
class Judge:
    """Watches what happens, and raises ``BrokenPromiseError``. ``unfrozen``: when an account was let go."""

    books: dict[str, Book] = field(default_factory=dict)
    calls: dict[str, list[Call]] = field(default_factory=dict)
    begun: set[str] = field(default_factory=set)
    grants: dict[str, dict[str, int]] = field(default_factory=dict)
    granted_once: set[str] = field(default_factory=set)
    frozen: set[str] = field(default_factory=set)
    unfrozen: dict[str, datetime] = field(default_factory=dict)
    used_at: dict[str, datetime] = field(default_factory=dict)

    def granted(self, account: str, lease: Lease, *, to_nobody: bool, beside: str | None) -> None:
        """An account gives leave to write, maybe to a run that is gone, or ``beside`` a key that has it still."""
        key, wish, number = lease.key, lease.wish, lease.number
        if beside is not None:
            raise BrokenPromiseError(f"{account} lets {key} write while {beside} may")
        if account in self.frozen:
            raise BrokenPromiseError(f"{account} is frozen, and grants a lease to {key}")
        if wish in self.grants.get(account, ()):
            raise BrokenPromiseError(f"{account} grants {key} two leases for one wish")
        self.grants.setdefault(account, {})[wish] = number
        if to_nobody or wish in self.granted_once:  # which of the two was used is not known
            self.books[key].loses_track(lease.clientmsgid)
        self.granted_once.add(wish)

    def begins(self, account: str, call: Call, pace: timedelta) -> None:
        """A worker takes a call in hand, at an account whose calls are so far apart."""
        self.books[call.key].begun += 1
        if self.grants.get(account, {}).get(call.wish) != call.number:
            return  # granted before the account was lost
        if call.wish in self.begun:
            raise BrokenPromiseError(f"{call.key} uses a lease twice")
        self.begun.add(call.wish)
        if account in self.used_at and call.begins < self.used_at[account] + pace:
            raise BrokenPromiseError(f"{account} lets {call.key} write too soon after another call")
        self.used_at[account] = call.begins
        others = self.calls.setdefault(account, [])
        for other in others:
            if call.begins < other.ends and other.begins < call.ends:
                raise BrokenPromiseError(f"{account} lets {call.key} write while {other.key} may")
        others.append(call)

    def landed(self, account: str, key: str, wish: str, msg_id: int | None) -> None:
        """The call is over, whatever came of it; the ``msg_id`` of its answer is heard."""
        if msg_id is not None:
            self.books[key].accepted.add(msg_id)
        self.calls[account] = [one for one in self.calls.get(account, []) if one.wish != wish]

    def forgets(self, account: str) -> None:
        """The account's workflow was lost: two leases may be out now, as its successor cannot know."""
        self.calls.pop(account, None)
        self.grants.pop(account, None)
        self.used_at.pop(account, None)
        self.frozen.discard(account)
        for book in (one for one in self.books.values() if one.account == account):
            book.is_forgotten()

    def hears_of_a_freeze(self, account: str, at: datetime) -> None:
        """It takes in a wish of a run that was told of a freeze then: it is frozen with that, unless it was let go."""
        if account not in self.unfrozen or at > self.unfrozen[account]:
            self.frozen.add(account)

    def unfreezes(self, account: str, at: datetime) -> None:
        """A person lets it go on: no earlier freeze counts any more."""
        self.frozen.discard(account)
        self.unfrozen[account] = at

    def starts(self, key: str, *, is_batch: bool = False) -> None:
        """The key is started: what people have told earlier lives counts no more, but for what a batch was found as."""
        book = self.books[key]
        book.approved = book.aborted = book.had_losses = False
        book.paused = {}
        book.settled = book.confirmed = None
        book.is_found &= is_batch
        book.send_at = book.asked_for

    def writes(self, key: str, now: datetime, made_at: datetime | None) -> None:
        """A worker writes to WeChat for a run that still is; it names a file that WeChat has since ``made_at``."""
        book = self.books[key]
        if book.send_at and now < book.send_at - CLOCK and not book.unheard:
            raise BrokenPromiseError(f"{key} is written at {now:%d %H:%M:%S}, and wanted {book.send_at:%d %H:%M:%S}")
        if made_at is not None and now >= made_at + FILES:
            raise BrokenPromiseError(f"{key} is written with a file of {made_at:%d %H:%M:%S}, which is gone")
        if book.not_after and now >= book.not_after + CLOCK:
            raise BrokenPromiseError(f"{key} is written at {now:%d %H:%M:%S}, not after {book.not_after:%d %H:%M:%S}")
        if book.hours and not any(_is_within(book.hours, one) for one in (now - CLOCK, now, now + CLOCK)):
            raise BrokenPromiseError(f"{key} is written at {now:%d %H:%M:%S}, out of hours")
        if book.had_failed:
            raise BrokenPromiseError(f"{key} is written once more, and had failed before")
        if book.needs_approval and not book.approved:
            raise BrokenPromiseError(f"{key} is written, and nobody has approved it")
        if book.paused:
            raise BrokenPromiseError(f"{key} is written while it is paused")
        if book.owed:
            raise BrokenPromiseError(f"{key} is written, and was never told to {', '.join(sorted(book.owed))}")
        if book.aborted and not book.unheard:
            raise BrokenPromiseError(f"{key} is written although it was aborted")

    def looks(self, key: str, jobs: Sequence[Job]) -> None:
        """WeChat has taken these jobs of the key by now."""
        book = self.books[key]
        book.jobs.update({job.msg_id: job.clientmsgid for job in jobs})
        book.reaches = {job.msg_id: job.has_reached for job in jobs if job.delivered}
        book.deleted = {job.msg_id for job in jobs if job.is_deleted}
        book.delivered = len(book.reaches)
        if book.delivered > 1 + book.lies:
            raise BrokenPromiseError(f"{key} is delivered {book.delivered} times")

    def ends(self, key: str, outcome: str, *, may_come: bool, knows_all: bool, end: Told) -> None:
        """A send ends. ``may_come``: a call of its that is on its way can still be delivered.

        ``knows_all``: it knows what its key stands for, its account has answered it, and nothing is on its way to it.
        """
        book = self.books[key]
        failed = bool(end.verdicts) and end.is_settled and outcome not in {*COMPLETES, "unknown"}
        book.had_failed = failed or (book.had_failed and outcome != "unknown")
        if book.lies:
            return
        if knows_all:
            self._knows_the_pushes(key, end)
        if outcome in COMPLETES:
            self._is_delivered(key, outcome, end)
        elif outcome != "unknown":
            if book.is_misled:
                return
            if book.delivered:
                raise BrokenPromiseError(f"{key} ends as {outcome}, and was delivered")
            if may_come:
                raise BrokenPromiseError(f"{key} ends as {outcome}, and may still be delivered")
        else:
            self._is_in_doubt(key, end, knows_all=knows_all)

    def _is_delivered(self, key: str, outcome: str, end: Told) -> None:
        book = self.books[key]
        reached, pushed = any(book.reaches.values()), (end.pushes - book.forged) & book.reaches.keys()
        wrong = {
            "nothing was delivered": not book.delivered,
            "somebody was reached": outcome == "sent_nobody" and reached,
            "nobody has deleted it": outcome == "deleted" and not book.deleted,
            "was pushed that nobody was reached": outcome == "sent" and bool(pushed) and not reached,
        }
        for how, is_so in wrong.items():
            if is_so:
                raise BrokenPromiseError(f"{key} ends as {outcome}, and {how}")

    def _is_in_doubt(self, key: str, end: Told, *, knows_all: bool) -> None:
        book = self.books[key]
        if any(status in SENT for status in end.verdicts.values()):
            raise BrokenPromiseError(f"{key} ends as unknown, and says itself that it was delivered")
        if knows_all and book.delivered and book.jobs.keys() <= (book.accepted & book.verdicts) - book.forged:
            raise BrokenPromiseError(f"{key} ends as unknown, and WeChat's yes was heard")
        if book.is_found:
            return
        if book.settled == book.unheard and not (book.had_losses or book.is_doubted or book.forged):
            raise BrokenPromiseError(f"{key} ends as unknown, and a person has settled it")
        if knows_all and not book.is_open:
            raise BrokenPromiseError(f"{key} ends as unknown, and all of it was heard")

    def _knows_the_pushes(self, key: str, end: Told) -> None:
        book = self.books[key]
        for msg_id in (book.accepted & book.pushed.keys()) - book.forged:
            pushed = book.pushed[msg_id]
            if msg_id not in end.pushes:
                raise BrokenPromiseError(f"{key} ends, and does not know the push on {msg_id}")
            if end.verdicts.get(msg_id, pushed) != pushed:
                raise BrokenPromiseError(f"{key} says {end.verdicts[msg_id]} of {msg_id}, and was pushed {pushed}")

    def awaits(self, key: str, others: Iterable[int]) -> None:
        """The send awaits WeChat's word on these jobs, for which WeChat has taken it, and of which its account knew."""
        book = self.books[key]
        if (foreign := set(others) - book.jobs.keys()) and not book.lies:
            raise BrokenPromiseError(f"{key} awaits a verdict on {foreign.pop()}, which is another's")

    def asks(self, key: str, problem: str) -> None:
        """The send asks a person."""
        book = self.books[key]
        settled = book.confirmed == (book.begun, book.unheard) and not (book.had_losses or book.is_doubted)
        if problem == "unknown_outcome" and settled:
            raise BrokenPromiseError(f"{key} asks once more what a person has answered")
        if problem in {"unknown_outcome", "no_verdict"} and not (book.lies or book.is_open or book.is_found):
            raise BrokenPromiseError(f"{key} asks a person what became of it, and all of it was heard")

    def says(
        self, what: str, key: str, by: str, *, sure: bool, send_at: datetime | None = None, through: str = ""
    ) -> None:
        """A person's answer was taken. ``sure``: it says that nothing is in WeChat's console."""
        book = self.books[key]
        if what == "Approve" and by == REQUESTER:
            raise BrokenPromiseError(f"{key} is approved by {by}, who has asked for it")
        book.says(what, send_at, by, through)
        if what in {"Abort", "Reject"}:
            book.settled = book.unheard if sure else None
        if sure or what == "MarkSent":
            book.is_found = False
        if what == "MarkSent":
            book.settled = None
        if what == "Retry":
            book.had_failed = False
            book.confirmed = (book.begun, book.unheard) if sure else book.confirmed

    def refuses(self, what: str, key: str, why: str) -> None:
        """A person's answer was refused; what somebody has found may have been so since nobody could check it."""
        self.books[key].is_found |= what == "MarkSent" and _UNCHECKED in why

    def hears(self, key: str, msg_id: int, push: str | None = None) -> None:
        """The send has WeChat's verdict on a job, or its account has, by a ``push`` that is kept for it."""
        self.books[key].verdicts.add(msg_id)
        if push is not None:
            self.books[key].pushed[msg_id] = push

    def forges(self, key: str, msg_id: int, *, may_be_asked: bool) -> None:
        """Somebody else says no of a job: the send may ask more, and must not believe it where WeChat can be asked.

        Where WeChat refuses to say, an end may believe it, and no second submission may.
        """
        self.books[key].forged.add(msg_id)
        self.books[key].is_misled |= not may_be_asked

    def costs(self, key: str, kind: str, bound: int) -> None:
        """The send begins something that costs, which it may do so often."""
        book = self.books[key]
        book.effects[kind] += 1
        if book.effects[kind] > bound:
            raise BrokenPromiseError(f"{key} has begun {kind} {book.effects[kind]} times")

    def strands(self, keys: Iterable[str]) -> None:
        """All that was said is heard, and these wait for a turn that nobody knows of."""
        if stranded := ", ".join(keys):
            raise BrokenPromiseError(f"{stranded} waits for its turn, and its account does not know of it")

    def hang(self, keys: Iterable[str], why: str) -> None:
        """Nothing is lost any more, and these do not end."""
        raise BrokenPromiseError(f"{', '.join(keys)} do not end: {why}")


def _is_within(hours: tuple[str, str], now: datetime) -> bool:
    opens, closes = hours
    return opens <= f"{now + SHANGHAI:%H:%M}" < closes
