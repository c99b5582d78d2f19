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

from qunfa.contract.ledger import Recalled
from qunfa.contract.refusal import full_stop
from qunfa.contract.request import MassSendRequest
from qunfa.contract.result import Counts, Job, JobResult, JobStateName, MassSendResult, Outcome, Problem
from qunfa.rules.course import YES, Jobs, is_open, may_have_been_delivered
from qunfa.rules.verdict import judge

_PERHAPS: Final = ("key: an earlier run", "key: whether an earlier run", "account: ")
"""How reasons begin that tell of a doubt. Another version reads them, so these words never change.

Without its account nobody has asked what an earlier run under the key has done.
"""


def bad_end(jobs: Jobs, otherwise: Outcome, *, straggler: bool = False) -> Outcome:
    """``otherwise``, or ``unknown`` where a try or a verdict is open, or a ``straggler`` may still be carried out."""
    return "unknown" if straggler or may_have_been_delivered(jobs) else otherwise


def result(request: MassSendRequest, jobs: Jobs, outcome: Outcome, problem: Problem | None = None) -> MassSendResult:
    return MassSendResult(
        outcome=outcome,
        may_have_been_delivered=outcome == "unknown" or may_have_been_delivered(jobs),
        account=request.account,
        key=request.key,
        problem=problem,
        jobs=tuple(job_result(job, jobs) for job in jobs if job.attempts or job.msg_id is not None),
        totals=totals(jobs),
    )


def failure_of(result: MassSendResult) -> str:
    """How a send has ended badly, in words for its caller."""
    said = f": {result.problem.sentence}" if result.problem else ""
    perhaps = "It may have been delivered." if result.may_have_been_delivered else "Nothing was delivered."
    ended = full_stop(f'mass send "{result.key}" of account {result.account} ended as {result.outcome}{said}')
    return f"{ended} {perhaps}"


def job_result(job: Job, jobs: Jobs) -> JobResult:
    """One row of a result or a status: one of ``jobs``."""
    verdict = job.verdict
    return JobResult(
        index=0,
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


def tell_of_doubt(reasons: Sequence[str]) -> bool:
    """Whether the reasons of a refusal say that something under its key may have been delivered."""
    return any(reason.startswith(_PERHAPS) for reason in reasons)


def perhaps_delivered(key: str, jobs: Sequence[Job | JobResult]) -> str:
    """That these jobs of an earlier run were delivered, or may have been."""
    msg_ids = ", ".join(str(job.msg_id) for job in jobs if job.msg_id is not None) or "none"
    said = f'key: an earlier run under "{key}" was delivered, or may have been (msg_id: {msg_ids})'
    return f"{said}; nothing was submitted now, and the same content under a new key would be sent again"


def recalled(notes: Sequence[Recalled]) -> tuple[str, ...]:
    """What of a key was recalled, in words for people: everything, or some of its articles."""
    articles = {note.article_idx for note in notes}
    if None in articles:
        return ("recalled",)
    return tuple(f"article {article} recalled" for article in sorted(filter(None, articles)))


def not_known(key: str, why: str) -> str:
    """That nobody knows whether an earlier run was delivered."""
    return f'key: whether an earlier run under "{key}" was delivered is not known: {why}'


def no_account(why: str) -> str:
    """That nobody could ask, without its account."""
    return f"account: {why}"


def totals(jobs: Jobs) -> Counts | None:
    """The counts of the generation that reached most, else of the newest; ``None`` where none was told.

    All generations have the same audience, so no sum of theirs is a number of people. It is ``None`` too where a job
    may have been delivered that none counted: ``mass/get`` counts nobody, and the zeros of another are no number to
    show then.
    """
    told = [job.verdict.counts for job in reversed(jobs) if job.verdict and job.verdict.counts]
    uncounted = [job for job in jobs if not (job.verdict and job.verdict.counts)]
    if may_have_been_delivered(uncounted):
        return None
    return max(told, key=lambda counts: counts.sent, default=None)


def _state(job: Job, jobs: Jobs) -> JobStateName:
    if job.verdict and (judgement := judge(job.verdict)):
        return YES.get(judgement.name, "failed")
    if job.msg_id is not None:
        return "accepted"
    if is_open(job, jobs):
        return "unknown"
    if job.under_way:
        return "submitting"
    return "refused" if job.attempts else "new"
