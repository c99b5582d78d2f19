"""Waiting for WeChat's verdict: the push first, then ``mass/get``."""

from datetime import datetime
from typing import Final

from temporalio import workflow
from temporalio.exceptions import ActivityError

with workflow.unsafe.imports_passed_through():
    from qunfa.contract.job import Verdict
    from qunfa.contract.steps import AWAIT_VERDICT
    from qunfa.rules.course import with_verdict
    from qunfa.rules.verdict import judge, verdict_of_poll
    from workflows import calls
    from workflows.send import Send

_YES_COUNTS: Final = "a-yes-of-mass-get-counts"
"""Until this change a SEND_SUCCESS that contradicted a no stopped a retry and was then forgotten."""


async def await_verdict(send: Send, msg_id: int) -> None:
    """Until there is a verdict on ``msg_id``, or none came in time."""
    since = send.state.awaiting_since or workflow.now()
    send.state = send.state.changed(awaiting_since=since)
    send.enter("awaiting_result")
    times = send.asked.result
    pushed_until = (send.state.subject.accepted_at or since) + times.push_timeout
    if await send.wait(f"WeChat's push on msg_id {msg_id}", pushed_until, lambda: _decided(send, msg_id)):
        return
    # The ledger may hold the push, where it has forgotten whose it is: telling the msg_id again makes it send it on.
    await calls.tell(send.state.facts, send.state.note(send.asked, job=send.state.subject))
    await _poll(send, msg_id, since + times.give_up_after)


async def _poll(send: Send, msg_id: int, until: datetime) -> None:
    asking = calls.await_verdict(send.state.facts, msg_id, send.asked.result.poll_interval, until)
    reason = f"WeChat's push on msg_id {msg_id}, asking mass/get as well"
    await send.wait(reason, None, lambda: _decided(send, msg_id) or asking.done())
    if not asking.done():
        asking.cancel()
        return
    try:
        said = await asking
    except ActivityError as error:
        if not calls.begun_again(AWAIT_VERDICT, f"mass/get of msg_id {msg_id}", error):
            raise
        until = workflow.now() + send.asked.result.poll_interval
        await send.wait(f"{reason}, which is begun again", until, lambda: _decided(send, msg_id))
        return
    verdict = verdict_of_poll(said.status) if said.status else None
    if _decided(send, msg_id):
        return
    if verdict is None:
        send.state = send.state.with_current(send.state.subject.model_copy(update={"gave_up": True}))
        send.say(f"no verdict on msg_id {msg_id} within {send.asked.result.give_up_after}")
        return
    await _settle(send, msg_id, verdict)


async def _settle(send: Send, msg_id: int, verdict: Verdict) -> None:
    """Take a polled verdict; a no waits for the push for a while, which knows more."""
    judgement = judge(verdict)
    if judgement and not judgement.delivered:
        until = workflow.now() + send.state.facts.timing.push_grace
        if await send.wait(f"the push that says why msg_id {msg_id} failed", until, lambda: _decided(send, msg_id)):
            return
    await _note(send, msg_id, verdict)


async def take_yes(send: Send, msg_id: int, status: str | None) -> bool:
    """Take ``mass/get``'s word on a job that was said to have failed, where it is a yes: a push may be forged."""
    verdict = verdict_of_poll(status) if status else None
    judgement = judge(verdict) if verdict else None
    if verdict is None or judgement is None or not judgement.delivered or not workflow.patched(_YES_COUNTS):
        return False
    await _note(send, msg_id, verdict)
    return True


async def _note(send: Send, msg_id: int, verdict: Verdict) -> None:
    send.state = send.state.changed(jobs=with_verdict(send.state.jobs, msg_id, verdict) or send.state.jobs)
    send.say(f"mass/get says {verdict.status} of msg_id {msg_id}")
    for job in send.state.jobs:
        if job.msg_id == msg_id:
            await calls.tell(send.state.facts, send.state.note(send.asked, job=job))


def _decided(send: Send, msg_id: int) -> bool:
    return all(job.verdict is not None for job in send.state.jobs if job.msg_id == msg_id)
