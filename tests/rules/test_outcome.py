import pytest
from hypothesis import given
from hypothesis import strategies as st

from qunfa.contract.ledger import Recalled
from qunfa.contract.request import MassSendRequest, parse_request
from qunfa.contract.result import Answer, ArticleCheck, Counts, Job, Outcome, Problem, Verdict
from qunfa.rules.course import Jobs, may_have_been_delivered
from qunfa.rules.outcome import (
    bad_end,
    from_ledger,
    job_result,
    no_account,
    not_known,
    perhaps_delivered,
    recalled,
    result,
    tell_of_doubt,
    totals,
)
from qunfa.rules.submission import unsettled
from qunfa.rules.verdict import judge
from qunfa.send.joining import REUSED
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
def test_totals_are_what_was_counted_of_one_generation(jobs: Jobs) -> None:
    """No other has reached more. Null where no push counted all that may have been delivered: no zero is invented."""
    counted = [job.verdict.counts for job in jobs if job.verdict and job.verdict.counts]
    others = [job for job in jobs if not (job.verdict and job.verdict.counts)]
    total = totals(jobs)
    if not counted or may_have_been_delivered(others):
        assert total is None
    else:
        assert total in counted
        assert total.sent == max(one.sent for one in counted)


def counted(generation: int, status: str, sent: int, errors: int = 0) -> Job:
    """A generation that WeChat has counted."""
    counts = Counts(total=23_000, filter=sent + errors, sent=sent, error=errors)
    verdict = Verdict(status=status, observed_by="push", counts=counts)
    return Job(clientmsgid=CLIENTMSGID, generation=generation, attempts=1, msg_id=7 + generation, verdict=verdict)


@pytest.mark.parametrize(
    ("jobs", "stands"),
    [
        ((counted(0, "send fail", 0, 22_000), counted(1, "send success", 21_990, 10)), 1),
        ((counted(0, "send success", 21_990, 10), counted(1, "send fail", 0, 22_000)), 0),
        ((counted(0, "send fail", 0, 22_000), counted(1, "send fail", 0, 21_000)), 1),
    ],
)
def test_totals_count_nobody_twice(jobs: Jobs, stands: int) -> None:
    """Each generation has the same audience. One that was delivered counts, else the newest."""
    verdict = jobs[stands].verdict
    assert verdict
    assert totals(jobs) == verdict.counts


def test_a_failed_jobs_zeros_are_not_the_totals_of_the_next() -> None:
    """``mass/get`` told that the second was delivered, and no push counted it."""
    none = Counts(total=0, filter=0, sent=0, error=0)
    no = Verdict(status="err(40001)", observed_by="push", counts=none)
    yes = Verdict(status="SEND_SUCCESS", observed_by="poll")
    failed = Job(generation=0, clientmsgid=CLIENTMSGID, attempts=1, msg_id=7, verdict=no)
    sent = Job(generation=1, clientmsgid=CLIENTMSGID, attempts=1, msg_id=8, verdict=yes)
    assert (totals((failed,)), totals((failed, sent))) == (none, None)


@pytest.mark.parametrize(
    ("changes", "state"),
    [
        ({}, "new"),
        ({"attempts": 1, "answer": Answer(kind="refused", at=NOON, errcode=48001)}, "refused"),
        ({"attempts": 1, "collides_with": 9}, "refused"),
        ({"attempts": 1}, "refused"),
        ({"attempts": 2, "under_way": True}, "submitting"),
        ({"attempts": 1, "ever_unknown": True}, "unknown"),
        ({"attempts": 1, "msg_id": 7}, "accepted"),
        ({"msg_id": 7, "verdict": Verdict(status="send success", observed_by="push")}, "sent"),
        ({"msg_id": 7, "verdict": Verdict(status="err(30002)", observed_by="push")}, "failed"),
    ],
)
def test_a_row_says_where_its_job_stands(changes: dict[str, object], state: str) -> None:
    """By what WeChat has said of it."""
    job = Job(clientmsgid=CLIENTMSGID).model_copy(update=changes)
    assert job_result(job, (job,)).state == state


def test_a_row_has_all_of_wechats_word() -> None:
    """The status, the check, the counts and the articles, and by whom it came."""
    article = ArticleCheck(idx=1, url="https://x.test")
    word = Verdict(
        status="send success",
        observed_by="push",
        counts=Counts(total=9, filter=8, sent=7, error=1),
        check_state=2,
        articles=(article,),
    )
    job = Job(clientmsgid=CLIENTMSGID, msg_id=7, verdict=word)
    row = job_result(job, (job,))
    assert (row.status, row.check_state, row.counts) == (word.status, 2, word.counts)
    assert (row.articles, row.observed_by) == ((article,), "push")
    bare = job_result(Job(clientmsgid=CLIENTMSGID), ())
    assert (bare.status, bare.check_state, bare.counts, bare.articles, bare.observed_by) == (None, None, None, (), None)


@pytest.mark.parametrize(
    ("reasons", "doubt"),
    [
        ((), False),
        (("audience: is missing", 'key: "k" stands for other content already; use a new key for this one'), False),
        (("audience: is missing", perhaps_delivered("k", ())), True),
        (('key: whether an earlier run under "k" was delivered is not known: its ledger does not answer',), True),
        (("account: the workers' configuration has no account demo",), True),
    ],
)
def test_a_refusal_is_in_doubt_where_its_key_may_be_sent(reasons: tuple[str, ...], doubt: bool) -> None:
    """Without its account nobody has looked. What is wrong with the request tells nothing of that."""
    assert tell_of_doubt(reasons) is doubt


def test_the_words_of_a_refusal_never_change() -> None:
    """A list reads them of its batch, and a webhook's worker of any send; either may be of another version.

    With other words it would deny what may have been delivered, and the same people would be sent to again.
    """
    assert REUSED.format(key="k") == 'key: "k" stands for other content already; use a new key for this one'
    assert perhaps_delivered("k", ()).startswith('key: an earlier run under "k" was delivered, or may have been')
    assert not_known("k", "why") == 'key: whether an earlier run under "k" was delivered is not known: why'
    assert no_account("why") == "account: why"


def test_a_result_tells_all_of_its_send(request_: MassSendRequest) -> None:
    """Whose it is, what was asked at last, and what was counted; a generation that was never tried has no row."""
    counts = Counts(total=9, filter=8, sent=7, error=1)
    word = Verdict(status="send success", observed_by="push", counts=counts)
    sent = Job(clientmsgid=CLIENTMSGID, attempts=1, msg_id=7, msg_data_id=70, verdict=word)
    no = Verdict(status="send fail", observed_by="poll")
    found = Job(clientmsgid=CLIENTMSGID, generation=1, msg_id=8, verdict=no)
    taken_for_it = Job(clientmsgid=CLIENTMSGID, generation=2, attempts=2, ever_unknown=True, collides_with=8)
    new = Job(clientmsgid=CLIENTMSGID, generation=3)
    problem = Problem(name="p", sentence="s", todo="t")
    jobs = (sent, found, taken_for_it, new)
    told = result(request_, jobs, "unknown", problem)
    assert (told.outcome, told.account, told.key, told.problem, told.totals) == (
        "unknown",
        "demo",
        "k",
        problem,
        counts,
    )
    assert told.jobs == tuple(job_result(job, jobs) for job in (sent, found, taken_for_it))
    assert told.jobs[2].state == "refused"
    assert (told.jobs[0].msg_data_id, told.jobs[0].index, told.jobs[1].generation) == (70, 0, 1)
    assert not result(request_, (new,), "failed").may_have_been_delivered
    assert result(request_, (new,), "unknown").may_have_been_delivered


def test_what_the_ledger_knew_is_marked() -> None:
    """A later life reports the verdict as the ledger's, and as no new submission."""
    verdict = Verdict(status="send success", observed_by="push", counts=Counts(total=3, filter=3, sent=3))
    job = Job(clientmsgid=CLIENTMSGID, attempts=1, msg_id=7, accepted_at=NOON, verdict=verdict)
    known = from_ledger((job,))
    row = job_result(known[0], known)
    assert (row.observed_by, row.deduplicated, row.counts, row.state) == ("ledger", True, verdict.counts, "sent")


@pytest.mark.parametrize(
    ("articles", "said"),
    [
        ([], ()),
        ([2], ("article 2 recalled",)),
        ([3, 1, 3], ("article 1 recalled", "article 3 recalled")),
        ([2, None], ("recalled",)),
    ],
)
def test_a_recall_is_told_with_its_articles(articles: list[int | None], said: tuple[str, ...]) -> None:
    """Each once; none where everything was recalled."""
    notes = [Recalled(at=NOON, msg_id=7, article_idx=one, by="li", reason="typo") for one in articles]
    assert recalled(notes) == said
