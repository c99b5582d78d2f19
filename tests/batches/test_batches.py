from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qunfa.batches import show, steps
from qunfa.batches.answers import fitting
from qunfa.batches.rows import row_of, row_of_refused
from qunfa.batches.state import BatchesState, Case
from qunfa.contract.audience import Batch
from qunfa.contract.batches import BatchRow, BatchSaid
from qunfa.contract.operators import Abort, Resume, Retry
from qunfa.contract.result import COMPLETES, NOT_DELIVERED, MassSendResult, Outcome, Problem
from qunfa.rules.digest import content_digest
from qunfa.rules.problems import CORRECT_IT, LOOK_FIRST, USE_THE_SAME_KEY
from qunfa.send import events
from tests.batches.driving import ANSWERS, ASKS, FACTS, LI, MINUTE, Drive, asks, failed, planned, request, row, sent
from tests.rules.arbitrary import NOON
from tests.send.alone import Alone

SPENT = Problem(name="quota_exhausted", sentence="Making the draft, WeChat answered 45009.", todo="", errcode=45009)
OUTCOMES: tuple[Outcome, ...] = ("sent", "sent_nobody", "failed", "unknown", "aborted", "expired")
EVENTS = st.lists(
    st.one_of(
        st.tuples(st.just("end"), st.integers(1, 5), st.sampled_from(OUTCOMES)),
        st.tuples(st.just("say"), st.integers(1, 5), st.booleans()),
        st.tuples(st.just("answer"), st.sampled_from(("abort", "pause", "resume", "retry", "mark_sent")), st.none()),
        st.tuples(st.just("wait"), st.integers(1, 5000), st.none()),
        st.tuples(st.just("reset"), st.none(), st.none()),
        st.tuples(st.just("cancel"), st.none(), st.none()),
    ),
    max_size=25,
)


def happened(drive: Drive, what: str, first: Any, second: Any, number: int) -> None:
    """One event of a life, told to the send."""
    match what:
        case "end":
            drive.hear(steps.Ended(row(first, second)))
        case "say":
            drive.hear(asks(first) if second else BatchSaid(number=first))
        case "answer":
            drive.answer(ANSWERS[first], f"u{number}")
        case "wait":
            drive.now += first * MINUTE
        case "reset":
            drive.hear(steps.WasReset())
        case _:
            drive.hear(steps.Cancelled("enough"))


@given(EVENTS, st.sampled_from(("stop", "continue")), st.integers(1, 4))
def test_batches_go_one_at_a_time_and_none_is_left_out(life: list[Any], policy: str, batches: int) -> None:
    """In any order of events: a batch begins when the one before has ended, and none begins once the send is to end."""
    drive = Drive(request(on_batch_problem=policy, not_after=NOON + timedelta(days=9)), batches)
    for number, (what, first, second) in enumerate(life):
        ended, running = len(drive.state.rows), drive.state.running
        stopped = drive.state.stop is not None
        drive.go()
        if drive.state.running is not None and drive.state.running != running:
            assert running is None
            assert drive.state.running.number == ended + 1 <= batches
            assert not stopped
        happened(drive, what, first, second, number)
        assert [one.number for one in drive.state.rows] == list(range(1, len(drive.state.rows) + 1))
    drive.now += timedelta(days=10)
    drive.carry()
    drive.now += timedelta(days=10)  # nobody has decided about the last batch either
    end = drive.ended()
    assert fitting(drive.request, drive.state, drive.now) == ()
    assert_honest(drive, end)


def assert_honest(drive: Drive, end: steps.End) -> None:
    """The result has a row for each batch that was begun, and hides nothing that may have been delivered."""
    result = show.result(drive.request, drive.state, end, drive.now)
    assert [job.index for job in result.jobs] == [one.number - 1 for one in drive.state.rows]
    assert result.may_have_been_delivered == any(one.may_have_been_delivered for one in drive.state.rows)
    reached = [one for one in drive.state.rows if one.outcome in COMPLETES]
    assert (result.outcome in COMPLETES) == bool(reached)
    if result.outcome in {"sent", "sent_nobody", "deleted"}:
        assert len(reached) == show.status(drive.request, drive.state, end, drive.now).progress.jobs


@pytest.mark.parametrize(
    ("policy", "first", "outcome", "problem", "begun"),
    [
        ("stop", sent(1), "sent", None, 3),
        ("continue", failed(1), "partly_sent", "batch_failed", 3),
        ("continue", failed(1).model_copy(update={"problem": "key_reused"}), "failed", "key_reused", 1),
    ],
)
def test_a_list_is_sent_batch_by_batch(
    policy: str, first: BatchRow, outcome: Outcome, problem: str | None, begun: int
) -> None:
    """Each once; one that fails may stop nothing. Other content under the key of a batch is nobody's wish."""
    drive = Drive(request(on_batch_problem=policy))
    end = drive.ended(lambda number: first if number == 1 else sent(number))
    assert (end.outcome, end.problem and end.problem.name) == (outcome, problem)
    assert drive.begun == dict.fromkeys(range(1, begun + 1), 1)


@pytest.mark.parametrize(("perhaps", "state"), [(True, "unknown"), (False, "failed")])
def test_a_refused_batch_is_told_as_what_its_key_may_have_sent(*, perhaps: bool, state: str) -> None:
    """An earlier run under its key may have been delivered: whoever recalls the list must see that."""
    drive = Drive(request(on_batch_problem="continue"))
    refused = failed(1).model_copy(update={"may_have_been_delivered": perhaps, "problem": "invalid_request"})
    end = drive.ended(lambda number: refused if number == 1 else sent(number))
    result = show.result(drive.request, drive.state, end, drive.now)
    assert [job.state for job in result.jobs] == [state, "sent", "sent"]


def test_a_batch_without_its_account_may_have_been_delivered() -> None:
    """A retry on a worker whose configuration lacks the account asks nobody what the run before has done."""
    drive = Drive(batches=2)
    drive.waits(lambda number: row(number, "unknown"))
    assert drive.answer(Retry(**LI)) is None
    refused = row_of_refused(1, "spring.1", ["account: account demo: the workers' configuration does not have it"])
    step = drive.waits(lambda _number: refused)
    assert step.problem is not None
    assert step.problem.sentence.endswith("It may have been delivered.")
    assert drive.answer(Abort(**LI), "v") is None
    assert (drive.ended().outcome, [one.state for one in drive.state.all_rows]) == ("unknown", ["unknown"])


def test_a_long_list_is_found_at_little_cost(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is shown at each step, in a replay as well: no clientmsgid is computed for that."""
    drive = Drive()
    end = drive.ended(sent)
    monkeypatch.setattr(show, "clientmsgid", None)
    assert show.searchable(drive.request, drive.state, end, drive.now).msg_ids == ("1001", "1002", "1003")


def test_a_batch_that_fails_stops_the_rest_and_asks() -> None:
    """The next one waits for a person, who can let the send go on."""
    drive = Drive()
    step = drive.waits(lambda number: failed(number) if number == 2 else sent(number))
    assert (step.phase, step.problem and step.problem.name, drive.begun[3]) == ("needs_operator", "batch_failed", 0)
    assert show.status(drive.request, drive.state, step, drive.now).batch == 2
    assert drive.answer(Resume(by="li")) is None
    end = drive.ended()
    assert (end.outcome, drive.begun[2], drive.begun[3]) == ("partly_sent", 1, 1)


def test_a_retry_concerns_its_batch_alone() -> None:
    """The others are not begun once more."""
    drive = Drive()
    drive.carry(lambda number: row(number, "unknown") if number == 2 else sent(number))
    assert drive.answer(Retry(**LI)) is None
    end = drive.ended()
    assert (end.outcome, drive.begun) == ("sent", {1: 1, 2: 2, 3: 1})


def test_only_a_retry_begins_a_batch_that_was_aborted() -> None:
    """The others, and those after a reset, stay ended where a person has ended them."""
    drive, begun_anew = Drive(), []
    for happened in (lambda: drive.answer(Retry(**LI)), lambda: drive.hear(steps.WasReset(), steps.Ended(sent(1)))):
        drive.carry(lambda number: row(number, "aborted"))
        drive.now += MINUTE
        happened()
        batches = [Case(drive.request, drive.state, drive.now).batch(number).audience for number in (1, 2)]
        begun_anew.append([batch.retried for batch in batches if isinstance(batch, Batch)])
    assert begun_anew == [[True, False], [False, False]]


def test_a_list_that_asks_before_its_plan_ends_in_time() -> None:
    """Nobody answers until `not_after`: nothing may be sent any more."""
    drive = Drive(request(not_after=NOON + MINUTE))
    drive.hear(steps.Pinned(FACTS), steps.Inspected("d", ()), steps.Joined(), steps.Obstructed(ASKS))
    step = drive.go()
    assert isinstance(step, steps.Step)
    assert (step.phase, step.wakes_at) == ("needs_operator", NOON + MINUTE)
    drive.now += MINUTE
    assert drive.ended().outcome == "expired"


@pytest.mark.parametrize("policy", ["wait", "fail"])
def test_an_audience_that_wechat_does_not_tell_is_asked_about(policy: str) -> None:
    """Nothing was planned, so nothing is sent; a retry plans it. `on_problem: fail` asks nobody."""
    drive = Drive(request(on_problem=policy))
    drive.hear(steps.Pinned(FACTS), steps.Inspected("d", ()), steps.Joined(), steps.Obstructed(ASKS))
    step = drive.go()
    if policy == "fail":
        assert isinstance(step, steps.End)
        assert (step.outcome, step.problem) == ("failed", ASKS.model_copy(update={"todo": USE_THE_SAME_KEY}))
        return
    assert isinstance(step, steps.Step)
    assert (step.phase, step.problem, drive.state.plan) == ("needs_operator", ASKS, None)
    assert show.status(drive.request, drive.state, step, drive.now).batch is None
    assert drive.answer(Retry(**LI)) is None
    assert drive.state.story[-1].what == "retry after send_failed"
    end = drive.ended()
    assert (end.outcome, drive.begun) == ("sent", {1: 1, 2: 1, 3: 1})


def test_a_list_whose_material_was_refused_needs_a_new_key() -> None:
    """Its files cannot be corrected under this one."""
    drive = Drive(request(on_problem="fail"))
    refused = ASKS.model_copy(update={"name": "media_refused"})
    drive.hear(steps.Pinned(FACTS), steps.Inspected("d", ()), steps.Joined(), steps.Obstructed(refused))
    assert drive.ended().problem == refused.model_copy(update={"todo": CORRECT_IT})


def test_a_list_whose_draft_is_gone_is_looked_up_first() -> None:
    """Somebody may have sent it by hand: corrected and sent again, it would come twice."""
    drive = Drive(request(on_problem="fail", message={"msgtype": "mpnews", "media_id": "draft"}))
    gone = ASKS.model_copy(update={"name": "media_refused", "errcode": 40007})
    drive.hear(steps.Pinned(FACTS), steps.Inspected("d", ()), steps.Joined(), steps.Obstructed(gone))
    assert drive.ended().problem == gone.model_copy(update={"todo": LOOK_FIRST})


def test_a_list_without_a_plan_is_planned_by_a_persons_word() -> None:
    """A retry alone looks into the store once more, so that a retry of many vouches for none."""
    drive = Drive()
    missing = Problem(name="plan_missing", sentence="s", todo="t")
    drive.hear(steps.Pinned(FACTS), steps.Inspected("d", ()), steps.Joined(), steps.Obstructed(missing))
    assert drive.waits().problem == missing
    assert (drive.answer(Retry(**LI)), drive.state.is_unbegun) == (None, False)
    assert drive.hear(steps.Obstructed(missing)).waits().problem == missing
    assert (drive.answer(Retry(**LI, confirm_not_delivered=True)), drive.state.is_unbegun) == (None, True)
    assert drive.ended().outcome == "sent"


def spent(quota: str = "wait", **more: Any) -> Drive:
    """A list whose material for a preview WeChat has refused for today."""
    preview = {"to": [{"wxname": "li"}]}
    facts = FACTS.model_copy(update={"quota": quota})
    drive = Drive(request(preview=preview, on_problem="fail", **more), facts=facts)
    while not isinstance(getattr(drive.step, "effect", None), steps.Preview):
        event = drive.event(drive.step)  # type: ignore[arg-type]  # it is a step, not an end
        assert event is not None
        drive.hear(event)
    return drive.hear(steps.Obstructed(SPENT))


def test_a_preview_waits_for_its_quota_in_a_list_too() -> None:
    """Whatever `on_problem` says, as that of a send to few; an account may fail, or ask, at once."""
    drive = spent()
    step = drive.waits()
    assert (step.phase, step.held, step.effect, step.problem) == ("scheduled", "quota_exhausted", None, None)
    assert show.searchable(drive.request, drive.state, step, drive.now).problem == "quota_exhausted"
    midnight = datetime(2026, 12, 1, 16, tzinfo=UTC)
    assert step.until is not None
    assert midnight <= step.until < midnight + 3 * MINUTE
    drive.now = step.until
    assert (drive.ended().outcome, len(drive.state.previews)) == ("sent", 1)
    end = spent("ask").go()
    assert isinstance(end, steps.End)
    assert (end.outcome, end.problem) == ("failed", SPENT.model_copy(update={"todo": USE_THE_SAME_KEY}))


def test_a_list_that_waits_for_quota_is_never_late() -> None:
    """It expires at its `not_after`."""
    drive = spent(not_after=NOON + MINUTE)
    assert drive.waits().until == NOON + MINUTE
    drive.now += MINUTE
    assert drive.ended().outcome == "expired"


@pytest.mark.parametrize("batches", [1, 2])
def test_a_list_whose_batch_has_expired_ends_so(batches: int) -> None:
    """Also with its last one: nobody is asked what no answer can change."""
    drive = Drive(request(not_after=NOON + MINUTE), batches=batches)
    drive.go()
    drive.now += MINUTE
    assert drive.ended(lambda number: row(number, "expired")).outcome == "expired"


def test_no_batch_begins_after_not_after() -> None:
    """What was sent before counts."""
    drive = Drive(request(not_after=NOON + MINUTE))
    drive.go()
    drive.now += 2 * MINUTE
    end = drive.hear(steps.Ended(sent(1))).ended()
    assert (end.outcome, drive.begun[2]) == ("partly_sent", 0)


def test_the_request_of_a_batch_has_nothing_of_the_whole() -> None:
    """It goes at once, and names the plan; its own problems wait where those of the whole do."""
    asked = request(send_at=NOON, approval={"required": True}, requested_by="wang", decision_timeout="2d")
    state = BatchesState(namespace="default", life="life", plan=planned())
    batch = Case(asked, state, NOON).batch(2)
    assert (batch.key, batch.send_at, batch.approval, batch.preview) == ("spring.2", None, None, None)
    assert batch.audience.model_dump(exclude_none=True) == {
        "kind": "batch", "key": "spring", "plan": "a" * 64, "number": 2, "of": 3, "openids": 8333, "retried": False,
    }  # fmt: skip
    other = Case(request(on_batch_problem="continue"), state, NOON).batch(1)
    assert (batch.on_problem, other.on_problem) == ("wait", "fail")


@pytest.mark.parametrize(("started_at", "since"), [(NOON, NOON - MINUTE), (NOON - 2 * MINUTE, NOON - 2 * MINUTE)])
def test_a_batch_knows_since_when_its_key_may_have_been_sent(started_at: datetime, since: datetime) -> None:
    """Since the list was started, or planned by an earlier run of its key: a restore may have forgotten it."""
    state = BatchesState(namespace="default", life="life", started_at=started_at)
    planned_then = state.changed(plan=planned().model_copy(update={"taken_at": NOON - MINUTE}))
    audience = Case(request(), planned_then, NOON).batch(2).audience
    assert isinstance(audience, Batch)
    assert audience.started_at == since


def test_a_batch_goes_to_the_account_that_its_list_has_pinned() -> None:
    """A rehearsal waits for its time, and the workers are told of the real WeChat meanwhile."""
    drive = Drive()
    drive.go()
    alone = Alone(**Case(drive.request, drive.state, drive.now).batch(1).model_dump(exclude_unset=True))
    alone.take(events.Pinned(drive.facts.model_copy(update={"appid": "other", "base_url": "https://other.test"})))
    assert alone.state.pinned == drive.facts
    other = alone.engine.request.model_copy(update={"audience": alone.engine.request.audience.model_copy(
        update={"base_url": None, "appid": None, "retried": True}
    )})  # fmt: skip
    assert content_digest(other) == content_digest(alone.engine.request)


NO = {"state": "failed", "status": "err(10001)"}
LOOKED_FOR = {"state": "failed", "status": NOT_DELIVERED}
REFUSED = {"state": "refused"}


@pytest.mark.parametrize(
    ("states", "outcome", "fits"),
    [
        ([NO], "failed", False),
        ([NO], "aborted", False),
        ([NO], "unknown", True),
        ([NO, REFUSED], "failed", False),
        ([LOOKED_FOR], "aborted", True),
        ([NO, LOOKED_FOR], "aborted", True),
        ([REFUSED], "failed", True),
        ([], "failed", True),
    ],
)
def test_a_batch_is_retried_unless_wechat_said_no(
    states: list[dict[str, str]], outcome: Outcome, *, fits: bool
) -> None:
    """Its key fails the same way only then, also where its retry was refused. A used-up quota is a reason to retry."""
    jobs = [
        {"index": 0, "generation": number, "clientmsgid": f"c{number}", **state} for number, state in enumerate(states)
    ]
    doubt = outcome == "unknown"
    ended = {"outcome": outcome, "may_have_been_delivered": doubt, "account": "demo", "key": "spring.1", "jobs": jobs}
    drive = Drive()
    step = drive.waits(lambda number: row_of(number, MassSendResult.model_validate(ended)))
    assert step.problem is not None
    assert ("retry to send this batch again" in step.problem.todo) is fits
    assert ("retry" in fitting(drive.request, drive.state, drive.now)) is fits
    drive.now += MINUTE
    assert (drive.answer(Retry(**LI)) is None) is fits


def test_a_batch_is_not_retried_once_it_is_forgotten() -> None:
    """A person may have more than 35 days to decide. The ledger knows its tries no longer than that."""
    drive = Drive(request(decision_timeout="P60D"))
    drive.waits(lambda number: row(number, "unknown"))
    drive.now = NOON + timedelta(days=34)
    assert "retry" in show.status(drive.request, drive.state, drive.step, drive.now).answers
    drive.now = NOON + timedelta(days=35)
    assert "retry" not in show.status(drive.request, drive.state, drive.step, drive.now).answers
    assert "might send it twice" in (drive.answer(Retry(**LI)) or "")
    assert (drive.begun, drive.answer(Abort(**LI))) == ({1: 1}, None)


def test_a_batch_that_ended_otherwise_is_another_question() -> None:
    """After a reset the list counts its questions anew, and the same batch may have come to another end."""

    def asked(how: BatchRow) -> str | None:
        drive = Drive(batches=2)
        step = drive.waits(lambda _number: how)
        return show.asked_as(Case(drive.request, drive.state, drive.now), step)

    ends = (failed(1), row(1, "failed"), row(1, "unknown"), row(1, "aborted"))
    assert len({asked(how) for how in ends} - {None}) == len(ends)
