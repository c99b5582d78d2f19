"""What forbids a turn, row by row, and what an account leaves of a lease or a place that nobody uses."""

from typing import Any

import pytest

from qunfa.account.leases import forbidden, settle
from qunfa.account.outbox import not_found, outgoing
from qunfa.account.state import Record
from qunfa.contract.facts import Decided, Known, Owned
from qunfa.contract.grants import Granted
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
from tests.rules.arbitrary import CLIENTMSGID, NOON

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


def test_each_lease_is_announced_for_itself() -> None:
    """Its run was not told of it, though that of the lease before was told of its own."""
    state, lease = leased(EMPTY, wish("w1", "a"), wish("w2", "b"))
    state = settle(state, lease.expires_at)
    assert state.lease is not None
    assert (state.lease.key, state.announced) == ("b", False)


def test_a_turn_that_is_over_takes_no_place() -> None:
    """To the moment."""
    for until, answered in ((NOON, ["known"]), (NOON + MINUTE, ["lease"])):
        said = asked(EMPTY, wish(turn=turn(until=until)))[1]
        assert [one.answer for one in said] == answered


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


def test_an_unsearched_wish_takes_an_earlier_place_back_for_good() -> None:
    """That one is over: a late copy of it does nothing."""
    state, _ = leased(EMPTY, wish("w1", "a"), wish("w2", "b"))
    state = state.changed(records={**state.records, "b": state.records["b"].changed(unsearched=True)})
    state, _ = heard(done(state, wish("w3", "b", number=2, searched=False)))
    assert (state.queue, "w2" in state.closed, "w3" in state.closed) == ((), True, False)


def test_a_lease_given_back_before_its_time_hurries_nobody() -> None:
    """The pace of the try before it still counts for the next one."""
    state, first = leased(EMPTY, wish("w1", "a"), wish("w2", "b"), wish("w3", "c"))
    state = done(state, report(tried(first, REFUSED), key="a"))
    assert state.lease is not None
    assert state.lease.not_before == NOON + SECOND
    state = done(state, report(tried(state.lease, answer("unused")), key="b"))
    assert (state.lease and state.lease.key, state.lease and state.lease.not_before) == ("c", NOON + SECOND)


def test_an_answer_before_its_time_brings_the_next_one_no_earlier() -> None:
    """Clocks differ: the pace runs from when the lease allowed a try, or from its answer where that is later."""
    state, first = leased(EMPTY, wish("w1", "a"), wish("w2", "b"), wish("w3", "c"))
    state = done(state, report(tried(first, REFUSED), key="a"))
    assert state.lease is not None
    assert state.lease.not_before == NOON + SECOND
    state = done(state, report(tried(state.lease, REFUSED), key="b"), now=NOON + SECOND / 2)
    assert (state.lease and state.lease.key, state.lease and state.lease.not_before) == ("c", NOON + 2 * SECOND)


def test_a_lost_lease_of_a_run_that_is_gone_comes_back_at_once() -> None:
    """Another run of the key has wished meanwhile; what was known to be lost stays lost."""
    state = done(EMPTY, wish(number=2), wish("other", "o", "run-o"))
    [offered] = [one for one in outgoing(state, NOON) if one.kind == "lease"]
    state = not_found(done(state, look("w2", run="run-2")), offered, NOON)
    assert state.lease is None
    assert [one.lost_at for one in state.records["k"].known.tries] == [NOON]


def test_a_forgotten_lease_of_a_run_that_is_gone_comes_back_too() -> None:
    """Also where the record has no room for its try: else it would be offered again and again."""
    state = done(EMPTY, wish())
    record = state.records["k"].changed(known=Known())
    state, said = heard(state.changed(records={"k": record}), gone=["run-1"])
    assert (state.lease, len(said)) == (None, 1)
    assert [one.answer and one.answer.kind for one in state.records["k"].known.tries] == ["unused"]
