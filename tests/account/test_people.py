"""What people see of an account, and do to it."""

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from qunfa.account import show
from qunfa.account.outbox import outgoing
from qunfa.account.people import caught_up, doubted, forget, freeze, looked_back, marked, unfreeze, why_kept
from qunfa.account.records import unsearched
from qunfa.account.routing import previewed
from qunfa.account.state import AccountState
from qunfa.contract import ledger
from qunfa.contract.facts import Ended
from qunfa.contract.ledger import Frozen, LedgerView, PreviewsLeft, Recalled, Restored, Waiting
from qunfa.contract.operators import Restore
from qunfa.contract.prospect import Past
from qunfa.contract.result import JobFinished
from qunfa.contract.steps import LedgerAnswer, LedgerQuestion
from qunfa.rules.calendar import next_day, shanghai_day
from qunfa.rules.quota_view import PREVIEWS_A_DAY
from tests.account.driving import (
    BEGAN,
    DAY,
    EMPTY,
    MINUTE,
    SECOND,
    answer,
    asked,
    attempt,
    done,
    known,
    leased,
    look,
    report,
    turn,
    wish,
    yes,
)
from tests.account.test_restored import TOLD
from tests.rules.arbitrary import NOON

LOST = Frozen(by="li", reason="wrong price", at=BEGAN - MINUTE)
OF_RESTORE = marked(EMPTY, TOLD, BEGAN - MINUTE).frozen


def test_an_unfreeze_since_then_wins() -> None:
    """A run that has not heard of it yet does not freeze the account again."""
    state = unfreeze(done(EMPTY, look(frozen=LOST)), NOON)
    assert done(state, wish("w2", frozen=LOST)).frozen is None


def test_a_freeze_that_has_ended_is_not_adopted() -> None:
    """A run tells of it that has not heard of its end yet. Temporal's clock may have been set back in between."""
    told = freeze(EMPTY, "li", "wrong price", NOON).frozen
    for at in (NOON, NOON + SECOND, NOON - SECOND):
        assert done(unfreeze(freeze(EMPTY, "li", "wrong price", NOON), at), look(frozen=told)).frozen is None


@pytest.mark.parametrize("before", [EMPTY, unfreeze(EMPTY, NOON)])
def test_a_ledger_that_was_reset_adopts_its_freeze(before: AccountState) -> None:
    """It has forgotten that. An earlier unfreeze stands against no later freeze."""
    told = freeze(before, "li", "wrong price", NOON + SECOND).frozen
    state, [granted] = asked(unsearched(before), wish(frozen=told))
    assert (state.frozen, state.lease) == (told, None)
    assert granted.waits is not None
    assert granted.waits.frozen == told


@pytest.mark.parametrize(("by", "stays"), [("bo", True), ("li", False)])
def test_a_second_freeze_erases_nobody_elses(by: str, *, stays: bool) -> None:
    """Its unfreeze would free what somebody else had stopped. A person may say something new about their own."""
    first = freeze(EMPTY, by, "wrong price", NOON)
    again = freeze(first, "li", "new AppSecret", NOON + MINUTE).frozen
    assert again == (first.frozen if stays else Frozen(by="li", reason="new AppSecret", at=NOON + MINUTE))
    restored = marked(EMPTY, TOLD, NOON)
    theirs = freeze(restored, "wang", "audit", NOON + MINUTE)
    assert theirs.frozen == Frozen(by="wang", reason="audit", at=NOON + MINUTE)
    assert caught_up(theirs, NOON + MINUTE).frozen == theirs.frozen


def test_a_freeze_outlasts_the_restore_of_a_lost_ledger() -> None:
    """What a send brings may be the freeze of a restore that the account is told of again, and ends with it."""
    theirs = freeze(done(EMPTY, look(frozen=OF_RESTORE)), "bo", "wrong price", NOON)
    after = caught_up(marked(theirs, TOLD, NOON + MINUTE), NOON + 2 * MINUTE)
    assert after.frozen == Frozen(by="bo", reason="wrong price", at=NOON)


@pytest.mark.parametrize("told", [False, True])
def test_what_froze_a_lost_ledger_is_not_replaced(*, told: bool) -> None:
    """By the freeze of somebody else: the unfreeze of that would free what it had stopped, and ask nobody."""
    state = marked(EMPTY, TOLD, NOON) if told else EMPTY
    after = freeze(done(state, look(frozen=LOST)), "bo", "audit", NOON)
    assert after.frozen == LOST
    assert caught_up(marked(after, TOLD, NOON), NOON + MINUTE).frozen == LOST
    theirs_first = done(freeze(state, "bo", "audit", NOON), look(frozen=LOST))
    both = Frozen(by="li, bo", reason="wrong price; audit", at=LOST.at)
    assert theirs_first.frozen == both
    assert done(theirs_first, wish("w2", frozen=LOST)).frozen == both
    renewed = freeze(EMPTY, LOST.by, "still wrong", NOON)
    assert done(renewed, look(frozen=LOST)).frozen == renewed.frozen


@pytest.mark.parametrize("first", ["the send", "the worker"])
@pytest.mark.parametrize("theirs", [LOST, LOST.model_copy(update={"reason": TOLD.reason}), OF_RESTORE])
def test_what_froze_a_lost_ledger_ends_as_it_began(first: str, theirs: Frozen) -> None:
    """By a person's word, or with the restore, whether a send or a worker comes first to the next ledger."""
    brings = look(frozen=theirs)
    state = done(EMPTY, brings) if first == "the send" else EMPTY
    state = done(marked(state, TOLD, NOON), brings.model_copy(update={"wish": "w2", "number": 2}))
    assert (state.frozen == theirs) is (theirs != OF_RESTORE)
    assert caught_up(state, NOON + MINUTE).frozen == (theirs if theirs != OF_RESTORE else None)


def test_a_freeze_of_this_ledger_outlasts_a_restore_alike() -> None:
    """The same person has frozen the account, for the same reason; no send has brought that."""
    state = freeze(EMPTY, TOLD.by, TOLD.reason, BEGAN)
    assert caught_up(marked(state, TOLD, NOON), NOON + MINUTE).frozen == state.frozen


def test_an_account_that_is_not_frozen_has_no_thaw_to_tell() -> None:
    """Whoever waits was told why, and hears no more of it."""
    state, _ = leased(EMPTY, wish("w1", "a"), wish("w2", "b"))
    assert outgoing(unfreeze(state, NOON), NOON) == ()


@pytest.mark.parametrize(
    ("key", "why"),
    [
        ("writes", "mass-send:demo:writes is submitting; ask again when that is over"),
        ("waits", "mass-send:demo:waits waits for its turn; abort it first"),
        ("other", "the account wx does not know the key other"),
        ("over", None),
    ],
)
def test_a_key_is_not_forgotten_while_it_is_under_way(key: str, why: str | None) -> None:
    """Nor where it is unknown, by somebody's mistake: the sentence says what to do."""
    state = done(EMPTY, wish("w1", "writes"), wish("w2", "waits"), look("w3", "over"))
    assert why_kept(state, key) == why
    after = forget(state, key, "li", "x", NOON)
    assert set(state.records) - set(after.records) == (set() if why else {key})
    assert (after == state) is (why is not None)


def test_what_was_to_be_sent_on_of_a_forgotten_key_goes_with_it() -> None:
    """And nothing else."""
    state = done(EMPTY, *(report(attempt(answer(msg_id=msg_id)), key=f"k{msg_id}") for msg_id in (7, 8)))
    state = done(state, *(JobFinished(msg_id=msg_id, status="err(30001)") for msg_id in (7, 8)))
    assert [one.key for one in forget(state, "k7", "li", "x", NOON).forwards] == ["k8"]


LATE = datetime(2026, 12, 1, 15, 59, tzinfo=UTC)
"""23:59 in Shanghai."""
ACCEPTED = attempt(answer())


def test_a_recall_changes_nothing_about_the_delivery() -> None:
    """It is noted once, and the newest ten are kept."""
    state = done(EMPTY, report(ACCEPTED, known={"tries": (ACCEPTED,), "said": (yes(),)}))
    recalls = [Recalled(at=NOON, msg_id=7, article_idx=n, by="li", reason="wrong price") for n in range(12)]
    after = done(state, *(report(recalled=one) for one in [*recalls, recalls[-1]]))
    assert after.records["k"].recalled == tuple(recalls[2:])
    assert (after.records["k"].known, after.book) == (state.records["k"].known, state.book)


@given(st.lists(st.integers(min_value=0, max_value=150), max_size=300))
@example(list(range(PREVIEWS_A_DAY + 1)))
def test_each_call_takes_one_of_a_hundred_previews(calls: list[int]) -> None:
    """Whoever asks again for the same call gets the same answer, and it costs nothing."""
    state, granted = EMPTY, set[int]()
    for call in calls:
        state, left = previewed(state, f"call-{call}" * 50, LATE)
        assert left.granted is (call in granted or len(granted) < PREVIEWS_A_DAY)
        granted |= {call} if left.granted else set()
        assert left.left == PREVIEWS_A_DAY - len(granted)


def test_previews_of_earlier_days_use_up_none_of_today() -> None:
    """A reset has an account count those of weeks anew. Of a preview that was asked for tomorrow, today counts."""
    state = EMPTY
    for call in range(3 * PREVIEWS_A_DAY):
        state, left = previewed(state, f"call-{call}", NOON, NOON - (call % 100) * DAY - DAY)
        assert left.granted
    assert state.book[shanghai_day(NOON - DAY)].previews == 3
    for number, asked_at in enumerate((None, NOON, NOON + DAY, NOON + DAY), start=1):
        state, left = previewed(state, f"now-{min(number, 3)}", NOON, asked_at)
        assert left.left == PREVIEWS_A_DAY - min(number, 3)


def test_a_ledger_that_was_lost_adopts_its_freeze() -> None:
    """From the wish of a run that was told of it; nothing is granted; §6.8."""
    state, [granted] = asked(EMPTY, wish(frozen=LOST))
    assert (state.frozen, state.lease) == (LOST, None)
    assert granted.waits is not None
    assert granted.waits.frozen == LOST
    assert asked(EMPTY, look(searched=False, frozen=LOST))[0].frozen == LOST


def test_lines_of_what_was_forgotten_are_bounded() -> None:
    """By bytes, the newest stay."""
    state = EMPTY
    for number in range(100):
        state = done(state, report(attempt(answer("unknown")), key=f"k{number}"))
        state = forget(state, f"k{number}", "李" * 100, "理由" * 300, NOON)
    assert 0 < len(state.forgotten) < 10
    assert state.forgotten[-1].key == "k99"


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
    restored = Restored(by="li", reason="x", taken=NOON - MINUTE, at=NOON)
    state = state.changed(restored=restored, forgotten=(ledger.Forgotten(key="gone", by="li", reason="x", at=NOON),))
    seen = show.view(state, {})
    assert [one.key for one in seen.records] == ["sent", "failed", "two", "a", "b"]
    kept = ("appid", "since", "pace", "frozen", "kept", "book", "forgotten", "restored")
    assert [getattr(seen, name) for name in kept] == [getattr(state, name) for name in kept]
    assert seen.waiting == (Waiting(key="b", due=NOON + MINUTE, place=1),)
    assert seen.lease == ledger.Lease(
        index=0, attempt=lease.number, **lease.model_dump(exclude={"number", "wish", "clientmsgid"})
    )
    assert show.switch(state) == ledger.FreezeAnswer(frozen=state.frozen, in_flight=(seen.lease,))


def test_a_ledger_says_of_which_keys_it_may_hide_more() -> None:
    """All while a restore is open; then those that came up before it was over, with their batches, not yet doubted."""
    after = caught_up(marked(STATE, Restore(by="li", reason="x", taken=BEGAN), NOON), NOON + MINUTE)
    doubted_once = doubted(after, after.records["two"], 0, "c0")
    after = after.changed(records={**after.records, "two": doubted_once})
    early = {"started_at": NOON.isoformat()}
    seen: list[dict[str, Any]] = [
        {"key": "sent"},
        {"key": "sent.1"},
        {"key": "two"},
        {"key": "new"},
        {"key": "new", **early},
        {},
        {"key": 1},
    ]
    assert [show.view(after, one).hides_more for one in seen] == [True, True, False, False, True, False, False]
    assert looked_back(after, "new", NOON + MINUTE + MINUTE, None) is None
    hidden = looked_back(after, "new", NOON, None)
    assert hidden is not None
    assert [one.answer and one.answer.kind for one in hidden.tries] == ["unknown", "unknown"]


def test_a_check_finds_the_doubt_that_a_start_would_find() -> None:
    """After a restore, of each key that may be forgotten: also of one that Temporal alone knows by an earlier run."""
    before = marked(STATE, Restore(by="li", reason="x", taken=BEGAN), NOON)
    after = caught_up(before, NOON + MINUTE)

    def tries(state: AccountState, key: str, came_up_at: datetime | None = None) -> int:
        return len(show.past_of(show.view(state, {"key": key}), key, Past(), came_up_at).known.tries)

    assert [tries(before, "new"), tries(after, "new"), tries(after, "new", NOON)] == [2, 0, 2]
    once = doubted(after, after.records["two"], 0, "c0")
    state = after.changed(records={**after.records, "two": once})
    assert tries(state, "two", NOON) == len(once.known.tries)


def test_a_check_finds_the_push_that_a_start_would_find() -> None:
    """The account was lost, and heard of the job before it knows whose that is: an earlier run tells."""
    accepted = known(attempt(answer()))
    words = (JobFinished(msg_id=7, status="send fail"), JobFinished(msg_id=8, status="send success"))
    state = done(EMPTY, *words)
    seen = show.view(state, {"key": "k"})
    past = show.past_of(seen, "k", Past(known=accepted), NOON)
    assert [(one.msg_id, one.verdict.status) for one in past.known.said] == [(7, "send fail")]
    assert show.past_of(seen, "k", Past(), NOON).known == known()


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


def test_a_preview_that_is_asked_for_is_counted() -> None:
    """Today, and once for each call."""
    question = LedgerQuestion(previewing="call-1")
    state, told = show.answer_of(STATE, question, NOON + SECOND)
    assert told == LedgerAnswer(previews=PreviewsLeft(granted=True, left=99, opens=next_day(NOON, None)))
    assert show.answer_of(state, question, NOON + SECOND) == (state, told)
    restored = marked(STATE, Restore(by="li", reason="x", taken=NOON), NOON)
    assert show.answer_of(restored, question, NOON + SECOND)[1] == told
    both = LedgerQuestion(previewing="call-1", key="searched")
    state = done(state, wish("w", "searched", known=known(ACCEPTED)))
    known_too = told.model_copy(update={"known": state.records["searched"].known})
    assert show.answer_of(state, both, NOON + SECOND) == (state, known_too)
