"""Whoever was told to wait, and is sent away, is told: it would ask again only after days."""

from datetime import timedelta
from typing import Any, Final
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qunfa.account import budget
from qunfa.account.budget import has_place
from qunfa.account.leases import settle
from qunfa.account.outbox import delivered, outgoing
from qunfa.account.people import freeze, unfreeze
from qunfa.account.state import AccountState
from qunfa.contract.grants import Granted
from tests.account.driving import BEGAN, EMPTY, MINUTE, done, leased, size, turn, wish
from tests.account.test_budget import ROOM
from tests.rules.arbitrary import NOON

BURST: Final = 100
BOUNDS: Final = {"QUEUE_BYTES": 3072, "WAITING_BYTES": 4096, "TELLING_BYTES": 5461}
"""A queue of a dozen, with bounds to each other as those of a real one."""
SPANS: Final = st.sampled_from([5, 30])
ACTS: Final = st.one_of(
    st.tuples(st.just("ask"), st.integers(0, 40), st.integers(1, 20), st.integers(0, 1), st.integers(-1, 9), SPANS),
    st.tuples(st.sampled_from(["say", "wait", "freeze", "unfreeze"])),
)
"""``ask``: the first key, how many, which run, the minutes until it is due, and until it is over."""


class Runs:
    """Runs that are told, by some of the account's signals at a time; which of them still wait, as far as they know."""

    def __init__(self) -> None:
        self.state: AccountState = EMPTY
        self.now = NOON
        self.wishes = 0
        self.waiting: dict[str, str] = {}
        """The run of each wish that was told to wait."""

    def ask(self, key: str, run: str, due: timedelta, until: timedelta | None = None, account: str = "demo") -> None:
        """A run wishes for a turn; what it wished before counts no more."""
        self.wishes += 1
        wanted = turn(due=self.now + due, until=self.now + until if until else None)
        self.waiting = {name: one for name, one in self.waiting.items() if one != run}
        name, of = str(UUID(int=self.wishes)), f"mass-send:{account}:{key}"
        asked = wish(name, key, run, number=self.wishes, turn=wanted, workflow_id=of)
        self.state = done(self.state, asked, now=self.now)

    def hear(self) -> bool:
        """Some signals come through; whether there was anything to say."""
        said = outgoing(self.state, self.now)
        for one in said:
            self.state = delivered(self.state, one)
            if isinstance(one.payload, Granted) and one.run_id:
                self._note(one.run_id, one.payload)
        return bool(said)

    def _note(self, run: str, granted: Granted) -> None:
        self.waiting.pop(granted.wish, None)
        if granted.waits is not None and granted.waits.until is None:
            self.waiting[granted.wish] = run

    def act(self, what: str, *more: int) -> None:
        """One thing happens."""
        match what:
            case "ask":
                first, count, run, due, until = more
                for key in range(first, first + count):
                    self.ask(f"k{key}", f"run-{key}-{run}", due * MINUTE, until * MINUTE)
            case "say":
                self.hear()
            case "wait":
                self.now += MINUTE
                self.state = settle(self.state, self.now)
            case "freeze":
                self.state = freeze(self.state, "li", "x", self.now)
            case _:
                self.state = settle(unfreeze(self.state, self.now), self.now)

    def forgotten(self) -> set[str]:
        """The wishes that were told to wait, and are not in the queue."""
        while self.hear():
            pass
        return set(self.waiting) - {place.wish for place in self.state.queue}


def test_a_burst_before_a_full_queue_leaves_nobody_in_the_dark() -> None:
    """There are places for many of the burst; who loses one is told when to ask again."""
    runs = Runs()
    runs.state, _ = leased(EMPTY, wish("w0", "busy", turn=turn(due=BEGAN)))
    for number in range(400):
        runs.ask(f"newsletter-{number:04}", f"run-{number}", 10 * MINUTE)
        runs.hear()
    full = len(runs.state.queue)
    for number in range(3 * BURST):
        runs.ask(f"urgent-{number:04}", f"urgent-{number}", timedelta(0))
        if number % BURST == BURST - 1:
            runs.hear()
    assert runs.forgotten() == set()
    assert len(runs.state.queue) >= full - 2, "somebody was sent away for nobody"
    assert sum(place.key.startswith("urgent") for place in runs.state.queue) > full / 2


def test_a_full_queue_whose_time_is_over_is_told_so() -> None:
    """All at once, by answers that are longer than their places were, while others are to be answered, too."""
    runs, account = Runs(), "a" * 64
    runs.state = freeze(EMPTY, "li", "x", NOON)
    for number in range(300):
        runs.ask(f"{number:064}", str(UUID(int=number)), timedelta(0), MINUTE, account)
        runs.hear()
    for number in range(900):
        unsearched = wish(f"w{number}", f"k{number}", f"run-{number}", searched=False)
        runs.state = done(runs.state, unsearched)
    assert not has_place(runs.state)
    runs.act("wait")
    assert runs.state.queue == ()
    assert size(runs.state) <= ROOM
    assert runs.forgotten() == set()


@given(st.lists(ACTS, max_size=30))
def test_who_was_told_to_wait_and_does_not_is_told_so(acts: list[Any]) -> None:
    """Whatever comes, and however late the account's signals come through."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in BOUNDS.items():
            patch.setattr(budget, name, value)
        runs = Runs()
        for act in acts:
            runs.act(*act)
        takes = sum(map(budget.row_size, (*runs.state.queue, *runs.state.notes)))
        assert takes <= BOUNDS["TELLING_BYTES"]
        assert runs.forgotten() == set()
