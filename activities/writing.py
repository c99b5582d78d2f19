"""The one call that a `submit` step stands for."""

from collections.abc import Awaitable, Callable

from qunfa.contract.audience import All, Openids, Tag
from qunfa.contract.message import MpnewsMessage, TextMessage
from qunfa.contract.steps import SubmitStep
from qunfa.wechat import Content, Filter, OfficialAccount, Submitted, Token, send_body, sendall_body

Write = Callable[[OfficialAccount, Token], Awaitable[Submitted]]
InTime = Callable[[], bool]


def write_of(step: SubmitStep, in_time: InTime) -> Write | None:
    """`mass/sendall` for everybody and for a tag, `mass/send` for openids; None for what this worker cannot send.

    `in_time` is asked right before the first byte is written.

    Raises:
        ValueError: the step cannot be put in WeChat's form.
    """
    content = _content(step)
    if content is None:
        return None
    clientmsgid, ignore = step.clientmsgid, step.send_ignore_reprint
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


def _content(step: SubmitStep) -> Content | None:
    match step.message:
        case TextMessage(content=content):
            return Content.text(content)
        case MpnewsMessage(media_id=str() as media_id):
            return Content.mpnews(media_id)
        case _:
            return None
