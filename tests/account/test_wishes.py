from collections.abc import Callable

import pytest

from qunfa.account.state import AccountState
from qunfa.contract.facts import Ended
from qunfa.contract.result import Answer
from tests.account.driving import (
    EMPTY,
    MINUTE,
    answer,
    asked,
    attempt,
    done,
    heard,
    known,
    leased,
    look,
    report,
    tried,
    wish,
)
from tests.rules.arbitrary import NOON

REFUSED = answer("refused", errcode=48001)
UNKNOWN = answer("unknown")


def test_a_report_does_not_stand_for_a_search() -> None:
    """A record that was made by a report may know less than earlier runs; §6.4."""
    state = done(EMPTY, report(attempt(REFUSED)))
    assert state.records["k"].unsearched
    assert asked(state, wish(searched=False))[1][0].answer == "search"
    assert asked(state, wish())[1][0].answer == "lease"


def test_a_wish_whose_key_has_always_had_this_content_is_granted() -> None:
    """As earlier runs have left it."""
    assert asked(EMPTY, wish(digests=("d", "d")))[1][0].answer == "lease"


def test_a_lease_begins_another_life() -> None:
    """The end that was told belongs to the life before."""
    state, _ = leased(EMPTY, wish(ended=Ended(outcome="failed"), known=known(attempt(REFUSED))))
    assert state.records["k"].ended is None


def test_a_copy_of_a_wish_that_waits_or_has_the_lease_changes_nothing() -> None:
    """Signals may come twice; §6.13."""
    state, _ = leased(EMPTY, wish("w0", "first"), wish("w1"))
    assert asked(state, wish("w0", "first"), wish("w1")) == (state, [])


def _reset(state: AccountState) -> AccountState:
    return done(state, look("w2", run="run-2"))


def _restart(state: AccountState) -> AccountState:
    return done(state, wish("w2", run="run-2"))


@pytest.mark.parametrize("again", [_reset, _restart])
def test_a_try_that_another_run_holds_is_lost(again: Callable[[AccountState], AccountState]) -> None:
    """The new run is told of it, nobody else writes meanwhile, and a late answer still settles it; §6.1, §6.5."""
    state, lease = leased(EMPTY, wish())
    state, said = heard(again(state))
    [one] = state.records["k"].known.tries
    assert (one.lost_at, one.answer, state.lease, state.queue) == (NOON, None, lease, ())
    assert [(one.run_id, one.kind) for one in said] == [("run-2", "note")]
    state = done(state, report(tried(lease, REFUSED)), now=NOON + MINUTE)
    [one] = state.records["k"].known.tries
    assert (one.answer, state.lease) == (REFUSED, None)
    assert not state.records["k"].unsettled


def test_what_is_given_back_unused_is_that_lease_alone() -> None:
    """Another try that the run still makes, granted by a ledger that was lost, stays under way."""
    earlier, no = attempt(None, 1, "lost", holder="run-1"), attempt(REFUSED, 2)
    state, _ = leased(EMPTY, wish(number=1, known=known(no)))
    state = done(state, look("w2", number=2, known=known(earlier, no)))
    kinds = {one.wish: one.answer and one.answer.kind for one in state.records["k"].known.tries}
    assert (kinds, state.lease) == ({"lost": None, "old": "refused", "w1": "unused"}, None)


@pytest.mark.parametrize("answered", [REFUSED, UNKNOWN, answer(), answer("unused")])
def test_a_wish_may_bring_the_answer_that_was_not_told(answered: Answer) -> None:
    """Its facts give the lease back, too."""
    state, lease = leased(EMPTY, wish())
    state = done(state, look("w2", known=known(tried(lease, answered))))
    assert state.lease is None


def test_a_first_wish_is_answered_in_its_own_task() -> None:
    """With its lease where nobody is before it; §6.8."""
    state, [granted] = asked(EMPTY, wish())
    assert granted.answer == "lease"
    assert granted.lease == state.lease
    assert granted.known == state.records["k"].known
    assert granted.counted is not None
