"""What goes out to whom, shown before it goes: previews, the look at a tag, and what a person approves.

``PreviewMassSend`` shows a message to one to a hundred people. It knows no audience and submits nothing. Each preview
counts in the account's hundred of a day.
"""

import asyncio
from collections.abc import Sequence
from hashlib import sha256
from typing import Any

from temporalio import workflow
from temporalio.exceptions import ApplicationError

with workflow.unsafe.imports_passed_through():
    from qunfa.contract.audience import Openids, Tag, describe
    from qunfa.contract.facts import Known
    from qunfa.contract.ids import PREVIEW_MASS_SEND, preview_id
    from qunfa.contract.message import (
        Article,
        ImageMessage,
        Material,
        Media,
        MediaUploaded,
        Message,
        MpnewsMessage,
        MpvideoMessage,
        Source,
        TextMessage,
        VoiceMessage,
        WxcardMessage,
    )
    from qunfa.contract.request import (
        PREVIEW_FAILED,
        MassSendRequest,
        Previewed,
        PreviewMessage,
        PreviewRecipient,
        PreviewRequest,
        PreviewResult,
        parse_preview,
    )
    from qunfa.contract.result import Problem
    from qunfa.contract.steps import AccountFacts, AudienceFinding
    from qunfa.rules.calendar import shanghai_clock
    from qunfa.rules.material import found, needs_material
    from qunfa.rules.problems import PROBLEMS
    from qunfa.rules.terms import not_kept, not_shown, of_form, warnings
    from qunfa.send import events
    from qunfa.send.doubt import ignores_reprint
    from qunfa.send.state import Case, SendState
    from qunfa.send.turns import REPRINTED
    from workflows import calls
    from workflows.making import Bench, MakingRefusedError, make_ready, understood
    from workflows.refusal import account_facts, check_id, invalid_request, read_input


@workflow.defn(name=PREVIEW_MASS_SEND)
class PreviewMassSend:
    """Look at the material, make it, preview it to each recipient; the result has a row for each."""

    @workflow.run
    async def run(self, raw: Any = None, *more: Any) -> PreviewResult:
        """Preview the message; a recipient whom WeChat refuses does not keep the others from theirs."""
        request = _read(raw, more)
        facts = await account_facts(request.account)
        bench = Bench(facts, Material())
        try:
            message = await _ready(bench, request)
        except MakingRefusedError as refused:
            raise ApplicationError(refused.problem.sentence, type=PREVIEW_FAILED, non_retryable=True) from None
        previews: list[Previewed] = []
        for to in request.to:
            if workflow.cancellation_reason() is not None:  # it came while the one before was on its way
                raise asyncio.CancelledError
            previews.append(await preview_to(facts, to, message, previews))
        return PreviewResult(account=request.account, key=request.key, previews=tuple(previews))


def _read(raw: Any, more: tuple[Any, ...]) -> PreviewRequest:
    request = read_input(parse_preview, raw, more)
    check_id(preview_id(request.account, request.key))
    return request


async def _ready(bench: Bench, request: PreviewRequest) -> PreviewMessage:
    message: Any = request.message
    if problems := [*not_shown(message), *of_form(message, bench.facts)]:
        raise invalid_request(problems)
    if needs_material(message):
        inspection = await understood(calls.inspect(bench.facts, message, fit_images=request.fit_images))
        if inspection.problems:
            raise invalid_request(list(inspection.problems))
        bench.keep(found(inspection))
        message = await make_ready(bench, message)
    ready: PreviewMessage = message
    return ready


async def preview_to(
    facts: AccountFacts, to: PreviewRecipient, message: PreviewMessage, before: Sequence[Previewed]
) -> Previewed:
    """One preview to one person, or why there was none; it is not repeated.

    The place of one ``before`` it for which WeChat was not called is this one's: the day has only a hundred.
    """
    holder = f"{workflow.info().run_id}:{sum(one.may_count for one in before)}"
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
        if refused.problem.name == "material_failed":
            return _none(to, "it may have been shown: there was no answer", perhaps=True)
        return _none(to, refused.problem.sentence)


def _none(to: PreviewRecipient, why: str, *, perhaps: bool = False) -> Previewed:
    return Previewed(to=to.name, sent=False, perhaps=perhaps, errmsg=why)


async def look_at_tag(facts: AccountFacts, tag: Tag) -> events.TagSeen | events.Obstructed:
    try:
        problem = audience_problem(tag, await understood(calls.check_audience(facts, tag.tag_id)))
    except MakingRefusedError as refused:
        problem = refused.problem
    return events.Obstructed(problem) if problem else events.TagSeen()


async def shown(
    facts: AccountFacts, request: MassSendRequest, state: SendState, more: Sequence[str]
) -> events.Shown | events.Obstructed:
    """What will go out to whom, as of now, with ``more`` to know."""
    audience = request.audience
    who = describe(audience)
    if isinstance(audience, Tag):
        try:
            finding = await understood(calls.check_audience(facts, audience.tag_id))
        except MakingRefusedError as refused:
            return events.Obstructed(refused.problem)
        if finding.found:
            who = f'tag {audience.tag_id} "{finding.name}": {finding.count or 0:,} followers'
            if audience.expect is None or audience.expect.max is None:
                who += "; whoever has the tag when it is sent gets it: only `expect.max` limits that"
    elif isinstance(audience, Openids):
        listed = sha256("\n".join(sorted(audience.openids)).encode()).hexdigest()
        who = f"{who}, digest {listed[:16]}"
    material, digest = state.material, f"digest of all this: {(state.digest or '')[:16]}"
    lines = lines_of(request, material)
    more = [one for one in more if one not in lines]
    now = workflow.now()
    late = not_kept(request, facts, now, Case(request, state, now).send_at)
    return events.Shown((*lines, *more, f"to {who}", *warnings_of(request, material, facts), *late, digest))


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


def lines_of(request: MassSendRequest, material: Material | None) -> list[str]:
    """The message in lines: its files, the ids of what WeChat has of it already, and what is allowed."""
    message, sources = request.message, material.sources if material else ()
    return [
        *_words_of(message),
        *_material_of(message, sources),
        *([REPRINTED] if ignores_reprint(request, Known()) else ()),
    ]


def warnings_of(request: MassSendRequest, material: Material | None, facts: AccountFacts) -> list[str]:
    """What WeChat may refuse of the message, or shows otherwise."""
    return warnings(request, material.sources if material else (), facts)


def _material_of(message: Message, sources: Sequence[Source]) -> list[str]:
    """Each in the place that the message has for it: the first picture is the one that the chat shows."""
    media = _media_of(message)
    held = [(at, f"media_id {one.media_id}") for at, one in media.items() if isinstance(one, MediaUploaded)]
    order = {place: number for number, place in enumerate(media)}
    placed = [*held, *((one.place, _file(one)) for one in sources)]
    return [line for _place, line in sorted(placed, key=lambda one: order.get(one[0], len(order)))]


def _file(one: Source) -> str:
    fitted = ", re-encoded to fit" if one.fit else ""
    return f"{one.use} ({one.kind}, {one.size:,} bytes, SHA-256 {one.sha256[:16]}){fitted}"


def _words_of(message: Message) -> list[str]:
    match message:
        case TextMessage():
            return [f"text: {message.content}"]
        case MpnewsMessage():
            told = [line for one in message.articles or () for line in (f"article: {one.title}", *_comments(one))]
            return told or [f"mpnews {message.media_id}"]
        case MpvideoMessage():
            about = [f"description: {message.description}"] if message.description else []
            return [f"video: {message.title}", *about]
        case ImageMessage():
            about = [f"description: {message.recommend}"] if message.recommend else []
            return [message.msgtype, *about, *_comments(message)]
        case WxcardMessage():
            return [f"wxcard {message.card_id}"]
        case _:
            return [message.msgtype]


def _comments(one: Article | ImageMessage) -> list[str]:
    if not one.need_open_comment:
        return []
    return ["followers alone may comment" if one.only_fans_can_comment else "readers may comment"]


def _media_of(message: Message) -> dict[str, Media | None]:
    """The media of a message by their places, in its order; an article's content is the place of several."""
    match message:
        case MpnewsMessage():
            articles = [(f"message.articles[{number}]", one) for number, one in enumerate(message.articles or ())]
            return {
                at: one
                for place, article in articles
                for at, one in ((f"{place}.thumb", article.thumb), (f"{place}.content", None))
            }
        case ImageMessage():
            return {f"message.images[{number}]": one for number, one in enumerate(message.images)}
        case VoiceMessage() | MpvideoMessage():
            return {"message.media": message.media}
        case _:
            return {}
