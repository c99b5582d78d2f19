"""Which answers of people fit, and why one does not: by what the send would do next, and by nothing else.

The same rules refuse an update before it is accepted, list those that fit, and judge one once more when it is taken.
"""

from collections.abc import Callable
from datetime import datetime
from typing import Any, Final

from qunfa.contract import operators
from qunfa.contract.fields import GENERATIONS_MAX
from qunfa.contract.request import MassSendRequest
from qunfa.contract.result import Problem
from qunfa.rules.approval import is_required, is_same_person
from qunfa.rules.bounds import shortened
from qunfa.rules.calendar import shanghai_clock
from qunfa.rules.course import failed, judgement_of, may_straggle, shares_clientmsgid, subject
from qunfa.rules.problems import (
    ABORT,
    CONFIRMING,
    IN_VAIN,
    IN_VAIN_AS_CANCELLED,
    MARK_SENT,
    NO_MORE,
    NO_ROOM,
    PROBLEMS,
    RETRY,
    as_todo,
)
from qunfa.rules.submission import write_end
from qunfa.rules.terms import of_time, of_what_a_retry_says
from qunfa.send.doubt import of_unknown_owner
from qunfa.send.endings import confirmable_until, opened_again, vouched_for
from qunfa.send.events import Answering
from qunfa.send.plan import plan
from qunfa.send.state import AnyCase, Case, SendState
from qunfa.send.steps import End, Step
from qunfa.send.turns import is_shown

FACTS_BYTES: Final = 12 * 1024
"""Of a key's facts, in short, beyond which nothing more is tried: an account keeps 16 KiB of one key."""
ENDED: Final = "this send is done"
CARRIED_OUT: Final = "another answer is being carried out; look at the status, then decide"
WARNED: Final = "a warning has come up since this was shown: look at the status, then decide"
"""Of an approval that a run hears and refuses itself, so that it shows anew what is to be approved."""
NO_SPLIT: Final = "choose does not fit: this send has no split test"
_INSTEAD: Final = (
    *map(as_todo, (IN_VAIN, IN_VAIN_AS_CANCELLED, NO_MORE, NO_ROOM)),
    as_todo(CONFIRMING).partition("{")[0],
)
_TOO_LATE: Final = (
    "send_at: must be earlier than {end}. Until then the same message settles a try that a restored database may have "
    "forgotten. Pause it, or abort it"
)


def refusal(  # noqa: PLR0911  a table
    request: MassSendRequest, state: SendState, now: datetime, asked: Answering, *, of_list: bool = False
) -> str | None:
    """Why the answer does not fit now, in a sentence; nothing where it does. ``of_list``: it is from the list."""
    case, step = Case(request, state, now), plan(request, state, now)
    if isinstance(step, End) or state.refused:
        return ENDED
    match asked:
        case operators.Retry():
            return _of_retry(case, step, asked)
        case operators.MarkSent():
            return _of_mark_sent(case, step, asked)
        case operators.Abort():
            misfit = _of_abort(case, step, ABORT)
            return misfit or (_of_a_confirmed_abort(case, step) if confirms(case, asked) else None)
        case operators.Approve() | operators.Reject():
            return _of_decision(case, step, asked)
        case operators.Pause():
            return _of_pause(case, step, "pause", of_list=of_list)
        case operators.Resume():
            return _of_resume(case, step, "resume", of_list=of_list or lifts_its_lists(state, asked))
        case operators.Reschedule():
            return _of_reschedule(case, step, asked)
        case operators.Choose():
            return NO_SPLIT


def fitting(request: MassSendRequest, state: SendState, now: datetime) -> tuple[str, ...]:
    """The updates that fit now, by their names: exactly those that :func:`refusal` has nothing against by itself."""
    case, step = Case(request, state, now), plan(request, state, now)
    if isinstance(step, End) or state.refused:
        return ()
    against: dict[str, Callable[[Case, Step, str], str | None]] = {
        RETRY: _of_answer,
        MARK_SENT: _of_answer,
        "approve": _of_approval,
        "reject": _of_approval,
        "resume": _of_resume,
        "pause": _of_pause,
        "reschedule": _of_another_time,
        ABORT: _of_abort,
    }
    asked = _answers_to(case, step.problem.name) if step.problem else tuple(against)
    return tuple(name for name, why in against.items() if name in {*asked, "resume"} and why(case, step, name) is None)


def asked(case: Case, step: Step | End) -> Problem | None:
    """The problem as a person reads it: what to do is no retry where that would be in vain."""
    problem = step.problem
    if problem is None or isinstance(step, End) or RETRY not in answers_of(problem):
        return problem
    why = _of_another_try(case, problem.name)
    return problem.model_copy(update={"todo": as_todo(why)}) if why else problem


def is_in_vain(problem: Problem) -> bool:
    """Whether it says what to do instead of a retry, as :func:`asked` puts it."""
    return problem.todo.startswith(_INSTEAD)


def answers_of(problem: Problem) -> tuple[str, ...]:
    choice = PROBLEMS.get(problem.name)
    return choice.answers if choice else ()


def is_ending(case: Case) -> bool:
    """Whether it is ending, or nothing is left to be done before its end."""
    step = plan(case.request, case.state, case.now)
    return isinstance(step, End) or _ends(case, step)


def _ends(case: Case, step: Step) -> bool:
    """Whether the send is ending: a person has ended it, Temporal was asked to, or its time is over."""
    return step.ends or case.state.stop is not None or (case.state.pinned is not None and case.stops)


def _alive(case: Case, step: Step, name: str) -> str | None:
    return f"{name} does not fit now: this send is ending" if _ends(case, step) else None


def _of_retry(case: Case, step: Step, asked: operators.Retry) -> str | None:
    misfit = _of_answer(case, step, RETRY)
    if misfit or step.problem is None:
        return misfit
    misfit = of_what_a_retry_says(step.problem.name, asked)
    return misfit or (_of_a_confirmation(case) if asked.confirm_not_delivered else None)


def _of_mark_sent(case: Case, step: Step, asked: operators.MarkSent) -> str | None:
    if misfit := _of_answer(case, step, MARK_SENT):
        return misfit
    job = subject(case.jobs)
    if job.msg_id is not None and job.msg_id != asked.msg_id and not failed(job):
        return f"WeChat accepted this send as msg_id {job.msg_id}, not {asked.msg_id}"
    if job.msg_id == asked.msg_id and failed(job):
        return f"WeChat has said that msg_id {asked.msg_id} failed: give the msg_id of the other job"
    return None


def _of_answer(case: Case, step: Step, answer: str) -> str | None:
    """Whether the send waits for an answer of this name."""
    if case.state.question is not None:
        return CARRIED_OUT
    if answer == MARK_SENT and (_is_held(case) or vouched_for(case)):
        return None
    if misfit := _alive(case, step, answer):
        return misfit
    if case.state.heard is None:
        return f"{answer} does not fit yet: the account's ledger is asked what it knows; try again in a moment"
    if step.problem is None:
        return f"{answer} does not fit now: the send is {step.phase.replace('_', ' ')} and asks nothing"
    allowed = _answers_to(case, step.problem.name)
    if answer not in allowed:
        return f"{answer} does not answer {step.problem.name}; what does: {', '.join(allowed)}"
    return _of_another_try(case, step.problem.name) if answer == RETRY else None


def _is_held(case: Case) -> bool:
    """Whether the send is due while its account is frozen: people look then what was sent in another way.

    A database that was restored has forgotten what was submitted since; and a person may have sent it by hand.
    """
    return case.state.freeze is not None and subject(case.jobs).msg_id is None


def _answers_to(case: Case, problem: str) -> tuple[str, ...]:
    """What answers a problem. A slow try may be found, too, and so may one that a person has not found."""
    answers = PROBLEMS[problem].answers
    found = MARK_SENT not in answers and (_straggles(case) or vouched_for(case) is not None)
    return (*answers, MARK_SENT) if found else answers


def _straggles(case: Case) -> bool:
    return judgement_of(case.newest) is not None and may_straggle(case.jobs)


def _of_another_try(case: Case, problem: str) -> str | None:
    """Whether a retry would be in vain: the same would be asked again, or there is no room for more."""
    second = PROBLEMS[problem].new_generation
    if second and case.too_late:
        return IN_VAIN
    if second and case.state.newest_act("cancel") is not None:
        return IN_VAIN_AS_CANCELLED
    shares = shares_clientmsgid(case.jobs)
    if second and case.newest.generation + (2 if shares else 1) >= GENERATIONS_MAX:
        return NO_MORE
    if len(shortened(case.state.known).model_dump_json(exclude_none=True)) > FACTS_BYTES:
        return NO_ROOM
    # A yes to the question that is open may still let the same clientmsgid go.
    return _of_a_confirmation(case) if second and shares else None


def _of_abort(case: Case, step: Step, _name: str) -> str | None:
    # A list knows an end by "ending:", see qunfa.batches.answers.is_over.
    stop = case.state.stop
    if stop is not None:
        outcome = "rejected" if stop.what == "reject" else "aborted"
        return f"{stop.by} has {outcome} this send already; it is ending: look at the status"
    if case.state.pinned is None:
        return None
    if _ends(case, step):
        cancelled = "this send was cancelled already; it is ending: look at the status"
        return cancelled if case.stops else "this send is ending: nobody decided in time"
    question = case.state.question
    if question is not None and question.decision.what != "open":
        return CARRIED_OUT
    if case.may_be_forgotten or case.is_unapproved or step.phase == "paused":
        return None
    msg_id = subject(case.jobs).msg_id
    accepted = msg_id is not None and (case.in_doubt or step.phase == "awaiting_result")
    if step.problem is not None or not (accepted or (case.in_doubt and case.state.heard is not None)):
        return None
    if msg_id is not None and msg_id not in of_unknown_owner(case.state.known):
        return f"already accepted as msg_id {msg_id}; a delivered send can only be recalled: recall it instead"
    return "a try may have reached WeChat; abort when the outcome is known, or recall it instead"


def confirms(case: Case, asked: operators.Abort) -> bool:
    """Whether the flag counts. A reset run is told of the abort again, maybe before it asks what that answered."""
    if case.state.heard is not None or not asked.confirm_not_delivered:
        return asked.confirm_not_delivered
    asks = plan(case.request, case.state, case.now).problem is not None
    return asks or opened_again(case) is not None


def _of_a_confirmed_abort(case: Case, step: Step) -> str | None:
    """Whether a person can know that nothing was delivered; of a job that it has accepted WeChat tells, in time."""
    if step.problem is None and opened_again(case) is None:
        phase = step.phase.replace("_", " ")
        return f"confirm_not_delivered answers a problem, and this send is {phase} and asks nothing: abort without it"
    accepted = (job for job in case.jobs if job.msg_id is not None and job.verdict is None)
    undecided = [job.msg_id for job in accepted if job is not subject(case.jobs) or not job.gave_up]
    if undecided:
        return f"WeChat has accepted msg_id {undecided[0]}, and knows what became of it: retry asks it again"
    return _of_a_confirmation(case)


def _of_a_confirmation(case: Case) -> str | None:
    """Whether a person can know already that nothing was delivered: an administrator may still let it go."""
    until = confirmable_until(case)
    return CONFIRMING.format(until=shanghai_clock(until)) if until else None


def _of_decision(case: Case, step: Step, asked: operators.Approve | operators.Reject) -> str | None:
    return _of_approval(case, step, type(asked).__name__.lower()) or of_who_approves(case, asked)


def of_who_approves(case: AnyCase[Any], asked: operators.Approve | operators.Reject) -> str | None:
    """Whether it is somebody else than who has asked for the send, in batches or not."""
    if isinstance(asked, operators.Approve) and is_same_person(asked.by, case.request.requested_by or ""):
        return f"{asked.by.strip()} has asked for this send, and somebody else has to approve it"
    return None


def _of_approval(case: Case, step: Step, name: str) -> str | None:
    return _alive(case, step, name) or of_approval(case, step.phase, name, is_shown=is_shown(case))


def of_approval(case: AnyCase[Any], phase: operators.Phase, name: str, *, is_shown: bool) -> str | None:
    """Whether a person is to approve or reject a send that is in this phase, in batches or not."""
    if case.state.pinned is None or not is_required(case.facts.approval, case.request):
        return f"{name} does not fit: this send needs no approval"
    approved = case.state.newest_act("approve")
    if approved is not None:
        return f"{name} does not fit now: {approved.by} has approved it already"
    shown = is_shown if name == "approve" else case.state.shown_at is not None
    if phase not in {"awaiting_approval", "paused"} or not shown:
        return f"{name} does not fit now: the send is {phase.replace('_', ' ')}; what goes out is not ready"
    return None


def _of_pause(case: Case, step: Step, name: str, *, of_list: bool = False) -> str | None:
    if misfit := _held(case, step, name):
        return misfit
    if paused := case.state.pause(of_list=of_list):
        return f"paused by {paused.by} already"
    if step.problem is None:
        return None
    # A second submission may be what is being checked.
    asks = "this send asks a person already, and submits nothing meanwhile: answer it, or leave it"
    return CARRIED_OUT if case.state.question is not None else asks


def _of_resume(case: Case, step: Step, name: str, *, of_list: bool = False) -> str | None:
    """Whether it is paused by whom it is to be resumed by: a person who resumes a batch may not know of its list."""
    misfit = _alive(case, step, name)
    if misfit or case.state.pause(of_list=of_list):
        return misfit
    if (paused := case.state.paused) is None:
        return f"{name} does not fit now: this send is not paused"
    if of_list:
        return f"{name} does not fit now: {paused.by} has paused this batch by its own key"
    return f"{name} does not fit now: {paused.by} has paused the list of this batch: resume that"


def lifts_its_lists(state: SendState, asked: Answering) -> bool:
    """Whether a batch is resumed by whoever has paused its list, and nobody else holds it: that list may be gone."""
    paused = state.pause(of_list=True)
    is_theirs = isinstance(asked, operators.Resume) and paused is not None and is_same_person(asked.by, paused.by)
    return is_theirs and state.pause() is None


def _of_reschedule(case: Case, step: Step, asked: operators.Reschedule) -> str | None:
    if misfit := _of_another_time(case, step, "reschedule") or of_time(
        case.request, case.now, asked, case.state.pinned
    ):
        return misfit
    forgotten = case.state.pinned is not None and case.may_be_forgotten
    end = write_end(case.newest, case.conditions()) if forgotten else None
    return _TOO_LATE.format(end=shanghai_clock(end)) if end is not None and asked.send_at >= end else None


def _of_another_time(case: Case, step: Step, name: str) -> str | None:
    if (misfit := _held(case, step, name)) or case.state.pinned is None:
        return misfit
    if step.problem is None:
        return None
    return CARRIED_OUT if case.state.question is not None else f"{name} does not fit now: this send asks a person first"


def is_settled_first(why: str) -> bool:
    """Whether an answer was refused only until it is known what became of a try."""
    return why.split()[-2:] == ["settled", "first"]


def _held(case: Case, step: Step, name: str) -> str | None:
    """Whether there is still something to be held back, as far as it is known: a reset run is told again of a pause."""
    if (misfit := _alive(case, step, name)) or case.state.pinned is None:
        return misfit
    job = subject(case.jobs)
    if job.msg_id is not None and not (step.problem is not None and failed(job)):
        return f"already accepted as msg_id {job.msg_id}; a delivered send can only be recalled"
    if not case.may_be_held:
        # :func:`is_settled_first` reads the last words.
        return f"{name} does not fit now: a try may have reached WeChat, and is settled first"
    return None
