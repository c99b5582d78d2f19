"""What holds a send back before it is submitted: a person's approval, a pause, another time."""

from hashlib import sha256
from typing import TypeVar

from pydantic import BaseModel
from temporalio import workflow
from temporalio.exceptions import ActivityError

with workflow.unsafe.imports_passed_through():
    from qunfa.contract.audience import Openids, Tag, describe
    from qunfa.contract.message import MpnewsMessage, MpvideoMessage, TextMessage
    from qunfa.contract.updates import Approve, Pause, Reject, Reschedule, Resume
    from qunfa.rules import approval as rules
    from qunfa.rules.calendar import shanghai_clock
    from qunfa.rules.submission import write_end
    from workflows import calls
    from workflows.making import problem_of_failure
    from workflows.material import overtaking
    from workflows.refusal import refusal
    from workflows.send import Ending, Send, Stop
    from workflows.send_notices import tell_approval
    from workflows.send_state import Paused

ModelT = TypeVar("ModelT", bound=BaseModel)


async def resumed(send: Send) -> bool:
    """Whether the send is not paused; false after waiting until it is not, or something else comes next."""
    paused = send.state.paused
    if paused is None:
        return True
    send.enter("paused")
    until = write_end(send.state.current, send.state.conditions(send.asked))
    await send.wait(f"resume: paused by {paused.by}", until, lambda: send.state.paused is None)
    return False


async def approved(send: Send) -> bool | Ending:
    """Whether a person has approved, where that is needed; false where something else comes next."""
    approval = send.state.approval
    if not approval.required or approval.by or send.may_have_been_delivered():
        return True
    if not approval.shows:
        return await _shown(send)
    new = send.state.approval_asked_at is None
    asked_at = send.state.approval_asked_at or workflow.now()
    send.state = send.state.changed(approval_asked_at=asked_at)
    send.enter("awaiting_approval")
    deadline = asked_at + send.asked.decision_timeout
    if send.asked.not_after is not None:
        deadline = min(deadline, send.asked.not_after)
    if new:
        tell_approval(send, deadline)
    gone = overtaking(send)
    if await send.wait("approval", deadline, lambda: send.state.approval.by is not None or gone()):
        return False
    send.closing = True
    send.say(f"nobody approved until {shanghai_clock(deadline)}")
    return Ending("expired")


async def _shown(send: Send) -> bool:
    """Write down what will go out to whom, as of now; false, so that it is looked at again."""
    audience = send.asked.audience
    who = describe(audience)
    if isinstance(audience, Tag):
        asking = calls.check_audience(send.state.facts, audience.tag_id)
        gone = overtaking(send)
        await send.wait(f"WeChat's answer about tag {audience.tag_id}", None, lambda: asking.done() or gone())
        if not asking.done():
            asking.cancel()
            return False
        try:
            finding = await asking
        except ActivityError as error:
            send.state = send.state.changed(obstacle=problem_of_failure(error))
            return False
        who = f'tag {audience.tag_id} "{finding.name}": {finding.count or 0:,} followers' if finding.found else who
    elif isinstance(audience, Openids):
        listed = sha256("\n".join(sorted(audience.openids)).encode()).hexdigest()
        who = f"{who}, digest {listed[:16]}"
    shows = (*_message(send), f"to {who}", f"digest of all this: {send.state.digest[:16]}")
    send.state = send.state.changed(approval=send.state.approval.model_copy(update={"shows": shows}))
    return False


def _message(send: Send) -> list[str]:
    message, material = send.asked.message, send.state.material
    lines: list[str] = [message.msgtype]
    if isinstance(message, TextMessage):
        lines = [f"text: {message.content}"]
    elif isinstance(message, MpnewsMessage):
        lines = [f"article: {article.title}" for article in message.articles or ()] or [f"mpnews {message.media_id}"]
    elif isinstance(message, MpvideoMessage):
        lines = [f"video: {message.title}"]
    sources = material.sources if material else ()
    return lines + [
        f"{source.use} ({source.kind}, {source.size:,} bytes, SHA-256 {source.sha256[:16]})" for source in sources
    ]


def check_decision(send: Send, asked: Approve | Reject) -> None:
    """Refuse an ``approve`` or ``reject`` that does not fit, or that comes from who has asked for the send."""
    name = type(asked).__name__.lower()
    _check_alive(send, name)
    approval = send.state.approval if send.claimed else None
    if approval is None or not approval.required:
        raise refusal(f"{name} does not fit: this send needs no approval")
    if approval.by is not None:
        raise refusal(f"{name} does not fit now: {approval.by} has approved it already")
    if send.phase not in {"awaiting_approval", "paused"} or not approval.shows:
        raise refusal(
            f"{name} does not fit now: the send is {send.phase.replace('_', ' ')}; what goes out is not ready"
        )
    if rules.is_same_person(asked.by, send.asked.requested_by or "") and isinstance(asked, Approve):
        raise refusal(f"{asked.by.strip()} has asked for this send, and somebody else has to approve it")


def approve(send: Send, asked: Approve) -> None:
    """The send may go out."""
    check_decision(send, asked)
    approval = send.state.approval.model_copy(update={"by": asked.by, "at": workflow.now()})
    send.state = send.state.changed(approval=approval)
    send.say("approved", asked.by, asked.reason)


def reject(send: Send, asked: Reject) -> None:
    """The send ends."""
    check_decision(send, asked)
    send.stop = Stop(by=asked.by, reason=asked.reason or "", outcome="rejected")
    send.say("rejected", asked.by, asked.reason)


def check_pause(send: Send) -> None:
    """Refuse a ``pause`` where nothing can be held back any more."""
    _check_held(send, "pause")
    if send.state.paused is not None:
        raise refusal(f"paused by {send.state.paused.by} already")
    if send.phase == "needs_operator":
        raise refusal("this send asks a person already, and submits nothing meanwhile: answer it, or leave it")


def pause(send: Send, asked: Pause) -> None:
    """Submit nothing more for now."""
    check_pause(send)
    send.state = send.state.changed(paused=Paused(by=asked.by, reason=asked.reason))
    send.say("paused", asked.by, asked.reason)


def check_resume(send: Send) -> None:
    """Refuse a ``resume`` of a send that is not paused."""
    _check_alive(send, "resume")
    if not send.claimed or send.state.paused is None:
        raise refusal("resume does not fit now: this send is not paused")


def resume(send: Send, asked: Resume) -> None:
    """Go on where the send stood."""
    check_resume(send)
    send.state = send.state.changed(paused=None)
    send.say("resumed", asked.by, asked.reason)


def check_reschedule(send: Send, asked: Reschedule) -> None:
    """Refuse another time where it would have no effect, or leave the send no time."""
    _check_held(send, "reschedule")
    if send.state.current.attempts and send.state.current.answer is not None:
        raise refusal(
            "reschedule does not fit now: a try was made, and the next one comes as its answer demands; pause it"
        )
    if rules.too_far_ahead(asked.send_at, workflow.now()):
        raise refusal(f"send_at: is more than {rules.AHEAD_MAX.days} days ahead")
    not_after = send.asked.not_after
    if not_after is not None and asked.send_at >= not_after:
        raise refusal(f"send_at: must be earlier than not_after, which is {shanghai_clock(not_after)}")


def reschedule(send: Send, asked: Reschedule) -> None:
    """Another time; one in the past is now."""
    check_reschedule(send, asked)
    send.state = send.state.changed(send_at=asked.send_at)
    send.say(f"rescheduled to {shanghai_clock(asked.send_at)}", asked.by)


def _check_alive(send: Send, name: str) -> None:
    if send.phase == "done":
        raise refusal("this send is done")
    if send.stop or send.closing:
        raise refusal(f"{name} does not fit now: this send is ending")


def _check_held(send: Send, name: str) -> None:
    _check_alive(send, name)
    if not send.claimed:
        raise refusal(f"{name} does not fit yet: the send is being prepared; try again in a moment")
    msg_id = send.state.subject.msg_id
    if msg_id is not None:
        raise refusal(f"already accepted as msg_id {msg_id}; a delivered send can only be recalled")
    if send.may_have_been_delivered():
        raise refusal(f"{name} does not fit now: a try may have reached WeChat, and is settled first")
