from typing import Any

import pytest

from qunfa.account import outbox
from qunfa.account.leases import UNHEARD, due, settle
from qunfa.account.outbox import OUTSTANDING_MAX, delivered, not_found, outgoing
from qunfa.account.people import freeze, unfreeze
from qunfa.contract.facts import Ended
from qunfa.contract.grants import Granted, Waits
from qunfa.contract.result import Answer, JobFinished
from qunfa.rules.quota_view import counted_until
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
    tried,
    turn,
    wish,
    yes,
)
from tests.rules.arbitrary import NOON


def test_what_is_not_confirmed_was_not_sent() -> None:
    """It is said again, and carried on; what was delivered is not; §6.14."""
    state = done(EMPTY, wish("w0", "first"), wish(), look("w2", "other"), wish("w3", "new", searched=False))
    said = outgoing(state, NOON)
    assert [one.kind for one in said] == ["lease", "place", "note", "note"]
    assert outgoing(state, NOON) == said
    carried = type(state).model_validate_json(state.model_dump_json())
    assert outgoing(carried, NOON) == said
    for one in said:
        state = delivered(delivered(state, one), one)
    assert outgoing(state, NOON) == ()


def test_an_answer_that_was_under_way_does_not_confirm_a_later_one() -> None:
    """A run is told its lease, although an answer without one was delivered meanwhile."""
    state, lease = leased(EMPTY, wish("w0", "first"))
    state = done(state, wish())
    [before] = outgoing(state, NOON)
    state = done(state, report(tried(lease, answer("refused", errcode=48001)), key="first"))
    state = delivered(state, before)
    assert [one.kind for one in outgoing(state, NOON)] == ["lease"]


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


def test_places_are_never_told_as_they_change() -> None:
    """A hundred sends before it are a hundred signals fewer; §6.14."""
    state, lease = leased(EMPTY, *(wish(f"w{n}", f"k{n}") for n in range(5)))
    state, said = heard(done(state, report(tried(lease, answer("refused", errcode=48001)), key="k0")))
    assert [(one.kind, one.key) for one in said] == [("lease", "k1")]


def test_the_lease_of_a_run_that_is_gone_comes_back_unused() -> None:
    """Nothing was written, so nothing is unknown, and the next one loses no time; §6.13."""
    state = done(EMPTY, wish("w1", "a", run="run-a"), wish("w2", "b", run="run-b"))
    state, _ = heard(state, gone=["run-a"])
    [one] = state.records["a"].known.tries
    assert (one.answer, one.lost_at) == (Answer(kind="unused", at=NOON, detail=UNHEARD), None)
    assert not state.records["a"].unsettled
    assert state.lease is not None
    assert (state.lease.key, state.lease.not_before) == ("b", NOON)


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


def test_a_lease_that_ran_out_is_not_given_back_by_a_late_not_found() -> None:
    """Whoever has the next one keeps it."""
    state = done(EMPTY, wish("w1", "a", run="run-a"), wish("w2", "b", run="run-b"))
    said = outgoing(state, NOON)[0]
    later = (due(state) or NOON) + SECOND
    state = settle(state, later)
    assert state.lease is not None
    after = not_found(state, said, later)
    assert after.lease == state.lease


def test_a_crowd_of_answers_does_not_fill_a_task() -> None:
    """The signals of one task stay far below what a task may hold."""
    state = EMPTY
    for number in range(20):
        tries = (attempt(answer("unknown"), n + 1, f"{number}-{n}") for n in range(40))
        state = done(state, look(f"w{number}", f"k{number}", known=known(*tries)))
    assert sum(len(one.model_dump_json()) for one in outgoing(state, NOON)) < 2 * 1024 * 1024


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


def test_a_lease_is_told_with_the_facts_and_the_counts() -> None:
    """The holder's own try is one of them; the end of the life before is none."""
    state = done(EMPTY, report(attempt(answer()), key="other"), wish(known=REFUSED, ended=ENDED))
    [said] = outgoing(state, NOON)
    assert (said.kind, said.serial, said.key, said.run_id) == ("lease", 2, "k", "run-1")
    assert (said.workflow_id, said.signal) == ("mass-send:demo:k", "granted")
    assert said.payload == Granted(
        wish="w1",
        answer="lease",
        known=state.records["k"].known,
        lease=state.lease,
        counted=counted_until(state.book, state.since, NOON),
    )


def test_first_answers_go_in_the_order_of_the_wishes() -> None:
    """Whoever waits and whoever does not."""
    state, _ = leased(EMPTY, wish("w0", "first"))
    state = done(
        state, look("w1", "a"), wish("w2", "b", turn=turn(due=NOON + SECOND)), look("w3", "c"), wish("w4", "d")
    )
    assert [place.key for place in state.queue] == ["d", "b"]
    assert [one.key for one in outgoing(state, NOON)] == ["a", "b", "c", "d"]


def test_what_is_said_has_a_number_of_its_own() -> None:
    """Else one answer would stand for another: places, notes and pushes are counted together."""
    state, _ = leased(EMPTY, wish("w0", "first"))
    state = done(state, wish("w1", "a"), report(attempt(answer()), key="p"), NO, look("w2", "b"), wish("w3", "c"))
    assert [(one.kind, one.key) for one in outgoing(state, NOON)] == [
        *(("place", "a"), ("note", "b"), ("place", "c"), ("push", "p")),
    ]
    numbers = [*(one.number for one in state.queue), *(one.serial for one in state.notes)]
    numbers += [one.serial for one in state.forwards]
    assert len(set(numbers)) == len(numbers)


def test_what_was_delivered_is_that_signal_alone() -> None:
    """Another answer, push or place of the same account stays to be said."""
    state, _ = leased(EMPTY, wish("w0", "first"))
    state = done(state, report(attempt(answer()), key="p"), report(attempt(answer(msg_id=8)), key="q"))
    state = done(state, NO, NO.model_copy(update={"msg_id": 8}), look("w1", "a"), look("w2", "b"))
    state = done(state, wish("w3", "c"), wish("w4", "d"))
    said = outgoing(state, NOON)
    assert [(one.kind, one.key) for one in said] == [
        *(("note", "a"), ("note", "b"), ("place", "c"), ("place", "d"), ("push", "p"), ("push", "q")),
    ]
    for number, one in enumerate(said):
        assert outgoing(delivered(state, one), NOON) == (*said[:number], *said[number + 1 :])
        left = [(other.kind, other.key) for other in outgoing(not_found(state, one, NOON), NOON)]
        assert left == [(other.kind, other.key) for other in said if other is not one]


@pytest.mark.parametrize(
    ("again", "told"),
    [
        (wish("w2", "a", number=2), None),
        (wish("w2", "a", run="run-2"), None),
        (wish("w1", "a", due=NOON), 0),
    ],
)
def test_an_answer_counts_for_the_wish_that_it_was_for(again: object, told: int | None) -> None:
    """Of that run; a later wish has no answer yet."""
    state, _ = leased(EMPTY, wish("w0", "first"))
    state = done(state, wish("w1", "a"))
    [said] = outgoing(state, NOON)
    state = delivered(done(state, again), said)  # type: ignore[arg-type]  # a parameter
    assert [place.told for place in state.queue] == [told]


def test_a_lease_is_confirmed_by_its_own_signal_alone() -> None:
    """One of an earlier lease, of another key or run, says nothing about it."""
    state = done(EMPTY, wish())
    [said] = outgoing(state, NOON)
    assert delivered(state, said).announced
    for other in ({"key": "other"}, {"serial": 2}, {"run_id": "run-2"}):
        strange = said.model_copy(update=other)
        assert (delivered(state, strange), not_found(state, strange, NOON)) == (state, state)
    assert not_found(state, said, NOON).lease is None


def test_signals_at_once_are_bounded_by_their_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    """The first one goes in any case."""
    state = done(EMPTY, *(look(f"w{n}", f"k{n}") for n in range(3)))
    sizes = [len(one.model_dump_json()) for one in outgoing(state, NOON)]
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
    assert [one.payload for one in outgoing(state, NOON)] == pushes
