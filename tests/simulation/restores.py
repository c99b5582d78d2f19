"""A world whose Temporal is restored from a snapshot: it forgets what has happened since, and WeChat does not.

People do as docs/deployment.md says. The workers stop, the database is restored, and each account is told. Callers
start again each key that they have started since, and once each has come up the accounts are told that too.

An account that was told of a restore is not lost any more: what it was told would be lost with it.
"""

import copy
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Any, Final

from qunfa.account.people import caught_up, marked
from qunfa.account.state import AccountState
from qunfa.contract.operators import Restore
from qunfa.send import events
from tests.simulation.accounts import Account
from tests.simulation.chances import HAPPENINGS
from tests.simulation.happenings import Ways
from tests.simulation.sends import Send
from tests.simulation.world import World

DOWN: Final = (timedelta(0), timedelta(minutes=5), timedelta(hours=2), timedelta(hours=25))
"""How long it takes to restore it."""
UNTOUCHED: Final = 0.5
"""How often people say that nobody has decided anything since the snapshot, where it is so."""
_OF_AN_ACCOUNT: Final = ("state", "inbox", "copies", "lost_at")
_OF_A_SEND: Final = ("run", "left", "left_end", "told_until", "last", "asked")


@dataclass(frozen=True)
class Snapshot:
    """What Temporal knew ``at`` a moment. By then there were so many answers of people, jobs at WeChat, and runs."""

    at: datetime
    answers: int
    jobs: int
    runs: tuple[int, ...]
    flying: tuple[bool, ...]
    accounts: tuple[dict[str, Any], ...]
    sends: tuple[dict[str, Any], ...]


class Restored(World):
    """A world in which that happens once."""

    happenings = HAPPENINGS | {"snapshot": 6.0, "restore": 8.0, "catch_up": 6.0}

    def __init__(self, seed: int, *, gentle: bool = False) -> None:
        super().__init__(seed, gentle=gentle)
        self.is_forgetful = False
        self._kept: Snapshot | None = None
        self._is_restored = False
        self._to_come: set[str] = set()

    def _snapshot(self) -> Ways:
        return [] if self._kept else [self._kept_now]

    def _kept_now(self) -> None:
        self.tell("a snapshot is taken")
        self._kept = Snapshot(
            at=self.now,
            answers=self.answers,
            jobs=self._jobs(),
            runs=tuple(send.runs for send in self.sends),
            flying=tuple(any(one.run is send.run for one in send.flights) for send in self.sends),
            accounts=tuple(_parts(account, _OF_AN_ACCOUNT) for account in self.accounts),
            sends=tuple(_parts(send, _OF_A_SEND) for send in self.sends),
        )

    def _restore(self) -> Ways:
        """Once WeChat has taken something since the snapshot."""
        kept = self._kept
        able = kept is not None and not self._is_restored and self._jobs() > kept.jobs
        return [partial(self._go_back, kept)] if kept and able else []

    def _jobs(self) -> int:
        return sum(len(account.wechat.jobs) for account in self.accounts)

    def _go_back(self, kept: Snapshot) -> None:
        for send in self.sends:
            self._lost(send, "restored")
            for flight in list(send.flights):
                self._land(send, flight)
        self._is_restored = True
        self.now += self.random.choice(DOWN)
        untouched = kept.answers == self.answers and self.random.random() < UNTOUCHED
        self.tell(f"Temporal is as it was at {kept.at:%d %H:%M:%S}" + (", untouched since" if untouched else ""))
        asked = Restore(by="li", reason="disk lost", taken=kept.at, untouched=untouched)
        for account, before in zip(self.accounts, kept.accounts, strict=True):
            self._told_of_it(account, before, asked)
        for number, send in enumerate(self.sends):
            self._goes_on(send, kept, number)

    def _told_of_it(self, account: Account, before: dict[str, Any], asked: Restore) -> None:
        _become(account, before)
        account.earlier = []
        self.judge.forgets(account.name)
        account.state = marked(account.state, asked, self.now)
        if account.state.frozen is not None:
            self.judge.frozen.add(account.name)
        account.settle()

    def _goes_on(self, send: Send, kept: Snapshot, number: int) -> None:
        """From where it was; its worker is gone. What was started since is started again."""
        _become(send, kept.sends[number])
        send.is_restored = True
        if send.run is not None and send.run.state.wish is not None and send.runs > kept.runs[number]:
            send.asked_before = send.run.state.wish.wish
        send.engine.forget_the_plan()
        self.judge.loses(send.key)
        book = self.judge.books[send.key]
        book.unheard, book.is_doubted = book.unheard + 1, True
        if send.run is None and send.runs > kept.runs[number]:
            send.start()
        elif send.run is not None and kept.flying[number]:
            send.run.inbox.append(events.Lost("the worker is gone"))
        if send.run is not None:
            self._to_come.add(send.key)

    def _catch_up(self) -> Ways:
        able = [one for one in self.accounts if _waits(one.state) and self._all_came_up(one)]
        return [partial(self._caught_up, one) for one in able]

    def _all_came_up(self, account: Account) -> bool:
        """Whether all that run have asked it, and all that ran or were started again when it was told."""
        wanted = (one for one in self.sends if one.account is account and (one.run or one.key in self._to_come))
        return all(send.key in account.state.records for send in wanted)

    def _caught_up(self, account: Account) -> None:
        self.tell(f"all of {account.name} was started again")
        account.state = caught_up(account.state, self.now)
        if account.state.frozen is None:
            self.judge.frozen.discard(account.name)
        account.settle()

    # What is not lost beside it

    def _lose_a_ledger(self) -> Ways:
        return [] if self._is_restored else super()._lose_a_ledger()

    def _reset_a_ledger(self) -> Ways:
        return [] if self._is_restored else super()._reset_a_ledger()

    def _reset_all(self) -> Ways:
        return [] if self._is_restored else super()._reset_all()


def _waits(state: AccountState) -> bool:
    return state.restored is not None and state.restored.ended_at is None


def _parts(of: Account | Send, names: tuple[str, ...]) -> dict[str, Any]:
    """These fields, with what they hold."""
    return copy.deepcopy({name: getattr(of, name) for name in names})


def _become(one: Account | Send, before: dict[str, Any]) -> None:
    for name, value in copy.deepcopy(before).items():
        setattr(one, name, value)
