"""What a report leaves in the ledger, when it was heard of, and what is counted by it."""

from datetime import timedelta
from typing import Any

import pytest

from qunfa.account import budget
from qunfa.account.outbox import outgoing
from qunfa.account.routing import BOOK_LIFE, counted_elsewhere
from qunfa.account.state import AccountState, Claim, Record
from qunfa.contract.facts import Decided, Ended, Owned
from qunfa.contract.grants import Report
from qunfa.contract.ledger import Day, Recalled
from qunfa.contract.result import ArticleCheck, JobFinished, Verdict
from qunfa.rules.calendar import shanghai_day
from tests.account.driving import DAY, EMPTY, SECOND, answer, attempt, done, known, look, report, wish, yes
from tests.rules.arbitrary import NOON
from workflows.waiting import Signals

LATER = NOON + SECOND
ENDED = Ended(outcome="failed", problem="p")
RECALLED = Recalled(at=NOON, msg_id=7, by="li", reason="x")
REFUSED = attempt(answer("refused", errcode=48001))
ACCEPTED = attempt(answer())
ECHO = answer("duplicate", msg_id=7)
KNOWN = done(EMPTY, report(REFUSED, ended=ENDED, recalled=RECALLED))


@pytest.mark.parametrize(
    "nothing",
    [
        report(),
        report(REFUSED, ended=ENDED, recalled=RECALLED),
        report(attempt(answer("unknown"), 2), ended=Ended(outcome="unknown"), digest="other"),
        report(attempt(answer("unknown"), 2), workflow_id="群发"),
        report(attempt(answer("unknown"), 2), digest="群发"),
    ],
)
def test_what_is_nothing_new_leaves_the_ledger(nothing: Report) -> None:
    """A copy, a report of other content, or one with ids that nothing can have; it is no sign of life either."""
    assert done(KNOWN, nothing, now=LATER) == KNOWN


def test_a_push_is_a_sign_of_life() -> None:
    """Its record is as young as the last word on it."""
    state = done(EMPTY, report(ACCEPTED))
    assert done(state, JobFinished(msg_id=7, status="err(30001)"), now=LATER).records["k"].touched_at == LATER


def test_pushes_of_others_are_counted_one_by_one() -> None:
    """Until each turns out to be ours; on the day on which it came."""
    pushes = [JobFinished(msg_id=msg_id, status="send success") for msg_id in (7, 8, 9)]
    state = done(done(EMPTY, *pushes[:2]), pushes[2], now=NOON + DAY)
    today, tomorrow = shanghai_day(NOON), shanghai_day(NOON + DAY)
    assert {day: one.others for day, one in state.book.items()} == {today: 2, tomorrow: 1}
    state = done(state, report(ACCEPTED), now=NOON + 2 * DAY)
    assert {day: one.others for day, one in state.book.items()} == {today: 1, tomorrow: 1}
    assert [one.event.msg_id for one in state.kept] == [8, 9]
    state = done(state, look("w1", "b", known=known(attempt(answer(msg_id=8)))), now=NOON + 2 * DAY)
    assert {day: one.others for day, one in state.book.items()} == {today: 0, tomorrow: 1}
    assert counted_elsewhere(EMPTY, NOON, -1, NOON).book == {today: Day()}, "never below zero"


def test_two_words_on_one_early_job_are_one_send() -> None:
    """Counted when the first one came, and taken back there; both words are weighed."""
    no, sent = JobFinished(msg_id=7, status="err(30001)"), JobFinished(msg_id=7, status="send success")
    state = done(done(EMPTY, no), sent, now=NOON + DAY)
    state = done(state, report(ACCEPTED), now=NOON + DAY)
    assert {day: (one.others, one.total) for day, one in state.book.items()} == {shanghai_day(NOON): (0, 1)}
    assert [one.payload for one in outgoing(state, NOON)] == [sent]


@pytest.mark.parametrize(("age", "is_counted"), [(BOOK_LIFE, True), (BOOK_LIFE + DAY, False)])
def test_the_book_begins_two_months_ago(age: timedelta, is_counted: bool) -> None:
    """That day is still in it, also when another one is added; an older one is not."""
    state = done(EMPTY, report(attempt(answer(at=NOON - age))))
    state = done(state, report(attempt(answer(msg_id=8)), key="b"))
    days = [shanghai_day(NOON - age)] if is_counted else []
    assert [*state.book] == [*days, shanghai_day(NOON)]


def test_each_accepted_job_of_a_key_is_counted_once() -> None:
    """A second generation is another send; one told later counts where WeChat has accepted it."""
    second = attempt(answer(msg_id=8, at=NOON - DAY), 2, "later", generation=1)
    state = done(EMPTY, report(ACCEPTED), report(ACCEPTED, second, to_all=True), report(second, to_all=True))
    days = {day: (one.total, one.to_all) for day, one in state.book.items()}
    assert days == {shanghai_day(NOON): (1, 0), shanghai_day(NOON - DAY): (1, 1)}
    assert state.records["k"].booked == (7, 8)


FAILED = JobFinished(msg_id=7, status="err(30003)")
SENT = JobFinished(msg_id=7, status="send success")


def failures(state: AccountState) -> dict[str, tuple[int, int, int, int]]:
    """What the book has of each day: all sends and those to all, accepted and failed."""
    return {day: (one.total, one.failed, one.to_all, one.failed_to_all) for day, one in state.book.items()}


@pytest.mark.parametrize("to_all", [True, False])
def test_a_job_that_failed_is_counted_as_failed_once(to_all: bool) -> None:
    """On the day of its acceptance: WeChat lets an account have so many sends that succeed."""
    today = shanghai_day(NOON)
    state = done(EMPTY, report(ACCEPTED, to_all=to_all))
    state = done(state, report(ACCEPTED, recalled=RECALLED))
    assert failures(state) == {today: (1, 0, to_all, 0)}
    for word in (FAILED, FAILED, report(ACCEPTED, to_all=to_all)):
        state = done(state, word, now=NOON + DAY)
        assert failures(state) == {today: (1, 1, to_all, to_all)}


def test_a_failure_that_the_run_tells_is_counted_as_well() -> None:
    """`mass/get` has said it, and no push came; and the next generation is another send."""
    said = yes(status="SEND_FAIL", by="poll")
    second = attempt(answer(msg_id=8), 2, "later", generation=1)
    state = done(EMPTY, report(known=known(ACCEPTED, said=(said,)), to_all=True))
    state = done(state, report(ACCEPTED, second, to_all=True))
    assert failures(state) == {shanghai_day(NOON): (2, 1, 2, 1)}
    assert state.records["k"].failed == (7,)


def test_a_failure_that_wechat_takes_back_is_none() -> None:
    """A yes is better known than a no, whichever came first."""
    for words in ((FAILED, SENT), (SENT, FAILED)):
        state = done(EMPTY, report(ACCEPTED, to_all=True), *words)
        assert failures(state) == {shanghai_day(NOON): (1, 0, 1, 0)}


def found(what: Any, msg_id: int | None) -> Decided:
    """A decision of this kind that names a msg_id."""
    return Decided(id="u", what=what, by="li", reason="", at=NOON, generation=0, msg_id=msg_id)


@pytest.mark.parametrize(
    ("facts", "claims"),
    [
        (known(ACCEPTED), {7: Claim(0, accepted=True)}),
        (known(attempt(answer("duplicate"))), {}),
        (known(attempt(ECHO, generation=1)), {7: Claim(1, accepted=False)}),
        (known(attempt(answer("refused", msg_id=7))), {}),
        (known(attempt(None)), {}),
        (known(decided=(found("mark_sent", 7),)), {7: Claim(0, accepted=True)}),
        (known(decided=(found("mark_sent", None),)), {}),
        (known(decided=(found("retry", 7),)), {}),
        (known(owned=(Owned(msg_id=7, key="k", generation=2),)), {7: Claim(2, accepted=False)}),
        (known(attempt(ECHO), owned=(Owned(msg_id=7, key="o", generation=0),)), {}),
        (known(attempt(ECHO, generation=1), attempt(answer(), 2, "later")), {7: Claim(0, accepted=True)}),
        (
            known(attempt(ECHO, generation=1), owned=(Owned(msg_id=7, key="k", generation=0),)),
            {7: Claim(0, accepted=False)},
        ),
    ],
)
def test_which_msg_ids_a_key_claims(facts: Any, claims: dict[int, Claim]) -> None:
    """By an acceptance before a 45065, and none that is another key's."""
    record = Record(key="k", digest="d", workflow_id="w", touched_at=NOON, known=facts)
    assert record.claims == claims


def test_a_record_in_short_says_less_to_people_and_the_same_to_rules() -> None:
    """Articles, texts and older recalls go; one that would not be shorter stays as it is."""
    verdict = Verdict(status="send success", observed_by="push", articles=(ArticleCheck(idx=1, url="u" * 99),))
    word = yes().model_copy(update={"verdict": verdict})
    decided = Decided(id="u", what="retry", by="l" * 50, reason="x" * 50, at=NOON, generation=0)
    recalls = tuple(RECALLED.model_copy(update={"article_idx": idx, "reason": "x" * 50}) for idx in range(3))
    facts = known(attempt(answer(errmsg="text")), said=(word,), decided=(decided,))
    record = Record(key="k", digest="d", workflow_id="w", touched_at=NOON, known=facts, recalled=recalls)
    short = record.short
    assert short.known == known(
        ACCEPTED, said=(yes(),), decided=(decided.model_copy(update={"by": "l" * 40, "reason": "x" * 40}),)
    )
    assert [(one.article_idx, one.reason) for one in short.recalled] == [(1, "x" * 40), (2, "x" * 40)]
    assert short.short is short
    assert short.changed(known=facts, recalled=recalls) == record


def test_a_carried_ledger_leaves_out_what_is_empty() -> None:
    """Else each row would name all of its fields; nothing else is left out."""
    state: AccountState = done(EMPTY, report(ACCEPTED, key="a"))
    carried = state.model_dump(mode="json")
    assert set(carried) == {"reads", "appid", "since", "records", "book", "announced", "pace", "switched", "serial"}
    [one] = carried["records"]["a"]["known"].pop("tries")
    assert (carried["records"]["a"]["known"], carried["switched"]) == ({}, 0)
    assert set(one) == {"generation", "number", "wish", "clientmsgid", "not_before", "holder", "answer"}
    assert set(one["answer"]) == {"kind", "at", "msg_id", "token_endpoint", "at_once", "told"}


@pytest.mark.parametrize("more", [["later"], [None, {"later": 1}]])
def test_rows_of_a_newer_version_are_read(more: list[Any]) -> None:
    """What has come behind their fields is left out, so that an account can go back by a version."""
    push = JobFinished(msg_id=7, status="send success")
    state = done(EMPTY, report(ACCEPTED), push, wish("w1", "a"), wish("w2", "b"), look("w3", "c"))
    assert all((state.queue, state.notes, state.forwards))
    newer = state.model_dump(mode="json")
    for name in ("queue", "notes", "forwards"):
        newer[name] = [[*row, *more] for row in newer[name]]
    assert AccountState.model_validate(newer) == state
    signal = ["push", push.model_dump(mode="json")]
    assert Signals([[*signal, *more]]).carried() == Signals([signal]).carried() == [("push", push)]


@pytest.mark.parametrize(
    ("news", "field", "value"),
    [
        (report(attempt(answer("unknown"), 2, "new")), "known", known(REFUSED, attempt(answer("unknown"), 2, "new"))),
        (report(ended=Ended(outcome="aborted")), "ended", Ended(outcome="aborted")),
        (
            report(recalled=RECALLED.model_copy(update={"msg_id": 8})),
            "recalled",
            (RECALLED, RECALLED.model_copy(update={"msg_id": 8})),
        ),
    ],
)
def test_what_is_new_is_added_and_heard_of_now(news: Report, field: str, value: Any) -> None:
    """From then on the record is as young as that; all else of it stays."""
    before, after = KNOWN.records["k"], done(KNOWN, news, now=LATER).records["k"]
    assert after == before.changed(**{field: value}, touched_at=LATER)


def test_a_first_report_makes_a_record(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a key that earlier runs may know more of; none where the ledger is full."""
    state = done(EMPTY, report(ACCEPTED, key="a"))
    assert state.records["a"] == Record(
        key="a",
        digest="d",
        workflow_id="mass-send:demo:a",
        known=known(ACCEPTED),
        booked=(7,),
        touched_at=NOON,
        unsearched=True,
    )
    assert done(state, report(ACCEPTED, key="b", digest="群发")) == state
    monkeypatch.setattr(budget, "_NEW_KEYS", 0)
    assert done(state, report(ACCEPTED, key="b")) == state
    assert "b" in done(EMPTY, report(REFUSED, key="b")).records
