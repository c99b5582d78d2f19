"""A submission on the wire: the one call that it stands for, and what came of it.

| the client says | kind | with |
|---|---|---|
| `Submitted` | accepted | msg_id, msg_data_id |
| 45065 with a msg_id | duplicate | msg_id, errcode |
| 45065 without one; a code of class UNKNOWN or CONFIRMING | unknown | errcode, errmsg, rid |
| any other errcode | refused | errcode, errmsg, rid |
| `NoToken` with WeChat's refusal | refused, `token_endpoint` | errcode, errmsg, rid |
| `NotWritten`, any other `NoToken` | not_written | detail |
| `TooLate` | not_written | detail, at_once |
| `MaybeWritten` | unknown | detail |
"""

from datetime import datetime
from typing import Final, Literal

from activities.accounts import evidence
from qunfa import wechat
from qunfa.contract.audience import All, Openids, Tag
from qunfa.contract.message import (
    ImageMessage,
    ImageVia,
    MediaUploaded,
    Message,
    MpnewsMessage,
    MpvideoMessage,
    TextMessage,
    VoiceMessage,
    WxcardMessage,
)
from qunfa.contract.request import PreviewMessage, WxcardPreview
from qunfa.contract.result import Answer
from qunfa.contract.steps import PreviewStep, SubmitStep
from qunfa.rules.codes import CodeClass

Outcome = wechat.Submitted | wechat.Refused | wechat.NotWritten | wechat.MaybeWritten

_OPEN: Final = frozenset({CodeClass.UNKNOWN, CodeClass.CONFIRMING})


def body_of(step: SubmitStep) -> wechat.MassBody | None:
    """The body of the one call; None for what this worker cannot send.

    Raises:
        ValueError: the step cannot be put in WeChat's form.
    """
    content = content_of(step.message, step.image_via)
    if content is None or not isinstance(step.audience, All | Tag | Openids):
        return None
    return wechat.mass_body(
        step.audience, content, clientmsgid=step.lease.clientmsgid, send_ignore_reprint=step.send_ignore_reprint
    )


def preview_of(step: PreviewStep) -> wechat.PreviewBody:
    """The body of `mass/preview`, to the one person whom the step names.

    Raises:
        ValueError: the message cannot be previewed.
    """
    message = step.message
    card_ext = message.card_ext if isinstance(message, WxcardPreview) else None
    content = content_of(message, step.image_via)
    if content is None:
        raise ValueError(f"this {message.msgtype} message still has material to be made")
    return wechat.preview_body(content, touser=step.to.openid, towxname=step.to.wxname, card_ext=card_ext)


def content_of(message: Message | PreviewMessage, image_via: ImageVia) -> wechat.Content | None:
    """The message on the wire; None where it still has material that must be made first.

    Raises:
        ValueError: it cannot be put in WeChat's form.
    """
    match message:
        case TextMessage(content=content):
            return wechat.Content("text", "text", {"content": content})
        case MpnewsMessage(media_id=str() as media_id) | VoiceMessage(media=MediaUploaded(media_id=media_id)):
            return wechat.Content(message.msgtype, message.msgtype, {"media_id": media_id})
        case MpvideoMessage(media=MediaUploaded(media_id=media_id)):
            words = {"title": message.title, "description": message.description}
            return wechat.Content("mpvideo", "mpvideo", {"media_id": media_id}, words)
        case ImageMessage():
            return _pictures(message, image_via)
        case WxcardMessage(card_id=card_id) | WxcardPreview(card_id=card_id):
            return wechat.Content("wxcard", "wxcard", {"card_id": card_id})
        case _:
            return None


def _pictures(message: ImageMessage, via: ImageVia) -> wechat.Content | None:
    media_ids = [image.media_id for image in message.images if isinstance(image, MediaUploaded)]
    if len(media_ids) < len(message.images):
        return None
    words = {} if message.recommend is None else {"recommend": message.recommend}
    comments = {name: int(getattr(message, name)) for name in ("need_open_comment", "only_fans_can_comment")}
    if via == "images":
        return wechat.Content("image", "images", {"media_ids": media_ids, **words, **comments})
    if len(media_ids) > 1 or any((words | comments).values()):
        raise ValueError("the old form of an image message has one picture, without recommendation or comments")
    return wechat.Content("image", "image", {"media_id": media_ids[0]})


def answer_of(outcome: Outcome, at: datetime) -> Answer:
    match outcome:
        case wechat.Submitted():
            return Answer(kind="accepted", at=at, msg_id=outcome.msg_id, msg_data_id=outcome.msg_data_id)
        case wechat.Refused():
            return _refusal(outcome, _kind_of(outcome), at)
        case wechat.NoToken(refused=wechat.Refused() as refused):
            return _refusal(refused, "refused", at).model_copy(update={"token_endpoint": True})
        case wechat.NoToken():
            return not_written(at, f"no access token could be had ({outcome.reason})")
        case wechat.NotWritten():
            late = isinstance(outcome, wechat.TooLate)
            return not_written(at, f"nothing could be written ({outcome.reason})", at_once=late)
        case wechat.MaybeWritten():
            return Answer(kind="unknown", at=at, detail=f"no usable answer came ({outcome.reason})")


def not_written(at: datetime, detail: str, *, at_once: bool = False) -> Answer:
    """The answer of a try of which nothing left this machine, for the reason in `detail`."""
    return Answer(kind="not_written", at=at, detail=detail, at_once=at_once)


def _kind_of(refused: wechat.Refused) -> Literal["duplicate", "unknown", "refused"]:
    if refused.code.code_class is CodeClass.DUPLICATE:
        return "unknown" if refused.msg_id is None else "duplicate"
    return "unknown" if refused.code.code_class in _OPEN else "refused"


def _refusal(refused: wechat.Refused, kind: Literal["duplicate", "unknown", "refused"], at: datetime) -> Answer:
    return Answer(kind=kind, at=at, **evidence(refused), msg_id=refused.msg_id if kind == "duplicate" else None)
