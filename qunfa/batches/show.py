"""What people see of a send in batches: its status, what it can be searched by, and its result."""

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from typing import Final

from qunfa.batches.answers import fitting
from qunfa.batches.outlook import estimate
from qunfa.batches.state import FROM_BEFORE, BatchesState, Case, all_counted, result_of
from qunfa.batches.steps import End, LookBack, Step
from qunfa.contract.batches import AudiencePlan, BatchRow, EarlierJob, PlannedPart, batch_key
from qunfa.contract.ids import MSG_IDS_SEARCHABLE
from qunfa.contract.ledger import Day
from qunfa.contract.operators import Progress, Status
from qunfa.contract.request import MassSendRequest
from qunfa.contract.result import COMPLETES, REFUSED, JobResult, JobStateName, MassSendResult
from qunfa.rules.calendar import shanghai_clock
from qunfa.rules.digest import clientmsgid
from qunfa.rules.quota_view import had_by_all
from qunfa.send.show import Searchable, approval, phase_of, waiting

LET_GO: Final = "a batch that somebody let go in an earlier run is sent also if WeChat judges it a reprint"
"""Of a list of articles, for who approves it after that."""
ROWS_SHOWN: Final = 20
"""Of the newest batches in a status: the result has all of them."""


def status(request: MassSendRequest, state: BatchesState, step: Step | End, now: datetime) -> Status:
    """Where the send stands; ``updated_at`` is ``now``."""
    case = Case(request, state, now)
    return Status(
        phase=phase_of(step),
        problem=step.problem,
        batch=_asking(state, step),
        answers=fitting(request, state, now),
        jobs=tuple(_jobs(case, state.told_rows[-ROWS_SHOWN:])),
        progress=progress(case, step),
        waiting_for=waiting(step),
        previews=state.previews,
        approval=approval(case),
        paused_by=state.paused.by if state.paused else None,
        send_at=case.send_at,
        history=state.story,
        updated_at=now,
    )


def _asking(state: BatchesState, step: Step | End) -> int | None:
    """The batch that a person is asked about: the one under way or awaited, or the one that has ended badly."""
    if isinstance(step, End) or step.problem is None:
        return None
    if state.running is not None:
        return state.running.number
    if isinstance(step.effect, LookBack):
        return step.effect.number
    return state.question.about if state.question is not None and state.question.about > 0 else None


def asked_as(case: Case, step: Step) -> str | None:
    """What tells a question from all others: a run that was reset counts anew, and may ask about something else."""
    question, bad = case.state.question, case.bad
    if question is None:
        return None
    how = (step.problem.name if step.problem else None, *((bad.outcome, bad.problem) if bad else ()))
    return " ".join([f"needs_operator {question.count} batch {question.about}", *filter(None, how)])


def progress(case: Case, step: Step | End) -> Progress:
    rows, plan = case.state.all_rows, case.state.plan
    jobs = [(one.state, None) for row in rows for one in row.earlier]
    counted = all_counted([*jobs, *((row.job_state, row.counts) for row in rows)])
    return Progress(
        jobs=case.total,
        accepted=sum(row.msg_id is not None for row in rows),
        done=len(rows),
        followers=counted.sent if counted else None,
        openids=plan.openids if plan else None,
        ends_at=None if isinstance(step, End) or step.phase == "awaiting_approval" else estimate(case),
    )


def searchable(request: MassSendRequest, state: BatchesState, step: Step | End, now: datetime) -> Searchable:
    case = Case(request, state, now)
    ids = [msg_id for row in state.told_rows for msg_id in (*(one.msg_id for one in row.earlier), row.msg_id)]
    found = [str(msg_id) for msg_id in ids if msg_id is not None]
    outcome = REFUSED if state.refused else step.outcome if isinstance(step, End) else None
    return Searchable(
        account=request.account,
        phase=phase_of(step),
        msgtype=request.message.msgtype,
        problem=step.problem.name if step.problem else step.held if isinstance(step, Step) else None,
        msg_ids=tuple(found[-MSG_IDS_SEARCHABLE:]),
        outcome=outcome,
        progress=f"{len(state.all_rows)}/{case.total}" if case.total else None,
    )


def result(request: MassSendRequest, state: BatchesState, end: End, now: datetime) -> MassSendResult:
    """The result of a send that ends so: a row for each batch that was begun, and for each job of it."""
    case = Case(request, state, now)
    open_ = any(row.may_have_been_delivered for row in state.told_rows) or end.outcome in {*COMPLETES, "unknown"}
    return result_of(request, list(_jobs(case, state.told_rows)), end.outcome, end.problem, open_=open_)


def shown(plan: AudiencePlan, month: Day | None = None, behind: Sequence[str] = ()) -> tuple[str, ...]:
    """The plan in lines, for who approves; ``month``: what the account has counted in this one; the rest ``behind``."""
    lines = [f"to {plan.openids:,} openids in {plan.batches:,} batches, taken {shanghai_clock(plan.taken_at)}"]
    lines += map(_part, plan.parts)
    lines += [f"group {one.name}: {one.openids:,} openids in {one.batches:,} batches" for one in plan.groups]
    if plan.winner:
        lines.append(f"an earlier run has chosen message {plan.winner} for the rest")
    if plan.duplicates or plan.dropped:
        lines.append(f"left out: {plan.duplicates:,} duplicates, {plan.dropped:,} lines that are no openids")
    before = [f"{count:,} had {times}{'+' if times == len(plan.reached_before) - 1 else ''}"
              for times, count in enumerate(plan.reached_before) if count and times]  # fmt: skip
    if before:
        lines.append(f"sends in batches this month: {', '.join(before)}")
    if month and (all_had := had_by_all(month)):
        lines.append(all_had)
    if plan.is_from_before:
        lines.append(FROM_BEFORE)
    return (*lines, *behind, f"digest of the plan: {plan.digest[:16]}")


def _part(part: PlannedPart) -> str:
    what, openids, bad = part.what, f"{part.openids:,}", f"{part.dropped:,}"
    if part.is_excluded and part.dropped:
        return f"excluded: {what}: {openids}; {bad} lines of it are no openids and exclude nobody"
    return f"excluded: {what}: {openids}" if part.is_excluded else f"part: {what}: {openids}"


def _jobs(case: Case, rows: Iterable[BatchRow]) -> Iterator[JobResult]:
    """Batches as jobs of the send: of each the jobs that WeChat has accepted, or one."""
    for row in rows:
        for job in row.earlier:
            yield _job(case, row.number, job, job.state)
        yield _job(case, row.number, row, row.job_state).model_copy(update={"counts": row.counts})


def _job(case: Case, number: int, job: EarlierJob | BatchRow, state: JobStateName) -> JobResult:
    """A job of batch ``number``. Where no ``clientmsgid`` is told, it is that of its generation."""
    own = clientmsgid(case.state.namespace, case.facts.appid, batch_key(case.request.key, number), job.generation)
    return JobResult(
        index=number - 1,
        generation=job.generation,
        clientmsgid=job.clientmsgid or own,
        msg_id=job.msg_id,
        msg_data_id=job.msg_data_id,
        state=state,
        status=job.status,
    )
