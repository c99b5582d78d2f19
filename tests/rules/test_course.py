from datetime import datetime

import pytest
from hypothesis import given

from qunfa.contract.result import NOT_DELIVERED, Counts, Job, Verdict
from qunfa.contract.steps import Timing
from qunfa.rules.course import Jobs, Over, Renew, course, may_have_been_delivered
from qunfa.rules.problems import PROBLEMS, describe
from qunfa.rules.submission import Ask, Await, Conditions, Step, Submit
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
COLLIDES = NEW.model_copy(update={"attempts": 1, "collides_with": 7})
COLLIDES_WITH_OTHER = COLLIDES.model_copy(update={"collides_with": 99})
DELETED = Verdict(status="DELETE", observed_by="poll")
NOBODY = YES.model_copy(update={"counts": Counts(total=3, filter=0, sent=0)})
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
        (in_turn(FAILED, ACCEPTED, NEW), Await(8)),
        (in_turn(ACCEPTED, ACCEPTED, UNKNOWN), Await(7)),
        (in_turn(UNKNOWN, FAILED, NEW), Ask("unknown_outcome")),
        (in_turn(UNKNOWN, COLLIDES), Ask("clientmsgid_collision")),
        (in_turn(FAILED, COLLIDES), Renew()),
        (in_turn(ACCEPTED, COLLIDES), Ask("clientmsgid_collision")),
        (in_turn(SENT, COLLIDES), Over("sent")),
        (in_turn(SENT, COLLIDES.model_copy(update={"ever_unknown": True})), Over("sent")),
        (in_turn(FAILED, UNKNOWN, NEW), Ask("unknown_outcome")),
        (in_turn(FAILED.model_copy(update={"clientmsgid": "other"}), COLLIDES), Ask("clientmsgid_collision")),
        (in_turn(CONFIRMED, COLLIDES_WITH_OTHER), Ask("clientmsgid_collision")),
        (in_turn(FAILED.model_copy(update={"verdict": DELETED}), FAILED), Over("deleted")),
        (in_turn(FAILED.model_copy(update={"verdict": NOBODY})), Over("sent_nobody")),
    ],
)
def test_all_generations_count(jobs: Jobs, wanted: Step | Over | Renew) -> None:
    """A second submission is made only while no earlier one was delivered, or may have been."""
    assert course(jobs, NOON, PLAIN) == wanted


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


@pytest.mark.parametrize(
    ("jobs", "may_be_out"),
    [
        ((), False),
        (in_turn(NEW), False),
        (in_turn(FAILED, CONFIRMED), False),
        (in_turn(UNKNOWN, NEW), True),
        (in_turn(ACCEPTED, NEW), True),
        (in_turn(SENT, FAILED), True),
        (in_turn(FAILED, COLLIDES.model_copy(update={"ever_unknown": True})), False),
        (in_turn(FAILED, COLLIDES_WITH_OTHER.model_copy(update={"ever_unknown": True})), True),
    ],
)
def test_what_may_be_out(jobs: Jobs, may_be_out: bool) -> None:
    """Delivered, or open: a doubt that WeChat's word on an earlier generation of the same id settles is none."""
    assert may_have_been_delivered(jobs) is may_be_out
