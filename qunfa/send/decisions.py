"""What a person's answer does: it is judged once more when it is taken, and its reply says why it does not fit.

| answer | does |
|---|---|
| ``retry`` of what WeChat refused before it took a job | the same generation, whose answers do not count any more |
| ``retry`` of ``media_refused`` | the same, with the same material, unless WeChat no longer knows it |
| ``retry`` of a job that failed, or may have been delivered | WeChat is asked first; then the next generation |
| ``mark_sent`` | the ledger and WeChat are asked first; then the msg_id is the generation's |
| ``approve``, ``reject``, ``pause``, ``resume``, ``reschedule``, ``abort`` | an act of this run |
| ``abort`` with ``confirm_not_delivered`` | the ledger keeps, too, what the person has looked for |
"""

from datetime import datetime
from hashlib import sha256
from typing import Any, Final

from qunfa.contract.batches import OF_LIST
from qunfa.contract.facts import Decided, Known, Try
from qunfa.contract.operators import Abort, Approve, Choose, MarkSent, Pause, Reject, Reschedule, Resume, Retry
from qunfa.rules.calendar import shanghai_clock
from qunfa.rules.course import course, failed, may_straggle, shares_clientmsgid, subject
from qunfa.rules.material import renewed
from qunfa.rules.memory import union
from qunfa.rules.problems import PROBLEMS
from qunfa.rules.submission import Ask
from qunfa.send.answers import confirms, is_ending, lifts_its_lists, refusal
from qunfa.send.doubt import open_wishes
from qunfa.send.endings import accepted_of, vouched_for
from qunfa.send.events import Answering
from qunfa.send.plan import plan
from qunfa.send.state import Act, ActKind, AnyCase, Asking, Case, Check, Question, SendState, StateT
from qunfa.send.steps import Step

_ACTS: Final[dict[type[Any], ActKind]] = {
    Abort: "abort",
    Approve: "approve",
    Reject: "reject",
    Pause: "pause",
    Resume: "resume",
    Reschedule: "reschedule",
    Choose: "choose",
}
_KNEW_MORE: Final = "the account's ledger knew more of this send than was shown; look at the status, then decide"
_ACTED: Final[dict[ActKind, str]] = {
    "approve": "approved",
    "reject": "rejected",
    "pause": "paused",
    "resume": "resumed",
    "abort": "abort",
}

_TOO_EARLY: Final = "abort; its confirmation does not count, as the ledger had not told yet what was tried"


def updated(case: Case, identity: str, answer: Answering) -> SendState:
    """The state after an update, with its reply, unless WeChat is asked first."""
    state = case.state
    of_list = identity.startswith(OF_LIST) or lifts_its_lists(state, answer)
    why = refusal(case.request, state, case.now, answer, of_list=of_list)
    if why is not None:
        return refuse(state, identity, why)
    match answer:
        case Retry():
            return _retry(case, identity, answer)
        case MarkSent():
            decision = Decided(
                id=_of_this_life(state, identity),
                what="mark_sent",
                by=answer.by,
                reason=answer.reason,
                at=case.now,
                generation=subject(case.jobs).generation,
                covers=_open(case, late=True) if may_straggle(case.jobs) else _beside(case),
                msg_id=answer.msg_id,
            )
            question = Question(update=identity, decision=decision, left=(answer.msg_id,), whose=answer.msg_id)
            return state.changed(question=question)
        case Abort() if confirms(case, answer):
            return _confirmed(case, identity, answer).replied(identity)
        case _:
            said = _TOO_EARLY if isinstance(answer, Abort) and answer.confirm_not_delivered else None
            return acted(case, answer, said, of_list=of_list).replied(identity)


def refuse(state: SendState, identity: str, why: str) -> SendState:
    """The state with the update refused, and no question of its left."""
    question = state.question if state.question and state.question.update != identity else None
    return state.changed(question=question).replied(identity, why)


def unchecked(case: Case, question: Question, what: str, when: str) -> SendState:
    """The state with an answer refused since ``what`` could not be asked.

    What somebody has found is held back: another may let it go meanwhile, or has, and it would go out while that is
    read. Whoever answers next sees what was found, and no end denies it unless somebody has looked since.
    """
    state, found = case.state.changed(question=None), question.decision
    pause = Pause(by=found.by, reason=found.reason)
    if found.what != "mark_sent":
        return refuse(state, question.update, f"{what}, so nothing was changed; {when}")
    said = f"said to stand in WeChat's console as msg_id {found.msg_id}; it was not marked as sent"
    check = Check(before="question", at=case.now, msg_id=found.msg_id, word="undecided")
    checks = (*(one for one in state.checks if one.msg_id != found.msg_id), check)
    state = state.changed(checks=checks).saying(case.now, said, found.by, found.reason)
    is_over = is_ending(case.after(state))
    if is_over and found.msg_id in accepted_of(case) and not case.in_doubt:
        return refuse(state, question.update, f"{what}, so WeChat is asked about it before the end")
    if is_over:
        return refuse(state, question.update, f"{what}, so this send ends as unknown")
    if refusal(case.request, state, case.now, pause):
        return refuse(state, question.update, f"{what}, so nothing was changed; {when}")
    state = acted(case.after(state), pause)
    return refuse(state, question.update, f"{what}, so the send was paused, and nothing else was changed; {when}")


def decide(case: Case, identity: str, decision: Decided) -> SendState:
    """Take an answer that WeChat has nothing against, if the send still waits for it."""
    unasked = case.state.changed(question=None)
    then = _when_found(case.after(unasked), decision)
    problem = _waits_with(then)
    # Behind a freeze or before an end nobody is asked, and a person may have found the job all the same.
    may_be_found = case.newest.msg_id is None or vouched_for(case) is not None
    was_found = problem is None and decision.what == "mark_sent" and may_be_found
    if not was_found and (problem is None or _is_of_another_problem(case, decision, problem)):
        return refuse(unasked, identity, _KNEW_MORE)
    if subject(case.jobs).generation != decision.generation:
        return refuse(unasked, identity, _KNEW_MORE)
    if not was_found and (why := refusal(case.request, then.state, then.now, _as_answered(decision))):
        return refuse(unasked, identity, why)
    known = union(unasked.known, Known(decided=(decision,)))
    vain = {msg_id: at for msg_id, at in unasked.vain.items() if msg_id != decision.msg_id}
    what = f"retry of {problem}" if decision.what == "open" else f"marked as sent: msg_id {decision.msg_id}"
    asking, checks = _answered(unasked.asking), without_finds(unasked)
    after = unasked.changed(
        known=known, vain=vain, obstacle=None, asking=asking, untold=True, again=False, checks=checks
    )
    return after.saying(case.now, what, decision.by, decision.reason).replied(identity)


def _when_found(case: Case, decision: Decided) -> Case:
    """The case as it stands, but as of when a person has found the job.

    A cancellation, or the end of the time for an answer, may have come while that was checked. It makes no find wrong.
    """
    if decision.what != "mark_sent":
        return case
    acts = tuple(act for act in case.state.acts if act.what != "cancel")
    return Case(case.request, case.state.changed(acts=acts), decision.at)


def _is_of_another_problem(case: Case, decision: Decided, problem: str) -> bool:
    """Whether the jobs ask about something else by now than what the person has answered by a new generation.

    A key that had failed before, or that was stopped, asks about all its generations, whatever the newest one asks.
    """
    asks = course(case.jobs, case.now, case.conditions())
    of_all = (case.state.again and problem == "unknown_outcome") or case.obstacle(problem) is not None
    return decision.what == "open" and isinstance(asks, Ask) and asks.problem != problem and not of_all


def taken_up(case: Case, identity: str) -> SendState:
    """The state in which the answers to all tries of the newest generation do not count any more."""
    return _with_retry(case, identity, "", "")


def _retry(case: Case, identity: str, asked: Retry) -> SendState:
    state, problem = case.state, _waits_with(case) or ""
    if PROBLEMS[problem].new_generation:
        return _second(case, identity, asked)
    job, asks = subject(case.jobs), course(case.jobs, case.now, case.conditions())
    material, obstacle = state.material, state.obstacle
    if obstacle is None and not state.again and isinstance(asks, Ask) and asks.problem != problem:
        return refuse(state, identity, _KNEW_MORE)
    said = obstacle or job.answer
    if material is not None and said is not None:
        material = renewed(material, problem, said.errcode)
    vain = {msg_id: at for msg_id, at in state.vain.items() if msg_id != job.msg_id}
    after = _with_retry(case, identity, asked.by, asked.reason)
    after = after.changed(obstacle=None, material=material, vain=vain, asking=_answered(state.asking))
    return after.saying(case.now, f"retry of {problem}", asked.by, asked.reason).replied(identity)


def _second(case: Case, identity: str, asked: Retry) -> SendState:
    """A second submission: none before it may be under way or delivered, which WeChat is asked."""
    state, newest = case.state, case.newest
    shares = shares_clientmsgid(case.jobs)
    decision = Decided(
        id=_of_this_life(state, identity),
        what="open",
        by=asked.by,
        reason=asked.reason,
        at=case.now,
        generation=newest.generation,
        covers=_open(case) if asked.confirm_not_delivered else (),
        opens=newest.clientmsgid if shares else case.own_id(newest.generation + 1),
        confirms=asked.confirm_not_delivered,
        send_ignore_reprint=asked.send_ignore_reprint,
    )
    accepted = tuple(accepted_of(case))
    if not accepted:
        return decide(case, identity, decision)
    return state.changed(question=Question(update=identity, decision=decision, left=accepted))


def _with_retry(case: Case, identity: str, by: str, reason: str) -> SendState:
    """The answers to the tries count no more. One that has made the job still tells what became of the others."""
    job = subject(case.jobs)
    generation = job.generation
    before = {
        wish
        for one in case.state.known.decided
        if one.what == "retry" and one.generation == generation
        for wish in one.covers
    }
    tried = (one for one in case.state.known.tries if one.generation == generation and one.wish not in before)
    covers = tuple(one.wish for one in tried if job.msg_id is None or _msg_id_of(one) != job.msg_id)
    retry = Decided(
        id=_of_this_life(case.state, identity),
        what="retry",
        by=by,
        reason=reason,
        at=case.now,
        generation=generation,
        covers=covers,
    )
    return case.state.changed(known=union(case.state.known, Known(decided=(retry,))))


def _msg_id_of(one: Try) -> int | None:
    return one.answer.msg_id if one.answer is not None else None


def acted(case: AnyCase[StateT], asked: Answering, said: str | None = None, *, of_list: bool = False) -> StateT:
    """The state after an act, in batches or not, which takes the place of one of its kind; ``said`` of it.

    What a person has said to a batch itself stays, though its list says it too.
    """
    what = _ACTS[type(asked)]
    reason, winner = getattr(asked, "reason", None), getattr(asked, "winner", None)
    send_at = max(asked.send_at, case.now) if isinstance(asked, Reschedule) else None
    act = Act(what=what, at=case.now, by=asked.by, reason=reason, send_at=send_at, winner=winner, of_list=of_list)
    kept = tuple(one for one in case.state.acts if (one.what, one.of_list) != (what, of_list))
    if said is None:
        said = f"rescheduled to {shanghai_clock(send_at)}" if send_at else _ACTED.get(what, f"chose message {winner}")
    return case.state.changed(acts=(*kept, act)).saying(case.now, said, asked.by, reason)


def _confirmed(case: Case, identity: str, asked: Abort) -> SendState:
    """The ledger keeps what a person who ends the send has looked for in WeChat's console, and not found."""
    looked_for = Decided(
        id=_of_this_life(case.state, identity),
        what="abort",
        by=asked.by,
        reason=asked.reason,
        at=case.now,
        generation=case.newest.generation,
        covers=_open(case, late=True),
        confirms=True,
        msg_id=subject(case.jobs).msg_id,
    )
    state = acted(case, asked, "abort: confirmed as not delivered", of_list=identity.startswith(OF_LIST))
    known, checks = union(state.known, Known(decided=(looked_for,))), without_finds(state)
    return state.changed(known=known, untold=True, checks=checks)


def without_finds(state: SendState, msg_id: int | None = None, until: datetime | None = None) -> tuple[Check, ...]:
    """The checks without what a person has found until then, and nobody could check: all of it, or this msg_id."""

    def goes(one: Check) -> bool:
        return one.before == "question" and msg_id in {None, one.msg_id} and (until is None or one.at <= until)

    return tuple(one for one in state.checks if not goes(one))


def _open(case: Case, *, late: bool = False) -> tuple[str, ...]:
    return open_wishes(case.state.known, case.request.key, late=late)


def _beside(case: Case) -> tuple[str, ...]:
    """The wishes of all tries, where the job found is another than the one that failed or was not found: it counts."""
    is_another = vouched_for(case) is not None or failed(case.newest)
    return tuple(one.wish for one in case.state.known.tries if is_another)


def _as_answered(decision: Decided) -> Answering:
    if decision.what == "mark_sent":
        return MarkSent(by=decision.by, reason=decision.reason, msg_id=decision.msg_id or 0)
    return Retry(
        by=decision.by,
        reason=decision.reason,
        send_ignore_reprint=decision.send_ignore_reprint,
        confirm_not_delivered=decision.confirms,
    )


def _of_this_life(state: SendState, identity: str) -> str:
    """The id of a decision: the same when a reset applies its update again, another one where the key starts again."""
    return sha256(f"{state.life}\n{identity}".encode()).hexdigest()[:32]


def _answered(asking: Asking | None) -> Asking | None:
    """The question that is answered: only its number counts from now on."""
    return asking.model_copy(update={"problem": "", "generation": -1}) if asking else None


def _waits_with(case: Case) -> str | None:
    """The problem that a person is asked about."""
    step = plan(case.request, case.state, case.now)
    return step.problem.name if isinstance(step, Step) and step.problem else None
