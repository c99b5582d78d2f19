"""Where a job stands as a whole: all its generations, their verdicts, and what comes next.

| the generations say | next |
|---|---|
| one of them was delivered, and the newest cannot have been | :class:`Over` with that outcome |
| the newest has a yes | :class:`Over` with its outcome |
| the newest has a no | :class:`Ask` its problem |
| WeChat keeps the ``clientmsgid`` that the newest shares with an earlier one, which has a no | :class:`Renew` |
| the newest was not accepted, and an earlier one is | :class:`Await` the earlier one's verdict |
| the newest may have been accepted, and an earlier one was delivered | :class:`Ask` ``unknown_outcome`` |
| the newest has no verdict | :func:`qunfa.rules.submission.next_step` |
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Literal

from qunfa.contract.result import Job, Outcome
from qunfa.rules.submission import Ask, Conditions, Step, next_step, unsettled
from qunfa.rules.verdict import Judgement, judge

Jobs = tuple[Job, ...]


def is_open(job: Job, jobs: Sequence[Job]) -> bool:
    """Whether one of ``jobs`` is unsettled, and not just WeChat's word for an earlier one of its ``clientmsgid``."""
    return unsettled(job) and namesake(job, jobs) is None


def may_straggle(jobs: Jobs) -> bool:
    """Whether a try that got no answer may still be carried out, although a later one was accepted and failed.

    A job that failed may set its ``clientmsgid`` free, and nobody knows whether it does. So after a no, a try without
    an answer is not settled for good: a call that was slow on its way may still be carried out. The next generation
    shares the ``clientmsgid`` then, whose jobs WeChat can only take one at a time: either it takes the new try, and
    refuses the slow one; or it has taken the slow one, and says so; or it answers with the job that failed, which goes
    on blocking the id: then no slow one is taken either, and another generation gets an id of its own.
    """
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

    A 45065 tells that one of the tries without an answer has made it, here or in an earlier generation. A person who
    names a msg_id may mean a message that was sent by hand: that tells of no try.
    """
    answer = job.answer
    explained = answer is not None and answer.kind == "duplicate" and answer.msg_id == job.msg_id and not job.vague
    return len(job.unanswered) - explained


@dataclass(frozen=True, slots=True)
class Over:
    """The job has its verdict: ``sent``, ``sent_nobody`` or ``deleted``."""

    outcome: Outcome


@dataclass(frozen=True, slots=True)
class Renew:
    """A next generation with a ``clientmsgid`` of its own: nothing is taken under the one of the newest any more."""


_Yes = Literal["sent", "sent_nobody", "deleted"]
YES: Final[dict[str, _Yes]] = {"sent": "sent", "sent_nobody": "sent_nobody", "deleted": "deleted"}


def course(jobs: Jobs, now: datetime, conditions: Conditions) -> Step | Renew | Over:
    """What comes next for the job whose generations are ``jobs`` (at least one, the newest last)."""
    current = jobs[-1]
    judgement = judgement_of(current)
    yes = _delivered(jobs)
    if yes and (judgement == yes or not is_open(current, jobs)):
        return over(yes)
    if judgement:
        return Ask(judgement.name)
    if (blocking := namesake(current, jobs)) and failed(blocking):
        return Renew()
    matter = subject(jobs)
    if matter is current and current.msg_id is None and may_have_been_delivered(jobs[:-1]):
        return Ask("clientmsgid_collision" if current.collides_with is not None else "unknown_outcome")
    return next_step(matter, now, conditions)


def subject(jobs: Jobs) -> Job:
    """The generation that is to be settled next: an earlier one that was found accepted after all, or the newest."""
    current = jobs[-1]
    if current.msg_id is None and current.collides_with is None:
        for job in jobs[:-1]:
            if job.msg_id is not None and unsettled(job):
                return job
    return current


def over(yes: Judgement) -> Over:
    return Over(YES[yes.name])


def judgement_of(job: Job) -> Judgement | None:
    """What the job's verdict means, where it has one."""
    return judge(job.verdict) if job.verdict else None


def newest_no(jobs: Sequence[Job]) -> Judgement | None:
    """WeChat's newest no, by which the key fails again once it has ended.

    There is none where a later submission may have been delivered, or where a person has looked for what was.
    """
    tried = [job for job in jobs if job.attempts or job.msg_id is not None]
    judged = [one for job in tried if (one := judgement_of(job))]
    if not judged or unsettled(tried[-1]) or any(one.name == "not_delivered" for one in judged):
        return None
    return judged[-1]


def may_have_been_delivered(jobs: Sequence[Job]) -> bool:
    """Whether any generation was delivered, or may have been."""
    return any(is_open(job, jobs) for job in jobs) or _delivered(jobs) is not None


def _delivered(jobs: Sequence[Job]) -> Judgement | None:
    for job in reversed(jobs):
        judgement = judgement_of(job)
        if judgement and judgement.delivered:
            return judgement
    return None
