"""Which answers of people fit a send in batches, and why one does not: by what it would do next."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Final

from qunfa.batches.outlook import is_shown, is_warned
from qunfa.batches.plan import plan
from qunfa.batches.state import BatchesState, Case, Running
from qunfa.batches.steps import End, LookBack, Step, WriteReport
from qunfa.contract.ledger import LIFE
from qunfa.contract.operators import Abort, Approve, MarkSent, Reject, Reschedule, Resume, Retry
from qunfa.contract.request import MassSendRequest
from qunfa.rules.approval import is_same_person
from qunfa.rules.calendar import shanghai_clock
from qunfa.rules.problems import (
    ABORT,
    BATCH_FAILED,
    CHOOSE,
    MARK_SENT,
    PLAN_MISSING,
    PROBLEMS,
    RETRY,
    WINNER_NOT_CHOSEN,
)
from qunfa.rules.terms import of_time
from qunfa.send.answers import (
    CARRIED_OUT,
    ENDED,
    WARNED,
    answers_of,
    is_in_vain,
    is_settled_first,
    of_approval,
    of_who_approves,
)
from qunfa.send.events import Answering

JUST_ENDED: Final = "the batch has just ended; look at the status, then decide"
"""Temporal has no run of it; it may also be just starting."""
_LATELY: Final = timedelta(minutes=1)
"""So long somebody may still see what stood there before a batch ended or was answered, and mean that by an answer."""
_PERHAPS_OF_A_BATCH: Final = (
    "{by} has paused this send, and this may be meant for a batch: look at the status, then decide"
)
_JUST_BEGUN: Final = "{name} does not fit yet: this run has just begun; try again in a moment"
_HOLDS: Final = ("pause", "reschedule")
_ENDS: Final = "this send is ending: look at the status"
_IS_ASKED: Final = "the batch under way is being asked; look at the status, then decide"
_OF_A_BATCH: Final = "{flag} answers a batch that asks, and none does: retry without it"
_TOO_LATE: Final = (
    "not_after has passed, or no send_hours are left before it, so a retry would send nothing: resume, or abort"
)
_FAILED: Final = (
    "this batch has failed for good under its key, so a retry would fail again. Resume, or abort; then send to those "
    "of it under a new key, by the report"
)
_OLD_BY_THEN: Final = (
    "send_at: must be earlier than {end}. An earlier run may have sent batches of this, and from then on nobody "
    "remembers which"
)
_FORGOTTEN: Final = (
    "what became of this batch may be forgotten by now, so a retry might send it twice. Resume, or abort; then send to "
    "those of it under a new key, by the report"
)


def refusal(request: MassSendRequest, state: BatchesState, now: datetime, asked: Answering) -> str | None:
    """Why the answer does not fit now, in a sentence; nothing where it does."""
    case, step = Case(request, state, now), plan(request, state, now)
    if isinstance(step, End) or state.refused:
        return ENDED
    match asked:
        case Abort():
            return (_of_answer if is_for_its_batch(case, asked) else _of_abort)(case, step, ABORT)
        case Retry():
            misfit = _of_answer(case, step, RETRY) or _of_flags(case, asked)
            return misfit or _of_a_later_time(case) or _of_an_abort_before(case)
        case Approve() | Reject():
            return _of_decision(case, step, asked)
        case Resume():
            return _of_resume(case, step, "resume") or _of_a_batch_before(case, asked.by)
        case Reschedule():
            misfit = _of_another_time(case, step, "reschedule")
            return misfit or of_time(case.request, case.now, asked, case.state.pinned) or _of_memory(case, asked)
        case _:
            name = MARK_SENT if isinstance(asked, MarkSent) else type(asked).__name__.lower()
            return _AGAINST[name](case, step, name)


def fitting(request: MassSendRequest, state: BatchesState, now: datetime) -> tuple[str, ...]:
    """The updates that fit now, by their names."""
    case, step = Case(request, state, now), plan(request, state, now)
    if isinstance(step, End) or state.refused:
        return ()
    running = case.state.running
    asked = {RETRY, MARK_SENT} - set(running.answers) if running is not None and running.problem is not None else ()
    return tuple(name for name, why in _AGAINST.items() if name not in asked and why(case, step, name) is None)


def is_given_again(name: str, why: str) -> bool:
    """Whether a batch may take later what it did not take now, of what ends or holds its list.

    That list is over, or held back, and its batch would go out.
    """
    return name == ABORT or (name in _HOLDS and (why in {JUST_ENDED, CARRIED_OUT} or is_settled_first(why)))


def is_over(why: str) -> bool:
    """Whether a batch did not take an answer since it has ended, or ends already by another one."""
    return why in {JUST_ENDED, ENDED} or "ending:" in why.split()


def _ends(case: Case, step: Step) -> bool:
    """Whether nothing is begun any more. What is still found out and told changes nothing about that."""
    return case.stops or isinstance(step.effect, LookBack | WriteReport)


def _batch_asks(case: Case) -> bool:
    return case.state.running is not None and case.state.running.problem is not None


def is_for_its_batch(case: Case, asked: Answering) -> bool:
    """Whether the batch that asks is to say whether the answer fits: a list is aborted without a batch's word."""
    is_answer = isinstance(asked, Retry | MarkSent) or (isinstance(asked, Abort) and asked.confirm_not_delivered)
    return is_answer and _batch_asks(case)


def _is_given_one(case: Case) -> bool:
    """Whether the batch under way is given an answer that a person awaits."""
    return any(one.update is not None for one in case.state.passing)


def _names_fewer(running: Running) -> bool:
    """Whether the batch names fewer answers than its problem has: it checks one, or knows why another is in vain."""
    return running.problem is not None and not set(answers_of(running.problem)) <= set(running.answers)


def _is_checked(case: Case) -> bool:
    """Whether a person has answered the batch that asks, which may go out by that."""
    running = case.state.running
    checks = running is not None and _names_fewer(running) and not _waits_in_vain(running)
    return checks or (running is not None and _is_given_one(case))


def _waits_in_vain(running: Running) -> bool:
    """Whether the batch names fewer answers since a retry would be in vain. One that checks another has no abort."""
    return running.problem is not None and is_in_vain(running.problem) and ABORT in running.answers


def _of_answer(case: Case, step: Step, name: str) -> str | None:
    """Whether a batch, or the send itself, waits for such an answer.

    A batch may ask that has not taken the pause of the whole: WeChat had accepted it, say. One that names fewer answers
    than its problem has says by itself why another does not fit.
    """
    running = case.state.running
    if running is not None and running.problem is not None:
        if _is_given_one(case):
            return _IS_ASKED
        if name not in running.answers and not _names_fewer(running):
            return f"{name} does not answer {running.problem.name}; what does: {', '.join(running.answers)}"
        return _of_letting_go(case, running, name) if name == RETRY else None
    if step.problem is None:
        return f"{name} does not fit now: the send is {step.phase.replace('_', ' ')} and asks nothing"
    if _ends(case, step):
        return _ENDS
    if name not in (allowed := PROBLEMS[step.problem.name].answers):
        return f"{name} does not answer {step.problem.name}; what does: {', '.join(allowed)}"
    return _of_the_same_batch(case) if case.bad is not None else None


def _of_letting_go(case: Case, running: Running, name: str) -> str | None:
    """Whether a person holds or ends the whole. The batch that asks may not have taken that: it was accepted, say."""
    if (stop := case.state.stop) is not None:
        by = stop.by or "a cancellation"
        return f"{name} does not fit now: {by} has ended this send. Answer batch {running.number:,} by its own key"
    paused = case.state.paused
    return f"{name} does not fit now: {paused.by} has paused this send. Resume it first" if paused else None


def _of_a_later_time(case: Case) -> str | None:
    """Whether a person has moved the whole, and the batch that asks has not taken that: it would go out now.

    No status tells of this: it would have to change by time alone.
    """
    running, moved = case.state.running, case.state.newest_act("reschedule")
    if running is None or moved is None or moved.send_at is None or running.send_at == moved.send_at:
        return None
    if moved.send_at <= case.now:
        return None
    to, which = shanghai_clock(moved.send_at), f"{running.number:,}"
    return f"retry does not fit now: {moved.by} has moved this send to {to}. Answer batch {which} by its own key"


def _of_the_same_batch(case: Case) -> str | None:
    """Whether a batch that has ended badly can be sent once more."""
    if case.state.question and case.now - case.state.question.since >= LIFE:
        return _FORGOTTEN
    if case.too_late:
        return _TOO_LATE
    return _FAILED if case.bad is not None and case.bad.for_good else None


def _of_an_abort_before(case: Case) -> str | None:
    """Whether a person has just aborted the batch, or terminated it after it had asked.

    No status tells of this: it would have to change by time alone.
    """
    bad, question = case.bad, case.state.question
    if bad is None or case.state.running is not None:
        return None
    is_terminated = bad.problem == "terminated" and case.state.asked == bad.number
    if bad.outcome != "aborted" and not is_terminated:
        return None
    since = question.since if question is not None and question.about == bad.number else case.now
    return JUST_ENDED if case.now - since < _LATELY else None


def _of_a_batch_before(case: Case, by: str) -> str | None:
    """Whether a resume may be meant for a batch and would lift somebody's pause, or the other way round."""
    paused, question = case.state.paused, case.state.question
    if paused is None:
        return None
    if case.bad is not None and case.request.on_batch_problem == "stop":
        since = question.since if question is not None and question.about == case.bad.number else case.now
        return JUST_ENDED if case.now - since < _LATELY else None
    answered = case.state.answered_at
    if answered is None or case.now - answered >= _LATELY or is_same_person(by, paused.by):
        return None
    return _PERHAPS_OF_A_BATCH.format(by=paused.by)


def _of_flags(case: Case, asked: Retry) -> str | None:
    """Whether a flag would be dropped: what it says is said to a batch, or of a plan that is missing."""
    if _batch_asks(case):
        return None
    obstacle = case.state.obstacle
    is_of_plan = obstacle is not None and obstacle.name == PLAN_MISSING
    if asked.confirm_not_delivered and not is_of_plan:
        return _OF_A_BATCH.format(flag="confirm_not_delivered")
    return _OF_A_BATCH.format(flag="send_ignore_reprint") if asked.send_ignore_reprint else None


def _of_choice(case: Case, step: Step, name: str) -> str | None:
    """Whether the rest of a split test waits for a choice."""
    if _ends(case, step):
        return _ENDS
    if case.request.split is None:
        return f"{name} does not fit: this send has no split test"
    if winner := case.state.winner:
        chosen = case.state.newest_act("choose")
        by = chosen.by if chosen else "an earlier run"
        return f"{name} does not fit now: {by} has chosen the message of group {winner} already"
    return None if case.undecided else f"{name} does not fit yet: groups a and b are sent first"


def _of_abort(case: Case, step: Step, _name: str) -> str | None:
    """It may be given again while a batch is under way, which may not have taken it.

    It ends the whole, whatever somebody answers the batch by its own key.
    """
    ends = case.stops or (step.problem is not None and _ends(case, step))
    return _ENDS if ends and case.state.running is None else None


def _of_decision(case: Case, step: Step, asked: Approve | Reject) -> str | None:
    misfit = _of_approval(case, step, type(asked).__name__.lower())
    return misfit if misfit not in {None, WARNED} else of_who_approves(case, asked) or misfit


def _of_approval(case: Case, step: Step, name: str) -> str | None:
    if case.stops:
        return _ENDS
    if name == "approve" and case.state.shown_at and step.phase == "awaiting_approval" and not is_warned(case):
        return WARNED
    return of_approval(case, step.phase, name, is_shown=is_shown(case))


def _of_pause(case: Case, step: Step, name: str) -> str | None:
    if misfit := _held(case, step, name):
        return misfit
    if case.state.paused is not None:
        return f"paused by {case.state.paused.by} already"
    if _asks_first(step) and not _is_checked(case):
        return "this send asks a person already, and begins no batch meanwhile: answer it, or leave it"
    return None


def _of_resume(case: Case, step: Step, name: str) -> str | None:
    """Whether there is a pause to lift. A reset to the first task gives it again, and all that has lifted none."""
    if _ends(case, step):
        return _ENDS
    asks = step.problem is not None and step.problem.name == BATCH_FAILED
    if not asks and case.state.paused is None:
        return f"{name} does not fit now: this send is not paused"
    return _JUST_BEGUN.format(name=name) if case.state.pinned is None else None


def _of_another_time(case: Case, step: Step, name: str) -> str | None:
    if (misfit := _held(case, step, name)) or not _asks_first(step):
        return misfit
    return _IS_ASKED if _is_checked(case) else f"{name} does not fit now: this send asks a person first"


def _of_memory(case: Case, asked: Reschedule) -> str | None:
    """Whether it is remembered until then what an earlier run has begun.

    A reset gives again what the run before has taken. Refused, the list would go out before the time that a person has
    named: taken, it ends.
    """
    chosen, reset_at = case.state.plan, case.state.answered_at if case.state.was_reset else None
    if chosen is None or not case.is_forgotten_at(asked.send_at):
        return None
    is_given_again = reset_at is not None and case.now - reset_at < _LATELY
    return None if is_given_again else _OLD_BY_THEN.format(end=shanghai_clock(chosen.taken_at + LIFE))


def _asks_first(step: Step) -> bool:
    """Whether a person is to answer before all else. The rest of a split test can be held back without a choice."""
    return step.problem is not None and step.problem.name != WINNER_NOT_CHOSEN


def _held(case: Case, step: Step, name: str) -> str | None:
    """Whether there is still a batch to be held back, as far as it is known: a reset run is told again of a pause."""
    if _ends(case, step):
        return _ENDS
    if case.state.plan is None:
        return None
    left = case.total - len(case.state.rows)
    return None if left > 0 else f"{name} does not fit now: no batch is left"


_AGAINST: Final[dict[str, Callable[[Case, Step, str], str | None]]] = {
    RETRY: _of_answer,
    MARK_SENT: _of_answer,
    "approve": _of_approval,
    "reject": _of_approval,
    "resume": _of_resume,
    CHOOSE: _of_choice,
    "pause": _of_pause,
    "reschedule": _of_another_time,
    ABORT: _of_abort,
}
