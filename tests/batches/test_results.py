"""What a list has come to, by what its batches have."""

import pytest

from qunfa.batches import show, steps
from qunfa.batches.plan import batch_failed
from qunfa.batches.rows import row_of
from qunfa.batches.state import Case, outcome_of
from qunfa.contract.batches import doubted
from qunfa.contract.result import Counts, MassSendResult, Outcome
from qunfa.rules.problems import ASKS_NOBODY, NO_NEW_KEY, SEND_TO_THE_REST
from tests.batches.driving import ANSWERS, Drive, failed, request, row, sent
from tests.rules.arbitrary import NOON


@pytest.mark.parametrize(
    ("outcomes", "total", "outcome"),
    [
        (("sent", "sent"), 2, "sent"),
        (("sent", "sent_nobody"), 2, "sent"),
        (("sent_nobody", "sent_nobody"), 2, "sent_nobody"),
        (("sent",), 2, "partly_sent"),
        (("sent", "failed"), 2, "partly_sent"),
        (("unknown", "failed"), 2, "unknown"),
        (("expired", "expired"), 2, "expired"),
        (("failed",), 2, "aborted"),
        ((), 0, "aborted"),
        (("sent",), 0, "partly_sent"),
        (("unknown", "expired"), 0, "unknown"),
    ],
)
def test_batches_make_one_outcome(outcomes: tuple[Outcome, ...], total: int, outcome: Outcome) -> None:
    """By how its batches have ended; a person's abort where these do not say."""
    rows = [row(number, one) for number, one in enumerate(outcomes, start=1)]
    assert outcome_of(rows, total, "aborted") == outcome


def test_a_batch_names_each_job_that_was_accepted() -> None:
    """WeChat may deliver an earlier one after all: whoever recalls the list must see its msg_id."""
    made = [("accepted", 7), ("refused", None), ("sent", 8)]
    jobs = [
        {"index": 0, "generation": number, "clientmsgid": f"c{number}", "state": state, "msg_id": msg_id}
        for number, (state, msg_id) in enumerate(made)
    ]
    fields = {"outcome": "sent", "may_have_been_delivered": True, "account": "demo", "key": "spring.2", "jobs": jobs}
    again = row_of(2, MassSendResult.model_validate(fields))
    drive = Drive()
    end = drive.ended(lambda number: again if number == 2 else sent(number))
    result = show.result(drive.request, drive.state, end, drive.now)
    told = [(job.index, job.generation, job.msg_id, job.state) for job in result.jobs]
    assert told == [(0, 0, 1001, "sent"), (1, 0, 7, "accepted"), (1, 2, 8, "sent"), (2, 0, 1003, "sent")]
    assert len({job.clientmsgid for job in result.jobs}) == 4
    assert show.status(drive.request, drive.state, end, drive.now).jobs == result.jobs
    assert show.searchable(drive.request, drive.state, end, drive.now).msg_ids == ("1001", "7", "8", "1003")


def test_a_batch_is_in_doubt_where_its_newest_job_is() -> None:
    """An earlier job had failed, and was retried: whoever recalls the list must see that nobody knows of the retry."""
    jobs = [
        {"index": 0, "generation": 0, "clientmsgid": "c0", "state": "failed", "msg_id": 7},
        {"index": 0, "generation": 1, "clientmsgid": "c1", "state": "unknown"},
    ]
    fields = {"outcome": "unknown", "may_have_been_delivered": True, "account": "demo", "key": "spring.1"}
    row = row_of(1, MassSendResult.model_validate({**fields, "jobs": jobs}))
    assert (row.state, row.generation, row.msg_id) == ("unknown", 1, None)
    assert [(one.generation, one.msg_id, one.state) for one in row.earlier] == [(0, 7, "failed")]


def test_a_list_that_has_ended_says_how_to_go_on() -> None:
    """Nobody can answer it any more: those who are left are sent to by its report, or its doubt is looked up."""
    drive = Drive()
    drive.waits(lambda number: failed(number) if number == 2 else sent(number))
    drive.answer(ANSWERS["abort"])
    end = drive.ended()
    assert end.problem is not None
    assert (end.outcome, end.problem.todo) == ("partly_sent", SEND_TO_THE_REST)
    drive = Drive()
    drive.waits(lambda number: row(number, "unknown").model_copy(update={"problem": "unknown_outcome"}))
    drive.answer(ANSWERS["abort"])
    end = drive.ended()
    assert end.problem is not None
    assert (end.outcome, end.problem.todo) == ("unknown", NO_NEW_KEY)
    end = Drive(request(on_problem="fail")).ended(failed)
    assert end.problem is not None
    assert (end.outcome, end.problem.todo) == ("failed", SEND_TO_THE_REST)


@pytest.mark.parametrize("more", [{"on_problem": "fail"}, {"on_batch_problem": "continue"}])
def test_a_list_that_asks_nobody_says_how_to_be_asked(more: dict[str, str]) -> None:
    """Its batches ask nobody either: each start of its key would end in the same doubt."""
    end = Drive(request(**more)).ended(lambda number: row(number, "unknown"))
    assert end.problem is not None
    assert (end.outcome, end.problem.todo) == ("unknown", NO_NEW_KEY + ASKS_NOBODY)


def test_a_list_in_doubt_of_a_batch_without_a_problem_has_one() -> None:
    """Nobody knows whether an earlier run had begun that batch, nor how many there are before the list is planned."""
    drive = Drive(request(not_after=NOON))
    drive.earlier = {1: doubted(1)}
    end = drive.ended()
    assert end.problem is not None
    assert (end.outcome, end.problem.name, end.problem.todo) == ("unknown", "batch_failed", NO_NEW_KEY)
    assert end.problem.sentence == "Batch 1, spring.1, ended as unknown. It may have been delivered."


def test_a_list_with_an_uncounted_batch_has_no_totals() -> None:
    """Its sum would be read as all that it has reached. A batch that reached nobody is no matter."""
    counts = Counts(total=5, filter=5, sent=5, error=0)
    counted, uncounted = sent(1).model_copy(update={"counts": counts}), sent(2)
    drive = Drive(batches=2)
    end = drive.ended(lambda number: (counted, uncounted)[number - 1])
    assert show.result(drive.request, drive.state, end, drive.now).totals is None
    assert show.progress(Case(drive.request, drive.state, drive.now), end).followers is None
    drive = Drive(request(on_batch_problem="continue"), batches=2)
    end = drive.ended(lambda number: (counted, failed(2))[number - 1])
    assert show.result(drive.request, drive.state, end, drive.now).totals == counts
    assert show.progress(Case(drive.request, drive.state, drive.now), end).followers == counts.sent


def test_a_doubt_that_the_report_alone_has_is_told_in_words() -> None:
    """The batch was denied before its report was written: a restored database may have forgotten it since."""
    drive = Drive(request(on_problem="fail"))
    drive.ended(failed)
    end = drive.hear(steps.Reported(1, "file:/srv/report.csv.gz", None, (failed(1).in_doubt,))).step
    assert isinstance(end, steps.End)
    assert end.problem is not None
    assert (end.outcome, end.problem.sentence.partition("ended as ")[2]) == (
        "unknown",
        "unknown (send_failed). It may have been delivered.",
    )


def test_that_nothing_was_delivered_is_the_word_of_who_said_so() -> None:
    """It is WeChat's, or that of a person who has looked into its console."""
    vouched = row(1, "aborted").model_copy(update={"job": "failed", "is_vouched": True})
    words = [batch_failed(request(), one, 1).sentence.partition(". ")[2] for one in (failed(1), vouched)]
    assert words == ["Nothing of it was delivered.", "A person says that nothing of it was delivered."]
