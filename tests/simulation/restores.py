"""Worlds whose Temporal is restored from a snapshot: it forgets what has happened since, and WeChat does not.

People do as docs/deployment.md says. The workers stop, the database is restored, and each account is told. Callers
start again each key that they have started since, and once each has come up the accounts are told that too.

An account that is lost afterwards has forgotten what it was told. It is told at once, and people do it all again.
"""

import copy
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Any, ClassVar, Final

from qunfa.account.people import caught_up, marked
from qunfa.account.state import AccountState
from qunfa.contract.facts import Known
from qunfa.contract.operators import Restore
from qunfa.contract.request import MassSendRequest
from qunfa.contract.result import COMPLETES
from qunfa.send import events
from tests.simulation.accounts import Account
from tests.simulation.chances import HAPPENINGS
from tests.simulation.happenings import LOSSES_MAX
from tests.simulation.listed import Listed
from tests.simulation.pushes import Ways
from tests.simulation.sends import Send
from tests.simulation.wholes import Whole
from tests.simulation.world import World

DOWN: Final = (timedelta(0), timedelta(minutes=5), timedelta(hours=2), timedelta(hours=25))
"""How long it takes to restore it."""
LATE: Final = 0.5
"""In how many lives with a send in batches the snapshot is taken once one of these has ended badly."""
_OF_AN_ACCOUNT: Final = ("state", "inbox", "copies", "lost_at")
_OF_A_SEND: Final = ("run", "left", "left_end", "came_up_at", "told_until", "last", "asked", "sent")
_NO_SEND: Final = dict.fromkeys(_OF_A_SEND) | {"left": Known(), "asked": 0}
OF_A_WHOLE: Final[dict[str, Any]] = {
    "run": None,
    "closed": {},
    "passing": None,
    "looking": None,
    "told": None,
    "asked": {},
}
"""What Temporal knows of one, and what it knows of one that has never run."""


@dataclass(frozen=True)
class Snapshot:
    """What Temporal knew ``at`` a moment. By then there were so many jobs at WeChat, and runs."""

    at: datetime
    jobs: int
    accounts: tuple[dict[str, Any], ...]
    sends: dict[str, dict[str, Any]]
    runs: dict[str, int]
    flying: set[str]


class Restored(World):
    """A world in which that happens once."""

    happenings = HAPPENINGS | {"snapshot": 6.0, "restore": 8.0, "catch_up": 6.0}

    def __init__(self, seed: int, *, gentle: bool = False) -> None:
        super().__init__(seed, gentle=gentle)
        self.is_forgetful = False
        self._kept: Snapshot | None = None
        self._asked: Restore | None = None
        self._to_come: set[str] = set()

    @property
    def is_restored(self) -> bool:
        """Whether it has happened."""
        return self._asked is not None

    def _snapshot(self) -> Ways:
        return [] if self._kept else [self._kept_now]

    def _kept_now(self) -> None:
        self.tell("a snapshot is taken")
        self._kept = Snapshot(
            at=self.now,
            jobs=self._jobs(),
            accounts=tuple(_parts(account, _OF_AN_ACCOUNT) for account in self.accounts),
            sends={send.key: _parts(send, _OF_A_SEND) for send in self.sends},
            runs={send.key: send.runs for send in self.sends},
            flying={send.key for send in self.sends if any(one.run is send.run for one in send.flights)},
        )

    def _restore(self) -> Ways:
        """Once WeChat has taken something since the snapshot."""
        kept = self._kept
        able = kept is not None and not self.is_restored and self._jobs() > kept.jobs
        return [partial(self._go_back, kept)] if kept and able else []

    def _jobs(self) -> int:
        return sum(len(account.wechat.jobs) for account in self.accounts)

    def _go_back(self, kept: Snapshot) -> None:
        for send in self.sends:
            self._lost(send, "restored")
            for flight in list(send.flights):
                self._land(send, flight)
        down = self.random.choice(DOWN)
        self.now += down
        self.tell(f"Temporal is as it was at {kept.at:%d %H:%M:%S}")
        self._asked = Restore(by="li", reason="disk lost", taken=kept.at)
        for account, before in zip(self.accounts, kept.accounts, strict=True):
            _become(account, before)
            account.earlier, account.said = [], []
            self.judge.forgets(account.name)
            self._told_of_it(account, self._asked)
        for send in self.sends:
            self._goes_on(send, kept, at_once=not down)

    def _told_of_it(self, account: Account, asked: Restore) -> None:
        account.state = marked(account.state, asked, self.now)
        if account.state.frozen is not None:
            self.judge.frozen.add(account.name)
        account.settle()

    def _goes_on(self, send: Send, kept: Snapshot, *, at_once: bool) -> None:
        """From where it was, if it was; its worker is gone. What was started since is started again.

        An answer from before the snapshot may be believed in only if Temporal is back ``at_once``.
        """
        _become(send, kept.sends.get(send.key, _NO_SEND))
        send.is_restored = True
        is_newer = send.runs > kept.runs.get(send.key, 0)
        if send.run is not None and send.run.state.wish is not None and is_newer and at_once:
            send.asked_before = send.run.state.wish.wish
        send.engine.forget_the_plan()
        self.judge.books[send.key].loses()
        self._may_be_forgotten(send.key)
        if send.run is None and is_newer and not send.is_batch:
            send.start()
        elif send.run is not None and send.key in kept.flying:
            send.run.inbox.append(events.Lost("the worker is gone"))
        if send.run is not None:
            self._to_come.add(send.key)

    def _catch_up(self) -> Ways:
        return [partial(self._done, one) for one in self.accounts if _waits(one.state)]

    def _done(self, account: Account) -> None:
        """Once all was started again that ran as it was told, and of which it knows nothing."""
        if not self._missing(account):
            self._caught_up(account)

    def _missing(self, account: Account) -> list[str]:
        """The keys of the account that are still to be started again."""
        absent = self._to_come - account.state.records.keys()
        return [one.key for one in self.sends if one.account is account and not one.run and one.key in absent]

    def _caught_up(self, account: Account) -> None:
        self.tell(f"all of {account.name} was started again")
        account.state = caught_up(account.state, self.now)
        if account.state.frozen is None:
            self.judge.unfreezes(account.name, self.now)
        account.settle()

    def _may_lose(self) -> bool:
        """As much again, once it was restored."""
        return self.losses < LOSSES_MAX * (1 + self.is_restored)

    def _ledger_gone(self, account: Account, loss: Callable[[], None]) -> None:
        super()._ledger_gone(account, loss)
        if self._asked is not None:
            self._told_again(account, self._asked)

    def _told_again(self, account: Account, asked: Restore) -> None:
        self.tell(f"{account.name} is told once more")
        self._told_of_it(account, asked)
        for send in self.sends:
            if send.account is account:
                self._may_be_forgotten(send.key)

    def _may_be_forgotten(self, key: str) -> None:
        book = self.judge.books[key]
        book.unheard, book.is_doubted, book.had_failed = book.unheard + 1, True, False


class RestoredList(Restored, Listed):
    """The same, with a send in batches: any of its batches may be forgotten, and so may the send itself."""

    happenings = Restored.happenings | {"start": 12.0, "snapshot": 60.0, "restore": 60.0, "catch_up": 300.0}
    of_a_whole: ClassVar[dict[str, Any]] = OF_A_WHOLE

    def __init__(self, seed: int, *, gentle: bool = False) -> None:
        super().__init__(seed, gentle=gentle)
        self._is_late = self.random.random() < LATE
        self._wholes_kept: dict[str, tuple[dict[str, Any], int]] = {}

    def _snapshot(self) -> Ways:
        """Mostly soon, so that all may be forgotten; or once a batch has ended badly, which is tried again since."""
        rows = [row for whole in self.wholes for row in whole.closed.values()]
        is_early = self._is_late and all(row.outcome in COMPLETES for row in rows)
        return [] if is_early else super()._snapshot()

    def _restore(self) -> Ways:
        """Late in a life, once WeChat has taken one of its batches since."""
        kept, wechat = self._kept, self.whole.account.wechat
        batches = [send for whole in self.wholes for send in whole.batches.values()]
        jobs = [job for send in batches for job in wechat.of(send.key)]
        is_early = self._is_late and kept is not None and not any(job.at > kept.at for job in jobs)
        return [] if is_early else super()._restore()

    def _make(self, whole: Whole, request: MassSendRequest) -> Send:
        send = super()._make(whole, request)
        if self.is_restored:
            self._may_be_forgotten(send.key)
        return send

    def _kept_now(self) -> None:
        super()._kept_now()
        self._wholes_kept = {one.key: (_parts(one, tuple(self.of_a_whole)), one.runs) for one in self.wholes}

    def _go_back(self, kept: Snapshot) -> None:
        super()._go_back(kept)
        for whole in self.wholes:
            before, _ = self._wholes_kept.get(whole.key, (self.of_a_whole, 0))
            _become(whole, before)
        self.forget_ends()
        for whole in self.wholes:
            _, runs = self._wholes_kept.get(whole.key, ({}, 0))
            if whole.run is None and whole.runs > runs:
                self._whole_starts(whole)
            whole.book.loses()
            whole.is_sent_in_part = False
            if whole.run is not None:
                self._to_come.add(whole.key)

    def _missing(self, account: Account) -> list[str]:
        wholes = [one for one in self.wholes if one.account is account and not one.run and one.key in self._to_come]
        return [*super()._missing(account), *(one.key for one in wholes if one.key not in account.state.records)]


def _waits(state: AccountState) -> bool:
    return state.restored is not None and state.restored.ended_at is None


def _parts(of: Account | Send | Whole, names: tuple[str, ...]) -> dict[str, Any]:
    """These fields, with what they hold."""
    return copy.deepcopy({name: getattr(of, name) for name in names})


def _become(one: Account | Send | Whole, before: dict[str, Any]) -> None:
    for name, value in copy.deepcopy(before).items():
        setattr(one, name, value)
