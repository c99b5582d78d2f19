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
from typing import Final

from qunfa.contract.event import JobFinished
from qunfa.contract.job import NOT_DELIVERED, Answer, Job, Verdict
from qunfa.contract.ledger import Record
from qunfa.contract.result import Outcome
from qunfa.rules.stragglers import failed, inheriting, is_open, namesake
from qunfa.rules.submission import Ask, Conditions, Step, attempts_noted, collide, next_step, take_up, unsettled
from qunfa.rules.verdict import Judgement, better, judge, verdict_of_push

Jobs = tuple[Job, ...]


@dataclass(frozen=True, slots=True)
class Over:
    """The job has its verdict: ``sent``, ``sent_nobody`` or ``deleted``."""

    outcome: Outcome


@dataclass(frozen=True, slots=True)
class Renew:
    """A next generation with a ``clientmsgid`` of its own: nothing is taken under the one of the newest any more."""


_OUTCOME_OF_YES: Final[dict[str, Outcome]] = {"sent": "sent", "sent_nobody": "sent_nobody", "deleted": "deleted"}


def course(jobs: Jobs, now: datetime, conditions: Conditions) -> Step | Renew | Over:
    """What comes next for the job whose generations are ``jobs`` (at least one, the newest last)."""
    current = jobs[-1]
    judgement = judgement_of(current)
    yes = _delivered(jobs)
    if yes and (judgement == yes or not is_open(current, jobs)):
        return over(yes)
    if judgement:
        return over(judgement) if judgement.delivered else Ask(judgement.name)
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
    """The end that a yes is."""
    return Over(_OUTCOME_OF_YES[yes.name])


def judgement_of(job: Job) -> Judgement | None:
    """What the job's verdict means, where it has one."""
    return judge(job.verdict) if job.verdict else None


def may_have_been_delivered(jobs: Sequence[Job]) -> bool:
    """Whether any generation was delivered, or may have been."""
    return any(is_open(job, jobs) for job in jobs) or _delivered(jobs) is not None


def with_push(jobs: Jobs, event: JobFinished) -> Jobs | None:
    """The generations after a push; ``None`` where its msg_id is none of theirs."""
    return with_verdict(jobs, event.msg_id, verdict_of_push(event))


def with_verdict(jobs: Jobs, msg_id: int, verdict: Verdict) -> Jobs | None:
    """The generations after a verdict on ``msg_id``; ``None`` where that is none of theirs."""
    if all(job.msg_id != msg_id for job in jobs):
        return None
    return tuple(
        job.model_copy(update={"verdict": better(job.verdict, verdict)}) if job.msg_id == msg_id else job
        for job in jobs
    )


def with_job(jobs: Jobs, changed: Job) -> Jobs:
    """The generations with ``changed`` in place of its earlier self, or added."""
    others = [job for job in jobs if (job.index, job.generation) != (changed.index, changed.generation)]
    return tuple(sorted([*others, changed], key=lambda job: (job.index, job.generation)))


def merge(ours: Jobs, theirs: Jobs) -> Jobs:
    """What two memories of the same jobs know together: nothing that either knows is lost.

    Idempotent, and the same whichever side is ours, but for which of two equally good verdicts stands.
    """
    merged = ours
    for job in theirs:
        known = next((one for one in ours if (one.index, one.generation) == (job.index, job.generation)), None)
        merged = with_job(merged, _merge_job(known, job) if known else job)
    return tuple(inheriting(job, merged) for job in merged)


def taken_over(jobs: Jobs) -> Jobs:
    """The jobs as a later run of the same send goes on with them: nothing but a definite no is no obstacle."""
    current = jobs[-1]
    if unsettled(current) or current.verdict is not None or current.collides_with is not None:
        return jobs
    return with_job(jobs, take_up(current))


def earlier_end(record: Record) -> Judgement | None:
    """How the key ended before, where WeChat's own word ended it: a restarted send ends the same way."""
    if not record.jobs:
        return None
    current = record.jobs[-1]
    if yes := _delivered(record.jobs):
        return None if unsettled(current) else yes
    no = judgement_of(current)
    return no if record.ended_as and no and no.name != "not_delivered" else None


_MORE_KNOWN: Final = ("msg_id", "msg_data_id", "accepted_at", "collides_with")


def _merge_job(ours: Job, theirs: Job) -> Job:
    ours, theirs = _without_collision(ours, theirs), _without_collision(theirs, ours)
    earliest = min(filter(None, (ours.window_started_at, theirs.window_started_at)), default=None)
    disregarded = max(filter(None, (ours.disregarded, theirs.disregarded)), default=None)
    counting = [job for job in (ours, theirs) if job.disregarded == disregarded]
    verdict: Verdict | None = None
    for told in filter(None, (ours.verdict, theirs.verdict)):
        verdict = better(verdict, told)
    known: dict[str, object] = {}
    for name in _MORE_KNOWN:
        mine, other = getattr(ours, name), getattr(theirs, name)
        known[name] = other if mine is None else mine
    overruled = False
    if known["msg_id"] is not None:
        known["collides_with"] = None
        overruled = verdict is not None and verdict.status == NOT_DELIVERED
        verdict = None if overruled else verdict
    return ours.model_copy(
        update={
            **known,
            "clientmsgid": _tried_under(ours, theirs),
            "attempts": max(ours.attempts, theirs.attempts),
            "ever_unknown": ours.ever_unknown or theirs.ever_unknown,
            "window_started_at": earliest,
            "unknown_lease": _same(ours, theirs),
            "unanswered": attempts_noted(ours.unanswered, theirs.unanswered),
            "vague": ours.vague or theirs.vague,
            "repeats": max(job.repeats for job in counting),
            "token_refusals": max(job.token_refusals for job in counting),
            "answer": _newest_answer(ours, theirs, disregarded),
            "disregarded": disregarded,
            "deduplicated": ours.deduplicated or theirs.deduplicated,
            "overruled": overruled or ours.overruled or theirs.overruled,
            "gave_up": ours.gave_up or theirs.gave_up,
            "verdict": verdict,
        }
    )


def _tried_under(ours: Job, theirs: Job) -> str:
    """The ``clientmsgid``: where one side has another, the one that was tried."""
    tried = [job.clientmsgid for job in (ours, theirs) if job.attempts] or [ours.clientmsgid, theirs.clientmsgid]
    return min(tried)


def _newest_answer(ours: Job, theirs: Job, disregarded: datetime | None) -> Answer | None:
    """What WeChat said last, unless an operator has tried again since."""
    answers = [job.answer for job in (ours, theirs) if job.answer]
    newest = max(answers, key=lambda answer: (answer.at, answer.told, answer.model_dump_json()), default=None)
    return newest if newest and (disregarded is None or newest.at > disregarded) else None


def _without_collision(job: Job, other: Job) -> Job:
    """One memory may have found out that the msg_id of a 45065 is another job's; the other may still believe it."""
    believes = job.deduplicated and job.msg_id is not None and job.msg_id == other.collides_with
    return collide(job) if believes else job


def _same(ours: Job, theirs: Job) -> int | None:
    """A lease that ran out untold stays the only doubt where neither side has another one."""
    doubts = {job.unknown_lease for job in (ours, theirs) if job.ever_unknown}
    return doubts.pop() if len(doubts) == 1 else None


def _delivered(jobs: Sequence[Job]) -> Judgement | None:
    for job in reversed(jobs):
        judgement = judgement_of(job)
        if judgement and judgement.delivered:
            return judgement
    return None
