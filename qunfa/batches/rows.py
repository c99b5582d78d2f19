"""How a batch has ended, by what its send has told, or by how Temporal has closed it."""

from collections.abc import Sequence
from typing import Any, Final, Literal

from temporalio import exceptions
from temporalio.exceptions import ApplicationError, CancelledError, TerminatedError

from qunfa.batches.state import KEY_REUSED
from qunfa.batches.steps import LookedBack
from qunfa.contract.batches import BatchRow, EarlierJob, doubted
from qunfa.contract.facts import Known
from qunfa.contract.result import (
    COMPLETES,
    INVALID_REQUEST,
    MASS_SEND_FAILED,
    NOT_DELIVERED,
    JobResult,
    JobStateName,
    MassSendResult,
    Outcome,
)
from qunfa.rules.course import judgement_of, may_straggle, over
from qunfa.rules.memory import is_under_way
from qunfa.rules.outcome import job_result, tell_of_doubt, totals
from qunfa.rules.problems import INVALID
from qunfa.send.doubt import is_doubt, jobs_of
from qunfa.send.joining import REUSED

Closed = Literal["terminated", "timed_out", "cancelled", "broken"]
_DELIVERED: Final[frozenset[JobStateName]] = frozenset({"sent", "sent_nobody", "deleted"})
_OPEN: Final[frozenset[JobStateName]] = _DELIVERED | {"accepted", "unknown"}


def row_of(number: int, result: MassSendResult) -> BatchRow:
    row = _row(number, result.outcome, result.jobs, open_=result.may_have_been_delivered)
    problem = result.problem.name if result.problem else None
    return row.model_copy(update={"counts": result.totals, "problem": problem})


def _row(number: int, outcome: Outcome, jobs: Sequence[JobResult], *, open_: bool) -> BatchRow:
    """By its jobs: the newest that was delivered, else that WeChat has accepted or may have, else that was tried.

    Something may have been delivered that no job shows: then a slow try may still make one, and that is the newest.
    """
    delivered = [job for job in jobs if outcome in COMPLETES and job.state in _DELIVERED]
    taken = [job for job in jobs if job.msg_id is not None or job.state == "unknown"]
    newest = next(reversed(delivered or taken or jobs), None)
    is_late = open_ and not any(job.state in _OPEN for job in jobs)
    told = None if is_late else newest
    return BatchRow(
        number=number,
        outcome=outcome,
        may_have_been_delivered=open_,
        job=told.state if told else "unknown" if is_late else "new",
        generation=newest.generation if newest else 0,
        msg_id=told.msg_id if told else None,
        msg_data_id=told.msg_data_id if told else None,
        clientmsgid=_shared(newest, jobs) if newest else None,
        status=told.status if told else None,
        earlier=tuple(_earlier(job, jobs, job.msg_id) for job in jobs if job.msg_id is not None and job is not told),
        is_vouched=any(job.status == NOT_DELIVERED for job in jobs),
        for_good=_is_for_good(jobs, open_=open_),
    )


def _earlier(job: JobResult, jobs: Sequence[JobResult], msg_id: int) -> EarlierJob:
    return EarlierJob(
        generation=job.generation,
        msg_id=msg_id,
        msg_data_id=job.msg_data_id,
        state=job.state,
        clientmsgid=_shared(job, jobs),
        status=job.status,
    )


def _shared(job: JobResult, jobs: Sequence[JobResult]) -> str | None:
    """Its ``clientmsgid`` where that is an earlier generation's: each one's own need not be told thousands of times."""
    before = {one.clientmsgid for one in jobs if one.generation < job.generation}
    return job.clientmsgid if job.clientmsgid in before else None


def _is_for_good(jobs: Sequence[JobResult], *, open_: bool) -> bool:
    """Whether WeChat's no is all that was said; a slow try after that may be settled, and so can what a person says.

    A later submission that was refused is no verdict: see :func:`qunfa.rules.course.newest_no`.
    """
    words = {job.status for job in jobs if job.state == "failed"}
    return bool(words) and not open_ and NOT_DELIVERED not in words


def row_of_refused(number: int, key: str, reasons: list[str]) -> BatchRow:
    """By why its request was refused; an earlier send under its key may have been delivered."""
    row = row_of_reused(number, perhaps=tell_of_doubt(reasons))
    return row if REUSED.format(key=key) in reasons else row.model_copy(update={"problem": INVALID})


def row_of_reused(number: int, *, perhaps: bool) -> BatchRow:
    """Its key stands for something else, which ``perhaps`` has reached the same openids; nothing else was submitted."""
    row = _row(number, "failed", (), open_=perhaps)
    return row.model_copy(update={"problem": KEY_REUSED})


def looked_up(  # noqa: PLR0913  each keyword is one thing that is known beside the facts
    number: int, key: str, known: Known, *, is_hidden: bool = False, is_known: bool = False, is_later: bool = False
) -> LookedBack:
    """By what the ledger knows of a batch of which Temporal has no run.

    ``is_hidden``: or whose newest run is somebody else's; what was submitted under its key may be theirs, then.
    ``is_known``: it was begun, and may have ended without a submission: its key has a record. Batches after it may have
    been begun. ``is_later``: one of these was, so that this one may have been, and is forgotten.
    """
    if is_hidden or (is_known and not known.was_submitted):
        outcome: Outcome = "unknown" if known.was_submitted else "aborted"
        return LookedBack(number, _row(number, outcome, (), open_=known.was_submitted))
    if not known.was_submitted:
        return LookedBack(number, doubted(number) if is_later else None)
    row = _row_of_known(number, key, known)
    is_doubted = row.state == "unknown" and bool(known.tries) and all(map(is_doubt, known.tries))
    return LookedBack(number, row.model_copy(update={"is_doubted": is_doubted}))


def may_have_news(row: BatchRow) -> bool:
    """Whether the ledger may have heard more since the batch ended: WeChat's yes, or whom its push has counted."""
    return row.outcome == "unknown" or (row.outcome in COMPLETES and row.counts is None)


def settled(row: BatchRow, found: LookedBack) -> BatchRow:
    """What became of a batch whose run :func:`may_have_news`: WeChat's yes, its counts, or the msg_id in a doubt.

    Nothing less counts: who knows nothing of a batch does not know that nothing of it was submitted.
    """
    known = found.row
    if known is None:
        return row
    if known.outcome in COMPLETES:
        return known if known.counts is not None or row.outcome == "unknown" else row
    is_found = known.outcome == row.outcome == "unknown" and row.msg_id is None and known.msg_id is not None
    return known.model_copy(update={"problem": row.problem}) if is_found else row


def _row_of_known(number: int, key: str, known: Known) -> BatchRow:
    """WeChat's yes, or its no to all that was submitted; a person who has looked for some of it gives none."""
    jobs = jobs_of(known, key)
    told = tuple(job_result(job, jobs) for job in jobs if job.attempts or job.msg_id is not None)
    yes = [one for job in jobs if (one := judgement_of(job)) is not None and one.delivered]
    is_no = told and all(job.state in {"failed", "refused"} for job in told)
    is_vouched = any(one.confirms for one in known.decided)
    if yes:
        outcome = over(yes[-1]).outcome
    elif is_no and not (is_vouched or may_straggle(jobs) or any(map(is_under_way, known.tries))):
        outcome = "failed"
    else:
        outcome = "unknown"
    row = _row(number, outcome, told, open_=outcome != "failed")
    return row.model_copy(update={"counts": totals(jobs)})


def row_of_closed(number: int, how: Closed) -> BatchRow:
    """By how Temporal has closed it. A cancellation counts only while nothing can have been delivered."""
    if how == "cancelled":
        # Some of it may have been submitted, and settled by a person's word.
        return BatchRow(number=number, outcome="aborted", may_have_been_delivered=False, job="new", is_vouched=True)
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
