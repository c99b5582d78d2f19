"""Each call: its path, its body, what its answer becomes, and what an error of it shows."""

import json
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest

import qunfa.wechat as wx
from qunfa.contract.message import TextMessage
from qunfa.contract.request import PreviewRecipient
from qunfa.wechat.answers import JOB_STATES, CallbackDns, CallbackPing, RateLimit
from tests.wechat.conftest import ACCESS, TOKEN, WeChat, everything_about, shows_no_token

FILE = wx.UploadFile(Path(__file__), "cover.jpg", "image/jpeg", Path(__file__).stat().st_size)
ARTICLE = {"thumb_media_id": "T", "title": "新春 <特卖>", "content": '<p>"群发"🎉</p>'}
TEXT = TextMessage(msgtype="text", content="hi")
PREVIEW = wx.preview_body(PreviewRecipient(openid="o1"), TEXT)
SENDALL = "/cgi-bin/message/mass/sendall"
URL = "https://mp.weixin.qq.com/s?__biz=x&mid=1"
Method = Callable[[wx.OfficialAccount], Awaitable[Any]]

CALLS: dict[str, Method] = {
    "media/upload": lambda api: api.upload(ACCESS, "image", FILE),
    "media/uploadimg": lambda api: api.uploadimg(ACCESS, FILE),
    "material/add_material": lambda api: api.add_material(ACCESS, FILE),
    "media/uploadvideo": lambda api: api.uploadvideo(ACCESS, "M", "TITLE", "Description"),
    "media/uploadnews": lambda api: api.uploadnews(ACCESS, [ARTICLE]),
    "draft/add": lambda api: api.draft_add(ACCESS, [ARTICLE]),
    "draft/get": lambda api: api.draft_get(ACCESS, "D"),
    "message/mass/preview": lambda api: api.preview(ACCESS, PREVIEW),
    "message/mass/delete": lambda api: api.delete(ACCESS, 30124),
    "message/mass/get": lambda api: api.get(ACCESS, 7),
    "message/mass/speed/get": lambda api: api.speed_get(ACCESS),
    "message/mass/speed/set": lambda api: api.speed_set(ACCESS, 1),
    "callback/check": lambda api: api.callback_check(ACCESS),
    "openapi/quota/get": lambda api: api.quota(ACCESS, SENDALL),
    "tags/get": lambda api: api.tags(ACCESS),
    "user/get": lambda api: api.followers(ACCESS),
}
each_call = pytest.mark.parametrize(("path", "method"), CALLS.items(), ids=CALLS)


@each_call
async def test_a_refusal_may_be_followed_by_the_same_call(path: str, method: Method) -> None:
    """Each call goes once to its own path. Its error says what may be done, and never has the token, however quoted."""
    wechat = WeChat({"errcode": -1, "errmsg": f"system error {TOKEN}, ?access_token={TOKEN}"})
    with pytest.raises(wx.Refused, match=rf"{path} .*It is no mass send, and may be repeated") as caught:
        await method(wechat.account())
    assert TOKEN not in everything_about(caught.value)
    assert "clientmsgid" not in str(caught.value)
    (request,) = wechat.requests
    assert (request.method == "GET") == (path in {"tags/get", "user/get"})
    assert request.url.path == f"/cgi-bin/{path}"
    assert request.url.params["access_token"] == TOKEN
    assert TOKEN.encode() not in request.content


@each_call
@pytest.mark.parametrize("error", [httpx.ConnectError, httpx.ReadTimeout, httpx.WriteError, OSError])
async def test_no_error_shows_the_token(error: type[Exception], path: str, method: Method) -> None:
    """Neither text, fields, chain nor frames show the token; what never left is told from what may have."""
    expected: type[Exception] = wx.NotWritten if error is httpx.ConnectError else wx.MaybeWritten
    with pytest.raises(expected, match=path) as caught:
        await method(WeChat(error("why")).account())
    assert shows_no_token(caught.value)


EMPTY: list[Any] = [
    *([], "ok", {}, {"media_id": ""}, {"url": "no url"}, {"news_item": []}, {"speed": None}, {"tags": None}),
    *({"tags": [{"id": 2}]}, {"quota": []}, {"quota": {"daily_limit": 1}}, {"msg_status": ""}),
]


@each_call
@pytest.mark.parametrize("answer", EMPTY, ids=str)
async def test_an_answer_without_what_was_asked_for(path: str, method: Method, answer: object) -> None:
    """An answer that lacks what a success has is none, and no empty one either."""
    with pytest.raises(wx.MaybeWritten, match=path):
        await method(WeChat(answer).account())


OK = {"errcode": 0, "errmsg": "ok"}
MADE = {"media_id": "N", "created_at": 1699999999, "url": "", "item": []}
NUMBERS: dict[str, Any] = {"daily_limit": 100, "used": 1, "remain": 99}
RATE = {"call_count": 60, "refresh_second": 60}
TAGS: list[dict[str, Any]] = [{"id": 2, "name": "星标组", "count": 0}, {"id": 127, "name": "广东", "count": 5}]
DNS = {"ip": "111.161.64.40", "real_operator": "UNICOM"}
PING = {"ip": "111.161.64.40", "from_operator": "UNICOM", "package_loss": "0%", "time": "23.079ms"}
PICTURE = "http://mmbiz.qpic.cn/mmbiz_png/abc/0?from=appmsg"
ASKED = '{"action":"all","check_operator":"DEFAULT"}'
WORDS = r'"title":"新春 <特卖>","content":"<p>\"群发\"🎉</p>"}]}'
ITEMS = [{"title": "t", "content": "<p>c</p>", "digest": None}, {"content": ""}]
ANSWERED: list[tuple[Method, dict[str, Any], Any, str | None]] = [
    (CALLS["media/upload"], MADE, "N", None),
    (CALLS["media/upload"], {"thumb_media_id": "N"}, "N", None),
    (CALLS["material/add_material"], MADE, "N", None),
    (CALLS["media/uploadimg"], {"url": PICTURE}, PICTURE, None),
    (CALLS["media/uploadvideo"], MADE, "N", '{"media_id":"M","title":"TITLE","description":"Description"}'),
    (CALLS["media/uploadnews"], MADE, "N", f'{{"articles":[{{"thumb_media_id":"T",{WORDS}'),
    (CALLS["draft/add"], MADE, "N", f'{{"articles":[{{"article_type":"news","thumb_media_id":"T",{WORDS}'),
    (CALLS["draft/get"], {"news_item": ITEMS, "create_time": 1}, ("<p>c</p>", ""), '{"media_id":"D"}'),
    (CALLS["message/mass/preview"], {**OK, "msg_id": 34182}, 34182, None),
    (CALLS["message/mass/preview"], {"msg_id": "34182"}, 34182, None),
    *((CALLS["message/mass/preview"], {**OK, **one}, None, None) for one in ({}, {"msg_id": 0})),
    (CALLS["message/mass/delete"], OK, None, '{"msg_id":30124}'),
    (lambda api: api.delete(ACCESS, 30124, 2), OK, None, '{"msg_id":30124,"article_idx":2}'),
    (lambda api: api.delete_url(ACCESS, URL), OK, None, f'{{"url":"{URL}"}}'),
    (CALLS["message/mass/speed/get"], {"speed": 3, "realspeed": 15}, wx.Speed(speed=3, realspeed=15), "{}"),
    (lambda api: api.speed_set(ACCESS, 0), OK, None, '{"speed":0}'),
    (lambda api: api.speed_set(ACCESS, 4), OK, None, '{"speed":4}'),
    (
        CALLS["callback/check"],
        {"dns": [DNS], "ping": [PING]},
        wx.CallbackCheck(dns=(CallbackDns(**DNS),), ping=(CallbackPing(**PING),)),
        ASKED,
    ),
    (CALLS["callback/check"], {"dns": [{"ip": "1"}]}, wx.CallbackCheck(dns=(CallbackDns(ip="1"),)), ASKED),
    (CALLS["tags/get"], {"tags": TAGS}, tuple(wx.Tag(**tag) for tag in TAGS), ""),
    *(
        (CALLS["openapi/quota/get"], {**OK, "quota": NUMBERS, **rate}, told, f'{{"cgi_path":"{SENDALL}"}}')
        for rate, told in (
            ({}, wx.Quota(**NUMBERS)),
            ({"rate_limit": RATE}, wx.Quota(**NUMBERS, rate_limit=RateLimit(**RATE))),
        )
    ),
    *(
        (CALLS["message/mass/get"], {**one, "msg_status": word}, said, '{"msg_id":"7"}')
        for one in ({}, {"msg_id": "7"}, {"msg_id": 7})
        for word, said in ((" send_fail", "SEND_FAIL"), *((one, one) for one in ("WAITING", *sorted(JOB_STATES))))
    ),
]


@pytest.mark.parametrize(("method", "answer", "result", "body"), ANSWERED)
async def test_a_call_has_its_body_and_its_result(
    method: Method, answer: dict[str, Any], result: object, body: str | None
) -> None:
    """Raw UTF-8 on the wire, in which quotes survive. A state of a job that is not known here is kept as it is."""
    wechat = WeChat(answer)
    assert await method(wechat.account()) == result
    assert body is None or wechat.requests[0].content.decode() == body


@pytest.mark.parametrize("kind", ["image", "voice", "video", "thumb"])
async def test_the_kind_of_material_goes_into_the_query(kind: Any) -> None:
    """Permanent material is an image."""
    wechat = WeChat(MADE)
    await wechat.account().upload(ACCESS, kind, FILE)
    await wechat.account().add_material(ACCESS, FILE)
    assert [request.url.params["type"] for request in wechat.requests] == [kind, "image"]


@pytest.mark.parametrize(
    ("said", "method"),
    [
        ("counted from 1", lambda api: api.delete(ACCESS, 30124, 0)),
        ("from 0 to 4", lambda api: api.speed_set(ACCESS, -1)),
        ("from 0 to 4", lambda api: api.speed_set(ACCESS, 5)),
    ],
)
async def test_what_wechat_would_take_otherwise_is_not_written(said: str, method: Method) -> None:
    """Of articles, 0 would be all; and a speed is one of five."""
    wechat = WeChat(OK)
    with pytest.raises(ValueError, match=said):
        await method(wechat.account())
    assert wechat.requests == []


async def test_a_preview_without_a_success_names_its_person() -> None:
    """Of a hundred people, the error says which one it is about."""
    with pytest.raises(wx.MaybeWritten, match="preview to openid o1"):
        await WeChat({}).account().preview(ACCESS, PREVIEW)
    body = wx.preview_body(PreviewRecipient(wxname="somebody"), TEXT)
    with pytest.raises(wx.Refused, match=r"account demo, preview to WeChat id somebody: .* 40132"):
        await WeChat({"errcode": 40132}).account().preview(ACCESS, body)


async def test_the_state_of_another_job_is_no_answer() -> None:
    """It would be taken for the verdict."""
    with pytest.raises(wx.MaybeWritten, match="msg_id 7"):
        await WeChat({"msg_id": 8, "msg_status": "SEND_SUCCESS"}).account().get(ACCESS, 7)


async def test_a_draft_of_the_greatest_length_is_an_answer() -> None:
    """Eight articles of 1 MB are written at twice the length in JSON."""
    wechat = WeChat(json.dumps({"news_item": [{"title": "t", "content": "群" * 200_000}] * 8}).encode())
    assert list(map(len, await wechat.account().draft_get(ACCESS, "D"))) == [200_000] * 8
    assert len(wechat.answer) > 8 << 20


@pytest.mark.parametrize("status", [200, 404, 405])
async def test_any_answer_tells_the_time(status: int) -> None:
    """The root is asked, without a token: that is no call of the API."""
    wechat = WeChat({}, headers={"Date": "Tue, 01 Dec 2026 04:00:00 GMT"}, status_code=status)
    heard = await wx.server_time(wechat.http(), "https://wechat.example")
    assert heard == wx.ServerTime(datetime(2026, 12, 1, 4, tzinfo=UTC))
    [request] = wechat.requests
    assert (request.method, str(request.url)) == ("HEAD", "https://wechat.example/")


@pytest.mark.parametrize("date", [{}, {"Date": "yesterday"}, {"Date": "Tue, 01 Dec 2026 04:00:00 -0000"}])
async def test_a_clock_that_cannot_be_read_says_why(date: dict[str, str]) -> None:
    """A date that is none is not guessed."""
    heard = await wx.server_time(WeChat({}, headers=date).http(), "https://wechat.example")
    assert (heard.date, "Date" in (heard.reason or "")) == (None, True)
    heard = await wx.server_time(WeChat(httpx.ConnectError("no")).http(), "https://wechat.example")
    assert heard == wx.ServerTime(None, "WeChat could not be reached (ConnectError)")
