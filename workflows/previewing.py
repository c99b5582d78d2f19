"""Previews: the message as a few people see it, each counted in the account's hundred of a day."""

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from qunfa.contract.message import ImageMessage
    from qunfa.contract.preview import Previewed, PreviewMessage, PreviewRecipient
    from qunfa.contract.steps import AccountFacts
    from qunfa.rules.calendar import shanghai_clock
    from workflows import material_calls as calls
    from workflows.making import MakingRefusedError, understood


async def preview_to(facts: AccountFacts, to: PreviewRecipient, message: PreviewMessage, holder: str) -> Previewed:
    """One preview to one person, or why there was none; it is not repeated."""
    if isinstance(message, ImageMessage) and len(message.images) > 1:
        return _none(
            to, f"a preview shows one picture, and this message has {len(message.images)}: preview each by itself"
        )
    try:
        left = await understood(calls.take_preview(facts, holder))
        if not left.granted:
            opens = shanghai_clock(left.opens)
            return _none(to, f"the account's previews of today are used up; there are new ones from {opens}")
    except MakingRefusedError as refused:
        return _none(to, refused.problem.sentence)
    try:
        return await understood(calls.preview(facts, to, message))
    except MakingRefusedError as refused:
        lost = refused.problem.name == "material_failed"
        return _none(to, "it may have been shown: there was no answer" if lost else refused.problem.sentence)


def _none(to: PreviewRecipient, why: str) -> Previewed:
    return Previewed(to=to.name, sent=False, errmsg=why)
