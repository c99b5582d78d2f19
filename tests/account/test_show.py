"""What people and activities see of an account: nothing is left out, and nothing is said of what may be unknown."""

from typing import Any

import pytest

from qunfa.account import show
from qunfa.account.people import freeze
from qunfa.account.records import unsearched
from qunfa.contract import ledger
from qunfa.contract.facts import Ended
from qunfa.contract.ledger import LedgerView, PreviewsLeft, Recalled, Waiting
from qunfa.contract.result import JobFinished
from qunfa.contract.steps import LedgerAnswer, LedgerQuestion
from qunfa.rules.calendar import next_day
from tests.account.driving import EMPTY, MINUTE, SECOND, answer, attempt, done, known, leased, report, turn, wish, yes
from tests.rules.arbitrary import NOON

ACCEPTED = attempt(answer())
RECALLED = Recalled(at=NOON, msg_id=7, by="li", reason="x")
SENT = report(ACCEPTED, key="sent", known=known(ACCEPTED, said=(yes(),)), recalled=RECALLED)
FAILED = report(attempt(answer("refused", errcode=48001)), key="failed", ended=Ended(outcome="failed", problem="p"))
TWO = (attempt(answer(msg_id=8)), attempt(answer(msg_id=9), 2, "later", generation=1))
STATE = done(EMPTY, SENT, FAILED, report(*TWO, key="two"))


def records(wanted: dict[str, Any]) -> tuple[ledger.Record, ...]:
    """The records that are shown."""
    return show.view(STATE, wanted).records


def test_a_ledger_is_shown_whole() -> None:
    """All that it keeps."""
    first, second = turn(pace=2 * SECOND), turn(due=NOON + MINUTE)
    state, lease = leased(STATE, wish("w1", "a", turn=first), wish("w2", "b", turn=second))
    state = freeze(done(state, JobFinished(msg_id=99, status="send success")), "li", "x", NOON)
    state = state.changed(forgotten=(ledger.Forgotten(key="gone", by="li", reason="x", at=NOON),))
    seen = show.view(state, {})
    assert [one.key for one in seen.records] == ["sent", "failed", "two", "a", "b"]
    kept = ("appid", "since", "pace", "frozen", "kept", "book", "forgotten")
    assert [getattr(seen, name) for name in kept] == [getattr(state, name) for name in kept]
    assert seen.waiting == (Waiting(key="b", due=NOON + MINUTE, place=1),)
    assert seen.lease == ledger.Lease(
        index=0, attempt=lease.number, **lease.model_dump(exclude={"number", "wish", "clientmsgid"})
    )
    assert show.switch(state) == ledger.FreezeAnswer(frozen=state.frozen, in_flight=(seen.lease,))


def test_an_account_with_nothing_shows_nothing() -> None:
    """No lease, nobody in flight."""
    nothing: dict[str, Any] = {"records": (), "lease": None, "pace": EMPTY.pace, "frozen": None, "kept": (), "book": {}}
    assert show.view(EMPTY, {}) == LedgerView.model_validate({"appid": "wx", "since": EMPTY.since, **nothing})
    assert show.switch(EMPTY) == ledger.FreezeAnswer(frozen=None)


def test_a_key_is_shown_with_its_facts() -> None:
    """They are many: of no other question."""
    [row] = records({"key": "sent"})
    assert row == ledger.Record(
        key="sent",
        digest="d",
        workflow_id="mass-send:demo:sent",
        jobs=STATE.records["sent"].jobs,
        ended_as="sent",
        touched_at=NOON,
        unsearched=True,
        recalled=(RECALLED,),
        known=STATE.records["sent"].known,
    )
    assert records({"key": "sent", "msg_id": 7}) == (row,)
    assert [one.known for one in records({})] == [None] * 3


@pytest.mark.parametrize(
    ("wanted", "keys"),
    [
        ({"key": "two"}, ["two"]),
        ({"key": "unknown"}, []),
        ({"key": None}, []),
        ({"msg_id": 7}, ["sent"]),
        ({"msg_id": 8}, ["two"]),
        ({"msg_id": 9}, ["two"]),
        ({"msg_id": 10}, []),
        ({"key": "two", "msg_id": 7}, []),
        ({"other": 1}, ["sent", "failed", "two"]),
    ],
)
def test_records_are_chosen_by_key_or_msg_id(wanted: dict[str, Any], keys: list[str]) -> None:
    """By one of all their jobs; what is asked for both ways has to be both."""
    assert [one.key for one in records(wanted)] == keys


def test_an_end_is_wechats_yes_or_what_the_send_has_told() -> None:
    """A yes counts also where the send has told something else, since it may have ended before."""
    assert [(one.ended_as, one.problem) for one in records({})] == [("sent", None), ("failed", "p"), (None, None)]
    late = report(key="failed", known=known(attempt(answer(msg_id=11), 2, "x"), said=(yes(11, "DELETE"),)))
    [row] = show.view(done(STATE, late), {"key": "failed"}).records
    assert (row.ended_as, row.problem) == ("deleted", "p")


def test_a_job_of_which_nothing_is_known_is_not_shown() -> None:
    """A key that has only asked has none."""
    asked = done(EMPTY, wish("w1", "a"), wish("w2", "b"))
    assert [len(one.jobs) for one in show.view(asked, {}).records] == [1, 0]


@pytest.mark.parametrize(("key", "is_known"), [("sent", False), ("searched", True), ("unknown", False), (None, False)])
def test_a_question_is_answered_where_all_is_known(key: str | None, is_known: bool) -> None:
    """Of a key that earlier runs may know more of nothing is said."""
    state = done(STATE, wish("w", "searched", known=known(ACCEPTED)))
    after, told = show.answer_of(state, LedgerQuestion(key=key), NOON)
    assert (after, told) == (state, LedgerAnswer(known=state.records["searched"].known if is_known else None))
    lost = unsearched(state)
    assert show.answer_of(lost, LedgerQuestion(key=key), NOON) == (lost, LedgerAnswer())


def test_a_preview_that_is_asked_for_is_counted() -> None:
    """Today, and once for each call."""
    question = LedgerQuestion(previewing="call-1")
    state, told = show.answer_of(STATE, question, NOON + SECOND)
    assert told == LedgerAnswer(previews=PreviewsLeft(granted=True, left=99, opens=next_day(NOON, None)))
    assert show.answer_of(state, question, NOON + SECOND) == (state, told)
    both = LedgerQuestion(previewing="call-1", key="searched")
    state = done(state, wish("w", "searched", known=known(ACCEPTED)))
    known_too = told.model_copy(update={"known": state.records["searched"].known})
    assert show.answer_of(state, both, NOON + SECOND) == (state, known_too)
