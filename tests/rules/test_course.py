"""What all submissions of a key come to, and what a try that got no answer may still bring."""

from datetime import datetime
from typing import Any

import pytest
from hypothesis import given

from qunfa.contract.facts import Decided, Known, Said
from qunfa.contract.result import NOT_DELIVERED, Answer, Counts, Job, Verdict
from qunfa.contract.steps import Timing
from qunfa.rules.course import Jobs, Over, Renew, course, may_have_been_delivered, may_straggle, shares_clientmsgid
from qunfa.rules.outcome import bad_end, from_ledger
from qunfa.rules.problems import PROBLEMS, describe
from qunfa.rules.submission import Ask, Await, Conditions, Step, Submit
from qunfa.send.doubt import DOUBT, jobs_of
from tests.rules import arbitrary
from tests.rules.arbitrary import CLIENTMSGID, NOON
from tests.send.arbitrary_facts import FIRST, KEY, a_try

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


FORGED = Said(msg_id=7, verdict=Verdict(status="err(30001)", observed_by="push"), at=NOON)


def told(answer: str) -> Answer:
    """An answer; an acceptance has msg_id 7."""
    more = {"accepted": {"msg_id": 7}, "duplicate": {"msg_id": 7, "errcode": 45065}, "unknown": {"errcode": -1}}
    return Answer.model_validate({"kind": answer, "at": NOON, **more.get(answer, {"errcode": 45028})})


def said(*answers: str) -> Jobs:
    """A job whose tries were answered so, the last of which made it; and which failed."""
    tries = tuple(
        a_try(number, None if answer == "lost" else told(answer), lost=answer == "lost")
        for number, answer in enumerate(answers, 1)
    )
    return jobs_of(Known(tries=tries, said=(FORGED,)), KEY, FIRST)


@pytest.mark.parametrize(
    ("answers", "straggles"),
    [
        (("accepted",), False),
        (("lost", "accepted"), True),
        (("lost", "duplicate"), False),
        (("lost", "lost", "duplicate"), True),
        (("unknown", "lost", "duplicate"), True),
        (("unknown", "accepted"), False),
        (("lost", "refused", "refused", "duplicate"), False),
    ],
    ids=lambda value: "-".join(value) if isinstance(value, tuple) else "",
)
def test_an_end_does_not_deny_what_may_still_come(answers: tuple[str, ...], straggles: bool) -> None:
    """Aborted after a no: unknown where more tries got no answer than the one that made the job, and else not."""
    jobs = said(*answers)
    assert (may_straggle(jobs), shares_clientmsgid(jobs)) == (straggles, straggles)
    assert bad_end(jobs, "aborted", straggler=may_straggle(jobs)) == ("unknown" if straggles else "aborted")
    assert may_straggle(from_ledger(jobs)) == straggles, "a later life knows it, too"


def test_a_later_generation_explains_a_slow_try() -> None:
    """It shares the clientmsgid, and its 45065 says that the slow try of the earlier one has made its job."""
    shared = a_try(3, told("duplicate").model_copy(update={"msg_id": 8}), generation=1)
    shared = shared.model_copy(update={"clientmsgid": FIRST})
    before = (a_try(1, lost=True), a_try(2, told("accepted")))
    again = FORGED.model_copy(update={"msg_id": 8})
    first, second = jobs_of(Known(tries=(*before, shared), said=(FORGED, again)), KEY, FIRST)
    assert (second.ever_unknown, second.unanswered) == (True, ())
    assert (may_straggle((first,)), may_straggle((first, second))) == (True, False)


@pytest.mark.parametrize(
    ("jobs", "straggles"),
    [
        (({"msg_id": 7, "attempts": 1, "unanswered": (1,)},), True),
        (({"msg_id": 7, "attempts": 1, "unanswered": (1,), "answer": told("duplicate")},), False),
        (({"msg_id": 9, "attempts": 2, "unanswered": (1,), "answer": told("duplicate")},), True),
        (({"msg_id": 7, "attempts": 1}, {"generation": 1, "attempts": 1, "unanswered": (1,)}), True),
        (({"msg_id": 7, "attempts": 1}, {"generation": 1, "attempts": 1}), False),
    ],
)
def test_who_names_a_job_that_failed_settles_no_slow_try(jobs: tuple[dict[str, Any], ...], straggles: bool) -> None:
    """It may be one that was sent by hand. Only WeChat tells, by a 45065 with that job, that the try has made it."""
    found = tuple(Job(clientmsgid=FIRST, verdict=FORGED.verdict if "msg_id" in one else None, **one) for one in jobs)
    assert may_straggle(found) is straggles


def test_a_job_that_blocks_its_clientmsgid_lets_no_slow_try_through() -> None:
    """WeChat answers with the one that failed; another generation gets an id of its own."""
    before = (a_try(1, lost=True), a_try(2, told("accepted")))
    again = a_try(3, told("duplicate"), generation=1).model_copy(update={"clientmsgid": FIRST})
    jobs = jobs_of(Known(tries=(*before, again), said=(FORGED,)), KEY, FIRST)
    assert jobs[1].collides_with == 7
    assert (may_straggle(jobs[:1]), may_straggle(jobs)) == (True, False)
    elsewhere = again.model_copy(update={"clientmsgid": "other"})
    jobs = jobs_of(Known(tries=(*before, elsewhere), said=(FORGED,)), KEY, FIRST)
    assert (jobs[1].collides_with, may_straggle(jobs)) == (7, True)


@pytest.mark.parametrize(("wish", "comes"), [(f"{DOUBT}2026", Over("sent")), ("w", Ask("unknown_outcome"))])
def test_a_yes_leaves_no_doubt_about_a_forgotten_retry(wish: str, comes: Step | Over) -> None:
    """The no was forged: ``mass/get`` would have said so before a retry. A try that is known is in doubt."""
    perhaps = a_try(2, told("unknown"), generation=1).model_copy(update={"wish": wish})
    before = Known(tries=(a_try(1, told("accepted")), perhaps), said=(FORGED,))
    assert may_have_been_delivered(jobs_of(before, KEY, FIRST))
    after = before.model_copy(update={"said": (Said(msg_id=7, verdict=YES, at=NOON),)})
    assert course(jobs_of(after, KEY, FIRST), NOON, PLAIN) == comes


@pytest.mark.parametrize(
    ("let_go", "comes"),
    [
        ({"generation": 0, "confirms": True}, Ask("unknown_outcome")),
        ({"generation": 0}, Over("sent")),
        ({"generation": 0, "confirms": True, "what": "abort"}, Over("sent")),
    ],
)
def test_a_yes_leaves_a_doubt_about_what_a_person_had_let_go(let_go: dict[str, Any], comes: Step | Over) -> None:
    """Nobody had asked WeChat before that: the first try got no answer, and its job came up later."""
    raw = {"id": "d", "what": "open", "by": "li", "reason": "r", "at": NOON, "opens": "own", "covers": ["w"], **let_go}
    perhaps = a_try(2, lost=True, generation=1).model_copy(update={"wish": f"{DOUBT}2026"})
    said, decided = (Said(msg_id=7, verdict=YES, at=NOON),), (Decided.model_validate(raw),)
    known = Known(tries=(a_try(1, told("accepted")), perhaps), said=said, decided=decided)
    assert course(jobs_of(known, KEY, FIRST), NOON, PLAIN) == comes
