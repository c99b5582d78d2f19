"""The one call that a step stands for: what a message is on the wire."""

from collections.abc import Awaitable, Callable

from qunfa.contract.audience import All, Openids, Tag
from qunfa.contract.ledger_steps import SubmitStep
from qunfa.contract.material import ImageVia
from qunfa.contract.message import (
    ImageMessage,
    MediaUploaded,
    Message,
    MpnewsMessage,
    MpvideoMessage,
    TextMessage,
    VoiceMessage,
    WxcardMessage,
)
from qunfa.contract.preview import PreviewMessage, WxcardPreview
from qunfa.contract.steps import PreviewStep
from qunfa.wechat import (
    Content,
    Filter,
    OfficialAccount,
    Openid,
    PreviewBody,
    Submitted,
    Token,
    Wxname,
    preview_body,
    send_body,
    sendall_body,
)

Write = Callable[[OfficialAccount, Token], Awaitable[Submitted]]
InTime = Callable[[], bool]


def write_of(step: SubmitStep, in_time: InTime) -> Write | None:
    """`mass/sendall` for everybody and for a tag, `mass/send` for openids; None for what this worker cannot send.

    `in_time` is asked right before the first byte is written.

    Raises:
        ValueError: the step cannot be put in WeChat's form.
    """
    content = content_of(step.message, step.image_via)
    if content is None:
        return None
    clientmsgid, ignore = step.lease.clientmsgid, step.send_ignore_reprint
    match step.audience:
        case Openids(openids=openids):
            to_some = send_body(openids, content, clientmsgid=clientmsgid, send_ignore_reprint=ignore)
            return lambda api, token: api.send(token, to_some, in_time=in_time)
        case All():
            chosen = Filter.everybody()
        case Tag(tag_id=tag_id):
            chosen = Filter.tag(tag_id)
        case _:
            return None
    body = sendall_body(chosen, content, clientmsgid=clientmsgid, send_ignore_reprint=ignore)
    return lambda api, token: api.sendall(token, body, in_time=in_time)


def preview_of(step: PreviewStep) -> PreviewBody:
    """The body of `mass/preview`, to the one person whom the step names.

    Raises:
        ValueError: the message cannot be previewed.
    """
    message = step.message
    card_ext = message.card_ext if isinstance(message, WxcardPreview) else None
    content = content_of(message, step.image_via)
    if content is None:
        raise ValueError(f"this {message.msgtype} message still has material to be made")
    to = Openid(step.to.openid) if step.to.openid is not None else Wxname(step.to.wxname or "")
    return preview_body(to, content, card_ext=card_ext)


def content_of(message: Message | PreviewMessage, image_via: ImageVia) -> Content | None:
    """The message on the wire; None where it still has material that must be made first.

    Raises:
        ValueError: it cannot be put in WeChat's form.
    """
    match message:
        case TextMessage(content=content):
            return Content.text(content)
        case MpnewsMessage(media_id=str() as media_id):
            return Content.mpnews(media_id)
        case VoiceMessage(media=MediaUploaded(media_id=media_id)):
            return Content.voice(media_id)
        case MpvideoMessage(media=MediaUploaded(media_id=media_id)):
            return Content.mpvideo(media_id, title=message.title, description=message.description)
        case ImageMessage():
            return _pictures(message, image_via)
        case WxcardMessage(card_id=card_id) | WxcardPreview(card_id=card_id):
            return Content.wxcard(card_id)
        case _:
            return None


def _pictures(message: ImageMessage, via: ImageVia) -> Content | None:
    media_ids = [image.media_id for image in message.images if isinstance(image, MediaUploaded)]
    if len(media_ids) < len(message.images):
        return None
    return Content.image(
        media_ids,
        via=via,
        recommend=message.recommend,
        need_open_comment=message.need_open_comment,
        only_fans_can_comment=message.only_fans_can_comment,
    )
