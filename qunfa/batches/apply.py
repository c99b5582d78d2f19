"""What a send in batches becomes by what happens to it: one event, one fact or a few."""

from datetime import datetime
from typing import Final

from qunfa.batches import steps
from qunfa.batches.decisions import cancelled, updated, was_passed, without_answers
from qunfa.batches.state import MATERIAL, WINNER, BatchesState, Case, Question, Running
from qunfa.contract.batches import BatchRow
from qunfa.contract.request import MassSendRequest
from qunfa.contract.result import COMPLETES

_ABOUT: Final = {MATERIAL: "", WINNER: ": what the rest gets"}


def apply(request: MassSendRequest, state: BatchesState, event: steps.Event, now: datetime) -> BatchesState:  # noqa: C901, PLR0911, PLR0912  one row for each event
    """The state after ``event``."""
    case = Case(request, state, now)
    match event:
        case steps.Refused(reasons):
            return state.changed(refused=reasons)
        case steps.Pinned(facts):
            return state.changed(pinned=facts)
        case steps.Inspected(digest, contents):
            return state.changed(digest=digest, contents=contents)
        case steps.Joined(counted):
            return state.changed(joined=True, counted=counted)
        case steps.Reused(before):
            return state.changed(reused=True, before=before)
        case steps.Planned(plan):
            what = f"planned: {plan.openids:,} openids in {plan.batches:,} batches"
            return state.changed(plan=plan).saying(now, what)
        case steps.Made(version, message):
            made = state.contents[version].model_copy(update={"ready": message})
            return state.changed(contents=(*state.contents[:version], made, *state.contents[version + 1 :]))
        case steps.Obstructed(problem):
            return state.changed(obstacle=problem)
        case steps.WasPreviewed(done):
            what = f"previewed to {done.to}" if done.sent else f"no preview to {done.to}: {done.errmsg}"
            return state.changed(previews=(*state.previews, done)).saying(now, what)
        case steps.Shown(lines):
            return state.changed(shows=lines, shown_at=now)
        case steps.Began(number):
            return _began(case, number)
        case steps.Said():
            return _said(case, event)
        case steps.Ended(row):
            return _ended(case, row)
        case steps.WasPassed(identity, why):
            return was_passed(case, identity, why)
        case steps.WasPut(about):
            count = state.questions + 1
            asked = state.changed(question=Question(about=about, since=now, count=count), questions=count)
            return asked.saying(now, "needs an operator" + _ABOUT.get(about, f": batch {about:,}"))
        case steps.LookedBack():
            return _looked_back(case, event)
        case steps.Reported(rows, uri):
            reported = state.changed(reported=rows, report=uri or state.report)
            return reported if uri else reported.saying(now, "the report could not be written")
        case steps.Updated(identity, answer):
            return updated(case, identity, answer)
        case steps.Cancelled(reason):
            return cancelled(case, reason)
        case steps.WasReset():
            return state.changed(found=(), fresh=None).saying(now, "this run was reset: a batch under way is followed")
        case steps.Finished(outcome):
            return state.saying(now, f"ended as {outcome}")


def _began(case: Case, number: int) -> BatchesState:
    state, now = case.state, case.now
    if state.running is not None or number != case.next:
        return state
    begun = Running(number=number, since=now)
    began = state.changed(running=begun, began_at=state.began_at or now, found=(), fresh=None)
    return began.saying(now, f"the first of {case.total:,} batches is sent") if state.began_at is None else began


def _said(case: Case, said: steps.Said) -> BatchesState:
    running = case.state.running
    if running is None or running.number != said.number:
        return case.state
    now_asks = said.problem is not None and (running.problem is None or said.problem.name != running.problem.name)
    asks = running.model_copy(update={"problem": said.problem, "answers": said.answers, "held": said.held})
    after = case.state.changed(running=asks)
    if said.problem is None or not now_asks:
        return after
    return after.saying(case.now, f"batch {said.number:,} needs an operator: {said.problem.name}")


def _looked_back(case: Case, looked: steps.LookedBack) -> BatchesState:
    """Where nobody has planned how many batches there are, the first doubtful one stands for all after it."""
    state, number, row = case.state, looked.number, looked.row
    if number != len(state.all_rows) + 1:
        return state
    if row is None:
        return state.changed(fresh=number)
    what = f"batch {number:,}, which an earlier run had begun, ended as {row.outcome}"
    fresh = number + 1 if looked.doubtful and state.plan is None else state.fresh
    return state.changed(found=(*state.found, row), fresh=fresh, reported=None).saying(case.now, what)


def _ended(case: Case, row: BatchRow) -> BatchesState:
    state, running = case.state, case.state.running
    if running is None or running.number != row.number:
        return state
    after = state.changed(rows=(*state.rows, row), running=None, reported=None)
    if row.outcome not in COMPLETES:
        why = f": {row.problem}" if row.problem else ""
        after = after.saying(case.now, f"batch {row.number:,} ended as {row.outcome}{why}")
    elif row.number == case.total:
        after = after.saying(case.now, "the last batch is sent")
    return without_answers(case.after(after))
