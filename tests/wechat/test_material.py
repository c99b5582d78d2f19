import json
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest

from qunfa.rules.codes import CodeClass
from qunfa.wechat import (
    Content,
    Draft,
    DraftArticle,
    DraftedArticle,
    Material,
    MaybeWritten,
    NewsArticle,
    NotWritten,
    OfficialAccount,
    Openid,
    Refused,
    Token,
    Uploaded,
    preview_body,
)
from tests.wechat.conftest import TOKEN, WeChat, everything_about
from tests.wechat.files import Chunks, parts

AT = datetime(2023, 11, 14, 22, 13, 19, tzinfo=UTC)
FILE = Chunks([b"bytes"]).file("cover.jpg", "image/jpeg")
VIDEO = Chunks([b"bytes"]).file("clip.mp4", "video/mp4")
NEWS = NewsArticle(thumb_media_id="T", title="新春 <特卖>", content='<p>"群发"🎉</p>')
DRAFT = DraftArticle(thumb_media_id="P", title="新春 <特卖>", content='<p>"群发"🎉</p>')
Method = Callable[[OfficialAccount, Token], Awaitable[Any]]

CALLS: dict[str, tuple[str, Method]] = {
    "upload": ("media/upload", lambda api, token: api.upload(token, "image", FILE)),
    "uploadimg": ("media/uploadimg", lambda api, token: api.uploadimg(token, FILE)),
    "add_material": ("material/add_material", lambda api, token: api.add_material(token, "thumb", FILE)),
    "del_material": ("material/del_material", lambda api, token: api.del_material(token, "M")),
    "uploadvideo": ("media/uploadvideo", lambda api, token: api.uploadvideo(token, "M", "t", "d")),
    "uploadnews": ("media/uploadnews", lambda api, token: api.uploadnews(token, [NEWS])),
    "draft_add": ("draft/add", lambda api, token: api.draft_add(token, [DRAFT])),
    "draft_get": ("draft/get", lambda api, token: api.draft_get(token, "D")),
    "preview": (
        "message/mass/preview",
        lambda api, token: api.preview(token, preview_body(Openid("o1"), Content.text("hi"))),
    ),
    "delete": ("message/mass/delete", lambda api, token: api.delete(token, 30124)),
    "delete_url": ("message/mass/delete", lambda api, token: api.delete_url(token, "https://mp.weixin.qq.com/s/x")),
    "speed_get": ("message/mass/speed/get", lambda api, token: api.speed_get(token)),
    "speed_set": ("message/mass/speed/set", lambda api, token: api.speed_set(token, 1)),
    "callback_check": ("callback/check", lambda api, token: api.callback_check(token)),
}
each_call = pytest.mark.parametrize(("path", "method"), CALLS.values(), ids=CALLS)


@each_call
async def test_an_upload_has_its_path_and_the_token(path: str, method: Method, token: Token) -> None:
    """Each call is one POST to its own path with the token in the query."""
    wechat = WeChat({"errcode": -1, "errmsg": "system error"})
    with pytest.raises(Refused):
        await method(wechat.account(), token)
    (request,) = wechat.requests
    assert (request.method, request.url.path) == ("POST", f"/cgi-bin/{path}")
    assert request.url.params["access_token"] == TOKEN
    assert TOKEN.encode() not in request.content


@each_call
@pytest.mark.parametrize("error", [httpx.ConnectError, httpx.ReadTimeout, httpx.WriteError, OSError])
async def test_no_error_shows_the_token(error: type[Exception], path: str, method: Method, token: Token) -> None:
    """Neither text, fields, chain nor frames show the token; what never left is told from what may have."""
    account = WeChat(error("why")).account()
    expected: type[Exception] = NotWritten if error is httpx.ConnectError else MaybeWritten
    with pytest.raises(expected, match=path) as caught:
        await method(account, token)
    assert TOKEN not in everything_about(caught.value)
    assert (caught.value.__cause__, caught.value.__context__) == (None, None)


@each_call
async def test_no_refusal_shows_the_token(path: str, method: Method, token: Token) -> None:
    """Not even where WeChat's text quotes it."""
    account = WeChat({"errcode": 40001, "errmsg": f"invalid credential {TOKEN}, ?access_token={TOKEN}"}).account()
    with pytest.raises(Refused, match=path) as caught:
        await method(account, token)
    assert TOKEN not in everything_about(caught.value)
    assert caught.value.code.code_class is CodeClass.TOKEN


@each_call
async def test_an_open_outcome_may_be_repeated(path: str, method: Method, token: Token) -> None:
    """For what is no mass send, nobody is told to look after a clientmsgid."""
    with pytest.raises(Refused, match="It is no mass send, and may be repeated") as caught:
        await method(WeChat({"errcode": -1, "errmsg": "system error"}).account(), token)
    assert "clientmsgid" not in str(caught.value)


@each_call
@pytest.mark.parametrize("answer", [[], "ok", {"media_id": ""}, {"url": "no url"}, {"news_item": []}, {"speed": None}])
async def test_an_answer_without_what_was_asked_for(path: str, method: Method, answer: object, token: Token) -> None:
    """An answer that lacks what a success has is none."""
    with pytest.raises(MaybeWritten, match=path):
        await method(WeChat(answer).account(), token)


@pytest.mark.parametrize("kind", ["image", "voice", "video", "thumb"])
@pytest.mark.parametrize("name", ["media_id", "thumb_media_id"])
async def test_upload(kind: Any, name: str, token: Token) -> None:
    """The kind goes into the query; the id comes as media_id or thumb_media_id, and with its time."""
    wechat = WeChat({"type": kind, name: "ID", "created_at": 1699999999, "item": []})
    assert await wechat.account().upload(token, kind, FILE) == Uploaded(media_id="ID", created_at=AT)
    assert wechat.requests[0].url.params["type"] == kind


@pytest.mark.parametrize(
    ("created_at", "moment"),
    [(1699999999, AT), ("1699999999", AT), (None, None), (0, None), (10**30, None), ("now", None), (True, None)],
)
async def test_an_odd_time_takes_nothing_from_the_upload(
    created_at: object, moment: datetime | None, token: Token
) -> None:
    """What was uploaded is there, whatever WeChat writes for the time."""
    wechat = WeChat({"errcode": 0, "errmsg": "ok", "media_id": "ID", "created_at": created_at})
    assert (await wechat.account().upload(token, "image", FILE)).created_at == moment


async def test_uploadimg(token: Token) -> None:
    """A picture for an article gives its URL."""
    wechat = WeChat({"url": "http://mmbiz.qpic.cn/mmbiz_png/abc/0?from=appmsg"})
    assert await wechat.account().uploadimg(token, FILE) == "http://mmbiz.qpic.cn/mmbiz_png/abc/0?from=appmsg"
    assert "type" not in wechat.requests[0].url.params


@pytest.mark.parametrize(
    ("answer", "url"),
    [({"url": "http://mmbiz.qpic.cn/p"}, "http://mmbiz.qpic.cn/p"), ({}, None), ({"url": ""}, None)],
)
async def test_add_material(answer: dict[str, object], url: str | None, token: Token) -> None:
    """Permanent material has an id, and pictures a URL."""
    wechat = WeChat({"media_id": "P", **answer})
    assert await wechat.account().add_material(token, "image", FILE) == Material(media_id="P", url=url)
    assert wechat.requests[0].url.params["type"] == "image"


async def test_a_permanent_video_is_described(token: Token) -> None:
    """Title and introduction of a video stand as JSON text in the field `description`, in raw UTF-8."""
    wechat = WeChat({"media_id": "P"})
    await wechat.account().add_material(token, "video", VIDEO, title='春"天', introduction="介绍")
    media, description = parts(wechat.requests[0].headers["content-type"], wechat.requests[0].content)
    assert (media.name, media.filename, media.content_type) == ("media", "clip.mp4", "video/mp4")
    assert (description.name, description.filename) == ("description", None)
    assert description.content.decode() == r'{"title":"春\"天","introduction":"介绍"}'


@pytest.mark.parametrize(
    ("kind", "title", "introduction"), [("video", "", ""), ("image", "t", ""), ("image", "", "i"), ("video", "", "i")]
)
async def test_only_a_video_is_described(kind: Any, title: str, introduction: str, token: Token) -> None:
    """A video needs a title, and nothing else has a place for one."""
    wechat = WeChat({"media_id": "P"})
    with pytest.raises(ValueError, match="a video has a title"):
        await wechat.account().add_material(token, kind, FILE, title=title, introduction=introduction)
    assert wechat.requests == []


async def test_del_material(token: Token) -> None:
    """Permanent material is deleted by its id."""
    wechat = WeChat({"errcode": 0, "errmsg": "ok"})
    await wechat.account().del_material(token, "P")
    assert wechat.requests[0].content == b'{"media_id":"P"}'


async def test_uploadvideo(token: Token) -> None:
    """The id that comes back is the converted one."""
    wechat = WeChat({"type": "video", "media_id": "CONVERTED", "created_at": 1699999999})
    uploaded = await wechat.account().uploadvideo(token, "M", "TITLE", "Description")
    assert uploaded == Uploaded(media_id="CONVERTED", created_at=AT)
    assert wechat.requests[0].content == b'{"media_id":"M","title":"TITLE","description":"Description"}'


async def test_uploadnews(token: Token) -> None:
    """Articles are raw UTF-8 on the wire, and their quotes survive."""
    wechat = WeChat({"type": "news", "media_id": "N", "created_at": 1699999999})
    assert await wechat.account().uploadnews(token, [NEWS]) == Uploaded(media_id="N", created_at=AT)
    sample = r'{"articles":[{"thumb_media_id":"T","title":"新春 <特卖>","content":"<p>\"群发\"🎉</p>"}]}'
    assert wechat.requests[0].content.decode() == sample


async def test_draft_add(token: Token) -> None:
    """The same for a draft, whose answer is its id."""
    wechat = WeChat({"media_id": "D", "item": [{"index": 0, "ad_count": 0}]})
    assert await wechat.account().draft_add(token, [DRAFT, DRAFT]) == "D"
    body = json.loads(wechat.requests[0].content)
    assert [article["article_type"] for article in body["articles"]] == ["news", "news"]


async def test_draft_get(token: Token) -> None:
    """A draft comes with each article's content; what WeChat adds is ignored, and what it leaves out is empty."""
    wechat = WeChat(
        {
            "news_item": [
                {
                    "title": "t",
                    "content": "<p>c</p>",
                    "thumb_media_id": "P",
                    "url": "http://mp.weixin.qq.com/s?__biz=x",
                    "digest": None,
                    "show_cover_pic": 0,
                },
                {"title": "u", "content": ""},
            ],
            "create_time": 1699999999,
            "update_time": "1699999999",
        }
    )
    draft = await wechat.account().draft_get(token, "D")
    assert wechat.requests[0].content == b'{"media_id":"D"}'
    assert draft.articles == (
        DraftedArticle(title="t", content="<p>c</p>", thumb_media_id="P", url="http://mp.weixin.qq.com/s?__biz=x"),
        DraftedArticle(title="u", content=""),
    )
    assert (draft.create_time, draft.update_time) == (AT, AT)


async def test_a_big_draft(token: Token) -> None:
    """Eight articles of the greatest length are an answer, though bigger than any other may be."""
    articles = [{"title": "t", "content": "群" * 200_000} for _ in range(8)]
    wechat = WeChat(json.dumps({"news_item": articles}).encode())
    draft: Draft = await wechat.account().draft_get(token, "D")
    assert [len(article.content) for article in draft.articles] == [200_000] * 8
    assert len(wechat.answer) > 8 << 20


@pytest.mark.parametrize("number", [0, 9])
async def test_too_many_articles_are_not_sent(number: int, token: Token) -> None:
    """No more than eight articles leave."""
    wechat = WeChat({"media_id": "D"})
    with pytest.raises(ValueError, match="1 to 8 articles"):
        await wechat.account().draft_add(token, [DRAFT] * number)
    assert wechat.requests == []


@pytest.mark.parametrize(
    ("errcode", "code_class"),
    [
        *((code, CodeClass.REFUSED) for code in (40004, 40005, 40006, 40009, 40010, 40011, 40012, 41005, 44001)),
        *((code, CodeClass.REFUSED) for code in (45001, 45002, 45007, 45008, 45074, 45161, 45166, 48021, 88000)),
        *((code, CodeClass.QUOTA) for code in (45009, 45101)),
        (40007, CodeClass.MEDIA),
        (46007, CodeClass.LATER),
    ],
)
async def test_what_wechat_says_of_material(errcode: int, code_class: CodeClass, token: Token) -> None:
    """Each code of the media calls has its class."""
    with pytest.raises(Refused) as caught:
        await WeChat({"errcode": errcode, "errmsg": "no"}).account().upload(token, "image", FILE)
    assert caught.value.code.code_class is code_class
