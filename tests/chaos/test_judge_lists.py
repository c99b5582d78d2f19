"""The judge of lists sees a doubled openid, a missed one, a stranger and a wrong report, and no more than that."""

import csv
import gzip
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from qunfa.contract.batches import REPORT_COLUMNS
from qunfa.simulator import openid
from tests.chaos.evidence import Accepted, SendSeen
from tests.chaos.judge import Kind
from tests.chaos.judge_lists import ListSeen, Report, Row, judge_list, report_of
from tests.chaos.test_judge import TEXT, job, result, run

MEMBERS = range(6)
APPID = "wx1"
FIRST = job(7, received=3)
SECOND = replace(job(8, 2, received=3, clientmsgid="id-1"), received=frozenset(range(3, 6)))
FAILED = replace(SECOND, yes=False, received=None, counts=job(8, received=0).counts)
SENT = {"state": "sent", "msg_id": 7}, {"index": 1, "state": "sent", "msg_id": 8}


def told(batch: int, state: str, msg_id: int | None = None, received: int | None = None) -> dict[int, Row]:
    """The rows of a batch of three followers."""
    row = Row(batch, state, msg_id, received, 3)
    return dict.fromkeys(range(3 * batch - 3, 3 * batch), row)


ALL_SENT = told(1, "sent", 7, 3) | told(2, "sent", 8, 3)
HALF_SENT = told(1, "sent", 7, 3) | told(2, "failed", 8)


def _job_row(row: Row) -> dict[str, Any]:
    """The row of a batch in the result, which says what the report does."""
    state = row.state if row.state in {"sent", "failed", "accepted", "unknown"} else "new"
    return {"index": row.batch - 1, "state": state, "msg_id": row.msg_id}


def listed(jobs: list[Accepted], rows: dict[int, Row] | None, outcome: str = "sent", **more: Any) -> ListSeen:
    """A list of six in two batches, with one run that ended so."""
    by_batch = {row.batch: row for row in (rows or {}).values()}
    own = [_job_row(row) for row in by_batch.values()] if rows else [row for row in SENT if jobs]
    said = result(outcome, *own, may_have_been_delivered=bool(jobs) or outcome in {"sent", "unknown", "partly_sent"})
    state: Any = "completed" if outcome in {"sent", "partly_sent"} else "failed"
    whole = SendSeen("a", "list-1", TEXT, tuple(jobs), (run(said, state),))
    report = Report(rows) if rows is not None else None
    return ListSeen(**{"whole": whole, "members": MEMBERS, "report": report, **more})


def kinds(seen: ListSeen) -> set[Kind]:
    """What is wrong with it."""
    return {violation.kind for violation in judge_list(seen)}


GOOD = {
    "all sent": listed([FIRST, SECOND], ALL_SENT),
    "one failed": listed([FIRST, FAILED], HALF_SENT, "partly_sent"),
    "one not submitted": listed([FIRST], told(1, "sent", 7) | told(2, "not_submitted"), "partly_sent"),
    "one unknown, and delivered": listed([FIRST, SECOND], told(1, "sent", 7) | told(2, "unknown"), "partly_sent"),
    "one unknown, and not delivered": listed([FIRST], told(1, "sent", 7) | told(2, "accepted", None), "partly_sent"),
    "sent to nobody": listed(
        [FIRST, replace(SECOND, received=None, counts=job(8, received=0).counts)],
        told(1, "sent", 7) | told(2, "sent", 8, 0),
    ),
    "nothing sent": listed([], told(1, "not_submitted") | told(2, "not_submitted"), "aborted"),
    "ended before it had a plan": listed([], None, "aborted"),
}


@pytest.mark.parametrize("case", GOOD)
def test_a_good_list_is_found_good(case: str) -> None:
    """Each is reached once, or told as not reached, or as unknown."""
    assert judge_list(GOOD[case]) == []


AGAIN = replace(SECOND, msg_id=9, received=frozenset([0]))
BAD: dict[str, tuple[Kind, ListSeen]] = {
    "a doubled openid": ("double", listed([FIRST, SECOND, AGAIN], ALL_SENT)),
    "a missed openid": ("wrong", listed([FIRST, replace(SECOND, received=frozenset([3, 4]))], ALL_SENT)),
    "a missed batch": ("wrong", listed([FIRST, FAILED], ALL_SENT)),
    "an openid that the report leaves out": (
        "lost",
        listed([FIRST, SECOND], {number: row for number, row in ALL_SENT.items() if number != 4}),
    ),
    "a stranger in the report": ("wrong", listed([FIRST, SECOND], {**ALL_SENT, 6: Row(2, "sent", 8, 3, 3)})),
    "an openid twice in the report": ("wrong", listed([FIRST, SECOND], None, report=Report(ALL_SENT, ("o1",)))),
    "sent, told as failed": ("wrong", listed([FIRST, SECOND], told(1, "sent", 7) | told(2, "failed"), "partly_sent")),
    "sent, told as not submitted": (
        "wrong",
        listed([FIRST, SECOND], told(1, "sent", 7) | told(2, "not_submitted"), "partly_sent"),
    ),
    "the msg_id of another batch": ("wrong", listed([FIRST, SECOND], told(1, "sent", 7) | told(2, "sent", 7))),
    "a msg_id of nobody": ("wrong", listed([FIRST], told(1, "sent", 7) | told(2, "unknown", 9), "partly_sent")),
    "another count": ("wrong", listed([FIRST, SECOND], told(1, "sent", 7, 2) | told(2, "sent", 8))),
    "another size": ("wrong", listed([FIRST, SECOND], ALL_SENT | {0: Row(1, "sent", 7, 3, 4)})),
    "a state that is none": ("wrong", listed([FIRST], told(1, "sent", 7) | told(2, "perhaps"), "partly_sent")),
    "no report": ("lost", listed([FIRST, SECOND], None)),
    "sent, though the report says otherwise": ("wrong", listed([FIRST, FAILED], HALF_SENT)),
    "partly sent, though all is": ("wrong", listed([FIRST, SECOND], ALL_SENT, "partly_sent")),
    "failed, though half of it is delivered": ("wrong", listed([FIRST], HALF_SENT, "failed")),
    "sent, though nothing is": ("wrong", listed([], told(1, "unknown") | told(2, "unknown"))),
}


@pytest.mark.parametrize("case", BAD)
def test_a_bad_list_is_noticed(case: str) -> None:
    """By its kind, with the key of the list."""
    kind, seen = BAD[case]
    assert kind in kinds(seen)
    assert {violation.key for violation in judge_list(seen)} == {"list-1"}


def test_a_list_without_an_end_is_open() -> None:
    """It was never started, still runs, or was terminated for good."""
    for runs in ((), (run(None, "running"),), (run(None, "terminated"),)):
        whole = replace(GOOD["all sent"].whole, runs=runs)
        assert kinds(replace(GOOD["all sent"], whole=whole)) == {"open"}


def test_a_list_that_is_refused_has_to_be_started_again() -> None:
    """WeChat may not list followers for a while, and the caller is told so."""
    seen = GOOD["all sent"]
    [run_of_it] = seen.whole.runs
    refused = run(None, "refused", number=-1)
    assert judge_list(replace(seen, whole=replace(seen.whole, runs=(refused, run_of_it)))) == []
    assert kinds(replace(seen, whole=replace(seen.whole, runs=(run_of_it, replace(refused, started_at=20.0))))) == {
        "wrong"
    }


def test_a_run_that_forgets_a_batch_is_wrong() -> None:
    """The one before had told of it as sent."""
    seen = GOOD["all sent"]
    later = run(result("sent", SENT[0]), number=1)
    assert kinds(replace(seen, whole=replace(seen.whole, runs=(*seen.whole.runs, later)))) == {"wrong"}


def test_a_list_that_a_restore_has_put_back_may_be_in_doubt() -> None:
    """Its first end was seen, and is forgotten. What runs again is in doubt about a batch, and then sure."""
    sure = GOOD["all sent"].whole
    first = replace(sure.runs[0], closed_at=30.0)
    rows = SENT[0], {"index": 1, "state": "unknown"}
    doubt = run(result("partly_sent", *rows, may_have_been_delivered=True), number=0, started_at=0.5)
    runs = (first, doubt, run(sure.runs[0].result, number=4))
    seen = replace(GOOD["all sent"], whole=replace(sure, runs=runs))
    assert kinds(seen) == {"wrong"}
    assert judge_list(replace(seen, whole=replace(seen.whole, lapses=((1.0, 31.0),)))) == []


def test_a_batch_is_judged_as_a_send() -> None:
    """It has no run, or one that says what WeChat does not; what a restore has forgotten alone is not asked for."""
    batch = SendSeen("a", "list-1.1", TEXT, (FIRST,), (run(result("sent", {"state": "sent", "msg_id": 7})),))
    assert judge_list(replace(GOOD["all sent"], batches=(batch,))) == []
    assert kinds(replace(GOOD["all sent"], batches=(replace(batch, runs=()),))) == {"open"}
    forgotten = replace(batch, runs=(), lapses=((0.0, 5.0),))
    assert judge_list(replace(GOOD["all sent"], batches=(forgotten,))) == []


def test_a_report_is_read_as_it_stands_there(tmp_path: Path) -> None:
    """Rows by follower; whom nobody knows, or who is there twice, is odd."""
    file = tmp_path / "report.csv.gz"
    lines = [(openid(APPID, number), 1, 7, "sent", 2, 2) for number in (4, 9, 9)]
    with gzip.open(file, "wt", encoding="ascii", newline="") as into:
        csv.writer(into).writerows([REPORT_COLUMNS, *lines, ("onobody", 2, "", "unknown", "", 1)])
    row = Row(1, "sent", 7, 2, 2)
    assert report_of(file, APPID) == Report({4: row, 9: row}, (openid(APPID, 9), "onobody"))
    assert report_of(tmp_path / "none", APPID) is None
