"""Who waits where, who is told that it waits no more, and what a wish leaves in the ledger."""

from collections.abc import Callable
from datetime import datetime
from typing import Any

import pytest

from qunfa.account.inbox import SOON
from qunfa.account.leases import settle
from qunfa.account.outbox import outgoing
from qunfa.account.queue import CLOSED_MAX, closing
from qunfa.account.records import unsearched
from qunfa.account.state import AccountState
from qunfa.contract.facts import Ended
from qunfa.contract.grants import Granted, Waits
from qunfa.contract.result import Answer
from tests.account.driving import (
    EMPTY,
    MINUTE,
    SECOND,
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
    turn,
    wish,
)
from tests.rules.arbitrary import CLIENTMSGID, NOON

REFUSED = answer("refused", errcode=48001)
BUSY, _ = leased(EMPTY, wish("w0", "busy"))
"""Somebody else has the lease."""


def told(state: AccountState, now: datetime = NOON) -> list[tuple[str | None, str, str]]:
    """Who is told what as an answer to which wish."""
    return [
        (one.run_id, one.payload.wish, one.payload.answer)
        for one in outgoing(state, now)
        if isinstance(one.payload, Granted)
    ]


@pytest.mark.parametrize(
    ("again", "keeps"),
    [
        ({}, True),
        ({"turn": turn(due=NOON - MINUTE, until=NOON + MINUTE, pace=2 * SECOND)}, True),
        ({"run": "run-2"}, False),
        ({"turn": turn(1, clientmsgid=f"{CLIENTMSGID[:-2]}00")}, False),
        ({"turn": turn(clientmsgid=f"{CLIENTMSGID[:-2]}99")}, False),
    ],
)
def test_the_same_try_of_the_same_run_keeps_its_place(again: dict[str, Any], keeps: bool) -> None:
    """Whatever else has changed, which counts from now on; any other one comes behind those that have waited."""
    state = done(BUSY, wish("w1"), wish("w2", "other"))
    later = wish("w3", number=2, **again)
    state = done(state, later, now=NOON + SECOND)
    assert [place.wish for place in state.queue] == (["w3", "w2"] if keeps else ["w2", "w3"])
    [place] = [one for one in state.queue if one.wish == "w3"]
    assert place.asked_at == (NOON if keeps else NOON + SECOND)
    assert later.turn is not None
    wanted = later.turn
    assert (place.due, place.until, place.pace) == (wanted.due, wanted.until, wanted.pace)
    assert (place.generation, place.clientmsgid, place.told) == (wanted.generation, wanted.clientmsgid, None)


def test_a_run_whose_place_another_run_takes_hears_of_it_once() -> None:
    """Its own next wish tells it nothing of the kind."""
    state, _ = heard(done(BUSY, wish("w1")))
    assert told(done(state, wish("w2", number=2))) == [("run-1", "w2", "known")]
    assert told(done(state, wish("w2", run="run-2"))) == [("run-1", "w1", "known"), ("run-2", "w2", "known")]
    assert told(done(state, look("w2", run="run-2"))) == [("run-1", "w1", "known"), ("run-2", "w2", "known")]


@pytest.mark.parametrize("wait", [0, 1])
def test_a_place_goes_at_its_very_time(wait: int) -> None:
    """Its run is told, a late copy of its wish does nothing, and the others stay."""
    until = NOON + MINUTE
    state = done(BUSY, wish("w1", "a", turn=turn(until=until)), wish("w2", "b", turn=turn(until=until + SECOND)))
    state, _ = heard(done(state, wish("w3", "c")))
    assert settle(state, until - SECOND / 1000) == state
    state = settle(state, until + wait * SECOND)
    assert [place.key for place in state.queue] == ["b", "c"][wait:]
    assert told(state)[0] == ("run-1", "w1", "known")
    assert done(state, wish("w1", "a", turn=turn(until=until)), now=until + wait * SECOND) == state


@pytest.mark.parametrize(("facts", "said"), [(REFUSED, "lease"), (answer(), "known")])
def test_at_its_turn_a_run_is_told_what_stands_against_it(facts: Any, said: str) -> None:
    """Its own run, by its own wish, which is over then."""
    state, _ = heard(done(BUSY, wish("w1")))
    state = state.changed(
        records={**state.records, "k": state.records["k"].changed(known=known(attempt(facts)))},
        lease=None,
        announced=False,
    )
    state = settle(state, NOON + MINUTE)
    assert told(state, NOON + MINUTE) == [("run-1", "w1", said)]
    assert ("w1" in state.closed) is (said == "known")
    if said == "known":
        assert done(state, wish("w1"), now=NOON + MINUTE) == state


def test_a_wish_that_is_to_be_searched_for_is_answered_once() -> None:
    """Also a copy that comes before the answer is sent; it is not over, and comes again, searched."""
    state, lease = leased(EMPTY, wish("w0", "busy"), wish("w1"))
    state = unsearched(state)
    state = done(state, report(tried(lease, REFUSED), key="busy"))
    assert told(state) == [("run-1", "w1", "search")]
    assert done(state, wish("w1", searched=False)) == state
    assert "w1" not in state.closed
    new = done(EMPTY, wish("w9", "new", searched=False))
    assert done(new, wish("w9", "new", searched=False)) == new
    assert told(new) == [("run-1", "w9", "search")]


def test_wishes_that_are_over_are_remembered_for_a_while() -> None:
    """The newest two hundred, each once."""
    state = EMPTY
    for number in range(CLOSED_MAX + 2):
        state = closing(closing(state, f"w{number}"), f"w{number}")
    assert state.closed == tuple(f"w{number}" for number in range(2, CLOSED_MAX + 2))


@pytest.mark.parametrize(("ahead", "places"), [(SOON, 1), (SOON + SECOND, 0)])
def test_a_turn_has_a_place_an_hour_before(ahead: Any, places: int) -> None:
    """Not earlier: it is told when to come, and an earlier place of the key is gone."""
    state = done(BUSY, wish("w1"))
    state, [granted] = asked(state, wish("w2", number=2, turn=turn(due=NOON + ahead)))
    assert [place.wish for place in state.queue] == ["w2"] * places
    assert granted.waits == (Waits(why="queue", place=1) if places else Waits(why="full", until=NOON + ahead))


@pytest.mark.parametrize(
    "ids",
    [
        {"wish": "運"},
        {"turn": turn().model_copy(update={"clientmsgid": '"'})},
        {"run_id": "r" * 300},
        {"digest": "\n"},
        {"workflow_id": '"'},
    ],
)
def test_ids_that_nothing_can_have_are_not_answered(ids: dict[str, Any]) -> None:
    """Nobody could be reached under them, and they would take up room."""
    assert done(EMPTY, wish().model_copy(update=ids)) == EMPTY


@pytest.mark.parametrize(("number", "is_late"), [(1, True), (2, False), (3, False)])
def test_a_wish_of_a_lower_number_came_late(number: int, is_late: bool) -> None:
    """Of the same run; another run has numbers of its own."""
    state, _ = heard(done(EMPTY, look("w1", number=2)))
    assert (done(state, look("w2", number=number)) == state) is is_late
    assert done(state, look("w2", run="run-2", number=number)) != state


def test_a_report_that_forbids_nothing_leaves_the_place() -> None:
    """Neither a no to an earlier try, nor a doubt that its run knows of; what it does not know of sends it back."""
    doubt = attempt(answer("unknown"), 1, "w1")
    for facts in (known(), known(doubt)):
        state = done(BUSY, wish("w2", known=facts))
        after = done(state, report(attempt(REFUSED, 2, "old")))
        assert (after.queue, after.notes) == (state.queue, state.notes)
        after = done(state, report(doubt, attempt(REFUSED, 2, "old")))
        assert [place.wish for place in after.queue] == (["w2"] if facts.tries else [])


UNKNOWN = answer("unknown")


def test_a_wish_whose_key_has_always_had_this_content_is_granted() -> None:
    """As earlier runs have left it."""
    assert asked(EMPTY, wish(digests=("d", "d")))[1][0].answer == "lease"


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


def test_what_a_wish_tells_of_its_key_is_kept() -> None:
    """Its workflow, how it ended, which wish came last, and when; an end that is known stays."""
    ended = Ended(outcome="failed", problem="p")
    state = done(EMPTY, look(ended=ended, number=3, workflow_id="mass-send:demo:old"))
    record = state.records["k"]
    assert (record.workflow_id, record.ended, record.wished) == ("mass-send:demo:old", ended, ("run-1", 3))
    again = look("w2", run="run-2", number=1, ended=Ended(outcome="expired"))
    record = done(state, again, now=NOON + SECOND).records["k"]
    assert (record.workflow_id, record.ended, record.wished) == ("mass-send:demo:k", ended, ("run-2", 1))
    assert (record.touched_at, record.unsearched) == (NOON + SECOND, False)
