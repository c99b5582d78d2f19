"""Previews: the message as a few people see it, each counted in the account's hundred of a day."""

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from qunfa.contract.message import ImageMessage
    from qunfa.contract.preview import Previewed, PreviewMessage, PreviewRecipient, as_preview
    from qunfa.rules.calendar import shanghai_clock
    from workflows import material_calls as calls
    from workflows.making import Bench, MakingRefusedError, MakingStoppedError, finished
    from workflows.material import SendBench, submitted_message
    from workflows.send import Send


async def preview_to(bench: Bench, to: PreviewRecipient, message: PreviewMessage, holder: str) -> Previewed:
    """One preview to one person, or why there was none; it is not repeated.

    Raises:
        MakingStoppedError: something came between.
    """
    if isinstance(message, ImageMessage) and len(message.images) > 1:
        return _none(
            to, f"a preview shows one picture, and this message has {len(message.images)}: preview each by itself"
        )
    try:
        left = await finished(bench, f"leave to preview to {to.name}", calls.take_preview(bench.facts, holder))
        if not left.granted:
            opens = shanghai_clock(left.opens)
            return _none(to, f"the account's previews of today are used up; there are new ones from {opens}")
    except MakingRefusedError as refused:
        return _none(to, refused.problem.sentence)
    try:
        return await finished(bench, f"the preview to {to.name}", calls.preview(bench.facts, to, message))
    except MakingRefusedError as refused:
        lost = refused.problem.name == "material_failed"
        return _none(to, "it may have been shown: there was no answer" if lost else refused.problem.sentence)


async def previews_sent(send: Send) -> bool:
    """Whether everybody whom the request names has been sent a preview, or it was tried. False where something came."""
    preview = send.asked.preview
    if preview is None or send.may_have_been_delivered():
        return True
    bench, message, run = SendBench(send), as_preview(submitted_message(send)), workflow.info().run_id
    for number, to in enumerate(preview.to):
        if number < len(send.state.previews):
            continue
        send.enter("previewing")
        try:
            done = await preview_to(bench, to, message, f"{run}:{number}")
        except MakingStoppedError:
            return False
        send.state = send.state.changed(previews=(*send.state.previews, done))
        send.say(told(done))
    return True


def told(done: Previewed) -> str:
    """A preview in one line."""
    return f"previewed to {done.to}" if done.sent else f"no preview to {done.to}: {done.errmsg}"


def _none(to: PreviewRecipient, why: str) -> Previewed:
    return Previewed(to=to.name, sent=False, errmsg=why)
