"""Tries without an answer that may come through late, and the generations that share a ``clientmsgid`` for them.

A job that failed may set its ``clientmsgid`` free, and nobody knows whether it does. So after a no, a try without an
answer is not settled for good: a call that was slow on its way may still be carried out (:func:`may_straggle`). The
next generation shares the ``clientmsgid`` then, whose jobs WeChat can only take one at a time: either it takes the
new try, and refuses the slow one; or it has taken the slow one, and says so; or it answers with the job that failed,
which goes on blocking the id: then no slow one is taken either, and another generation gets an id of its own.
"""

from collections.abc import Sequence

from qunfa.contract.result import Job
from qunfa.rules.submission import unsettled
from qunfa.rules.verdict import judge

Jobs = tuple[Job, ...]


def is_open(job: Job, jobs: Sequence[Job]) -> bool:
    """Whether one of ``jobs`` is unsettled, and not just WeChat's word for an earlier one of its ``clientmsgid``."""
    return unsettled(job) and namesake(job, jobs) is None


def may_straggle(jobs: Jobs) -> bool:
    """Whether a try that got no answer may still be carried out, although a later one was accepted and failed."""
    return any(_may_straggle([job for job in jobs if job.clientmsgid == one.clientmsgid]) for one in jobs)


def shares_clientmsgid(jobs: Jobs) -> bool:
    """Whether the generation after the newest, which failed, has to share its ``clientmsgid``."""
    identity = jobs[-1].clientmsgid
    return failed(jobs[-1]) and _may_straggle([job for job in jobs if job.clientmsgid == identity])


def namesake(job: Job, jobs: Sequence[Job]) -> Job | None:
    """The earlier generation with the same ``clientmsgid`` that WeChat takes the job for."""
    if job.collides_with is None:
        return None
    same = (one for one in jobs if one.clientmsgid == job.clientmsgid and one.generation < job.generation)
    return next((one for one in same if one.msg_id == job.collides_with), None)


def failed(job: Job) -> bool:
    """Whether WeChat has accepted the job and said no."""
    judgement = judge(job.verdict) if job.verdict else None
    return job.msg_id is not None and judgement is not None and not judgement.delivered


def _may_straggle(namesakes: Sequence[Job]) -> bool:
    """Whether one of all the tries under a ``clientmsgid`` may."""
    if any(namesake(job, namesakes) for job in namesakes):
        return False
    return any(failed(job) for job in namesakes) and sum(_stragglers(job) for job in namesakes) > 0


def _stragglers(job: Job) -> int:
    """How many tries of a generation got no answer and did not make its job.

    A 45065 tells that one of the tries without an answer has made it, here or in an earlier generation.
    """
    found = job.answer is not None and job.answer.kind == "duplicate"
    if found:
        return len(job.unanswered) - (0 if job.vague else 1)
    return min(len(job.unanswered), job.attempts - 1) if job.msg_id is not None else len(job.unanswered)
