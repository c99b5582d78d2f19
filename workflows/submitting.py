"""The submission of one job: reserve, submit, told. The loop that repeats it stands in ``MassSend``, in the open."""

from datetime import datetime, timedelta
from typing import Final

from temporalio import exceptions, workflow
from temporalio.exceptions import ActivityError

with workflow.unsafe.imports_passed_through():
    from qunfa.contract.audience import Tag
    from qunfa.contract.job import Answer, Job
    from qunfa.contract.ledger import Lease, LeaseAnswer, Record, Reserve, Told
    from qunfa.contract.result import Problem
    from qunfa.contract.steps import AudienceFinding, SubmitStep
    from qunfa.rules.calendar import closing
    from qunfa.rules.problems import PROBLEMS
    from qunfa.rules.submission import Submit, after_try, begin_try, collide, explain, write_end
    from workflows import calls
    from workflows.holding import approved, resumed
    from workflows.making import problem_of_failure
    from workflows.material import material_ready, overtaken, overtaking, submitted_message
    from workflows.preparing import ask_for, claim, merge_record
    from workflows.previewing import previews_sent
    from workflows.send import Ending, Send

_FROZEN_ASKS: Final = 12
_DOUBLINGS: Final = 10
_RESCHEDULES_COUNT: Final = "a-reschedule-counts-until-the-try"
_TRIED_AGAIN: Final = "a-try-carried-out-again-after-a-reset-is-lost"


async def submit(send: Send, step: Submit) -> Ending | None:
    """One try at ``step.at``, or none where something came between. ``None``: look again what comes next."""
    planned = send.state.send_at
    # Early, so that what is wrong with it shows before the time has come.
    if not await resumed(send) or not await material_ready(send) or not await previews_sent(send):
        return None
    may_go = await approved(send)
    if may_go is not True:
        return may_go or None
    if _rescheduled(send, planned):
        return None
    waits, planned = step.at > workflow.now(), send.state.send_at
    send.enter("scheduled" if waits and not send.state.current.attempts else "submitting")
    gone = overtaking(send)
    if waits and await send.wait(step.why, step.at, lambda: gone() or send.state.send_at != planned):
        return None
    if not await material_ready(send) or await _obstructed(send):
        return None
    lease = await _lease(send)
    if not isinstance(lease, Lease):
        return lease
    if send.was_reset:
        return None  # The run before had this lease, and may have used it: the ledger is asked first.
    # Nothing may come between this look and the try: a push may have settled the send while the lease was on its way.
    if send.stopping() or overtaken(send) or _rescheduled(send, planned):
        await return_lease(send, lease)
    else:
        await _try(send, lease)
    return None


def _rescheduled(send: Send, planned: datetime | None) -> bool:
    """Whether the send has another time than the one that this step was made for."""
    return send.state.send_at != planned and workflow.patched(_RESCHEDULES_COUNT)


def _not_after(send: Send) -> datetime | None:
    return write_end(send.state.current, send.state.conditions(send.asked))


async def _obstructed(send: Send) -> bool:
    """Whether the tag is not what the request expects of it, or something came between."""
    audience = send.asked.audience
    if not isinstance(audience, Tag) or audience.expect is None or send.may_have_been_delivered():
        return False
    obstacle: Problem | None
    try:
        asking = calls.check_audience(send.state.facts, audience.tag_id)
        await send.wait(f"WeChat's answer about tag {audience.tag_id}", _not_after(send), asking.done)
        if not asking.done():
            asking.cancel()
            return True
        finding = await asking
        obstacle = audience_problem(audience, finding)
    except ActivityError as error:
        obstacle = problem_of_failure(error)
    if obstacle:
        send.state = send.state.changed(obstacle=obstacle)
    return obstacle is not None


def audience_problem(audience: Tag, finding: AudienceFinding) -> Problem | None:
    """What is wrong with the tag, where it is not there or not what the request expects."""
    expect = audience.expect
    wrong: list[str] = []
    if not finding.found:
        wrong.append(f"The account has no tag {audience.tag_id}.")
    elif expect:
        if expect.name is not None and expect.name != finding.name:
            wrong.append(f'Tag {audience.tag_id} is named "{finding.name}", expected was "{expect.name}".')
        if expect.max is not None and (finding.count or 0) > expect.max:
            wrong.append(
                f"Tag {audience.tag_id} has {finding.count:,} followers, expected were at most {expect.max:,}."
            )
    if not wrong:
        return None
    choice = PROBLEMS["audience_changed"]
    return Problem(name="audience_changed", sentence=" ".join([choice.sentence, *wrong]), todo=choice.todo)


async def _lease(send: Send) -> Lease | Ending | None:
    """Leave to write; ``None`` after waiting for a while where there is none yet."""
    first, send.first_lease = send.first_lease, None
    if send.was_reset:
        return None
    if first and first.lease and workflow.now() >= first.lease.valid_until:
        await return_lease(send, first.lease)
        first = None
    answer = first or await _reserve(send)
    if answer.kind == "go":
        send.asks = 0
        send.state = send.state.changed(counted=answer.counted)
        return answer.lease
    if answer.kind == "unclaimed":
        return await claim(send, send.state)
    if answer.record is not None:
        return await _catch_up(send, answer.record)
    frozen = answer.kind == "frozen"
    reason = f"frozen by {answer.by}: {answer.reason}" if frozen else answer.reason or "the account"
    await send.wait(reason, _next_ask(send, answer), overtaking(send))
    return None


async def _catch_up(send: Send, record: Record) -> Ending | None:
    """Merge what the ledger knows better; where it is the send that knows better, tell it before asking again."""
    before = send.state.jobs
    ending = merge_record(send, record)
    if ending is None and send.state.jobs == before:
        for job in before:
            await calls.tell(send.state.facts, send.state.note(send.asked, job=job))
        again = workflow.now() + send.state.facts.timing.ask
        await send.wait("the account's ledger, which has to catch up", again, overtaking(send))
    return ending


async def _reserve(send: Send) -> LeaseAnswer:
    asked = Reserve(key=send.asked.key, digest=send.state.digest, ask=ask_for(send.state))
    with send.waiting("the account's ledger"):
        return await calls.reserve(send.state.facts, asked)


def _next_ask(send: Send, answer: LeaseAnswer) -> datetime:
    """When to ask again: soon at first, then more rarely; a frozen account is asked more rarely than a busy one."""
    timing, now = send.state.facts.timing, workflow.now()
    frozen = answer.kind == "frozen"
    first, last = (timing.ask, timing.ask * _FROZEN_ASKS) if frozen else (2 * timing.pace, timing.ask)
    grown: timedelta = first * 2 ** min(send.asks, _DOUBLINGS)
    again = now + min(grown, max(first, last))
    send.asks += 1
    return min(again, max(answer.until, now)) if answer.until else again


async def _try(send: Send, lease: Lease) -> None:
    """The one HTTP call of this lease, and what it makes of the job."""
    state = send.state
    job = begin_try(state.current, lease.attempt)
    send.state = state.with_current(job)
    send.in_flight = True
    send.enter("submitting")
    try:
        with send.waiting(f"WeChat's answer to try {lease.attempt}"):
            answer = await calls.submit(state.facts, _step(send, job, lease))
        if _tried_again(send, lease, answer):
            answer = Answer(kind="unknown", at=answer.at, detail="the run was reset during this try", told=False)
    except ActivityError as error:
        answer = Answer(kind="unknown", at=workflow.now(), detail=_how_lost(error))
    job = after_try(job, lease.attempt, answer, lease.not_before)
    if job.deduplicated and job.msg_id is not None and await _belongs_to_another(send, job, job.msg_id):
        job = collide(job)
    send.state = send.state.with_current(job)
    send.in_flight = False
    if not answer.told:
        await calls.tell(state.facts, _untold(send, job, lease, answer))
    send.say(_what_happened(job, lease))


def _tried_again(send: Send, lease: Lease, answer: Answer) -> bool:
    """Whether this may be the answer of a try that an older worker has carried out once more, since it was reset.

    That there was nothing, or that WeChat has refused it, says nothing then about the first time.
    """
    silent = answer.kind == "unknown" and answer.errcode is None
    if not send.was_reset or answer.sole or silent or answer.kind in {"accepted", "duplicate"}:
        return False
    # A mark for each try: what a run did before this was known does not bind it later.
    return workflow.patched(f"{_TRIED_AGAIN}-{lease.generation}-{lease.attempt}")


def _untold(send: Send, job: Job, lease: Lease, answer: Answer) -> Told:
    """What the ledger has not been told: the job and, but for a reset, the answer with which the lease comes back.

    After a reset the run before may still be writing, in its lease.
    """
    if send.was_reset:
        return send.state.note(send.asked, job=job)
    attempt = {"index": lease.index, "generation": lease.generation, "attempt": lease.attempt}
    return send.state.note(send.asked, job=job, answer=answer, **attempt)


async def return_lease(send: Send, lease: Lease) -> None:
    """Give back a lease that will not be used, so that it does not count as a try."""
    answer = Answer(kind="not_written", at=workflow.now(), detail="the lease was not used")
    note = send.state.note(
        send.asked, index=lease.index, generation=lease.generation, attempt=lease.attempt, answer=answer
    )
    await calls.tell(send.state.facts, note)


def _step(send: Send, job: Job, lease: Lease) -> SubmitStep:
    request, state = send.asked, send.state
    conditions = state.conditions(request)
    ends = [lease.valid_until, write_end(job, conditions), closing(lease.not_before, conditions.send_hours)]
    return SubmitStep(
        account=state.facts.pinned,
        key=request.key,
        digest=state.digest,
        workflow_id=state.workflow_id,
        index=job.index,
        generation=job.generation,
        attempt=lease.attempt,
        clientmsgid=job.clientmsgid,
        audience=request.audience,
        message=submitted_message(send),
        send_ignore_reprint=state.send_ignore_reprint,
        image_via=state.facts.image_via,
        not_before=lease.not_before,
        write_before=min(end for end in ends if end is not None),
        holder=workflow.info().run_id,
    )


async def _belongs_to_another(send: Send, job: Job, msg_id: int) -> bool:
    """Whether a msg_id that WeChat returned with 45065 is a job of another key or generation."""
    if any(one.msg_id == msg_id for one in send.state.jobs if one.generation != job.generation):
        return True
    owner = await calls.owner_of(send.state.facts, msg_id)
    mine = (send.asked.key, job.index, job.generation)
    return owner.key is not None and (owner.key, owner.index, owner.generation) != mine


def _how_lost(error: ActivityError) -> str:
    timed_out = isinstance(error.cause, exceptions.TimeoutError)
    what = "did not answer in time" if timed_out else "ended without an answer"
    return f"the worker that submitted {what}"


def _what_happened(job: Job, lease: Lease) -> str:
    if job.collides_with is not None:
        return f"try {lease.attempt}: WeChat takes it for job msg_id {job.collides_with}"
    if job.msg_id is not None:
        again = " (it had accepted it before)" if job.deduplicated else ""
        return f"try {lease.attempt}: accepted as msg_id {job.msg_id}{again}"
    said = explain(job.answer) if job.answer else "no answer"
    open_end = "; it may have been accepted" if job.ever_unknown else ""
    return f"try {lease.attempt}: {said}{open_end}"
