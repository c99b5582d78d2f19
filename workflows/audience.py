"""What goes out to whom: a look at the tag, and the lines that a person approves."""

from hashlib import sha256

from temporalio import workflow
from temporalio.exceptions import ActivityError, is_cancelled_exception

with workflow.unsafe.imports_passed_through():
    from qunfa.contract.audience import Openids, Tag, describe
    from qunfa.contract.message import MpnewsMessage, MpvideoMessage, TextMessage
    from qunfa.contract.request import MassSendRequest
    from qunfa.contract.result import Problem
    from qunfa.contract.steps import AccountFacts, AudienceFinding
    from qunfa.rules.problems import PROBLEMS
    from qunfa.send import events
    from qunfa.send.state import SendState
    from workflows import calls
    from workflows.making import problem_of_failure


async def look_at_tag(facts: AccountFacts, tag: Tag) -> events.TagSeen | events.Obstructed:
    """Whether the tag is what the request expects."""
    try:
        problem = audience_problem(tag, await calls.check_audience(facts, tag.tag_id))
    except ActivityError as error:
        if is_cancelled_exception(error):
            raise
        problem = problem_of_failure(error)
    return events.Obstructed(problem) if problem else events.TagSeen()


async def shown(facts: AccountFacts, request: MassSendRequest, state: SendState) -> events.Shown | events.Obstructed:
    """What will go out to whom, as of now."""
    audience = request.audience
    who = describe(audience)
    if isinstance(audience, Tag):
        try:
            finding = await calls.check_audience(facts, audience.tag_id)
        except ActivityError as error:
            if is_cancelled_exception(error):
                raise
            return events.Obstructed(problem_of_failure(error))
        who = f'tag {audience.tag_id} "{finding.name}": {finding.count or 0:,} followers' if finding.found else who
    elif isinstance(audience, Openids):
        listed = sha256("\n".join(sorted(audience.openids)).encode()).hexdigest()
        who = f"{who}, digest {listed[:16]}"
    return events.Shown((*_message(request, state), f"to {who}", f"digest of all this: {(state.digest or '')[:16]}"))


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


def _message(request: MassSendRequest, state: SendState) -> list[str]:
    message, material = request.message, state.material
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
