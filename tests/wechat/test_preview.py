import json
from typing import Any

import pytest

from qunfa.rules.codes import CodeClass
from qunfa.wechat import (
    Content,
    Filter,
    MaybeWritten,
    Openid,
    Previewed,
    Refused,
    Token,
    Wxname,
    preview_body,
    send_body,
    sendall_body,
)
from tests.wechat.conftest import ACCEPTED, WeChat

TEXT = Content.text("你好")
PREVIEW = preview_body(Openid("o1"), TEXT)
SENDALL = sendall_body(Filter.everybody(), TEXT, clientmsgid="c-1")
SEND = send_body(["o1", "o2"], TEXT, clientmsgid="c-1")


@pytest.mark.parametrize(
    ("answer", "previewed"),
    [
        ({"errcode": 0, "errmsg": "preview success", "msg_id": 34182}, Previewed(msg_id=34182)),
        ({"errcode": 0, "errmsg": "preview success"}, Previewed()),
        ({"errcode": 0, "errmsg": "preview success", "msg_id": 0}, Previewed()),
        ({"msg_id": "34182"}, Previewed(msg_id=34182)),
    ],
)
async def test_a_preview_is_out_with_errcode_0(answer: object, previewed: Previewed, token: Token) -> None:
    """A preview is out with errcode 0; its msg_id may be missing."""
    wechat = WeChat(answer)
    assert await wechat.account().preview(token, PREVIEW) == previewed
    (request,) = wechat.requests
    assert request.url.path == "/cgi-bin/message/mass/preview"
    assert json.loads(request.content) == {"touser": "o1", "text": {"content": "你好"}, "msgtype": "text"}


async def test_an_answer_that_says_nothing_is_no_preview(token: Token) -> None:
    """An empty object is no success."""
    with pytest.raises(MaybeWritten, match="preview to openid o1"):
        await WeChat({}).account().preview(token, PREVIEW)


async def test_a_refused_preview_names_its_person(token: Token) -> None:
    """Of a hundred people, the error says which one it is about."""
    body = preview_body(Wxname("somebody"), TEXT)
    with pytest.raises(Refused, match=r"account demo, preview to WeChat id somebody: .* 40132") as caught:
        await WeChat({"errcode": 40132, "errmsg": "invalid username"}).account().preview(token, body)
    assert caught.value.code.code_class is CodeClass.REFUSED


async def test_a_preview_cannot_become_a_send(token: Token) -> None:
    """The types forbid it, and so do the calls; nothing is written."""
    wechat = WeChat(ACCEPTED)
    with pytest.raises(TypeError, match="SendallBody, not a PreviewBody"):
        await wechat.account().sendall(token, PREVIEW)  # type: ignore[arg-type]  # that mypy sees it is half the test
    with pytest.raises(TypeError, match="SendBody, not a PreviewBody"):
        await wechat.account().send(token, PREVIEW)  # type: ignore[arg-type]  # that mypy sees it is half the test
    assert wechat.requests == []


async def test_a_send_cannot_become_a_preview(token: Token) -> None:
    """Nor the other way round, nor to the other endpoint, nor with an object that nobody checked."""
    wechat = WeChat(ACCEPTED)
    account = wechat.account()
    unchecked: Any = {"filter": {"is_to_all": True}, "clientmsgid": "c-1"}
    with pytest.raises(TypeError, match="PreviewBody, not a SendallBody"):
        await account.preview(token, SENDALL)  # type: ignore[arg-type]  # that mypy sees it is half the test
    with pytest.raises(TypeError, match="PreviewBody, not a SendBody"):
        await account.preview(token, SEND)  # type: ignore[arg-type]  # that mypy sees it is half the test
    with pytest.raises(TypeError, match="SendallBody, not a SendBody"):
        await account.sendall(token, SEND)  # type: ignore[arg-type]  # that mypy sees it is half the test
    with pytest.raises(TypeError, match="SendBody, not a SendallBody"):
        await account.send(token, SENDALL)  # type: ignore[arg-type]  # that mypy sees it is half the test
    with pytest.raises(TypeError, match="SendallBody, not a dict"):
        await account.sendall(token, unchecked)
    assert wechat.requests == []
