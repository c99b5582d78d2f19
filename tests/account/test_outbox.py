from typing import Any

import pytest

from qunfa.account import outbox
from qunfa.account.leases import UNHEARD
from qunfa.account.outbox import OUTSTANDING_MAX, Outgoing, delivered, not_found, outgoing
from qunfa.account.people import freeze, unfreeze
from qunfa.contract.facts import Ended
from qunfa.contract.grants import Granted, Waits
from qunfa.contract.result import Answer, JobFinished
from tests.account.driving import (
    EMPTY,
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
    assert [(one.kind, one.key) for one in outgoing(state, NOON)] == [
        *(("place", "a"), ("note", "b"), ("place", "c"), ("push", "p"))
    ]
    numbers = [*(one.number for one in state.queue), *(one.serial for one in state.notes)]
    numbers += [one.serial for one in state.forwards]
    assert len(set(numbers)) == len(numbers)


def test_a_lease_is_confirmed_by_its_own_signal_alone() -> None:
    """One of an earlier lease, of another key or run, says nothing about it."""
    state = done(EMPTY, wish())
    [said] = outgoing(state, NOON)
    assert delivered(state, said).announced
    for other in ({"key": "other"}, {"serial": 2}, {"run_id": "run-2"}):
        strange = Outgoing(**(said._asdict() | other))
        assert (delivered(state, strange), not_found(state, strange, NOON)) == (state, state)
    assert not_found(state, said, NOON).lease is None


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
    assert [one.payload for one in outgoing(state, NOON)] == pushes


def test_the_lease_of_a_run_that_is_gone_comes_back_unused() -> None:
    """Nothing was written, so nothing is unknown, and the next one loses no time; §6.13."""
    state = done(EMPTY, wish("w1", "a", run="run-a"), wish("w2", "b", run="run-b"))
    state, _ = heard(state, gone=["run-a"])
    [one] = state.records["a"].known.tries
    assert (one.answer, one.lost_at) == (Answer(kind="unused", at=NOON, detail=UNHEARD), None)
    assert not state.records["a"].unsettled
    assert state.lease is not None
    assert (state.lease.key, state.lease.not_before) == ("b", NOON)


def test_places_are_never_told_as_they_change() -> None:
    """A hundred sends before it are a hundred signals fewer; §6.14."""
    state, lease = leased(EMPTY, *(wish(f"w{n}", f"k{n}") for n in range(5)))
    state, said = heard(done(state, report(tried(lease, answer("refused", errcode=48001)), key="k0")))
    assert [(one.kind, one.key) for one in said] == [("lease", "k1")]
