"""Each call but those of a mass send: its path, its body, and what its answer becomes."""

import json
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest

import qunfa.wechat as wx
from tests.wechat.conftest import ACCESS, TOKEN, WeChat, everything_about, shows_no_token
from tests.wechat.files import Chunks, parts

AT = datetime(2023, 11, 14, 22, 13, 19, tzinfo=UTC)
FILE = Chunks([b"bytes"]).file("cover.jpg", "image/jpeg")
VIDEO = Chunks([b"bytes"]).file("clip.mp4", "video/mp4")
NEWS = wx.NewsArticle(thumb_media_id="T", title="新春 <特卖>", content='<p>"群发"🎉</p>')
DRAFT = wx.DraftArticle(thumb_media_id="P", title="新春 <特卖>", content='<p>"群发"🎉</p>')
PREVIEW = wx.preview_body(wx.Openid("o1"), wx.Content.text("hi"))
SENDALL = "/cgi-bin/message/mass/sendall"
URL = "https://mp.weixin.qq.com/s?__biz=x&mid=1"
Method = Callable[[wx.OfficialAccount], Awaitable[Any]]

CALLS: dict[str, Method] = {
    "media/upload": lambda api: api.upload(ACCESS, "image", FILE),
    "media/uploadimg": lambda api: api.uploadimg(ACCESS, FILE),
    "material/add_material": lambda api: api.add_material(ACCESS, "thumb", FILE),
    "material/del_material": lambda api: api.del_material(ACCESS, "M"),
    "media/uploadvideo": lambda api: api.uploadvideo(ACCESS, "M", "t", "d"),
    "media/uploadnews": lambda api: api.uploadnews(ACCESS, [NEWS]),
    "draft/add": lambda api: api.draft_add(ACCESS, [DRAFT]),
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
    "getcallbackip": lambda api: api.callback_ips(ACCESS),
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
    assert (request.method == "GET") == (path in {"tags/get", "user/get", "getcallbackip"})
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
    *([], "ok", {"media_id": ""}, {"url": "no url"}, {"news_item": []}, {"speed": None}, {"tags": None}),
    *({"tags": [{"id": 2}]}, {"quota": []}, {"quota": {"daily_limit": 1}}, {"msg_status": ""}),
]


@each_call
@pytest.mark.parametrize("answer", EMPTY, ids=str)
async def test_an_answer_without_what_was_asked_for(path: str, method: Method, answer: object) -> None:
    """An answer that lacks what a success has is none, and no empty one either."""
    with pytest.raises(wx.MaybeWritten, match=path):
        await method(WeChat(answer).account())


OK = {"errcode": 0, "errmsg": "ok"}
MADE = {"media_id": "N", "created_at": 1699999999}
NUMBERS: dict[str, Any] = {"daily_limit": 100, "used": 1, "remain": 99}
TAGS: list[dict[str, Any]] = [{"id": 2, "name": "星标组", "count": 0}, {"id": 127, "name": "广东", "count": 5}]
IP = "111.161.64.40"
DNS = {"ip": IP, "real_operator": "UNICOM"}
DNS_BODY = '{"action":"dns","check_operator":"UNICOM"}'
SENDING = wx.JobStatus(msg_id=7, msg_status="SENDING")
PING = {"ip": IP, "from_operator": "UNICOM", "package_loss": "0%", "time": "23.079ms"}
SEEN = wx.CallbackCheck(dns=(wx.CallbackDns(**DNS),), ping=(wx.CallbackPing(**PING),))
MADE_OF_IT = wx.Uploaded(media_id="N", created_at=AT)
RATE = {"call_count": 60, "refresh_second": 60}
NEWS_BODY = r'{"articles":[{"thumb_media_id":"T","title":"新春 <特卖>","content":"<p>\"群发\"🎉</p>"}]}'
FILM: Method = lambda api: api.uploadvideo(ACCESS, "M", "TITLE", "Description")  # noqa: E731 - as those in CALLS
DNS_ONLY: Method = lambda api: api.callback_check(ACCESS, action="dns", check_operator="UNICOM")  # noqa: E731
ANSWERED: list[tuple[Method, dict[str, Any], Any, str]] = [
    (lambda api: api.del_material(ACCESS, "P"), OK, None, '{"media_id":"P"}'),
    (FILM, MADE, MADE_OF_IT, '{"media_id":"M","title":"TITLE","description":"Description"}'),
    (CALLS["media/uploadnews"], MADE, MADE_OF_IT, NEWS_BODY),
    (CALLS["message/mass/delete"], OK, None, '{"msg_id":30124}'),
    (lambda api: api.delete(ACCESS, 30124, 2), OK, None, '{"msg_id":30124,"article_idx":2}'),
    (lambda api: api.delete_url(ACCESS, URL), OK, None, f'{{"url":"{URL}"}}'),
    (CALLS["message/mass/speed/get"], {"speed": 3, "realspeed": 15}, wx.Speed(speed=3, realspeed=15), "{}"),
    (lambda api: api.speed_set(ACCESS, 0), OK, None, '{"speed":0}'),
    (lambda api: api.speed_set(ACCESS, 4), OK, None, '{"speed":4}'),
    (CALLS["callback/check"], {"dns": [DNS], "ping": [PING]}, SEEN, '{"action":"all","check_operator":"DEFAULT"}'),
    (DNS_ONLY, {"dns": [{"ip": IP}]}, wx.CallbackCheck(dns=(wx.CallbackDns(ip=IP),)), DNS_BODY),
    (CALLS["getcallbackip"], {"ip_list": ["101.226.233.128/26"]}, ("101.226.233.128/26",), ""),
    (CALLS["tags/get"], {"tags": TAGS}, tuple(wx.Tag(**tag) for tag in TAGS), ""),
    *(
        (CALLS["openapi/quota/get"], {**OK, "quota": NUMBERS, **rate}, told, f'{{"cgi_path":"{SENDALL}"}}')
        for rate, told in (
            ({}, wx.Quota(**NUMBERS)),
            ({"rate_limit": RATE}, wx.Quota(**NUMBERS, rate_limit=wx.RateLimit(**RATE))),
        )
    ),
    *(
        (CALLS["message/mass/get"], {**one, "msg_status": "SENDING"}, SENDING, '{"msg_id":"7"}')
        for one in ({}, {"msg_id": "7"}, {"msg_id": 7})
    ),
]


@pytest.mark.parametrize(("method", "answer", "result", "body"), ANSWERED)
async def test_a_call_has_its_body_and_its_result(
    method: Method, answer: dict[str, Any], result: object, body: str
) -> None:
    """Raw UTF-8 on the wire, in which quotes survive."""
    wechat = WeChat(answer)
    assert await method(wechat.account()) == result
    assert wechat.requests[0].content.decode() == body


@pytest.mark.parametrize(
    ("word", "status"),
    [*((status.value, status) for status in wx.MsgStatus), ("send_fail", wx.MsgStatus.SEND_FAIL), ("WAITING", None)],
)
async def test_a_jobs_state(word: str, status: wx.MsgStatus | None) -> None:
    """A state that is not known here is kept as WeChat wrote it, and marked. That of another job is no answer."""
    job = await WeChat({"msg_id": 201053012, "msg_status": word}).account().get(ACCESS, 201053012)
    assert (job.msg_id, job.msg_status, job.text) == (201053012, status, word)
    for answer in ({"msg_id": 8, "msg_status": word}, {"msg_id": 7}):
        with pytest.raises(wx.MaybeWritten, match="msg_id 7"):
            await WeChat(answer).account().get(ACCESS, 7)


@pytest.mark.parametrize("kind", ["image", "voice", "video", "thumb"])
@pytest.mark.parametrize("name", ["media_id", "thumb_media_id"])
async def test_upload(kind: Any, name: str) -> None:
    """The kind goes into the query; the id comes as media_id or thumb_media_id, and with its time."""
    wechat = WeChat({"type": kind, name: "ID", "created_at": 1699999999, "item": []})
    assert await wechat.account().upload(ACCESS, kind, FILE) == wx.Uploaded(media_id="ID", created_at=AT)
    assert wechat.requests[0].url.params["type"] == kind


@pytest.mark.parametrize(
    ("created_at", "moment"),
    [(1699999999, AT), ("1699999999", AT), (None, None), (0, None), (10**30, None), ("now", None), (True, None)],
)
async def test_an_odd_time_takes_nothing_from_the_upload(created_at: object, moment: datetime | None) -> None:
    """What was uploaded is there, whatever WeChat writes for the time."""
    wechat = WeChat({"errcode": 0, "errmsg": "ok", "media_id": "ID", "created_at": created_at})
    assert (await wechat.account().upload(ACCESS, "image", FILE)).created_at == moment


@pytest.mark.parametrize("url", ["http://mmbiz.qpic.cn/mmbiz_png/abc/0?from=appmsg", ""])
async def test_a_picture_has_a_url(url: str) -> None:
    """One for an article has nothing else. Permanent material has an id, and its URL may be missing."""
    wechat = WeChat({"media_id": "P", "url": url})
    assert await wechat.account().add_material(ACCESS, "image", FILE) == wx.Material(media_id="P", url=url or None)
    assert wechat.requests[0].url.params["type"] == "image"
    if url:
        assert await WeChat({"url": url}).account().uploadimg(ACCESS, FILE) == url


async def test_a_permanent_video_is_described() -> None:
    """Title and introduction of a video stand as JSON text in the field `description`, in raw UTF-8."""
    wechat = WeChat({"media_id": "P"})
    await wechat.account().add_material(ACCESS, "video", VIDEO, title='春"天', introduction="介绍")
    media, description = parts(wechat.requests[0].headers["content-type"], wechat.requests[0].content)
    assert (media.name, media.filename, media.content_type) == ("media", "clip.mp4", "video/mp4")
    assert (description.name, description.filename) == ("description", None)
    assert description.content.decode() == r'{"title":"春\"天","introduction":"介绍"}'


WRONG: list[tuple[str, Method]] = [
    ("a video has a title", lambda api: api.add_material(ACCESS, "video", FILE)),
    ("a video has a title", lambda api: api.add_material(ACCESS, "video", FILE, introduction="i")),
    ("a video has a title", lambda api: api.add_material(ACCESS, "image", FILE, title="t")),
    ("a video has a title", lambda api: api.add_material(ACCESS, "image", FILE, introduction="i")),
    ("counted from 1", lambda api: api.delete(ACCESS, 30124, 0)),
    ("from 0 to 4", lambda api: api.speed_set(ACCESS, -1)),
    ("from 0 to 4", lambda api: api.speed_set(ACCESS, 5)),
]


@pytest.mark.parametrize(("said", "method"), WRONG)
async def test_what_wechat_would_take_otherwise_is_not_written(said: str, method: Method) -> None:
    """Only a video is described. Of articles, 0 would be all; and a speed is one of five."""
    wechat = WeChat(OK)
    with pytest.raises(ValueError, match=said):
        await method(wechat.account())
    assert wechat.requests == []


async def test_a_draft_comes_with_each_articles_content() -> None:
    """What WeChat adds is ignored, and what it leaves out is empty. Eight of the greatest length are an answer, too."""
    page = {"thumb_media_id": "P", "url": "http://mp.weixin.qq.com/s?__biz=x"}
    first = {"title": "t", "content": "<p>c</p>", **page}
    items = [{**first, "digest": None, "show_cover_pic": 0}, {"title": "u", "content": ""}]
    wechat = WeChat({"news_item": items, "create_time": 1699999999, "update_time": "1699999999"})
    draft = await wechat.account().draft_get(ACCESS, "D")
    assert draft.articles == (wx.DraftedArticle(**first), wx.DraftedArticle(title="u", content=""))
    assert (draft.create_time, draft.update_time) == (AT, AT)
    assert wechat.requests[0].content == b'{"media_id":"D"}'
    big = WeChat(json.dumps({"news_item": [{"title": "t", "content": "群" * 200_000}] * 8}).encode())
    draft = await big.account().draft_get(ACCESS, "D")
    assert [len(article.content) for article in draft.articles] == [200_000] * 8
    assert len(big.answer) > 8 << 20


@pytest.mark.parametrize("status", [200, 404, 405])
async def test_any_answer_tells_the_time(status: int) -> None:
    """The root is asked, without a token: that is no call of the API."""
    wechat = WeChat({}, headers={"Date": "Tue, 01 Dec 2026 04:00:00 GMT"}, status_code=status)
    heard = await wx.server_time(wechat.http(), "https://wechat.example/")
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
