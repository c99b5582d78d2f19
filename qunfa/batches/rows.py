"""How a batch has ended, by what its send has told, or by how Temporal has closed it."""

from typing import Any, Literal

from temporalio import exceptions
from temporalio.exceptions import ApplicationError, CancelledError, TerminatedError

from qunfa.batches.state import KEY_REUSED
from qunfa.batches.steps import LookedBack
from qunfa.contract.batches import BatchRow, EarlierJob
from qunfa.contract.facts import Known
from qunfa.contract.result import INVALID_REQUEST, MASS_SEND_FAILED, NOT_DELIVERED, MassSendResult, Outcome
from qunfa.rules.course import judgement_of, over
from qunfa.rules.outcome import tell_of_doubt
from qunfa.rules.problems import INVALID
from qunfa.send.doubt import is_doubt, jobs_of
from qunfa.send.joining import REUSED

Closed = Literal["terminated", "timed_out", "cancelled", "broken"]


def row_of(number: int, result: MassSendResult) -> BatchRow:
    """By its result: its newest job that was accepted, or of which nobody knows that."""
    newest = next((job for job in reversed(result.jobs) if job.msg_id is not None or job.state == "unknown"), None)
    return BatchRow(
        number=number,
        outcome=result.outcome,
        may_have_been_delivered=result.may_have_been_delivered,
        generation=newest.generation if newest else 0,
        msg_id=newest.msg_id if newest else None,
        earlier=tuple(
            EarlierJob(generation=job.generation, msg_id=job.msg_id, state=job.state)
            for job in result.jobs
            if job.msg_id is not None and job is not newest
        ),
        counts=result.totals,
        problem=result.problem.name if result.problem else None,
        for_good=_is_for_good(result),
    )


def _is_for_good(result: MassSendResult) -> bool:
    """Whether the newest verdict is WeChat's no; a slow try after that may be settled, and so can what a person says.

    A later submission that was refused is no verdict: see :func:`qunfa.rules.course.newest_no`.
    """
    judged = [job for job in result.jobs if job.state == "failed"]
    return bool(judged) and not result.may_have_been_delivered and judged[-1].status != NOT_DELIVERED


def row_of_refused(number: int, key: str, reasons: list[str]) -> BatchRow:
    """By why its request was refused; an earlier send under its key may have been delivered."""
    reused = REUSED.format(key=key) in reasons
    perhaps = tell_of_doubt(reasons)
    problem = KEY_REUSED if reused else INVALID
    return BatchRow(number=number, outcome="failed", may_have_been_delivered=perhaps, problem=problem)


def looked_up(number: int, known: Known, *, is_hidden: bool = False, is_known: bool = False) -> LookedBack:
    """By what the ledger knows of a batch of which Temporal has no run.

    ``is_hidden``: or whose newest run is somebody else's; what was submitted under its key may be theirs, then.
    ``is_known``: it was begun, and may have ended without a submission: its key has a record. Batches after it may have
    been begun.
    """
    if is_hidden or (is_known and not known.was_submitted):
        outcome: Outcome = "unknown" if known.was_submitted else "aborted"
        row = BatchRow(number=number, outcome=outcome, may_have_been_delivered=known.was_submitted)
        return LookedBack(number, row)
    if not known.was_submitted:
        return LookedBack(number)
    for job in jobs_of(known, "", ""):
        judgement = judgement_of(job)
        if judgement is not None and judgement.delivered:
            outcome = over(judgement).outcome
            return LookedBack(
                number,
                BatchRow(
                    number=number,
                    outcome=outcome,
                    may_have_been_delivered=True,
                    generation=job.generation,
                    msg_id=job.msg_id,
                ),
            )
    row = BatchRow(number=number, outcome="unknown", may_have_been_delivered=True)
    return LookedBack(number, row, doubtful=bool(known.tries) and all(map(is_doubt, known.tries)))


def row_of_closed(number: int, how: Closed) -> BatchRow:
    """By how Temporal has closed it. A cancellation counts only while nothing can have been delivered."""
    if how == "cancelled":
        return BatchRow(number=number, outcome="aborted", may_have_been_delivered=False)
    return BatchRow(number=number, outcome="unknown", may_have_been_delivered=True, problem=how)


def row_of_failure(number: int, key: str, cause: BaseException | None) -> BatchRow:
    """How a batch has ended whose workflow did not complete."""
    match cause:
        case ApplicationError(type=kind, details=details) if kind == MASS_SEND_FAILED and details:
            return row_of(number, MassSendResult.model_validate(details[0]))
        case ApplicationError(type=kind, details=details) if kind == INVALID_REQUEST:
            listed: Any = details[0] if details else []
            return row_of_refused(number, key, [str(one) for one in listed] if isinstance(listed, list) else [])
        case CancelledError():
            return row_of_closed(number, "cancelled")
        case TerminatedError():
            return row_of_closed(number, "terminated")
        case exceptions.TimeoutError():
            return row_of_closed(number, "timed_out")
        case _:
            return row_of_closed(number, "broken")
