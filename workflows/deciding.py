"""What a person decides: a problem waits for its answer, and the answers are carried out."""

from datetime import datetime
from typing import Final

from temporalio import workflow
from temporalio.exceptions import ActivityError

with workflow.unsafe.imports_passed_through():
    from qunfa.contract.job import NOT_DELIVERED, Job, Verdict
    from qunfa.contract.result import Outcome, Problem
    from qunfa.contract.updates import Abort, MarkSent, Retry
    from qunfa.rules.calendar import shanghai_clock
    from qunfa.rules.clientmsgid import GENERATIONS_MAX
    from qunfa.rules.course import judgement_of
    from qunfa.rules.problems import PROBLEMS, describe
    from qunfa.rules.second_submission import objection
    from qunfa.rules.stragglers import is_open, may_straggle, shares_clientmsgid
    from qunfa.rules.submission import Ask
    from workflows import calls
    from workflows.awaiting import take_yes
    from workflows.material import taken_up
    from workflows.preparing import caught_up
    from workflows.refusal import refusal
    from workflows.send import Ending, Send, Stop, bad_end
    from workflows.send_notices import tell_question
    from workflows.send_state import Asked

_STILL_OPEN = {"SENDING", "SEND_SUCCESS"}
_ONLY_A_NO: Final = "only-a-no-of-mass-get-lets-a-retry-submit"
_ALL_ARE_ASKED_ABOUT: Final = "a-retry-asks-about-every-generation"
_ANSWERS_ONE: Final = "an-answer-is-for-the-generation-it-was-given-to"
_SHARES_ID = "a-doubted-generation-shares-its-clientmsgid"
_STRAGGLES = (
    " A try before that got no answer; should WeChat be slow, it may still be carried out: ended now, the send is"
    " unknown."
)
_NOT_DOUBLED = " A retry cannot double it."


async def ask_operator(send: Send, name: str) -> Ending | None:
    """Wait for an answer to the problem, or for a push that supersedes it; the ending where nobody decides."""
    if _is_new(send, name) and await caught_up(send) and send.course() != Ask(name):
        return None
    problem = _problem(send, name)
    if send.asked.on_problem == "fail":
        return Ending(bad_end(send.state.jobs, "failed"), problem)
    new = _is_new(send, name)
    deadline, late = _deadline(send, name)
    send.enter("needs_operator", problem)
    if new:
        tell_question(send, deadline)
    if await send.wait(f"an operator's answer to {name}", deadline, lambda: _answered(send, name)):
        return None
    await workflow.wait_condition(lambda: not send.answering.locked())
    if send.stopping() or _answered(send, name):
        return None
    send.closing = True
    send.say(f"nobody decided about {name} until {shanghai_clock(deadline)}")
    return Ending(bad_end(send.state.jobs, late), problem)


def _answered(send: Send, name: str) -> bool:
    return send.state.asked is None or send.course() != Ask(name)


def _deadline(send: Send, name: str) -> tuple[datetime, Outcome]:
    """Until when an answer is awaited, and how the send ends without one."""
    decided_by = _asked_at(send, name) + send.asked.decision_timeout
    not_after = send.asked.not_after
    submitted = send.may_have_been_delivered() or send.state.current.msg_id is not None
    if not_after is None or submitted or decided_by < not_after:
        return decided_by, "failed"
    return max(not_after, workflow.now()), "expired"


def _problem(send: Send, name: str) -> Problem:
    problem = send.state.obstacle or describe(name, send.state.subject, send.state.counted)
    jobs = send.state.jobs
    if judgement_of(jobs[-1]) is None or not may_straggle(jobs):
        return problem
    shares = PROBLEMS[name].new_generation and shares_clientmsgid(jobs)
    return problem.model_copy(update={"sentence": problem.sentence + _STRAGGLES + (_NOT_DOUBLED if shares else "")})


def _is_new(send: Send, name: str) -> bool:
    """Whether this problem has not been asked about yet, or was answered since."""
    asked = send.state.asked
    return asked is None or (asked.problem, asked.generation) != (name, send.state.current.generation)


def _asked_at(send: Send, name: str) -> datetime:
    """Since when this problem has been waiting; an answer to it starts the time anew."""
    asked = send.state.asked
    if asked is None or _is_new(send, name):
        asked = Asked(problem=name, generation=send.state.current.generation, at=workflow.now())
        send.state = send.state.changed(asked=asked, questions=send.state.questions + 1)
        send.say(f"needs an operator: {name}")
    return asked.at


def check_retry(send: Send, asked: Retry) -> None:
    """Refuse a ``retry`` that does not fit what the send waits for."""
    problem = _waiting_problem(send, "retry")
    if problem.name == "unknown_outcome" and not asked.confirm_not_delivered:
        raise refusal(
            "the message may have been delivered: retry needs confirm_not_delivered (--confirm-not-delivered), after a "
            "look into WeChat's console"
        )
    if asked.confirm_not_delivered and problem.name != "unknown_outcome":
        raise refusal(f"confirm_not_delivered answers unknown_outcome only; this send waits with {problem.name}")
    if problem.name == "reprint_needs_decision" and not asked.send_ignore_reprint:
        raise refusal(
            "WeChat judged it a reprint: retry needs send_ignore_reprint (--send-ignore-reprint), or the same would "
            "happen again"
        )
    if asked.send_ignore_reprint and problem.name != "reprint_needs_decision":
        raise refusal(f"send_ignore_reprint answers reprint_needs_decision only; this send waits with {problem.name}")
    more = 2 if shares_clientmsgid(send.state.jobs) else 1
    if PROBLEMS[problem.name].new_generation and send.state.current.generation + more >= GENERATIONS_MAX:
        raise refusal(f"this key has been submitted {GENERATIONS_MAX} times; use a new one")


async def retry(send: Send, asked: Retry) -> None:
    """Try again: the same generation where WeChat took nothing, else a new one."""
    async with send.answering:
        check_retry(send, asked)
        problem, job = _waiting_problem(send, "retry"), send.state.subject
        confirmed: tuple[Job, ...] = ()
        second = PROBLEMS[problem.name].new_generation
        if second:
            await _refuse_if_still_open(send, job)
            check_retry(send, asked)
            _check_same(send, job)
            confirmed = _begin_generation(send, asked)
        else:
            taken_up(send, job, problem.name)
        send.state = send.state.changed(asked=None)
        send.enter("submitting")
        send.say(f"retry of {problem.name}", asked.by, asked.reason)
        # Last, since the send goes on meanwhile.
        for one in confirmed:
            await calls.tell(send.state.facts, send.state.note(send.asked, job=one))


def _begin_generation(send: Send, asked: Retry) -> tuple[Job, ...]:
    """Open the next generation; what the operator confirmed as not delivered."""
    state, confirmed = send.state, []
    if asked.confirm_not_delivered:
        verdict = Verdict(status=NOT_DELIVERED, observed_by="operator")
        open_ends = [job for job in state.jobs if is_open(job, state.jobs) and job.msg_id is None]
        confirmed = [job.model_copy(update={"verdict": verdict}) for job in open_ends]
    for job in confirmed:
        state = state.with_current(job)
    shared = shares_clientmsgid(state.jobs) and _patched(_SHARES_ID, state.current)
    state = state.with_generation(send.asked.key, state.current.generation + 1, shared=shared)
    ignore = asked.send_ignore_reprint or state.send_ignore_reprint
    send.state = state.changed(send_ignore_reprint=ignore, obstacle=None)
    return tuple(confirmed)


def renew(send: Send) -> None:
    """Go over to a ``clientmsgid`` of its own, where WeChat takes nothing more under the one that was shared."""
    send.state = send.state.with_generation(send.asked.key, send.state.current.generation + 1)
    send.say("WeChat keeps the clientmsgid of the job that failed, so no slow try comes through: a new one is used")


async def _refuse_if_still_open(send: Send, job: Job) -> None:
    """A new generation is a second submission: none before it must be under way or delivered."""
    for one in _asked_about(send, job):
        try:
            said = await calls.job_status(send.state.facts, one.msg_id or 0)
        except ActivityError:
            raise refusal(
                f"WeChat could not be asked about msg_id {one.msg_id}, so nothing was changed; retry later"
            ) from None
        counted = await take_yes(send, one.msg_id or 0, said.status)
        against = objection(said, one, workflow.now(), send.state.facts.timing.repeat)
        if against and (counted or said.status in _STILL_OPEN or _patched(_ONLY_A_NO, one)):
            raise refusal(against)


def _asked_about(send: Send, job: Job) -> list[Job]:
    """The jobs that WeChat is asked about before another is made: all that it has accepted."""
    accepted = [one for one in send.state.jobs if one.msg_id is not None]
    if accepted == [job] or not accepted:
        return accepted
    return accepted if _patched(_ALL_ARE_ASKED_ABOUT, job) else [one for one in accepted if one == job]


def _patched(change: str, job: Job) -> bool:
    """A mark for each generation: what a run did before this was known does not bind it later."""
    return workflow.patched(f"{change}-{job.generation}")


def _check_same(send: Send, job: Job) -> None:
    """Refuse an answer where the ledger has meanwhile told of more: it was given to what was known before."""
    now = send.state.subject
    same = (now.generation, now.msg_id) == (job.generation, job.msg_id)
    if not same and _patched(_ANSWERS_ONE, job):
        raise refusal("the account's ledger knew more of this send than was shown; look at the status, then decide")


def check_mark_sent(send: Send, asked: MarkSent) -> None:
    """Refuse a ``mark_sent`` that does not fit."""
    _waiting_problem(send, "mark_sent")
    known = send.state.subject.msg_id
    if known is not None and known != asked.msg_id:
        raise refusal(f"WeChat accepted this send as msg_id {known}, not {asked.msg_id}")


async def mark_sent(send: Send, asked: MarkSent) -> None:
    """Take the msg_id that a person found in the console, if WeChat and the ledger agree."""
    async with send.answering:
        check_mark_sent(send, asked)
        job = send.state.subject
        await _check_found(send, asked.msg_id)
        check_mark_sent(send, asked)
        _check_same(send, job)
        job = send.state.subject
        job = job.model_copy(
            update={
                "msg_id": asked.msg_id,
                "accepted_at": job.accepted_at or workflow.now(),
                "collides_with": None,
                "gave_up": False,
            }
        )
        send.state = send.state.with_current(job).changed(asked=None, awaiting_since=None)
        send.enter("awaiting_result")
        send.say(f"marked as sent: msg_id {asked.msg_id}", asked.by, asked.reason)
        await calls.tell(send.state.facts, send.state.note(send.asked, job=job))


async def _check_found(send: Send, msg_id: int) -> None:
    job = send.state.subject
    earlier = any(one.msg_id == msg_id for one in send.state.jobs if one.generation != job.generation)
    owner = await calls.owner_of(send.state.facts, msg_id)
    mine = (send.asked.key, job.index, job.generation)
    if earlier or (owner.key is not None and (owner.key, owner.index, owner.generation) != mine):
        raise refusal(f"msg_id {msg_id} is another job's: key {owner.key or send.asked.key}")
    try:
        said = await calls.job_status(send.state.facts, msg_id)
    except ActivityError:
        raise refusal(f"WeChat could not be asked about msg_id {msg_id}, so nothing was changed; try again") from None
    if said.status is None:
        raise refusal(f"WeChat does not know msg_id {msg_id}: it answered {said.errcode} {said.errmsg or ''}".strip())


def check_first_abort(send: Send) -> None:
    """Refuse an ``abort`` of a send that an ``abort`` or ``reject`` is ending already.

    For the validator alone: earlier runs took each of them, and their histories have to replay.
    """
    if send.stop is not None:
        raise refusal(f"{send.stop.by} has {send.stop.outcome} this send already; it is ending: look at the status")
    check_abort(send)


def check_abort(send: Send) -> None:
    """Refuse an ``abort`` where something may have been delivered and no operator is asked."""
    if send.phase == "done" or send.closing:
        raise refusal("this send is done" if send.phase == "done" else "this send is ending: nobody decided in time")
    if send.answering.locked():
        raise refusal("another answer is being carried out; look at the status, then decide")
    if send.phase == "needs_operator" or not send.may_have_been_delivered():
        return
    msg_id = send.state.current.msg_id
    if msg_id is not None:
        raise refusal(f"already accepted as msg_id {msg_id}; a delivered send can only be recalled: recall it instead")
    raise refusal("a try may have reached WeChat; abort when the outcome is known, or recall it instead")


def abort(send: Send, asked: Abort) -> None:
    """End the send."""
    check_abort(send)
    send.stop = Stop(by=asked.by, reason=asked.reason)
    send.say("abort", asked.by, asked.reason)


def _waiting_problem(send: Send, answer: str) -> Problem:
    waits = send.phase == "needs_operator" and not send.stop and not send.closing
    if send.problem is None or not waits or send.course() != Ask(send.problem.name):
        raise refusal(f"{answer} does not fit now: the send is {send.phase.replace('_', ' ')} and asks nothing")
    allowed = PROBLEMS[send.problem.name].answers
    if answer not in allowed:
        raise refusal(f"{answer} does not answer {send.problem.name}; what does: {', '.join(allowed)}")
    return send.problem
