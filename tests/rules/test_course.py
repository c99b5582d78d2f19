from datetime import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qunfa.contract.event import JobFinished
from qunfa.contract.job import NOT_DELIVERED, Answer, Job, Verdict
from qunfa.contract.ledger import Record
from qunfa.contract.steps import Timing
from qunfa.rules.course import Jobs, Over, course, earlier_end, may_have_been_delivered, merge, with_push
from qunfa.rules.problems import PROBLEMS, describe
from qunfa.rules.submission import Ask, Await, Conditions, Step, Submit, collide, take_up, unsettled
from qunfa.rules.verdict import judge
from tests.rules import arbitrary
from tests.rules.arbitrary import CLIENTMSGID, NOON

PLAIN = Conditions(timing=Timing())
YES = Verdict(status="send success", observed_by="push")
NO = Verdict(status="send fail", observed_by="poll")
NEW = Job(clientmsgid=CLIENTMSGID)
ACCEPTED = NEW.model_copy(update={"attempts": 1, "msg_id": 7, "accepted_at": NOON})
UNKNOWN = NEW.model_copy(update={"attempts": 1, "ever_unknown": True, "window_started_at": NOON})
SENT = ACCEPTED.model_copy(update={"verdict": YES})
FAILED = ACCEPTED.model_copy(update={"verdict": NO})
CONFIRMED = UNKNOWN.model_copy(update={"verdict": Verdict(status=NOT_DELIVERED, observed_by="operator")})


def in_turn(*jobs: Job) -> Jobs:
    """The jobs as generations 0, 1 …, with msg_ids of their own."""
    return tuple(
        job.model_copy(update={"generation": number, "msg_id": job.msg_id and job.msg_id + number})
        for number, job in enumerate(jobs)
    )


@pytest.mark.parametrize(
    ("jobs", "wanted"),
    [
        (in_turn(SENT), Over("sent")),
        (in_turn(FAILED), Ask("send_failed")),
        (in_turn(CONFIRMED), Ask("not_delivered")),
        (in_turn(ACCEPTED), Await(7)),
        (in_turn(ACCEPTED.model_copy(update={"gave_up": True})), Ask("no_verdict")),
        (in_turn(FAILED, ACCEPTED), Await(8)),
        (in_turn(FAILED, SENT), Over("sent")),
        (in_turn(SENT, NEW), Over("sent")),
        (in_turn(SENT, FAILED), Over("sent")),
        (in_turn(SENT, ACCEPTED), Await(8)),
        (in_turn(SENT, UNKNOWN), Ask("unknown_outcome")),
        (in_turn(ACCEPTED, NEW), Await(7)),
        (in_turn(ACCEPTED, UNKNOWN), Await(7)),
        (in_turn(ACCEPTED.model_copy(update={"gave_up": True}), NEW), Ask("no_verdict")),
        (in_turn(UNKNOWN, NEW), Ask("unknown_outcome")),
    ],
)
def test_all_generations_count(jobs: Jobs, wanted: Step | Over) -> None:
    """A second submission is made only while no earlier one was delivered, or may have been."""
    assert course(jobs, NOON, PLAIN) == wanted


@pytest.mark.parametrize(
    "jobs", [in_turn(NEW), in_turn(FAILED, NEW), in_turn(CONFIRMED, NEW), in_turn(FAILED, UNKNOWN)]
)
def test_a_definite_no_opens_the_way(jobs: Jobs) -> None:
    """WeChat's no, or an operator's, on the generation before lets the next one be submitted."""
    assert isinstance(course(jobs, NOON, PLAIN), Submit)


@given(arbitrary.generations, arbitrary.moments, arbitrary.conditions)
def test_every_course_has_a_next_step(jobs: Jobs, now: datetime, conditions: Conditions) -> None:
    """Total: whatever is known, there is a step, and every question has its words and answers."""
    step = course(jobs, now, conditions)
    if isinstance(step, Ask):
        assert describe(step.problem, jobs[-1]).todo
        assert "abort" in PROBLEMS[step.problem].answers


@given(arbitrary.generations, arbitrary.moments, arbitrary.conditions)
def test_nothing_is_submitted_beside_an_open_generation(jobs: Jobs, now: datetime, conditions: Conditions) -> None:
    """A try is made only for the newest generation, and only while no earlier one may be out."""
    if isinstance(course(jobs, now, conditions), Submit):
        assert not may_have_been_delivered(jobs[:-1])
        assert jobs[-1].msg_id is None


@given(arbitrary.generations, arbitrary.generations)
def test_merging_loses_nothing(ours: Jobs, theirs: Jobs) -> None:
    """Monotone: tries, doubts and msg_ids of both sides stay; an earlier window stands; a yes stays a yes."""
    merged = {job.generation: job for job in merge(ours, theirs)}
    for job in (*ours, *theirs):
        after = merged[job.generation]
        assert after.attempts >= job.attempts
        assert after.ever_unknown or not job.ever_unknown
        collided = after.collides_with is not None and after.collides_with == job.msg_id
        assert job.msg_id is None or after.msg_id is not None or collided
        if job.window_started_at:
            assert after.window_started_at is not None
            assert after.window_started_at <= job.window_started_at
        before = judge(job.verdict) if job.verdict else None
        if before and before.delivered:
            assert after.verdict is not None
            assert (judge(after.verdict) or before).delivered


@given(arbitrary.generations, arbitrary.generations)
def test_what_may_be_out_may_be_out_after_merging(ours: Jobs, theirs: Jobs) -> None:
    """No merge closes a doubt without a verdict that one side had."""
    had_verdict = any(job.verdict for job in (*ours, *theirs))
    collided = any(job.collides_with is not None for job in (*ours, *theirs))
    if may_have_been_delivered(ours) and not had_verdict and not collided:
        assert may_have_been_delivered(merge(ours, theirs))


@given(arbitrary.generations)
def test_merging_twice_changes_nothing(jobs: Jobs) -> None:
    """Idempotent, also for what is merged into itself."""
    once = merge(jobs, jobs)
    assert merge(once, jobs) == once
    assert merge(once, once) == once


@given(arbitrary.generations, arbitrary.generations)
def test_merging_does_not_care_whose_side_is_ours(ours: Jobs, theirs: Jobs) -> None:
    """Commutative, but for which of two different msg_ids, or of two equally good verdicts, stands."""
    theirs = tuple(
        job.model_copy(update={"verdict": None, "msg_id": known.msg_id, "accepted_at": known.accepted_at})
        for known, job in zip(ours, theirs, strict=False)
    )
    ours = tuple(job.model_copy(update={"collides_with": None}) for job in ours)
    theirs = tuple(job.model_copy(update={"collides_with": None}) for job in theirs)
    assert merge(ours, theirs) == merge(theirs, ours)


def test_a_retry_is_not_undone_by_what_was_said_before_it() -> None:
    """After an operator's retry, an older memory does not bring the answer back that was retried."""
    refused = NEW.model_copy(
        update={
            "attempts": 2,
            "repeats": 2,
            "answer": Answer(kind="refused", at=NOON, errcode=48001),
            "token_refusals": 2,
        }
    )
    taken = take_up(refused)
    for merged in (merge((taken,), (refused,)), merge((refused,), (taken,))):
        assert isinstance(course(merged, NOON, PLAIN), Submit)
        assert (merged[0].repeats, merged[0].token_refusals) == (0, 0)
    newer = Answer(kind="refused", at=NOON.replace(hour=5), errcode=48004)
    answered = refused.model_copy(update={"answer": newer})
    assert merge((taken,), (answered,))[0].answer == newer


def test_a_collision_found_out_is_not_forgotten() -> None:
    """A memory that still takes a 45065 for an acceptance does not undo what the other has found out."""
    believed = ACCEPTED.model_copy(update={"deduplicated": True})
    for merged in (merge((believed,), (collide(believed),)), merge((collide(believed),), (believed,))):
        assert course(merged, NOON, PLAIN) == Ask("clientmsgid_collision")


def test_an_operators_no_does_not_stand_against_an_acceptance() -> None:
    """What WeChat is found to have accepted is open again, whoever took it for lost."""
    for merged in (merge((CONFIRMED,), (ACCEPTED,)), merge((ACCEPTED,), (CONFIRMED,))):
        assert course(merged, NOON, PLAIN) == Await(7)


@pytest.mark.parametrize("side", [0, 1])
def test_two_doubts_are_not_one(side: int) -> None:
    """A lease that ran out can be explained later; a try that came back unknown cannot."""
    untold = UNKNOWN.model_copy(update={"unknown_lease": 1})
    sides = [(untold,), (UNKNOWN,)]
    assert merge(sides[side], sides[1 - side])[0].unknown_lease is None
    assert merge((NEW,), (untold,))[0].unknown_lease == 1


@given(arbitrary.generations, arbitrary.events)
def test_a_push_is_taken_by_its_msg_id(jobs: Jobs, event: JobFinished) -> None:
    """It changes jobs of that msg_id only, and twice is as good as once."""
    after = with_push(jobs, event)
    if after is None:
        assert all(job.msg_id != event.msg_id for job in jobs)
        return
    assert with_push(after, event) == after
    for old, new in zip(jobs, after, strict=True):
        assert old == new or old.msg_id == event.msg_id


@pytest.mark.parametrize(
    ("jobs", "ended_as", "wanted"),
    [
        ((), None, None),
        (in_turn(SENT), None, "sent"),
        (in_turn(SENT), "sent", "sent"),
        (in_turn(FAILED), None, None),
        (in_turn(FAILED), "failed", "send_failed"),
        (in_turn(CONFIRMED), "failed", None),
        (in_turn(UNKNOWN), "unknown", None),
        (in_turn(SENT, UNKNOWN), None, None),
        (in_turn(SENT, ACCEPTED), "unknown", None),
        (in_turn(SENT, FAILED), "sent", "sent"),
    ],
)
def test_a_key_ends_again_as_wechat_ended_it(jobs: Jobs, ended_as: str | None, wanted: str | None) -> None:
    """Only WeChat's own word, with nothing open beside it, ends a restarted send."""
    record = Record.model_validate(
        {"key": "k", "digest": "d", "workflow_id": "w", "jobs": jobs, "ended_as": ended_as, "touched_at": NOON}
    )
    end = earlier_end(record)
    assert (end.name if end else None) == wanted


@given(st.permutations(range(3)), st.lists(arbitrary.events, min_size=3, max_size=3))
def test_the_order_of_pushes_does_not_decide_yes_or_no(order: list[int], events: list[JobFinished]) -> None:
    """Whichever push comes first, delivered is delivered."""
    jobs: Jobs = (ACCEPTED,)
    mine = [event.model_copy(update={"msg_id": 7}) for event in events]
    for index in order:
        jobs = with_push(jobs, mine[index]) or jobs
    judgements = [judge(Verdict(status=event.status, observed_by="push", counts=event.counts)) for event in mine]
    delivered = any(judgement and judgement.delivered for judgement in judgements)
    verdict = jobs[0].verdict
    judged = judge(verdict) if verdict else None
    assert (judged is not None and judged.delivered) == delivered
    assert unsettled(jobs[0]) == (not any(judgements))
