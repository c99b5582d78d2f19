"""What people see of a send: its status, what it can be searched by, and its result. All follows from the plan."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from qunfa.contract.ids import MSG_IDS_SEARCHABLE
from qunfa.contract.operators import Approval, Phase, Progress, Status, WaitingFor
from qunfa.contract.request import MassSendRequest
from qunfa.contract.result import REFUSED, MassSendResult, ShownOutcome
from qunfa.rules import outcome
from qunfa.rules.approval import is_required
from qunfa.rules.calendar import next_opening
from qunfa.rules.course import Jobs, course
from qunfa.rules.submission import Submit as MaySubmit
from qunfa.send.answers import asked, fitting
from qunfa.send.state import AnyCase, Case, SendState
from qunfa.send.steps import AnyStep, End, Step


@dataclass(frozen=True, slots=True)
class Searchable:
    """The search attributes of a send; ``None`` where it has none of it."""

    account: str | None
    phase: Phase
    msgtype: str | None
    problem: str | None
    msg_ids: tuple[str, ...]
    outcome: ShownOutcome | None
    progress: str | None = None


def status(request: MassSendRequest, state: SendState, step: Step | End, now: datetime) -> Status:
    """Where the send stands; ``updated_at`` is ``now``."""
    case = Case(request, state, now)
    jobs = told_jobs(case)
    totals = outcome.totals(jobs)
    send_at = case.send_at
    return Status(
        phase=phase_of(step),
        problem=asked(case, step),
        answers=fitting(request, state, now),
        jobs=tuple(outcome.job_result(job, jobs) for job in jobs),
        progress=Progress(
            accepted=int(bool(jobs) and jobs[-1].msg_id is not None),
            done=int(bool(jobs) and jobs[-1].verdict is not None),
            followers=totals.sent if totals else None,
        ),
        waiting_for=waiting(step),
        previews=state.previews,
        approval=approval(case),
        paused_by=by.by if (by := state.pause()) else None,
        list_paused_by=by.by if (by := state.pause(of_list=True)) else None,
        send_at=send_at,
        history=state.story,
        updated_at=now,
    )


def searchable(request: MassSendRequest, state: SendState, step: Step | End, now: datetime) -> Searchable:
    """What the send can be found by, from its first workflow task on."""
    jobs = told_jobs(Case(request, state, now))
    ended: ShownOutcome | None = step.outcome if isinstance(step, End) else None
    if state.refused:
        ended = REFUSED
    return Searchable(
        account=request.account,
        phase=phase_of(step),
        msgtype=request.message.msgtype,
        problem=step.problem.name if step.problem else step.held if isinstance(step, Step) else None,
        msg_ids=tuple(str(job.msg_id) for job in jobs if job.msg_id is not None)[-MSG_IDS_SEARCHABLE:],
        outcome=ended,
    )


def result(request: MassSendRequest, state: SendState, end: End, now: datetime) -> MassSendResult:
    return outcome.result(request, told_jobs(Case(request, state, now)), end.outcome, end.problem)


def told_jobs(case: Case) -> Jobs:
    """The jobs as they are told; those of an earlier send under the key are the ledger's word."""
    if case.state.pinned is None:
        return ()
    return outcome.from_ledger(case.jobs) if case.state.again else case.jobs


def phase_of(step: AnyStep[Any] | End) -> Phase:
    """The phase that a step is of; an end has none of its own."""
    return "done" if isinstance(step, End) else step.phase


def waiting(step: AnyStep[Any] | End) -> WaitingFor | None:
    if isinstance(step, End) or not step.why:
        return None
    return WaitingFor(reason=step.why, until=step.until)


def opens(case: Case, step: Step) -> datetime | None:
    """When the account's ``send_hours`` begin, where the send waits for that; or the next window of its quota.

    Of what waits for hours nothing may be out.
    """
    if step.held == "quota_exhausted":
        may = course(case.jobs, case.now, case.conditions())
        return case.quota_opens or (may.at if isinstance(may, MaySubmit) else None)
    if step.phase != "scheduled" or step.held is not None:
        return None
    begin = next_opening(case.now, case.facts.send_hours)
    return begin if begin > case.now else None


def approval(case: AnyCase[Any]) -> Approval:
    if case.state.pinned is None:
        return Approval()
    approved = case.state.newest_act("approve")
    return Approval(
        required=is_required(case.facts.approval, case.request),
        by=approved.by if approved else None,
        at=approved.at if approved else None,
        shows=case.state.shows,
    )
