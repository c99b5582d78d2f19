"""The judge's books: what is known of each key, and of a send in batches, without what is judged."""

from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

REQUESTER: Final = "crm"
"""Who asks for all sends."""
CLOCK: Final = timedelta(minutes=1)
"""How wrong a worker's clock may be."""


class BrokenPromiseError(AssertionError):
    """A promise of the product's is broken."""


@dataclass(kw_only=True)
class Word:
    """What people have told a send since it was started; ``ever_approved``, ``was_rescheduled``: or before.

    ``paused``: by whom, through nothing and through the list of a batch. ``had_losses``: an earlier run of its may have
    begun something that goes on.
    """

    needs_approval: bool
    not_after: datetime | None
    send_at: datetime | None = None
    approved: bool = False
    ever_approved: bool = False
    paused: dict[str, str] = field(default_factory=dict[str, str])
    aborted: bool = False
    was_rescheduled: bool = False
    had_losses: bool = False

    def loses(self) -> None:
        """A run was lost, and what people have told it may be gone; or an earlier one is there again, with its own."""
        self.had_losses, self.paused, self.aborted = True, {}, False
        self.approved |= self.ever_approved
        self.send_at = None if self.was_rescheduled else self.send_at

    def says(self, what: str, send_at: datetime | None, by: str, through: str = "") -> None:
        """A person's answer was taken, which has come ``through`` a list, or through nothing.

        Whoever has paused the list may resume its batch, where nobody has paused that itself.
        """
        match what:
            case "Approve":
                self.approved = self.ever_approved = True
            case "Pause":
                self.paused[through] = by
            case "Resume" if through or through in self.paused:
                self.paused.pop(through, None)
            case "Resume":
                self.paused = {one: who for one, who in self.paused.items() if who != by}
            case "Abort" | "Reject":
                self.aborted = True
            case "Reschedule":
                self.send_at, self.was_rescheduled = send_at, True
            case _:
                pass


@dataclass(kw_only=True)
class Book(Word):
    """What the judge knows of a key. ``is_misled``: a no was forged, and WeChat cannot always be asked.

    ``reaches``: of each job that is delivered, whether that is to somebody. ``deleted``: those that somebody has.

    ``hours``: those of its account, by Shanghai's clock.

    ``doubts``: the clientmsgids of calls of which nobody knows what became, and whether one may be on its way still.
    ``had_failed``: it has ended so, with a verdict on each of its jobs, and nobody has had it tried again since.

    ``settled``: how much was unheard when a person who ended it said that nothing of it was delivered. ``confirmed``:
    how many calls had ``begun``, and how much was unheard, when one who had it tried again said so. ``is_doubted``: its
    account was restored, and doubts it once more, maybe after a person has said so. ``is_found``: a person says that it
    stands in WeChat's console, nobody could check that, and nobody has looked since.
    ``owed``: what holds its list back, and that does not pass on to it.
    """

    account: str
    hours: tuple[str, str] | None = None
    asked_for: datetime | None = None
    delivered: int = 0
    reaches: dict[int, bool] = field(default_factory=dict)
    deleted: set[int] = field(default_factory=set)
    lies: int = 0
    unheard: int = 0
    doubts: dict[str, bool] = field(default_factory=dict)
    jobs: dict[int, str] = field(default_factory=dict)
    verdicts: set[int] = field(default_factory=set)
    accepted: set[int] = field(default_factory=set)
    pushed: dict[int, str] = field(default_factory=dict)
    forged: set[int] = field(default_factory=set)
    is_misled: bool = False
    had_failed: bool = False
    is_doubted: bool = False
    is_found: bool = False
    settled: int | None = None
    begun: int = 0
    confirmed: tuple[int, int] | None = None
    owed: set[str] = field(default_factory=set)
    effects: Counter[str] = field(default_factory=Counter)

    def loses_track(self, clientmsgid: str, *, is_silent: bool = True) -> None:
        """Nobody knows what became of a call; one that is silent may still be on its way."""
        self.unheard += 1
        self.doubts[clientmsgid] = is_silent or self.doubts.get(clientmsgid, False)

    def is_forgotten(self) -> None:
        """Its account knows nothing of it any more; the send was maybe not told yet of what that has heard."""
        self.verdicts -= self.pushed.keys()
        self.pushed.clear()
        self.accepted.clear()

    @property
    def is_open(self) -> bool:
        """Whether something of it is unheard, or undecided.

        A call with an answer that says nothing has made the job of its ``clientmsgid``, or none: once a later answer
        has named that, and it has a verdict, all is known. A silent one may be a second job, where the first failed.
        """
        if self.jobs.keys() - self.verdicts or self.is_doubted or self.forged:
            return True
        known = {self.jobs.get(msg_id) for msg_id in self.accepted}
        return any(is_silent or clientmsgid not in known for clientmsgid, is_silent in self.doubts.items())


@dataclass(kw_only=True)
class WholeBook(Word):
    """What the judge knows of a send in batches."""

    chosen: bool = False

    def begins(self, name: str, now: datetime, under_way: list[str], *, is_rest: bool) -> None:
        """A batch begins, while these are under way; ``is_rest``: of a split test."""
        wrong = {
            f"while {', '.join(under_way)} is under way": bool(under_way) and not self.had_losses,
            "and nobody has approved it": self.needs_approval and not self.approved,
            "while it is paused": bool(self.paused),
            "before anybody has chosen what the rest gets": is_rest and not self.chosen,
            "although it was aborted": self.aborted,
            "before its time": self.send_at is not None and now < self.send_at - CLOCK,
            "after its time": self.not_after is not None and now >= self.not_after + CLOCK,
        }
        for how, is_so in wrong.items():
            if is_so:
                raise BrokenPromiseError(f"{name} begins {how}")

    def says(self, what: str, send_at: datetime | None, by: str, through: str = "") -> None:
        """A person's answer was taken."""
        super().says(what, send_at, by, through)
        self.chosen |= what == "Choose"
