"""The judge sees what is wrong with a small ledger, and nothing wrong with a good one."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from qunfa.contract import MassSendResult
from qunfa.contract.ledger import KeptPush, LedgerView, Pace, Record
from qunfa.contract.result import Counts, Job, JobFinished, Verdict
from qunfa.simulator.plans import Counts as SimulatedCounts
from tests.chaos.evidence import Accepted, BookSeen, Run, RunState, SendSeen
from tests.chaos.judge import Kind, count, judge_book, judge_send, judge_text

TEXT = "a/send-1: 你好"
NOW = datetime(2026, 12, 1, tzinfo=UTC)


def job(msg_id: int, at: float = 1.0, *, received: int = 3, **more: Any) -> Accepted:
    """A job that so many followers received."""
    counts = SimulatedCounts(total=received, filter=received, sent=received)
    return Accepted(
        **{
            "msg_id": msg_id,
            "clientmsgid": "id-0",
            "accepted_at": at,
            "finished_at": at + 1,
            "yes": received > 0,
            "counts": counts,
            "received": frozenset(range(received)),
            **more,
        }
    )


def result(outcome: str, *rows: dict[str, Any], **more: Any) -> MassSendResult:
    """A result with these jobs."""
    jobs = [{"index": 0, "generation": number, "clientmsgid": "id-0", **row} for number, row in enumerate(rows)]
    delivered = outcome in {"sent", "sent_nobody", "deleted", "unknown"}
    given = {"outcome": outcome, "may_have_been_delivered": delivered, "account": "a", "key": "send-1", "jobs": jobs}
    return MassSendResult.model_validate({**given, **more})


def sent(msg_id: int, **more: Any) -> dict[str, Any]:
    """The row of a job whose push was heard."""
    told = {"total": 3, "filter": 3, "sent": 3, "error": 0}
    return {"msg_id": msg_id, "state": "sent", "observed_by": "push", "counts": told, **more}


def run(said: MassSendResult | None, state: RunState = "completed", number: int = 0, **more: Any) -> Run:
    """The run with this number, which took from second 10·number to 10·number + 9."""
    start = 10.0 * number
    given = {"text": TEXT, "started_at": start, "closed_at": start + 9, "state": state, "result": said}
    return Run(**{"run_id": f"run-{number}", **given, **more})


def seen(jobs: list[Accepted], *runs: Run) -> SendSeen:
    """The send as the judge sees it."""
    return SendSeen("a", "send-1", TEXT, tuple(jobs), runs)


def kinds(send: SendSeen) -> set[Kind]:
    """What is wrong with it."""
    return {violation.kind for violation in judge_send(send)}


UNHEARD = result("unknown", {"state": "accepted", "msg_id": 7})
NOTHING = result("expired", {"state": "new"})
NOBODY = {"total": 0, "filter": 0, "sent": 0, "error": 0}
REFUSED = {"msg_id": 7, "state": "failed", "observed_by": "push"}
AGAIN = [
    run(result("failed", REFUSED), "failed"),
    run(result("failed", REFUSED, {**REFUSED, "msg_id": 8}), "failed", 1),
]
NO_JOBS = [job(7, received=0), job(8, 11, received=0, clientmsgid="id-1")]
GOOD = [
    seen([job(7)], run(result("sent", sent(7)))),
    seen([], run(result("failed"), "failed")),
    seen([], run(None, "cancelled")),
    seen([job(7)], run(None, "terminated"), run(result("sent", sent(7)), number=1)),
    seen([job(7)], run(result("sent", sent(7))), run(None, "refused", 1, text="another")),
    replace(seen([], run(NOTHING, "failed"), run(NOTHING, "failed", 1, text="another")), ledger_lost=True),
    seen([job(7)], run(result("sent", sent(7))), run(result("unknown", sent(7)), "failed", 1, unread=True)),
    seen([job(7, 11)], run(result("failed"), "failed"), run(result("sent", sent(7)), number=1)),
    seen([job(7, received=0), job(8, 2)], run(result("sent", sent(8)))),
    seen([job(7)], run(UNHEARD, "failed"), run(result("sent", sent(7)), number=1)),
    seen(NO_JOBS, AGAIN[0], replace(AGAIN[1], goes_on=True)),
    replace(seen(NO_JOBS, *AGAIN), lapses=((0.0, 5.0),)),
    seen([job(7, 4, finished_at=8)], run(UNHEARD, "failed")),
    seen([job(7, finished_at=None, received=0)], run(UNHEARD, "failed")),
    seen([job(7, received=0)], run(result("unknown", sent(7, state="failed", counts=None)), "failed")),
    seen([], run(result("unknown", {"state": "unknown"}), "failed")),
    seen(
        [job(7, received=0, yes=True)],
        run(result("sent", sent(7, observed_by="poll", counts=None))),
        run(result("sent_nobody", sent(7, state="sent_nobody", counts=NOBODY)), number=1),
    ),
    seen(
        [job(7, received=0, yes=True)],
        run(result("sent", sent(7, observed_by="poll", counts=None))),
        run(result("sent_nobody", sent(7, state="sent_nobody", observed_by="ledger", counts=NOBODY)), number=1),
    ),
]


@pytest.mark.parametrize("send", GOOD)
def test_a_send_that_keeps_the_promises_is_found_good(send: SendSeen) -> None:
    """Sent once; failed and nothing sent; taken up after a termination; sent at a second start."""
    assert judge_send(send) == []


def test_a_follower_who_got_two_jobs_is_a_double() -> None:
    """By the text alone: what clientmsgid the jobs had does not matter."""
    jobs = [job(7), job(8, 2, clientmsgid="id-1")]
    assert kinds(seen(jobs, run(result("sent", sent(7), sent(8))))) == {"double"}
    apart = [job(7, received=0), replace(job(8, 2), received=frozenset({5}))]
    assert judge_send(seen(apart, run(result("sent", sent(8))))) == []


def test_an_accepted_job_that_is_in_no_result_is_lost() -> None:
    """The send says that it was sent, and does not know the one of two jobs that followers got."""
    jobs = [job(7, received=0, clientmsgid="id-1"), job(8, 2)]
    assert kinds(seen(jobs, run(result("sent", sent(8))))) == {"lost"}


@pytest.mark.parametrize("state", ["sent", "deleted"])
def test_a_failed_job_gives_way_to_one_marked_as_sent(state: str) -> None:
    """After a restore a person names the job that went out, where the one that is remembered has failed."""
    jobs = [job(7, received=0, clientmsgid="id-1"), job(8, 2, clientmsgid="id-2")]
    marked = sent(8, clientmsgid="id-1", observed_by="ledger", counts=None, state=state)
    assert judge_send(seen(jobs, run(result(state, marked)))) == []
    assert kinds(seen([job(7, clientmsgid="id-1"), jobs[1]], run(result(state, marked)))) == {"double", "lost"}


@pytest.mark.parametrize(("in_doubt", "is_lost"), [("id-2", False), ("id-3", True)])
def test_what_a_restore_has_forgotten_is_lost_to_no_other_row(in_doubt: str, *, is_lost: bool) -> None:
    """A list is sent in part then, and in doubt about that batch alone. Of any other it has to know the job."""
    jobs = [job(7, clientmsgid="id-1"), job(8, 2, clientmsgid="id-2")]
    row = {"state": "unknown", "clientmsgid": in_doubt}
    send = replace(seen(jobs, run(result("partly_sent", sent(7, clientmsgid="id-1"), row))), lapses=((0.0, 100.0),))
    assert ("lost" in kinds(send)) is is_lost


def test_a_slow_call_that_came_after_the_end_can_be_known_to_nobody() -> None:
    """Where a job had failed before it, and the end is unknown; any other end, or a job before the failure, is lost."""
    row = {"state": "failed", "msg_id": 7}
    slow = [job(7, received=0), job(8, 2)]
    assert judge_send(seen(slow, run(result("unknown", row), "failed"))) == []
    assert kinds(seen(slow, run(result("aborted", row), "failed"))) == {"lost", "wrong"}
    for at, found in ((9.5, set()), (8.5, {"lost"})):
        assert kinds(seen([job(7, at)], run(result("unknown", {"state": "unknown"}), "failed"))) == found
    before = [job(8), job(7, 2, received=0)]
    assert kinds(seen(before, run(result("unknown", row), "failed"))) == {"lost"}


@pytest.mark.parametrize(("key", "received", "found"), [("l.1", 0, set()), ("l.1", 3, {"lost"}), ("l", 0, {"lost"})])
def test_of_a_batch_that_is_over_no_failed_job_can_be_known(key: str, received: int, found: set[Kind]) -> None:
    """Its push was dropped, and no later call got through; a plain send is started again until it is settled."""
    ended = run(result("unknown", {"state": "unknown"}), "failed")
    assert kinds(replace(seen([job(7, received=received)], ended), key=key)) == found


WRONG = {
    "refused, and submitted again": seen(NO_JOBS, *AGAIN),
    "failed although it was sent": seen([job(7)], run(result("failed", sent(7, state="accepted")), "failed")),
    "sent although it was not": seen([job(7, received=0)], run(result("sent", sent(7, counts=None)))),
    "sure that nothing was delivered": seen(
        [job(7)], run(result("unknown", {"state": "accepted", "msg_id": 7}, may_have_been_delivered=False), "failed")
    ),
    "cancelled although it was sent": seen([job(7)], run(None, "cancelled")),
    "other counts than WeChat's": seen([job(7, received=2)], run(result("sent", sent(7)))),
    "a msg_id of somebody else": seen([job(7)], run(result("sent", sent(7), sent(9)))),
    "broken off": seen([], run(None, "broken")),
    "other content sent": seen([], run(None, "cancelled"), run(result("sent"), number=1, text="another")),
    "other content that was tried before the ledger was lost": replace(
        seen([], run(result("failed", {"state": "refused"}), "failed"), run(NOTHING, "failed", 1, text="another")),
        ledger_lost=True,
    ),
    "another outcome when it is started again": seen(
        [job(7)], run(result("sent", sent(7))), run(result("unknown", sent(7, state="accepted")), "failed", 1)
    ),
    "failed without a look at what was sent": seen(
        [job(7)], run(result("sent", sent(7))), run(result("failed", sent(7)), "failed", 1, unread=True)
    ),
    "another outcome, though WeChat said nothing new": seen(
        [job(7, received=0, yes=True)],
        run(result("sent", sent(7, observed_by="poll", counts=None))),
        run(result("sent_nobody", sent(7, state="sent_nobody", observed_by="poll", counts=None)), number=1),
    ),
    "failed as a first run, before anybody started it again": seen(
        [job(7)], run(result("failed"), "failed"), run(result("sent", sent(7)), number=1)
    ),
    "unknown at last, though WeChat has long sent it": seen([job(7)], run(UNHEARD, "failed")),
    "unknown at last, though WeChat has long failed it": seen([job(7, received=0)], run(UNHEARD, "failed")),
    "unknown when it is started again, though WeChat had sent it before": seen(
        [job(7)], run(None, "terminated"), run(UNHEARD, "failed", 1, closed_at=11)
    ),
    "unknown, though it says itself that it is sent": seen([job(7)], run(result("unknown", sent(7)), "failed")),
    "sent, but without the verdict of a job": seen(
        [job(7, received=0), job(8, 2)], run(result("sent", {"state": "accepted", "msg_id": 7}, sent(8)))
    ),
    "cancelled while WeChat works on it": seen(
        [job(7, received=0, finished_at=None)], run(None, "cancelled"), run(result("sent", sent(7)), number=1)
    ),
    "sent to nobody, though a row was sent": seen([job(7)], run(result("sent_nobody", sent(7)))),
    "completed with a bad outcome": seen([], run(result("aborted"), "completed")),
}


@pytest.mark.parametrize("case", WRONG)
def test_a_run_that_says_what_the_ledger_does_not_is_wrong(case: str) -> None:
    """Outcome, counts, msg_ids, and what may have been delivered."""
    assert "wrong" in kinds(WRONG[case])


@pytest.mark.parametrize("runs", [(), (run(None, "running"),), (run(None, "terminated"),)])
def test_a_send_without_an_end_is_open(runs: tuple[Run, ...]) -> None:
    """It was never started, still runs, or was terminated for good."""
    assert kinds(seen([], *runs)) == {"open"}


def book(*jobs: Job, kept: tuple[int, ...] = ()) -> BookSeen:
    """The account's ledger with one record."""
    record = Record(key="send-1", digest="d", workflow_id="w", jobs=jobs, touched_at=NOW)
    pushes = tuple(KeptPush(event=JobFinished(msg_id=msg_id, status="send success"), at=NOW) for msg_id in kept)
    view = LedgerView(
        appid="wx", since=NOW, records=(record,), lease=None, pace=Pace(), frozen=None, kept=pushes, book={}
    )
    return BookSeen("a", view)


def known(msg_id: int, status: str | None = "send success") -> Job:
    """A job as the account's ledger has it."""
    verdict = Verdict(status=status, observed_by="push", counts=Counts()) if status else None
    return Job(clientmsgid="id-0", msg_id=msg_id, verdict=verdict)


def test_an_account_that_agrees_with_wechat_is_found_good() -> None:
    """Its record has the job, with the verdict that WeChat gave."""
    assert judge_book(book(known(7)), [seen([job(7)])]) == []
    assert judge_book(book(known(7, "err(10001)")), [seen([job(7, received=0)])]) == []
    assert judge_book(book(known(7, None)), [seen([job(7, received=0, finished_at=None)])]) == []


@pytest.mark.parametrize(
    "view",
    [
        BookSeen("a", None),
        book(),
        book(known(8)),
        book(known(7, "send fail")),
        book(known(7, None)),
        book(known(7), kept=(7,)),
    ],
    ids=["not running", "no job", "another job", "another verdict", "no verdict", "a push of its own kept"],
)
def test_an_account_that_disagrees_with_wechat_is_open(view: BookSeen) -> None:
    """It does not run, lacks a job, has another one, or another verdict."""
    found = judge_book(view, [seen([job(7)])])
    assert {violation.kind for violation in found} == {"open"}


@pytest.mark.parametrize(
    ("many", "ended", "finished", "may_go"),
    [(1_000, 99, 2, True), (100, 99, 2, False), (1_000, 0, 2, False), (1_000, 99, None, False)],
    ids=["full, and the oldest", "not full", "older ones left", "WeChat still works on it"],
)
def test_a_full_ledger_lets_its_oldest_go(many: int, ended: int, finished: int | None, may_go: bool) -> None:
    """A send that is in no record is all right where the records' room is taken, and what is left is newer."""
    touched = datetime.fromtimestamp(ended, UTC)
    record = Record(key="other", digest="d" * 64, workflow_id="w", touched_at=touched, ended_as="sent")
    view = book().view
    assert view
    crowded = BookSeen("a", view.model_copy(update={"records": (record,) * many}))
    found = judge_book(crowded, [seen([job(7), job(8, finished_at=finished)])])
    assert bool(found) is not may_go


@pytest.mark.parametrize("text", [b"x s3cret x", b"?access_token=abc", b'{"t":"61_' + b"a" * 128 + b'"}'])
def test_a_secret_is_a_leak_and_is_not_repeated(text: bytes) -> None:
    """A known secret, a piece of a URL that carries one, or anything that looks like an access token."""
    found = judge_text("the log of worker-0", text, [b"s3cret", b"access_token="])
    assert [violation.kind for violation in found] == ["leaked"]
    assert "s3cret" not in found[0].sentence


def test_a_clean_log_holds_no_leak() -> None:
    """Ids and digests are no tokens, even a media_id that begins as a token does."""
    line = (
        b'{"clientmsgid":"0123456789abcdef0123-0000-00","digest":"'
        + b"f" * 64
        + b'","media_id":"2_'
        + b"I" * 62
        + b'"}'
    )
    assert judge_text("the log", line, [b"s3cret", b"access_token="]) == []


def test_violations_are_counted_by_kind() -> None:
    """Kinds without any are there as zero."""
    found = judge_send(seen([job(7), job(8, 2, clientmsgid="id-1")], run(result("sent", sent(8)))))
    assert count(found) == {"double": 1, "lost": 1, "wrong": 0, "open": 0, "leaked": 0}
