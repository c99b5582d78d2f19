"""A try that got no answer and is slow on its way: it may be carried out after a later one was accepted and failed."""

from typing import Any

import pytest

from qunfa.contract.facts import Known, Said
from qunfa.contract.result import Answer, Job, Verdict
from qunfa.rules.course import Jobs, may_straggle, shares_clientmsgid
from qunfa.rules.outcome import bad_end, from_ledger
from qunfa.send.doubt import jobs_of
from tests.rules.arbitrary import NOON
from tests.send.arbitrary_facts import FIRST, KEY, a_try

NO = Said(msg_id=7, verdict=Verdict(status="err(30001)", observed_by="push"), at=NOON)


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
    return jobs_of(Known(tries=tries, said=(NO,)), KEY, FIRST)


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
    again = NO.model_copy(update={"msg_id": 8})
    first, second = jobs_of(Known(tries=(*before, shared), said=(NO, again)), KEY, FIRST)
    assert (second.ever_unknown, second.unanswered) == (True, ())
    assert (may_straggle((first,)), may_straggle((first, second))) == (True, False)


def test_a_job_that_blocks_its_clientmsgid_lets_no_slow_try_through() -> None:
    """WeChat answers with the one that failed; another generation gets an id of its own."""
    before = (a_try(1, lost=True), a_try(2, told("accepted")))
    again = a_try(3, told("duplicate"), generation=1).model_copy(update={"clientmsgid": FIRST})
    jobs = jobs_of(Known(tries=(*before, again), said=(NO,)), KEY, FIRST)
    assert jobs[1].collides_with == 7
    assert (may_straggle(jobs[:1]), may_straggle(jobs)) == (True, False)
    elsewhere = again.model_copy(update={"clientmsgid": "other"})
    jobs = jobs_of(Known(tries=(*before, elsewhere), said=(NO,)), KEY, FIRST)
    assert (jobs[1].collides_with, may_straggle(jobs)) == (7, True)


@pytest.mark.parametrize(
    ("jobs", "straggles"),
    [
        (({"msg_id": 7, "attempts": 1, "unanswered": (1,)},), False),
        (({"msg_id": 7, "attempts": 2, "unanswered": (1, 2)},), True),
        (({"msg_id": 7, "attempts": 1}, {"generation": 1, "attempts": 1, "unanswered": (1,)}), True),
        (({"msg_id": 7, "attempts": 1}, {"generation": 1, "attempts": 1}), False),
    ],
)
def test_one_of_the_tries_without_an_answer_has_made_the_job(jobs: tuple[dict[str, Any], ...], straggles: bool) -> None:
    """A person has found it in the console; those of another generation may all be on their way."""
    found = tuple(Job(clientmsgid=FIRST, verdict=NO.verdict if "msg_id" in one else None, **one) for one in jobs)
    assert may_straggle(found) is straggles
