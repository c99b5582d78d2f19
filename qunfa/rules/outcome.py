"""The result of a mass send, from its jobs.

| ended by | nothing can have been delivered | something may have been |
|---|---|---|
| WeChat's yes | – | ``sent``, ``sent_nobody``, ``deleted`` |
| a problem (``on_problem: fail``, or nobody decided in time) | ``failed`` | ``unknown`` |
| ``abort`` | ``aborted`` | ``unknown`` |
| ``not_after`` | ``expired`` | ``unknown`` |

Something may have been, too, where a try without an answer may still be carried out after a later one has failed.
"""

from collections.abc import Sequence
from typing import Final

from qunfa.contract.request import MassSendRequest
from qunfa.contract.result import Counts, Job, JobResult, JobStateName, MassSendResult, Outcome, Problem
from qunfa.rules.course import Jobs, is_open, may_have_been_delivered, may_straggle
from qunfa.rules.verdict import judge

_PERHAPS: Final = ("key: an earlier run", "key: whether an earlier run", "account: ")
"""Without its account nobody has asked what an earlier run under the key has done."""


def bad_end(jobs: Jobs, otherwise: Outcome, *, straggler: bool = False) -> Outcome:
    """``otherwise``, or ``unknown`` where a try or a verdict is open, or a ``straggler`` may still be carried out."""
    return "unknown" if straggler or may_have_been_delivered(jobs) else otherwise


def result(request: MassSendRequest, jobs: Jobs, outcome: Outcome, problem: Problem | None = None) -> MassSendResult:
    """The result of a send that ended as ``outcome``."""
    return MassSendResult(
        outcome=outcome,
        may_have_been_delivered=outcome == "unknown" or may_have_been_delivered(jobs),
        account=request.account,
        key=request.key,
        problem=problem,
        jobs=tuple(job_result(job, jobs) for job in jobs if job.attempts or job.msg_id is not None),
        totals=totals(jobs),
    )


def job_result(job: Job, jobs: Jobs) -> JobResult:
    """One row of a result or a status: one of ``jobs``."""
    verdict = job.verdict
    return JobResult(
        index=job.index,
        generation=job.generation,
        clientmsgid=job.clientmsgid,
        msg_id=job.msg_id,
        msg_data_id=job.msg_data_id,
        state=_state(job, jobs),
        status=verdict.status if verdict else None,
        check_state=verdict.check_state if verdict else None,
        counts=verdict.counts if verdict else None,
        articles=verdict.articles if verdict else (),
        observed_by=verdict.observed_by if verdict else None,
        deduplicated=job.deduplicated,
    )


def from_ledger(jobs: Jobs) -> Jobs:
    """The jobs as a later run with the same key reports them: it is the ledger that knew."""
    return tuple(
        job.model_copy(
            update={
                "deduplicated": True,
                "verdict": job.verdict and job.verdict.model_copy(update={"observed_by": "ledger"}),
            }
        )
        for job in jobs
    )


def used_before(key: str, jobs: Jobs) -> str | None:
    """What who reads that a request was refused must know: an earlier run had its key, and may have sent something."""
    if not (may_have_been_delivered(jobs) or may_straggle(jobs)):
        return None
    return perhaps_delivered(key, jobs)


def tell_of_doubt(reasons: Sequence[str]) -> bool:
    """Whether the reasons of a refusal say that something under its key may have been delivered."""
    return any(reason.startswith(_PERHAPS) for reason in reasons)


def perhaps_delivered(key: str, jobs: Sequence[Job | JobResult]) -> str:
    """That these jobs of an earlier run were delivered, or may have been."""
    msg_ids = ", ".join(str(job.msg_id) for job in jobs if job.msg_id is not None) or "none"
    said = f'key: an earlier run under "{key}" was delivered, or may have been (msg_id: {msg_ids})'
    return f"{said}; nothing was submitted now, and the same content under a new key would be sent again"


def totals(jobs: Jobs) -> Counts | None:
    """The sum of all counts that pushes told; ``None`` where a job may have been delivered that none counted.

    ``mass/get`` counts nobody. The zeros of a job that failed before it are then no number to show.
    """
    told = [job.verdict.counts for job in jobs if job.verdict and job.verdict.counts]
    uncounted = [job for job in jobs if not (job.verdict and job.verdict.counts)]
    if not told or may_have_been_delivered(uncounted):
        return None
    return Counts(
        total=sum(counts.total for counts in told),
        filter=sum(counts.filter for counts in told),
        sent=sum(counts.sent for counts in told),
        error=sum(counts.error for counts in told),
    )


_STATES: dict[str, JobStateName] = {"sent": "sent", "sent_nobody": "sent_nobody", "deleted": "deleted"}


def _state(job: Job, jobs: Jobs) -> JobStateName:
    if job.verdict and (judgement := judge(job.verdict)):
        return _STATES.get(judgement.name, "failed")
    if job.msg_id is not None:
        return "accepted"
    if is_open(job, jobs):
        return "unknown"
    if not job.attempts:
        return "new"
    refused = job.collides_with is not None or (job.answer is not None and job.answer.kind == "refused")
    return "refused" if refused else "submitting"
