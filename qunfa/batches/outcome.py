"""How a send in batches ends, by how its batches have ended.

| batches | outcome |
|---|---|
| all were sent | ``sent``; ``sent_nobody`` or ``deleted`` where that is so of each |
| some were sent | ``partly_sent`` |
| none was sent, and one may have been | ``unknown`` |
| none was sent, and all have ended alike | that |
| else | as the person or the time wanted that ended it, or ``failed`` |
"""

from collections.abc import Iterable, Sequence

from qunfa.contract.batches import BatchRow
from qunfa.contract.request import MassSendRequest
from qunfa.contract.result import COMPLETES, Counts, JobResult, JobStateName, MassSendResult, Outcome, Problem


def outcome_of(rows: Sequence[BatchRow], total: int, otherwise: Outcome) -> Outcome:
    """The outcome; ``otherwise`` where the batches do not say."""
    outcomes = {row.outcome for row in rows}
    reached = [row for row in rows if row.outcome in COMPLETES]
    if rows and len(reached) == total:
        return outcomes.pop() if len(outcomes) == 1 else "sent"
    if reached:
        return "partly_sent"
    if any(row.may_have_been_delivered for row in rows):
        return "unknown"
    return outcomes.pop() if len(rows) == total and len(outcomes) == 1 else otherwise


def result_of(
    request: MassSendRequest, rows: Sequence[JobResult], outcome: Outcome, problem: Problem | None, *, open_: bool
) -> MassSendResult:
    """The result: one row for each batch that was begun. ``open_``: something may have been delivered."""
    return MassSendResult(
        outcome=outcome,
        may_have_been_delivered=open_,
        account=request.account,
        key=request.key,
        problem=problem,
        jobs=tuple(rows),
        totals=totals(row.counts for row in rows),
    )


def totals(counts: Iterable[Counts | None]) -> Counts | None:
    """The sum of all counts that were told; ``None`` where none was."""
    told = [one for one in counts if one is not None]
    if not told:
        return None
    return Counts(
        total=sum(one.total for one in told),
        filter=sum(one.filter for one in told),
        sent=sum(one.sent for one in told),
        error=sum(one.error for one in told),
    )


_STATES: dict[str, JobStateName] = {
    "sent": "sent",
    "partly_sent": "sent",
    "sent_nobody": "sent_nobody",
    "deleted": "deleted",
    "failed": "failed",
}


def state_of(row: BatchRow) -> JobStateName:
    """The state of a batch's job."""
    if row.outcome in _STATES:
        return _STATES[row.outcome]
    if row.may_have_been_delivered:
        return "accepted" if row.msg_id is not None else "unknown"
    return "new"
