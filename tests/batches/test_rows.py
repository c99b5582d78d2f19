"""What a batch's row says of its openids: by what was submitted, and by what WeChat has said to that."""

from typing import Any

import pytest

from qunfa.batches import show
from qunfa.batches.rows import looked_up, row_of, row_of_closed, row_of_refused, row_of_reused
from qunfa.contract.batches import BatchRow, EarlierJob, doubted, merged
from qunfa.contract.facts import Decided, Known, Owned, Said, Try
from qunfa.contract.result import NOT_DELIVERED, Answer, Counts, MassSendResult, Outcome, Verdict
from qunfa.rules.digest import clientmsgid
from tests.batches.driving import FACTS, Drive, failed, request, row, sent
from tests.rules.arbitrary import NOON
from tests.send.arbitrary_facts import IDS, a_try

KEY = "spring.7"
COUNTS = Counts(total=9, filter=9, sent=9)
YES, NO = "send success", "err(20001)"
FAILED = {"state": "failed", "msg_id": 7, "status": NO}
VOUCHED = {"state": "failed", "status": NOT_DELIVERED, "observed_by": "operator"}
REFUSED = {"state": "refused"}
OPEN = {"state": "unknown"}
ACCEPTED = {"state": "accepted", "msg_id": 8}
SENT = {"state": "sent", "msg_id": 8, "status": YES}


def ended(outcome: Outcome, *jobs: dict[str, Any], perhaps: bool = False) -> BatchRow:
    """The row of a batch that has ended so."""
    told = [{"index": 0, "generation": at, "clientmsgid": IDS[at], **job} for at, job in enumerate(jobs)]
    fields = {"outcome": outcome, "may_have_been_delivered": perhaps, "account": "demo", "key": KEY, "jobs": told}
    return row_of(7, MassSendResult.model_validate(fields))


@pytest.mark.parametrize(
    ("row", "state"),
    [
        (ended("aborted"), "not_submitted"),
        (ended("failed"), "not_submitted"),
        (ended("aborted", FAILED), "failed"),
        (ended("expired", REFUSED), "failed"),
        (ended("aborted", FAILED, REFUSED), "failed"),
        (ended("aborted", VOUCHED), "unknown"),
        (ended("failed", VOUCHED, REFUSED), "unknown"),
        (ended("aborted", VOUCHED, FAILED), "unknown"),
        (ended("unknown", FAILED, perhaps=True), "unknown"),
        (ended("unknown", OPEN, perhaps=True), "unknown"),
        (ended("unknown", perhaps=True), "unknown"),
        (ended("unknown", ACCEPTED, perhaps=True), "accepted"),
        (ended("sent", VOUCHED, SENT, perhaps=True), "sent"),
        (row_of_closed(7, "cancelled"), "unknown"),
        (row_of_closed(7, "terminated"), "unknown"),
        (row_of_refused(7, KEY, ["message: is too long"]), "not_submitted"),
        (row_of_reused(7, perhaps=False), "not_submitted"),
        (row_of_reused(7, perhaps=True), "unknown"),
    ],
)
def test_a_report_says_what_was_submitted_and_wechats_no(row: BatchRow, state: str) -> None:
    """It is another send's audience: whom only a person vouches for, or a slow try may reach, is not among the rest."""
    assert row.state == state


@pytest.mark.parametrize(
    ("jobs", "for_good"),
    [((FAILED,), True), ((FAILED, REFUSED), True), ((VOUCHED, FAILED, REFUSED), False), ((FAILED, VOUCHED), False)],
)
def test_a_batch_that_a_person_vouches_for_is_not_over(*, jobs: tuple[dict[str, Any], ...], for_good: bool) -> None:
    """Its key asks when it is started again, and does not fail the same way."""
    assert ended("failed", *jobs).for_good is for_good


def test_a_batch_cancelled_in_temporal_takes_no_totals_away() -> None:
    """Nothing was delivered, at least by a person's word: whose, its row does not tell. The others are counted."""
    drive = Drive(request(on_batch_problem="continue"), batches=2)
    counted = ended("sent", SENT).model_copy(update={"number": 1, "counts": COUNTS})
    end = drive.ended(lambda number: row_of_closed(2, "cancelled") if number == 2 else counted)
    result = show.result(drive.request, drive.state, end, drive.now)
    assert ([job.state for job in result.jobs], result.totals) == (["sent", "new"], COUNTS)


@pytest.mark.parametrize(
    ("row", "state", "job"),
    [
        ({"outcome": "aborted"}, "not_submitted", "new"),
        ({"outcome": "failed"}, "failed", "failed"),
        ({"outcome": "sent_nobody", "may_have_been_delivered": True}, "sent", "sent_nobody"),
        ({"outcome": "unknown", "may_have_been_delivered": True}, "unknown", "unknown"),
        ({"outcome": "unknown", "may_have_been_delivered": True, "msg_id": 7}, "accepted", "accepted"),
    ],
)
def test_a_row_of_before_is_read_by_its_outcome(row: dict[str, Any], state: str, job: str) -> None:
    """A report in the store, or a history, has it from a version that told no more."""
    read = BatchRow.model_validate({"number": 7, "may_have_been_delivered": False, **row})
    assert (read.state, read.job_state) == (state, job)


def test_a_row_takes_no_room_for_what_it_does_not_tell() -> None:
    """And is read as it was."""
    row = BatchRow(number=7, outcome="unknown", may_have_been_delivered=True)
    assert row.model_dump() == {"number": 7, "outcome": "unknown", "may_have_been_delivered": True}
    full = ended("unknown", FAILED, ACCEPTED, perhaps=True).model_copy(update={"counts": COUNTS})
    assert BatchRow.model_validate_json(full.model_dump_json()) == full


def test_a_list_shows_the_ids_and_words_that_its_jobs_have() -> None:
    """A retry after a silent try shares its ``clientmsgid``. Words are WeChat's, and no name of a problem."""
    own = clientmsgid("default", FACTS.appid, "spring.1", 0)
    shared = {**FAILED, "clientmsgid": own}
    again = ended("failed", {**shared, "msg_data_id": 70}, {**shared, "msg_id": 8, "msg_data_id": 80})
    again = again.model_copy(update={"number": 1, "problem": "content_refused"})
    drive = Drive(request(on_problem="fail"))
    end = drive.ended(lambda _number: again)
    told = show.result(drive.request, drive.state, end, drive.now).jobs
    ids = [(one.clientmsgid, one.msg_id, one.msg_data_id, one.status) for one in told]
    assert ids == [(own, 7, 70, NO), (own, 8, 80, NO)]


def test_a_slow_try_is_a_job_that_nobody_knows_of() -> None:
    """Beside the one that has failed. Whoever recalls the list sees both."""
    row = ended("unknown", FAILED, perhaps=True)
    assert (row.job_state, row.msg_id, row.generation) == ("unknown", None, 0)
    assert [(one.msg_id, one.state, one.status) for one in row.earlier] == [(7, "failed", NO)]


def test_a_batch_that_was_sent_names_the_job_that_was() -> None:
    """Also where a later one has failed."""
    row = ended("sent", SENT, FAILED, perhaps=True)
    assert (row.msg_id, row.job_state, row.status) == (8, "sent", YES)
    assert [one.msg_id for one in row.earlier] == [7]


def knows(*tries: Try, said: str | None = None, confirms: bool = False) -> Known:
    """A ledger of these tries, and of WeChat's word on msg_id 7."""
    verdict = Verdict(status=said or "", observed_by="push", counts=COUNTS if said == YES else None)
    look = Decided(id="u", what="abort", by="li", reason="r", at=NOON, generation=0, covers=("wish-1",), confirms=True)
    return Known(
        tries=tries,
        said=(Said(msg_id=7, verdict=verdict, at=NOON),) if said else (),
        decided=(look,) if confirms else (),
        owned=(Owned(msg_id=7, key=KEY, generation=0, accepted=True),),
    )


TAKEN = Answer(kind="accepted", at=NOON, msg_id=7)
SECOND = Answer(kind="duplicate", at=NOON, msg_id=7, errcode=45065)
NEVER = Answer(kind="refused", at=NOON, errcode=40003)


@pytest.mark.parametrize(
    ("known", "told"),
    [
        (knows(a_try(1, TAKEN), said=YES), ("sent", 7, YES, COUNTS, "sent")),
        (knows(a_try(1, TAKEN), said=NO), ("failed", 7, NO, None, "failed")),
        (knows(a_try(1, NEVER)), ("failed", None, None, None, "failed")),
        (knows(a_try(1, lost=True), a_try(2, SECOND), said=NO), ("failed", 7, NO, None, "failed")),
        (knows(a_try(1, lost=True), a_try(2, TAKEN), said=NO), ("unknown", None, None, None, "unknown")),
        (knows(a_try(1, TAKEN), a_try(2), said=NO), ("unknown", None, None, None, "unknown")),
        (knows(a_try(1, NEVER), a_try(2)), ("unknown", None, None, None, "unknown")),
        (knows(a_try(1, TAKEN)), ("unknown", 7, None, None, "accepted")),
        (knows(a_try(1, lost=True), confirms=True), ("unknown", None, None, None, "unknown")),
        (knows(a_try(1, lost=True), a_try(2, TAKEN), said=NO, confirms=True), ("unknown", None, None, None, "unknown")),
    ],
)
def test_what_the_ledger_knows_of_a_batch_is_told(known: Known, told: tuple[Any, ...]) -> None:
    """WeChat's yes with its counts, and its no where nothing of the key is open or only a person's word."""
    row = looked_up(7, KEY, known).row
    assert row is not None
    assert (row.outcome, row.msg_id, row.status, row.counts, row.state) == told
    assert row.may_have_been_delivered is (row.outcome != "failed")
    hidden = looked_up(7, KEY, known, is_hidden=True).row
    assert (hidden and hidden.state, hidden and hidden.msg_id) == ("unknown", None)


def test_what_was_sent_is_told_for_ever() -> None:
    """A later run may know less of a batch: only its counts, or that nobody knows."""
    told = sent(1).model_copy(update={"counts": COUNTS})
    assert merged([told], [row(1, "unknown"), row(2, "failed")]) == {1: told, 2: row(2, "failed")}
    assert merged([told], [sent(1)])[1].counts == COUNTS
    assert merged([failed(1)], [row(1, "unknown")]) == {1: row(1, "unknown")}


def test_a_doubt_takes_no_word_away_and_can_be_over() -> None:
    """It is one where another run may have sent again what had failed. Its end comes with a ledger that answers."""
    accepted_before = row(1, "unknown").model_copy(update={"msg_id": 1001})
    told = merged([accepted_before, failed(2)], map(doubted, (1, 2, 3)))
    assert told == {1: accepted_before, 2: doubted(2), 3: doubted(3)}
    assert merged(told.values(), [], 3) == {1: accepted_before, 2: doubted(2)}


def test_a_msg_id_stays_where_nobody_knows_better() -> None:
    """After a restore its batch may have ended in doubt. A later job, or WeChat's no to all, says more."""
    accepted_before = row(1, "unknown").model_copy(update={"job": "accepted", "msg_id": 1001})
    later = row(1, "unknown").model_copy(update={"earlier": (EarlierJob(generation=0, msg_id=1001, state="failed"),)})
    assert merged([accepted_before], [row(1, "unknown")]) == {1: accepted_before}
    for knows_more in (later, failed(1), sent(1)):
        assert merged([accepted_before], [knows_more]) == {1: knows_more}
    assert merged([doubted(1)], [row(1, "unknown")]) == {1: row(1, "unknown")}
