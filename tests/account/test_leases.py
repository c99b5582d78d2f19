from datetime import datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qunfa.account.leases import EARLY, PUNCTUAL, SLACK, due, settle
from qunfa.account.people import freeze, unfreeze
from qunfa.account.state import AccountState
from qunfa.contract.grants import Granted, Lease
from qunfa.contract.result import Answer
from tests.account.driving import (
    EMPTY,
    MINUTE,
    SECOND,
    answer,
    asked,
    done,
    heard,
    known,
    leased,
    report,
    tried,
    turn,
    wish,
)
from tests.rules import arbitrary
from tests.rules.arbitrary import NOON

REFUSED = answer("refused", errcode=48001)
FAR = NOON + 365 * 24 * 60 * MINUTE


def next_lease(state: AccountState) -> Lease:
    """The lease of the account."""
    assert state.lease is not None
    return state.lease


def test_a_lease_is_granted_with_its_times() -> None:
    """Written between ``not_before`` and ``valid_until``; lost at ``expires_at``. Its try is in the record."""
    state, lease = leased(EMPTY, wish())
    assert (lease.not_before, lease.valid_until) == (NOON, NOON + 30 * SECOND)
    assert lease.expires_at == NOON + 120 * SECOND + SLACK
    assert state.records["k"].known.tries == (tried(lease, None),)
    assert due(state) == lease.expires_at


def test_a_turn_is_a_sign_of_life() -> None:
    """The record is as old as its lease, and not as its wish."""
    state = done(EMPTY, wish(turn=turn(due=NOON + MINUTE)))
    assert settle(state, NOON + MINUTE).records["k"].touched_at == NOON + MINUTE


def test_one_lease_at_a_time_and_the_next_in_the_same_task() -> None:
    """The hand-over costs nothing: the next one begins when the pace allows it."""
    state, lease = leased(EMPTY, wish("w1", "a"), wish("w2", "b"))
    assert [place.key for place in state.queue] == ["b"]
    state = done(state, report(tried(lease, REFUSED), key="a"), now=NOON + SECOND / 4)
    assert (next_lease(state).key, next_lease(state).not_before) == ("b", NOON + SECOND * 5 / 4)


def test_a_late_report_does_not_give_back_a_later_lease() -> None:
    """The answer of try 1 comes once more while try 2 is under way."""
    state, first = leased(EMPTY, wish())
    again = report(tried(first, REFUSED))
    state, second = leased(state, again, wish("w2"), now=NOON + 5 * SECOND)
    assert done(state, again, now=NOON + 6 * SECOND) == state
    assert state.lease == second


@pytest.mark.parametrize("late", [timedelta(0), MINUTE])
def test_a_lease_that_runs_out_is_lost(late: timedelta) -> None:
    """From when it ran out, whenever that is noticed; and the pace counts it."""
    state, lease = leased(EMPTY, wish())
    assert settle(state, lease.expires_at - SECOND) == state
    state = settle(state, lease.expires_at + late)
    assert state.records["k"].known.tries == (tried(lease, None, lost_at=lease.expires_at),)
    assert (state.lease, state.pace.told_at) == (None, (lease.expires_at,))
    assert state.records["k"].jobs[0].window_started_at == NOON


@pytest.mark.parametrize("announced", [True, False])
def test_a_run_never_told_of_its_lease_hears_that_it_is_lost(announced: bool) -> None:
    """It would wait for ever otherwise; one that was told knows when its lease ends."""
    state = done(EMPTY, wish())
    state = heard(state)[0] if announced else state
    later = next_lease(state).expires_at
    state, said = heard(settle(state, later), later)
    told = [(one.run_id, one.payload.answer) for one in said if isinstance(one.payload, Granted)]
    assert told == ([] if announced else [("run-1", "known")])


def test_an_unused_lease_costs_the_account_no_time() -> None:
    """The next one may write from when that one might have."""
    state, lease = leased(EMPTY, wish("w1", "a"), wish("w2", "b"))
    state = done(state, report(tried(lease, answer("unused")), key="a"))
    assert next_lease(state).not_before == lease.not_before
    assert state.pace.told_at == ()


def test_a_place_is_granted_early_but_not_written_early() -> None:
    """A little before it is due, since a timer may be late."""
    at = NOON + 60 * MINUTE
    state = done(EMPTY, wish(turn=turn(due=at)))
    assert due(state) == at - PUNCTUAL
    assert settle(state, at - PUNCTUAL - SECOND) == state
    assert next_lease(settle(state, at - PUNCTUAL)).not_before == at


def test_a_slow_account_does_not_lend_out_its_lease_long_before() -> None:
    """A freeze would come too late for it."""
    state, now = EMPTY, NOON
    for number in range(5):
        state = done(state, wish(f"w{number}", f"k{number}"), now=now)
        while state.lease is None:
            now = due(state) or now
            state = settle(state, now)
        now = state.lease.not_before
        busy = answer("refused", errcode=45011)
        state = done(state, report(tried(next_lease(state), busy), key=f"k{number}"), now=now)
    assert state.pace.spacing == 32 * SECOND
    state = done(state, wish("w", "next"), now=now)
    assert state.lease is None
    assert due(state) == now + 32 * SECOND - EARLY


def test_a_slow_pace_lends_a_lease_out_two_of_its_paces_before() -> None:
    """So long a hand-over may take where sends are far apart."""
    state = EMPTY
    for number in range(2):
        state, lease = leased(state, wish(f"w{number}", f"k{number}", turn=turn(pace=10 * SECOND)), now=NOON)
        state = done(state, report(tried(lease, answer("refused", errcode=45011)), key=f"k{number}"))
    state = done(state, wish("w", "next", turn=turn(pace=10 * SECOND)))
    assert (state.lease, due(state)) == (None, NOON + 40 * SECOND - 20 * SECOND)


def test_the_queue_goes_by_due_time_and_by_when_it_was_asked() -> None:
    """A ``send_at`` of 2020 is no older than its wish; §6.15."""
    first = wish("w0", "first")
    old, late, soon = (
        wish("w1", "old", turn=turn(due=NOON - 6 * 365 * 24 * 60 * MINUTE)),
        wish("w2", "late", turn=turn(due=NOON + MINUTE)),
        wish("w3", "soon", turn=turn(due=NOON + SECOND)),
    )
    state = done(EMPTY, first)
    state = done(state, late, soon, now=NOON)
    state = done(state, old, now=NOON + 30 * SECOND)
    assert [place.key for place in state.queue] == ["soon", "old", "late"]


def test_nobody_while_frozen() -> None:
    """Those that wait are told by whom and why, and again when it is over; an unfreeze grants at once."""
    state = freeze(EMPTY, "li", "wrong price", NOON)
    state, [granted] = asked(state, wish())
    assert granted.waits is not None
    assert (granted.waits.why, granted.waits.frozen) == ("frozen", state.frozen)
    assert due(state) is None
    assert settle(state, FAR) == state
    state, said = heard(settle(unfreeze(state, NOON + MINUTE), NOON + MINUTE))
    assert [one.kind for one in said] == ["lease"]


def test_a_freeze_is_told_to_all_that_wait_after_the_grants() -> None:
    """And is not told to who came after it again."""
    state, _ = leased(EMPTY, wish("w0", "first"), wish("w1", "a"), wish("w2", "b"))
    state = freeze(state, "li", "wrong price", NOON)
    state = done(state, wish("w3", "c"))
    state, said = heard(state)
    answers = [(one.key, one.payload) for one in said]
    assert [(key, payload.waits and payload.waits.why) for key, payload in answers if isinstance(payload, Granted)] == [
        ("c", "frozen"),
        ("a", "frozen"),
        ("b", "frozen"),
    ]
    state, said = heard(unfreeze(freeze(state, "li", "again", NOON), NOON))
    assert [one.key for one in said] == ["a", "b", "c"]


def test_a_place_whose_time_is_over_is_gone() -> None:
    """Its run is told what the ledger knows, and nothing is granted, also while frozen."""
    until = NOON + MINUTE
    state, _ = asked(freeze(EMPTY, "li", "x", NOON), wish(turn=turn(until=until)))
    assert due(state) == until
    state, said = heard(settle(state, until), until)
    assert [one.kind for one in said] == ["note"]
    assert (state.queue, due(state)) == ((), None)


def test_nothing_is_written_after_its_time() -> None:
    """A lease ends with it, and none begins then."""
    until = NOON + 10 * SECOND
    assert leased(EMPTY, wish(turn=turn(until=until)))[1].valid_until == until
    for half_seconds, granted in ((2, False), (3, False), (4, True)):
        state, lease = leased(EMPTY, wish("w0", "first"), wish(turn=turn(until=NOON + half_seconds * SECOND / 2)))
        state = done(state, report(tried(lease, REFUSED), key="first"), now=NOON + SECOND / 2)
        assert ((state.lease is not None), state.queue) == (granted, ())


@settings(max_examples=10)
@given(
    st.lists(st.tuples(arbitrary.answers(), st.integers(0, 3000), st.integers(0, 3000)), min_size=70, max_size=90),
    st.integers(1, 5),
)
def test_leases_are_never_more_than_sixty_in_sixty_spacings(tries: list[tuple[Answer, int, int]], pace: int) -> None:
    """WeChat's 60 a minute, whatever the answers and however fast they come; no two writes at once; §5."""
    state, now, written, ended = EMPTY, NOON, list[datetime](), NOON
    for number, (said, wait, took) in enumerate(tries):
        wished = wish(f"w{number}", f"k{number}", turn=turn(due=now, pace=pace * SECOND))
        now += timedelta(milliseconds=wait)
        state = done(state, wished, now=now)
        while state.lease is None:
            now = due(state) or now
            state = settle(state, now)
        lease = state.lease
        assert lease.not_before >= ended
        now = max(now, lease.not_before) + timedelta(milliseconds=took)
        ended = now
        if said.kind != "not_written":
            written.append(now)
        state = done(state, report(tried(lease, said), key=lease.key), now=now)
    for earlier, later in zip(written, written[60:], strict=False):
        assert later - earlier >= 60 * pace * SECOND


def test_who_waits_is_told_at_once_of_what_forbids_its_turn() -> None:
    """Behind a freeze it would hear of it only when its turn comes, or when it asks again."""
    state, lease = leased(EMPTY, wish())
    state = done(state, report(tried(lease, answer("unknown"))))
    state, _ = asked(freeze(state, "li", "wrong text", NOON), wish("w2", known=known(tried(lease, answer("unknown")))))
    assert [place.wish for place in state.queue] == ["w2"]
    state, [told] = asked(state, report(tried(lease, answer())))
    assert (told.wish, told.answer, told.waits) == ("w2", "known", None)
    assert [one.answer and one.answer.kind for one in told.known.tries] == ["accepted"]
    assert not state.queue
