from collections.abc import Callable
from typing import Any

import pytest

from qunfa.account.records import unsearched
from qunfa.account.state import AccountState
from qunfa.contract.facts import Ended
from qunfa.contract.grants import Lease
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
    yes,
)
from tests.rules.arbitrary import NOON

REFUSED = answer("refused", errcode=48001)
UNKNOWN = answer("unknown")


def test_a_first_wish_is_answered_in_its_own_task() -> None:
    """With its lease where nobody is before it; §6.8."""
    state, [granted] = asked(EMPTY, wish())
    assert granted.answer == "lease"
    assert granted.lease == state.lease
    assert granted.known == state.records["k"].known
    assert granted.counted is not None


def test_a_key_is_searched_for_before_anything_is_granted() -> None:
    """An unsearched wish of an unknown key keeps nothing; the same wish comes again, searched; §6.4."""
    state, [granted] = asked(EMPTY, wish(searched=False))
    assert granted.answer == "search"
    assert (state.records, state.lease) == ({}, None)
    assert asked(state, wish())[1][0].answer == "lease"


def test_a_report_does_not_stand_for_a_search() -> None:
    """A record that was made by a report may know less than earlier runs; §6.4."""
    state = done(EMPTY, report(attempt(REFUSED)))
    assert state.records["k"].unsearched
    assert asked(state, wish(searched=False))[1][0].answer == "search"
    assert asked(state, wish())[1][0].answer == "lease"


def test_a_ledger_that_was_reset_asks_for_a_search_again() -> None:
    """Also those that wait get no lease before; and their wish comes again, searched; §6.4."""
    state, _ = leased(EMPTY, wish(), wish("w2", "other"))
    state = unsearched(state)
    state, [granted] = asked(state, report(tried(_lease(state), REFUSED)))
    assert (granted.wish, granted.answer, state.lease) == ("w2", "search", None)
    assert asked(state, wish("w2", "other"))[1][0].answer == "lease"


@pytest.mark.parametrize("strange", [{"digest": "other"}, {"digests": ("d", "other")}, {"digests": ("other",)}])
def test_a_wish_for_other_content_is_answered_as_reused(strange: dict[str, Any]) -> None:
    """Whatever the wish brings with it, nothing of it is kept, and the rightful send keeps its place."""
    state, _ = leased(EMPTY, wish("w0", "first"), wish())
    after, [granted] = asked(state, wish("w2", run="run-2", **strange))
    assert granted.answer == "reused"
    assert (after.records, after.queue, after.lease) == (state.records, state.queue, state.lease)


def test_a_wish_whose_key_has_always_had_this_content_is_granted() -> None:
    """As earlier runs have left it."""
    assert asked(EMPTY, wish(digests=("d", "d")))[1][0].answer == "lease"


def test_a_searched_wish_brings_its_facts() -> None:
    """What earlier runs have left is known from then on, also how the key ended."""
    ended = Ended(outcome="failed", problem="content_refused")
    facts = known(attempt(answer()), said=(yes(status="err(30001)"),))
    state, [granted] = asked(EMPTY, look(known=facts, ended=ended))
    assert (granted.answer, granted.known, granted.ended) == ("known", facts, ended)
    assert state.records["k"].known == facts


def test_a_lease_begins_another_life() -> None:
    """The end that was told belongs to the life before."""
    state, _ = leased(EMPTY, wish(ended=Ended(outcome="failed"), known=known(attempt(REFUSED))))
    assert state.records["k"].ended is None


def test_what_the_wish_does_not_know_comes_before_a_lease() -> None:
    """A doubt that the ledger has: the run is told, and wishes anew with it."""
    state = done(EMPTY, report(attempt(UNKNOWN)))
    state, [granted] = asked(state, wish())
    assert (granted.answer, granted.waits, state.queue, state.lease) == ("known", None, (), None)
    assert asked(state, wish("w2", known=granted.known))[1][0].answer == "lease"


def test_facts_that_come_in_the_queue_count_at_the_turn() -> None:
    """An acceptance, told late, is not submitted again."""
    state, lease = leased(EMPTY, wish("w0", "first"), wish())
    state = done(state, report(attempt(answer())))
    state, said = heard(done(state, report(tried(lease, REFUSED), key="first")))
    assert [one.payload.answer for one in said if one.key == "k" and hasattr(one.payload, "answer")] == ["known"]
    assert (state.lease, state.queue) == (None, ())


def test_a_wish_without_a_turn_takes_the_place_back() -> None:
    """A send that was paused does not wait; a late copy of its wish does not bring the place back."""
    state, _ = leased(EMPTY, wish("w0", "first"), wish("w1"))
    state, [granted] = asked(state, look("w2"))
    assert (granted.wish, granted.answer, state.queue) == ("w2", "known", ())
    assert done(state, wish("w1")) == state
    assert done(state, look("w2")) == state


def test_a_copy_of_a_wish_that_waits_or_has_the_lease_changes_nothing() -> None:
    """Signals may come twice; §6.13."""
    state, _ = leased(EMPTY, wish("w0", "first"), wish("w1"))
    assert asked(state, wish("w0", "first"), wish("w1")) == (state, [])


def test_a_wish_whose_try_is_over_is_closed() -> None:
    """A late copy of it gets no second lease; §6.13."""
    state, lease = leased(EMPTY, wish())
    state = done(state, report(tried(lease, REFUSED)))
    assert asked(state, wish()) == (state, [])


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


def test_its_own_try_is_not_lost_to_the_run_that_has_the_lease() -> None:
    """It may ask whose a msg_id is while it submits."""
    state, lease = leased(EMPTY, wish())
    state = done(state, look("w2", number=2, known=known(tried(lease, None))))
    assert state.records["k"].known.tries == (tried(lease, None),)
    assert state.lease == lease


def test_a_lease_that_its_run_does_not_know_of_comes_back_unused() -> None:
    """The run has made another wish before it heard of the lease, and hears no answer to the first one any more."""
    state, _ = leased(EMPTY, wish(number=1))
    state = done(state, wish("w2", number=2))
    first, second = state.records["k"].known.tries
    assert (first.answer and first.answer.kind, second.answer) == ("unused", None)
    assert state.lease is not None
    assert state.lease.wish == "w2"
    assert not any(job.ever_unknown for job in state.records["k"].jobs)


def test_what_is_given_back_unused_is_that_lease_alone() -> None:
    """Another try that the run still makes, granted by a ledger that was lost, stays under way."""
    earlier, no = attempt(None, 1, "lost", holder="run-1"), attempt(REFUSED, 2)
    state, _ = leased(EMPTY, wish(number=1, known=known(no)))
    state = done(state, look("w2", number=2, known=known(earlier, no)))
    kinds = {one.wish: one.answer and one.answer.kind for one in state.records["k"].known.tries}
    assert (kinds, state.lease) == ({"lost": None, "old": "refused", "w1": "unused"}, None)


def test_a_number_is_one_above_all_that_is_known() -> None:
    """Also above tries of other generations, which earlier runs have left; §6.2."""
    _, lease = leased(EMPTY, wish(known=known(attempt(REFUSED, 4), attempt(REFUSED, 2, "x"))))
    assert lease.number == 5


def test_an_answer_settles_no_try_of_the_same_number() -> None:
    """A late refusal of one run says nothing about the unanswered try of another; §6.2."""
    state, lease = leased(EMPTY, wish())
    foreign = tried(lease, REFUSED).model_copy(update={"wish": "another"})
    state = done(state, report(foreign))
    assert state.lease == lease
    assert [one.answer for one in state.records["k"].known.tries if one.wish == "w1"] == [None]


@pytest.mark.parametrize("answered", [REFUSED, UNKNOWN, answer(), answer("unused")])
def test_a_wish_may_bring_the_answer_that_was_not_told(answered: Answer) -> None:
    """Its facts give the lease back, too."""
    state, lease = leased(EMPTY, wish())
    state = done(state, look("w2", known=known(tried(lease, answered))))
    assert state.lease is None


def _lease(state: AccountState) -> Lease:
    assert state.lease is not None
    return state.lease
