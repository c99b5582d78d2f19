import pytest
from hypothesis import given
from hypothesis import strategies as st

from qunfa.contract.request import MassSendRequest, parse_request
from qunfa.contract.result import Counts, Job, Outcome, Verdict
from qunfa.rules.course import Jobs, may_have_been_delivered
from qunfa.rules.outcome import bad_end, from_ledger, job_result, result, totals
from qunfa.rules.submission import unsettled
from qunfa.rules.verdict import judge
from tests.rules import arbitrary
from tests.rules.arbitrary import CLIENTMSGID, NOON

ENDS: tuple[Outcome, ...] = ("failed", "aborted", "rejected", "expired")


@pytest.fixture(scope="module")
def request_() -> MassSendRequest:
    """A request like any other."""
    message = {"msgtype": "text", "content": "hello"}
    return parse_request({"account": "demo", "key": "k", "audience": {"kind": "all"}, "message": message})


@given(arbitrary.generations, st.sampled_from(ENDS))
def test_nobody_is_told_failed_while_something_is_open(jobs: Jobs, otherwise: Outcome) -> None:
    """A bad end with an open try or verdict is ``unknown``; else it is what it is called."""
    assert bad_end(jobs, otherwise) == ("unknown" if may_have_been_delivered(jobs) else otherwise)
    if any(job.verdict is None and (job.ever_unknown or job.msg_id is not None) for job in jobs):
        assert bad_end(jobs, otherwise) == "unknown"


@given(jobs=arbitrary.generations, otherwise=st.sampled_from(ENDS))
def test_every_result_says_whether_it_may_be_out(request_: MassSendRequest, jobs: Jobs, otherwise: Outcome) -> None:
    """``may_have_been_delivered`` is false only where no generation is open or delivered."""
    said = result(request_, jobs, bad_end(jobs, otherwise))
    assert said.may_have_been_delivered == (said.outcome == "unknown")
    assert said.may_have_been_delivered or not any(unsettled(job) for job in jobs)
    shown = {row.generation for row in said.jobs}
    assert {job.generation for job in jobs if job.attempts or job.msg_id is not None} == shown


@given(arbitrary.jobs())
def test_a_row_shows_what_its_job_is(job: Job) -> None:
    """A judged job is never shown as open, an open one never as failed or refused."""
    row = job_result(job, (job,))
    judged = judge(job.verdict) if job.verdict else None
    if judged is None and unsettled(job):
        assert row.state in {"accepted", "unknown"}
    if judged is not None:
        assert (row.state in {"sent", "sent_nobody", "deleted"}) == judged.delivered
    assert row.clientmsgid == job.clientmsgid
    assert row.msg_id == job.msg_id


@given(arbitrary.generations)
def test_totals_are_sums_of_what_was_counted(jobs: Jobs) -> None:
    """Null where no push counted; never an invented zero."""
    counted = [job.verdict.counts for job in jobs if job.verdict and job.verdict.counts]
    total = totals(jobs)
    if not counted:
        assert total is None
    else:
        assert total == Counts(**{n: sum(getattr(c, n) for c in counted) for n in ("total", "filter", "sent", "error")})


def test_what_the_ledger_knew_is_marked() -> None:
    """A later life reports the verdict as the ledger's, and as no new submission."""
    verdict = Verdict(status="send success", observed_by="push", counts=Counts(total=3, filter=3, sent=3))
    job = Job(clientmsgid=CLIENTMSGID, attempts=1, msg_id=7, accepted_at=NOON, verdict=verdict)
    known = from_ledger((job,))
    row = job_result(known[0], known)
    assert (row.observed_by, row.deduplicated, row.counts, row.state) == ("ledger", True, verdict.counts, "sent")
