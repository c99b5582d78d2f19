"""Whose a msg_id is, where a push on it goes, and what an account says to whom."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qunfa.account import budget, outbox
from qunfa.account.leases import UNHEARD
from qunfa.account.outbox import OUTSTANDING_MAX, delivered, not_found, outgoing
from qunfa.account.people import freeze, unfreeze
from qunfa.account.routing import FORWARDS_MAX, added, owned
from qunfa.account.state import AccountState
from qunfa.contract.checks import TEST_MSG_ID_MIN
from qunfa.contract.facts import Decided, Ended, Known, Owned
from qunfa.contract.fields import MSG_ID_MAX
from qunfa.contract.grants import Granted, Report, Waits
from qunfa.contract.result import Answer, ArticleCheck, Counts, JobFinished
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


@pytest.mark.parametrize(("msg_id", "goes_on"), [(-5, 0), (1, 1)])
def test_a_word_on_a_job_that_nothing_can_be_goes_to_nobody(msg_id: int, goes_on: int) -> None:
    """A stranger may have told such a msg_id as WeChat's. A push has none, so there is none to send on."""
    echo, accepted = answer("duplicate", msg_id=msg_id), answer(msg_id=msg_id)
    state = done(
        EMPTY, report(known=known(attempt(echo), said=(yes(msg_id),)), key="a"), report(attempt(accepted), key="b")
    )
    assert state.records["b"].known.said == (yes(msg_id),)
    _, said = heard(state)
    assert len([one for one in said if isinstance(one.payload, JobFinished)]) == goes_on


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


def test_at_most_twenty_are_outstanding() -> None:
    """Grants first, then first answers; a notice of the switch goes in slices; §6.14."""
    state, _ = leased(EMPTY, wish("w", "first"), *(wish(f"w{n}", f"k{n}") for n in range(230)))
    state = unfreeze(freeze(state, "li", "x", NOON), NOON)
    sizes = []
    while said := outgoing(state, NOON):
        sizes.append(len(said))
        for one in said:
            state = delivered(state, one)
    assert sizes == [OUTSTANDING_MAX] * 11 + [10]


def test_the_place_of_a_run_that_is_gone_goes() -> None:
    """Also where it is only told that the account was frozen. Another run of the key keeps its own."""
    state, _ = leased(EMPTY, wish("w0", "first"), wish("w1", "a", run="run-a"), wish("w2", "b", run="run-b"))
    state, _ = heard(freeze(state, "li", "x", NOON), gone=["run-a"])
    assert [place.key for place in state.queue] == ["b"]
    [said] = [one for one in outgoing(unfreeze(state, NOON), NOON) if one.key == "b"]
    state = done(state, wish("w3", "b", run="run-c"))
    assert [place.run_id for place in not_found(state, said, NOON).queue] == ["run-c"]


def test_the_run_that_continued_wishes_anew() -> None:
    """Its first wish is closed with the lease that did not reach it; the new one gets a lease; §6.13."""
    state, _ = heard(done(EMPTY, wish()), gone=["run-1"])
    assert asked(state, wish()) == (state, [])
    state, [granted] = asked(state, wish("w2", run="run-2", known=known(*state.records["k"].known.tries)))
    assert granted.lease is not None
    assert (granted.lease.number, granted.lease.holder) == (2, "run-2")


def test_a_crowd_of_answers_does_not_fill_a_task() -> None:
    """The signals of one task stay far below what a task may hold."""
    state = EMPTY
    for number in range(20):
        tries = (attempt(answer("unknown"), n + 1, f"{number}-{n}") for n in range(40))
        state = done(state, look(f"w{number}", f"k{number}", known=known(*tries)))
    assert sum(len(one.payload.model_dump_json()) for one in outgoing(state, NOON)) < 2 * 1024 * 1024


ENDED = Ended(outcome="failed", problem="content_refused")
REFUSED = known(attempt(answer("refused", errcode=48001)))
NO = JobFinished(msg_id=7, status="err(30001)")


def test_each_answer_has_all_that_its_run_is_to_know() -> None:
    """The facts and the end of the key, and why it waits; of a key that is to be searched for nothing is told."""
    state, _ = leased(EMPTY, wish("w0", "first"))
    state = freeze(state, "li", "x", NOON)
    facts: dict[str, Any] = {"known": REFUSED, "ended": ENDED}
    waiting, knows = wish("w1", "a", "run-a", **facts), look("w2", "b", "run-b", **facts)
    state, said = heard(
        done(state, waiting, knows, wish("w3", "c", "run-c", searched=False), wish("w4", "b", digest="x"))
    )
    assert [(one.kind, one.key, one.workflow_id, one.run_id, one.signal) for one in said] == [
        ("place", "a", "mass-send:demo:a", "run-a", "granted"),
        ("note", "b", "mass-send:demo:b", "run-b", "granted"),
        ("note", "c", "mass-send:demo:c", "run-c", "granted"),
        ("note", "b", "mass-send:demo:b", "run-1", "granted"),
    ]
    assert [one.payload for one in said] == [
        Granted(wish="w1", answer="known", waits=Waits(why="frozen", place=1, frozen=state.frozen), **facts),
        Granted(wish="w2", answer="known", **facts),
        Granted(wish="w3", answer="search"),
        Granted(wish="w4", answer="reused"),
    ]


def test_what_is_said_has_a_number_of_its_own() -> None:
    """Else one answer would stand for another: places, notes and pushes are counted together."""
    state, _ = leased(EMPTY, wish("w0", "first"))
    state = done(state, wish("w1", "a"), report(attempt(answer()), key="p"), NO, look("w2", "b"), wish("w3", "c"))
    state = done(state, wish("w4", "c", "run-2"))
    assert [(one.kind, one.key) for one in outgoing(state, NOON)] == [
        *(("place", "a"), ("note", "b"), ("note", "c"), ("place", "c"), ("push", "p"))
    ]
    numbers = [*(one.number for one in state.queue), *(one.serial for one in state.notes)]
    numbers += [one.serial for one in state.forwards]
    assert len(set(numbers)) == len(numbers)


def test_signals_at_once_are_bounded_by_their_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    """The first one goes in any case."""
    state = done(EMPTY, *(look(f"w{n}", f"k{n}") for n in range(3)))
    sizes = [len(one.payload.model_dump_json()) for one in outgoing(state, NOON)]
    assert len(sizes) == 3
    for room, count in ((sum(sizes), 3), (sum(sizes) - 1, 2), (sum(sizes[:2]), 2), (sum(sizes[:2]) - 1, 1), (0, 1)):
        monkeypatch.setattr(outbox, "BYTES_MAX", room)
        assert len(outgoing(state, NOON)) == count


def test_an_answer_of_a_push_is_what_wechat_has_said() -> None:
    """On that job, whatever was said on others or by others, with all of it."""
    told = {"counts": {"total": 3, "filter": 2, "sent": 1, "error": 1}, "check_state": 2, "articles": [{"idx": 1}]}
    pushes = [
        JobFinished.model_validate({"msg_id": 7, "status": "send success", **told}),
        JobFinished(msg_id=8, status="err(30001)", check_state=3),
    ]
    tries = (attempt(answer()), attempt(answer(msg_id=8), 2, "later", generation=1))
    state = done(EMPTY, report(known=known(*tries, said=(yes(7, by="poll"),))), *pushes)
    assert [(one.signal, one.payload) for one in outgoing(state, NOON)] == [("job_finished", one) for one in pushes]


def test_the_lease_of_a_run_that_is_gone_comes_back_unused() -> None:
    """Nothing was written, so nothing is unknown, and the next one loses no time; §6.13."""
    state = done(EMPTY, wish("w1", "a", run="run-a"), wish("w2", "b", run="run-b"))
    state, _ = heard(state, gone=["run-a"])
    [one] = state.records["a"].known.tries
    assert (one.answer, one.lost_at) == (Answer(kind="unused", at=NOON, detail=UNHEARD), None)
    assert not state.records["a"].unsettled
    assert state.lease is not None
    assert (state.lease.key, state.lease.not_before) == ("b", NOON)


def test_what_became_of_a_lease_says_nothing_of_the_next() -> None:
    """Its run may be heard of late: the holder of the next one is told all the same, and keeps it."""
    state = done(EMPTY, wish("w1", "a"), wish("w2", "b", "run-2"))
    [late] = [one for one in outgoing(state, NOON) if one.kind == "lease"]
    no_lease = done(EMPTY, report(known=state.records["a"].known, key="a"))
    state = done(state, report(attempt(answer(), 1, "w1"), key="a"))
    for now_has in (state, no_lease):
        assert delivered(now_has, late) == not_found(now_has, late, NOON) == now_has
    [offered] = [one for one in outgoing(state, NOON) if one.kind == "lease"]
    assert (late.run_id, offered.run_id) == ("run-1", "run-2")
