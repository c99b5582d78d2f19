from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qunfa.account.leases import SLACK, due, forbidden, settle
from qunfa.account.outbox import not_found, outgoing
from qunfa.account.records import unsearched
from qunfa.account.state import AccountState, Record
from qunfa.contract.facts import Decided, Ended, Known, Owned
from qunfa.contract.grants import Granted, Lease, Report, Wish
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
    yes,
)
from tests.rules import arbitrary
from tests.rules.arbitrary import CLIENTMSGID, NOON

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


@pytest.mark.parametrize("announced", [True, False])
def test_a_run_never_told_of_its_lease_hears_that_it_is_lost(announced: bool) -> None:
    """It would wait for ever otherwise; one that was told knows when its lease ends."""
    state = done(EMPTY, wish())
    state = heard(state)[0] if announced else state
    later = next_lease(state).expires_at
    state, said = heard(settle(state, later), later)
    told = [(one.run_id, one.payload.answer) for one in said if isinstance(one.payload, Granted)]
    assert told == ([] if announced else [("run-1", "known")])


def test_a_key_that_is_tried_again_has_not_ended() -> None:
    """Its run hears with the lease how an earlier one has ended: until it tells its own end, nobody knows that."""
    state = done(EMPTY, report(ended=Ended(outcome="aborted")))
    state, said = heard(done(state, wish()))
    [lease] = [one.payload for one in said if isinstance(one.payload, Granted)]
    assert (lease.answer, lease.ended) == ("lease", Ended(outcome="aborted"))
    assert state.records["k"].ended is None


def test_an_unused_lease_costs_the_account_no_time() -> None:
    """The next one may write from when that one might have."""
    state, lease = leased(EMPTY, wish("w1", "a"), wish("w2", "b"))
    state = done(state, report(tried(lease, answer("unused")), key="a"))
    assert next_lease(state).not_before == lease.not_before
    assert state.pace.told_at == ()


def test_a_slow_pace_lends_a_lease_out_two_of_its_paces_before() -> None:
    """So long a hand-over may take where sends are far apart."""
    state = EMPTY
    for number in range(2):
        state, lease = leased(state, wish(f"w{number}", f"k{number}", turn=turn(pace=10 * SECOND)), now=NOON)
        state = done(state, report(tried(lease, answer("refused", errcode=45011)), key=f"k{number}"))
    state = done(state, wish("w", "next", turn=turn(pace=10 * SECOND)))
    assert (state.lease, due(state)) == (None, NOON + 60 * SECOND - 20 * SECOND)


def test_a_try_waits_no_longer_for_its_time_than_its_call_may_take() -> None:
    """Temporal would give it up before a very slow pace lets it write, as if it might have been accepted."""
    state, lease = leased(EMPTY, wish(turn=turn(pace=300 * SECOND)))
    state = done(state, report(tried(lease, answer())))
    state = done(state, wish("w2", "next", turn=turn(pace=300 * SECOND)))
    assert (state.lease, due(state)) == (None, NOON + 300 * SECOND - 30 * SECOND)


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


def test_nothing_is_written_after_its_time() -> None:
    """A lease ends with it, and none begins then."""
    until = NOON + 10 * SECOND
    assert leased(EMPTY, wish(turn=turn(until=until)))[1].valid_until == until
    for half_seconds, granted in ((2, False), (3, False), (4, True)):
        state, lease = leased(EMPTY, wish("w0", "first"), wish(turn=turn(until=NOON + half_seconds * SECOND / 2)))
        late = answer("refused", errcode=48001, at=NOON + SECOND / 2)
        state = done(state, report(tried(lease, late), key="first"), now=late.at)
        assert ((state.lease is not None), state.queue) == (granted, ())


@settings(max_examples=10)
@given(
    st.lists(st.tuples(arbitrary.answers(), st.integers(0, 3000), st.integers(0, 3000)), min_size=70, max_size=90),
    st.integers(1, 5),
)
def test_leases_are_never_more_than_sixty_in_sixty_spacings(tries: list[tuple[Answer, int, int]], pace: int) -> None:
    """WeChat's 60 a minute, whatever the answers and however fast they come; no two writes at once; §5.

    So many doubts have no room in one ledger: it forgets each here.
    """
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
        assert lease.not_before - now <= lease.early
        now = max(now, lease.not_before) + timedelta(milliseconds=took)
        ended = now
        if said.kind != "not_written":
            written.append(now)
        state = done(state, report(tried(lease, said), key=lease.key), now=now).changed(records={})
    for earlier, later in zip(written, written[60:], strict=False):
        assert later - earlier >= 60 * pace * SECOND


REFUSED, UNKNOWN, ACCEPTED = answer("refused", errcode=48001), answer("unknown"), answer()
ECHO = answer("duplicate", msg_id=7)
NO = yes(status="send fail")


def opened(generation: int = 0, **more: Any) -> Decided:
    """The generation after this one was opened."""
    usual = {"id": "u", "what": "open", "by": "li", "reason": "", "at": NOON, "generation": generation}
    return Decided.model_validate({**usual, "opens": f"{CLIENTMSGID[:-2]}01", **more})


def owned_by(key: str) -> Owned:
    """The msg_id of the echo."""
    return Owned(msg_id=7, key=key, generation=0)


@pytest.mark.parametrize(
    ("facts", "generation", "knew", "is_forbidden"),
    [
        (Known(), 0, False, False),
        (known(attempt(REFUSED)), 0, False, False),
        (known(attempt(ACCEPTED)), 0, False, True),
        (known(attempt(ACCEPTED), said=(NO,)), 0, False, True),
        (known(attempt(ACCEPTED), said=(NO,), decided=(opened(),)), 1, False, False),
        (known(attempt(ACCEPTED), said=(NO,), decided=(opened(),)), 0, False, True),
        (known(attempt(ACCEPTED), said=(yes(),), decided=(opened(),)), 1, False, True),
        (known(attempt(ACCEPTED), decided=(opened(),)), 1, False, True),
        (known(attempt(REFUSED), decided=(opened(),)), 1, False, False),
        (known(attempt(ACCEPTED), said=(NO,)), 1, False, False),
        (known(attempt(ECHO), owned=(owned_by("other"),)), 0, True, True),
        (known(attempt(ECHO), owned=(owned_by("k"),)), 0, True, True),
        (known(attempt(ACCEPTED), attempt(UNKNOWN, 2, "new", generation=1)), 1, True, True),
        (known(attempt(UNKNOWN), attempt(REFUSED, 2, "new", generation=1)), 1, False, False),
        (known(attempt(UNKNOWN)), 0, False, True),
        (known(attempt(UNKNOWN)), 0, True, False),
    ],
)
def test_what_the_facts_forbid(facts: Known, generation: int, knew: bool, is_forbidden: bool) -> None:
    """A later generation, a yes, an earlier one that is open, what is settled, and a doubt that the wish lacks."""
    record = Record(key="k", digest="d", workflow_id="mass-send:demo:k", touched_at=NOON, known=facts)
    assert forbidden(record, generation, knew=knew) is is_forbidden


def test_an_unsearched_copy_takes_its_own_place_back_only() -> None:
    """The ledger was reset: it is searched for first, and who else waits keeps its place."""
    state, _ = leased(EMPTY, wish("w1", "a"), wish("w2", "b"), wish("w3", "c"))
    record = state.records["b"].changed(unsearched=True)
    state = state.changed(records={**state.records, "b": record})
    state, said = heard(done(state, wish("w2", "b", searched=False)))
    assert [place.key for place in state.queue] == ["c"]
    assert [one.payload.answer for one in said if isinstance(one.payload, Granted)] == ["search"]
    again, [granted] = asked(state, wish("w2", "b"))
    assert ([place.key for place in again.queue], granted.waits is not None) == (["c", "b"], True)


def test_an_answer_before_its_time_brings_the_next_one_no_earlier() -> None:
    """Clocks differ: the pace runs from when the lease allowed a try, or from its answer where that is later."""
    state, first = leased(EMPTY, wish("w1", "a"), wish("w2", "b"), wish("w3", "c"))
    state = done(state, report(tried(first, REFUSED), key="a"))
    assert state.lease is not None
    assert state.lease.not_before == NOON + SECOND
    state = done(state, report(tried(state.lease, REFUSED), key="b"), now=NOON + SECOND / 2)
    assert (state.lease and state.lease.key, state.lease and state.lease.not_before) == ("c", NOON + 2 * SECOND)


@pytest.mark.parametrize(("after", "paced"), [(-MINUTE, timedelta(0)), (SECOND, SECOND), (30 * MINUTE, 125 * SECOND)])
def test_the_pace_runs_from_an_answer_and_not_from_its_report(after: timedelta, paced: timedelta) -> None:
    """A replay may have the report in an earlier task. An answer by a wrong clock counts within its lease."""
    state, lease = leased(EMPTY, wish())
    told = report(tried(lease, answer("refused", errcode=45011, at=NOON + after)))
    paces = {done(state, told, now=NOON + late * SECOND).pace for late in (1, 50, 100)}
    assert {(pace.told_at, pace.next_at) for pace in paces} == {((NOON + paced,), NOON + paced + 2 * SECOND)}


@pytest.mark.parametrize("ahead", [timedelta(hours=8), timedelta(days=365)], ids=str)
def test_a_server_clock_that_is_set_back_holds_nobody_up(ahead: timedelta) -> None:
    """One submission went out while Temporal's clock was ahead. The next one is spaced by the time that is right."""
    state, lease = leased(EMPTY, wish(turn=turn(due=NOON + ahead)), now=NOON + ahead)
    at = lease.not_before + SECOND
    state = done(state, report(tried(lease, answer(at=at))), now=at)
    later = NOON + MINUTE
    state = done(state, wish("w2", "l", turn=turn(due=later)), now=later)
    assert next_lease(state).not_before - later == state.pace.spacing == SECOND


@pytest.mark.parametrize("pace", [SECOND, timedelta(hours=1)], ids=str)
def test_a_wide_spacing_is_no_clock_that_was_wrong(pace: timedelta) -> None:
    """WeChat has called for it, 300 times the pace at most."""
    state, now = EMPTY, NOON
    for number in range(12):
        state = done(state, wish(f"w{number}", f"k{number}", turn=turn(due=now, pace=pace)), now=now)
        now = next_lease(state).not_before
        slower = answer("refused", at=now, errcode=45011)
        state = done(state, report(tried(next_lease(state), slower), key=f"k{number}"), now=now)
        state = settle(state, now)
        assert state.pace.next_at == now + state.pace.spacing
        now += state.pace.spacing
    assert state.pace.spacing == 300 * pace


def test_a_turn_is_a_sign_of_life() -> None:
    """The record is as old as its lease, and not as its wish."""
    state = done(EMPTY, wish(turn=turn(due=NOON + MINUTE)))
    assert settle(state, NOON + MINUTE).records["k"].touched_at == NOON + MINUTE


def test_a_lost_lease_of_a_run_that_is_gone_comes_back_at_once() -> None:
    """Another run of the key has wished meanwhile; what was known to be lost stays lost."""
    state = done(EMPTY, wish(number=2), wish("other", "o", "run-o"))
    [offered] = [one for one in outgoing(state, NOON) if one.kind == "lease"]
    state = not_found(done(state, look("w2", run="run-2")), offered, NOON)
    assert state.lease is None
    assert [one.lost_at for one in state.records["k"].known.tries] == [NOON]


@pytest.mark.parametrize("late", [timedelta(0), MINUTE])
def test_a_lease_that_runs_out_is_lost(late: timedelta) -> None:
    """From when it ran out, whenever that is noticed; and the pace counts it."""
    state, lease = leased(EMPTY, wish())
    assert settle(state, lease.expires_at - SECOND) == state
    state = settle(state, lease.expires_at + late)
    assert state.records["k"].known.tries == (tried(lease, None, lost_at=lease.expires_at),)
    assert (state.lease, state.pace.told_at) == (None, (lease.expires_at,))
    assert state.records["k"].jobs[0].window_started_at == NOON


@pytest.mark.parametrize("order", ["report, wish", "wish, report", "it waited then"])
def test_a_reset_account_grants_a_wish_no_second_lease(order: str) -> None:
    """Its run has heard of the first one, and has no wish open: nobody would use the other, or give it back."""
    _, lease = leased(EMPTY, wish())
    told = report(tried(lease, REFUSED))
    queue = done(done(EMPTY, wish("w0", "other")), wish())  # both are due, and the other one has the lease
    before = queue if order == "it waited then" else unsearched(EMPTY)
    messages: dict[str, tuple[Wish | Report, ...]] = {"report, wish": (told, wish()), "wish, report": (wish(), told)}
    again = done(before, *messages.get(order, (told,)), now=NOON + MINUTE)
    granted = [one for one in again.records["k"].known.tries if one.wish == "w1"]
    assert [(one.number, one.answer) for one in granted] == [(1, REFUSED)]
    assert "k" not in {place.key for place in again.queue}


def test_a_lease_that_a_reset_granted_once_more_is_freed() -> None:
    """It has another number, as other tries were told first. The run's next wish knows the first lease alone."""
    _, lease = leased(EMPTY, wish())
    before = report(attempt(REFUSED, 1, "w0"))
    again, second = leased(done(unsearched(EMPTY), before), wish())
    assert (lease.number, second.number) == (1, 2)
    again = done(again, look("w2", number=2, known=known(tried(lease, REFUSED))))
    assert (again.lease, again.records["k"].unsettled) == (None, False)
