"""Whose a msg_id is, where several keys claim it, and where a push on it goes."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qunfa.account import budget
from qunfa.account.outbox import outgoing
from qunfa.account.routing import FORWARDS_MAX, added, owned
from qunfa.account.state import AccountState
from qunfa.contract.checks import TEST_MSG_ID_MIN
from qunfa.contract.facts import Decided, Known, Owned
from qunfa.contract.fields import MSG_ID_MAX
from qunfa.contract.grants import Report
from qunfa.contract.result import ArticleCheck, Counts, JobFinished
from tests.account.driving import (
    EMPTY,
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
    size,
    wish,
    yes,
)
from tests.rules import arbitrary
from tests.rules.arbitrary import NOON

ACCEPTED, ECHO = answer(), answer("duplicate", msg_id=7)


def owner(key: str, msg_id: int = 7, generation: int = 0, *, accepted: bool = False) -> Owned:
    """Whose it is."""
    return Owned(msg_id=msg_id, key=key, generation=generation, accepted=accepted)


def claims(key: str, kind: str = "duplicate", msg_id: int = 7) -> Report:
    """A report of a key whose second generation got this answer."""
    return report(attempt(answer(kind, msg_id=msg_id), generation=1), key=key)


def owners(state: AccountState, key: str) -> tuple[Owned, ...]:
    """What the key knows of owners."""
    return state.records[key].known.owned


@pytest.mark.parametrize(
    ("others", "believed", "stands"),
    [
        ([], (), owner("k", generation=1)),
        ([claims("a")], (), owner("a", generation=1)),
        ([claims("a"), claims("b")], (), owner("a", generation=1)),
        ([claims("a", "accepted")], (), owner("a", generation=1, accepted=True)),
        ([claims("a", msg_id=8)], (), owner("k", generation=1)),
        ([], (owner("k"),), owner("k")),
        ([claims("a")], (owner("k"),), owner("k")),
        ([], (owner("gone", generation=3),), owner("gone", generation=3)),
        ([claims("a", "accepted")], (owner("k"),), owner("a", generation=1, accepted=True)),
        ([claims("a")], (owner("gone", accepted=True),), owner("gone", accepted=True)),
    ],
)
def test_whose_the_msg_id_of_a_45065_is(others: list[Report], believed: tuple[Owned, ...], stands: Owned) -> None:
    """By an acceptance; else the key that is known, else who told it first; with the generation of its job."""
    state = done(EMPTY, *others)
    facts = known(attempt(ECHO, generation=1), owned=believed)
    assert owners(done(state, report(known=facts)), "k") == (stands,)


def test_what_a_key_has_by_an_acceptance_is_its_own() -> None:
    """Whatever it was told before, and whichever of its generations has it."""
    facts = known(attempt(ECHO), attempt(ACCEPTED, 2, "later", generation=1), owned=(owner("k"),))
    assert owners(done(EMPTY, report(known=facts)), "k") == (owner("k", generation=1, accepted=True),)


def test_an_acceptance_takes_one_msg_id_and_no_other() -> None:
    """The pretender keeps what else it has, in order, and the owner gets WeChat's word on its job alone."""
    one, two = attempt(ECHO), attempt(answer("duplicate", msg_id=9), 2, "w9", generation=1)
    words = (yes(7), yes(9, "err(30001)"))
    state = done(EMPTY, report(known=known(one, two, said=words), key="a"), report(attempt(ACCEPTED), key="b"))
    assert owners(state, "a") == (owner("b", accepted=True), owner("a", 9, generation=1))
    assert state.records["b"].known.said == (yes(7),)
    both = report(attempt(answer("duplicate", msg_id=5)), attempt(answer(msg_id=9), 2, "new"), key="b")
    again = done(EMPTY, report(known=known(one, two, said=words), key="a"), both)
    assert owners(again, "a") == (owner("a"), owner("b", 9, accepted=True))


def test_what_was_known_before_does_not_go_on_again() -> None:
    """Only the word that the owner did not have."""
    push = JobFinished(msg_id=8, status="err(30001)")
    state, _ = heard(done(EMPTY, report(attempt(answer(msg_id=8)), key="b"), push))
    state = done(state, report(known=known(attempt(ECHO), said=(yes(7),)), key="a"))
    later = attempt(ACCEPTED, 2, "later", generation=1)
    _, said = heard(done(state, report(later, key="b")))
    assert [(one.key, one.payload.msg_id) for one in said if isinstance(one.payload, JobFinished)] == [("b", 7)]


@pytest.mark.parametrize(
    ("ours", "theirs", "stands"),
    [
        ((), (owner("a"),), (owner("a"),)),
        ((owner("a"),), (owner("b"),), (owner("a"),)),
        ((owner("a"),), (owner("b", accepted=True),), (owner("b", accepted=True),)),
        ((owner("a", accepted=True),), (owner("b", accepted=True),), (owner("a", accepted=True),)),
        ((owner("b"),), (owner("a"),), (owner("b"),)),
        ((owner("b", accepted=True),), (owner("a", accepted=True),), (owner("b", accepted=True),)),
        ((owner("a", 9),), (owner("b", 8),), (owner("b", 8), owner("a", 9))),
    ],
)
def test_of_two_owners_an_accepted_one_stands(
    ours: tuple[Owned, ...], theirs: tuple[Owned, ...], stands: tuple[Owned, ...]
) -> None:
    """Else the one that the ledger knows."""
    assert added(Known(owned=ours), Known(owned=theirs)).owned == stands


def test_who_asks_is_told_of_an_acceptance() -> None:
    """So that it believes that one before a 45065; and of nobody where it is nobody's."""
    state = done(EMPTY, claims("k", "accepted"))
    for msg_id, stands in ((7, (owner("k", generation=1, accepted=True),)), (8, ())):
        _, [granted] = asked(state, look("w", "other", whose=msg_id))
        assert granted.known.owned == stands


def test_an_owner_that_goes_at_once_is_known_to_be_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """It was settled when it was told, and there was no room: the pretender is corrected all the same."""
    state = done(EMPTY, report(attempt(ECHO), key="a"))
    monkeypatch.setattr(budget, "RECORDS_BYTES", state.records["a"].size)
    monkeypatch.setattr(budget, "_SQUEEZED", state.records["a"].size)
    state = done(state, report(known=known(attempt(ACCEPTED), said=(yes(),)), key="b"))
    assert [*state.records] == ["a"]
    assert owners(state, "a") == (owner("b", accepted=True),)


def test_a_word_for_which_its_owner_has_no_room_is_not_noted(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is WeChat's, and comes again; whose the job is counts at once."""
    accepted = report(attempt(ACCEPTED), key="b")
    size = done(EMPTY, accepted).records["b"].size
    state = done(EMPTY, report(known=known(attempt(ECHO), said=(yes(),)), key="a"))
    monkeypatch.setattr(budget, "RECORD_BYTES", size)
    state = done(state, accepted)
    assert (state.records["b"].known.said, owners(state, "a")) == ((), (owner("b", accepted=True),))


PUSH = JobFinished(msg_id=7, status="send success", counts=Counts(total=3, filter=3, sent=3))
KNOWN = done(EMPTY, report(attempt(answer())))


def words(state: AccountState, key: str = "k") -> list[str]:
    """What WeChat has said of the key's jobs."""
    return [one.verdict.status for one in state.records[key].known.said]


def test_a_push_before_and_after_the_answer_are_the_same() -> None:
    """Whichever comes first, the word is noted, goes on once, and the book counts one send."""
    accepted = report(attempt(answer()))
    early, late = done(EMPTY, PUSH, accepted), done(EMPTY, accepted, PUSH)
    for state in (early, late):
        [said] = [one for one in outgoing(state, NOON) if one.kind == "push"]
        assert (said.workflow_id, said.run_id, said.payload) == ("mass-send:demo:k", None, PUSH)
        assert [(day.total, day.others) for day in state.book.values()] == [(1, 0)]
    assert early.records == late.records
    assert early.kept == late.kept == ()


@given(st.lists(arbitrary.events, max_size=6), arbitrary.events)
def test_the_same_push_twice_changes_nothing(before: list[JobFinished], event: JobFinished) -> None:
    """WeChat repeats what was not answered in time."""
    once = done(done(EMPTY, report(attempt(answer(msg_id=3)))), *before, event)
    assert done(once, event, now=NOON + SECOND) == once


@given(msg_id=st.integers(TEST_MSG_ID_MIN, MSG_ID_MAX))
def test_a_test_push_leaves_no_trace(msg_id: int) -> None:
    """It is about no send of anybody's."""
    assert done(EMPTY, JobFinished(msg_id=msg_id, status="send success")) == EMPTY


def test_a_flood_of_pushes_evicts_nothing_but_pushes() -> None:
    """The newest 200 of nobody's, in room of their own; articles go where they are long."""
    articles = tuple(ArticleCheck(idx=n, url="u" * 2000) for n in range(100))
    state, _ = leased(EMPTY, wish("w1", "a"), wish("w2", "b"))
    before = state
    for msg_id in range(1000, 1400):
        state = done(state, PUSH.model_copy(update={"msg_id": msg_id, "articles": articles, "extra": {"x": "y" * 999}}))
    assert (state.records, state.queue, state.lease) == (before.records, before.queue, before.lease)
    assert 50 < len(state.kept) <= 200
    assert state.kept[-1].event.msg_id == 1399
    assert size(state) - size(before) < 25 * 1024


def test_forwards_that_wait_are_bounded() -> None:
    """A push that is dropped is found by the send's own question to WeChat."""
    state = EMPTY
    for number in range(FORWARDS_MAX + 50):
        msg_id = 1000 + number
        state = done(state, report(attempt(answer(msg_id=msg_id)), key=f"k{number}"))
        state = done(state, PUSH.model_copy(update={"msg_id": msg_id}))
    assert len(state.forwards) == FORWARDS_MAX


def test_what_a_person_has_found_is_the_keys_own() -> None:
    """As good as an acceptance."""
    found = Decided(id="u", what="mark_sent", by="li", reason="", at=NOON, generation=0, msg_id=7, covers=("old",))
    marked = report(known=known(attempt(answer("unknown")), decided=(found,)))
    state = done(EMPTY, claims("other"), marked)
    assert owned(state, 7) == Known(owned=(owner("k", accepted=True),))
    assert owners(state, "other") == (owner("k", accepted=True),)
