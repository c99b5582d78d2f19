"""What the report in the store knows of a list, and its run does not: it says how the run ends, and nothing before."""

import pytest

from qunfa.batches import show, steps
from qunfa.contract.batches import BatchRow, Reported, ReportState
from qunfa.contract.operators import Abort
from qunfa.contract.result import Outcome
from tests.batches.driving import LI, Drive, planned, request, row, sent
from tests.rules.arbitrary import NOON

REPORT = "file:/srv/report.csv.gz"
VOUCHED = row(1, "aborted").model_copy(update={"job": "failed", "is_vouched": True})


@pytest.mark.parametrize(
    ("stored", "outcome"),
    [
        (("deleted", "deleted", "deleted"), "deleted"),
        (("sent_nobody", "sent_nobody", "sent_nobody"), "sent_nobody"),
        (("sent", "deleted", "sent"), "sent"),
    ],
)
def test_a_list_ends_again_as_it_ended(stored: tuple[Outcome, ...], outcome: Outcome) -> None:
    """Before it has a plan. The store alone may remember a batch, and the result tells of that as its report does."""
    told = tuple(row(number, one) for number, one in enumerate(stored, 1))
    for known in (3, 1, 0):
        drive = Drive(request(not_after=NOON))
        drive.earlier = {one.number: one for one in told[:known]}
        drive.go()
        drive.hear(steps.Reported(known, REPORT, "all", told[known:]))
        end = drive.ended()
        assert end == steps.End(outcome)
        result = show.result(drive.request, drive.state, end, drive.now)
        assert [job.state for job in result.jobs] == list(stored)


def test_a_report_that_knows_more_of_a_batch_says_how_its_list_ends() -> None:
    """A restored database has forgotten it. Nothing is begun by that, and a retry takes what is known then."""
    drive = Drive(request(on_problem="fail"), batches=2)
    drive.earlier = {1: sent(1), 2: row(2, "unknown")}
    drive.plan = planned(2).model_copy(update={"is_sent_in_part": True})
    assert drive.ended().outcome == "partly_sent"
    drive.hear(steps.Reported(2, REPORT, "all", (sent(2),)))
    end = drive.ended()
    result = show.result(drive.request, drive.state, end, drive.now)
    assert (end, [job.msg_id for job in result.jobs]) == (steps.End("sent"), [1001, 1002])
    assert show.searchable(drive.request, drive.state, end, drive.now).msg_ids == ("1001", "1002")
    drive.hear(steps.WasReset())
    assert (drive.state.told_rows, drive.begun.total()) == ((), 0)


def reported(*told: BatchRow, state: ReportState) -> Reported:
    """A report of one state, with these rows that its run does not know."""
    return Reported(uri=REPORT, sha256="0" * 64, states={state: 9}, rows=told, at=NOON)


def test_a_persons_word_leaves_a_list_in_no_doubt() -> None:
    """Its report calls the batch unknown, as nobody else is to go on with it. The person has ended it all the same."""
    assert VOUCHED.state == "unknown"
    assert reported(VOUCHED, state="unknown").was_sent is None
    assert reported(row(2, "unknown"), state="unknown").was_sent == "perhaps"
    drive = Drive(request(not_after=NOON))
    drive.earlier = {1: VOUCHED}
    assert drive.answer(Abort(**LI)) is None
    assert drive.ended().outcome == "aborted"
