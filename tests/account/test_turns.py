"""What forbids a turn, row by row, and what an account leaves of a lease or a place that nobody uses."""

from datetime import timedelta
from typing import Any

import pytest

from qunfa.account.leases import UNHEARD, forbidden, settle
from qunfa.account.owners import added, owned
from qunfa.account.state import Record
from qunfa.account.wishes import SOON
from qunfa.contract.facts import Decided, Known, Owned
from qunfa.contract.grants import Granted
from qunfa.contract.result import Answer
from tests.account.driving import EMPTY, MINUTE, answer, asked, attempt, done, heard, known, leased, turn, wish, yes
from tests.rules.arbitrary import CLIENTMSGID, NOON

REFUSED, UNKNOWN, ACCEPTED = answer("refused", errcode=48001), answer("unknown"), answer()
NO = yes(status="send fail")


def opened(generation: int = 0, **more: Any) -> Decided:
    """The generation after this one was opened."""
    usual = {"id": "u", "what": "open", "by": "li", "reason": "", "at": NOON, "generation": generation}
    return Decided.model_validate({**usual, "opens": f"{CLIENTMSGID[:-2]}01", **more})


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
        (known(attempt(UNKNOWN)), 0, False, True),
        (known(attempt(UNKNOWN)), 0, True, False),
    ],
)
def test_what_the_facts_forbid(facts: Known, generation: int, knew: bool, is_forbidden: bool) -> None:
    """A later generation, a yes, an earlier one that is open, what is settled, and a doubt that the wish lacks."""
    record = Record(key="k", digest="d", workflow_id="mass-send:demo:k", touched_at=NOON, known=facts)
    assert forbidden(record, generation, knew=knew) is is_forbidden


def test_a_lease_whose_run_is_gone_says_so() -> None:
    """Its try was not made, and is not lost either."""
    state = done(EMPTY, wish())
    state, _ = heard(state, gone=["run-1"])
    assert state.lease is None
    [one] = state.records["k"].known.tries
    assert (one.answer, one.lost_at) == (Answer(kind="unused", at=NOON, detail=UNHEARD), None)


def test_each_lease_is_announced_for_itself() -> None:
    """Its run was not told of it, though that of the lease before was told of its own."""
    state, lease = leased(EMPTY, wish("w1", "a"), wish("w2", "b"))
    state = settle(state, lease.expires_at)
    assert state.lease is not None
    assert (state.lease.key, state.announced) == ("b", False)


def test_a_turn_far_ahead_takes_no_place() -> None:
    """It comes again in time, and is told when."""
    at = NOON + SOON + MINUTE
    state, [granted] = asked(EMPTY, wish(turn=turn(due=at)))
    assert (state.queue, granted.answer, granted.waits and (granted.waits.why, granted.waits.until)) == (
        (),
        "known",
        ("full", at),
    )


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


def owner(key: str, msg_id: int = 7, *, accepted: bool = False) -> Owned:
    """Whose it is."""
    return Owned(msg_id=msg_id, key=key, generation=0, accepted=accepted)


@pytest.mark.parametrize(
    ("ours", "theirs", "stands"),
    [
        ((), (owner("a"),), (owner("a"),)),
        ((owner("a"),), (owner("b"),), (owner("a"),)),
        ((owner("a"),), (owner("b", accepted=True),), (owner("b", accepted=True),)),
        ((owner("a", accepted=True),), (owner("b", accepted=True),), (owner("a", accepted=True),)),
        ((owner("a", 9),), (owner("b", 8),), (owner("b", 8), owner("a", 9))),
    ],
)
def test_of_two_owners_an_accepted_one_stands(
    ours: tuple[Owned, ...], theirs: tuple[Owned, ...], stands: tuple[Owned, ...]
) -> None:
    """Else the one that the ledger knows."""
    assert added(Known(owned=ours), Known(owned=theirs)).owned == stands


def test_an_owner_by_acceptance_is_told_as_one() -> None:
    """Who asks whose it is believes that one before a 45065."""
    state = done(EMPTY, wish(known=known(attempt(ACCEPTED))), now=NOON + timedelta(hours=1))
    assert owned(state, 7) == Known(owned=(owner("k", accepted=True),))
    assert owned(state, 8) == Known()
