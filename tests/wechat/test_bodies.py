"""What is written, from plain values: who receives it, in which form, and what WeChat has no form for.

Each type of message is held against WeChat's page, to the byte, in `tests/activities/test_writing.py`.
"""

import json
from collections.abc import Callable, Coroutine
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qunfa.rules.codes import CodeClass
from qunfa.wechat import (
    Content,
    DraftArticle,
    Filter,
    MaybeWritten,
    NewsArticle,
    Openid,
    Previewed,
    Refused,
    Wxname,
    preview_body,
    send_body,
    sendall_body,
)
from qunfa.wechat.articles import articles_body
from tests.wechat.conftest import ACCEPTED, ACCESS, WeChat

TEXT = Content.text("你好")
WIRE = {"text": {"content": "你好"}, "msgtype": "text"}
SENDALL = sendall_body(Filter.everybody(), TEXT, clientmsgid="c-1")
SEND = send_body(["o1", "o2"], TEXT, clientmsgid="c-1")
PREVIEW = preview_body(Openid("o1"), TEXT)
NEEDED: dict[str, Any] = {"thumb_media_id": "T", "title": "t", "content": "c"}
IMAGE_OF_2018 = Content.image(["M"], via="image")


def as_sent(body: object) -> str:
    """Names and order count, blanks do not."""
    return json.dumps(body, ensure_ascii=False, separators=(",", ":"))


@pytest.mark.parametrize(
    ("body", "sample"),
    [
        *((body, '"text":{"content":"你好"},"msgtype":"text"') for body in (SENDALL, SEND, PREVIEW)),
        (sendall_body(Filter.tag(2), Content.image(["A"]), clientmsgid="1"), '"images":{"media_ids":["A"]},"msgtype"'),
        (send_body(["o1", "o2"], Content.mpvideo("M"), clientmsgid="c-1"), '"mpvideo":{"media_id":"M"},"msgtype"'),
        (preview_body(Wxname("w"), IMAGE_OF_2018), '"towxname":"w","image":{"media_id":"M"},"msgtype":"image"'),
        (articles_body([NewsArticle(**NEEDED)]), '{"articles":[{"thumb_media_id":"T","title":"t","content":"c"}]}'),
        (
            articles_body([DraftArticle(**NEEDED, author="", pic_crop_235_1="1", pic_crop_1_1="2")]),
            (
                '{"articles":[{"article_type":"news","title":"t","author":"","content":"c","thumb_media_id":"T",'
                '"pic_crop_235_1":"1","pic_crop_1_1":"2"}]}'
            ),
        ),
    ],
    ids=["sendall", "send", "preview", "pictures", "video", "picture of 2018", "news", "draft"],
)
def test_only_what_is_said_is_written(body: object, sample: str) -> None:
    """What is not set is left out: WeChat has its own defaults, such as the digest from the text."""
    assert sample in as_sent(body)


@given(st.integers(min_value=0, max_value=2**31 - 1))
def test_a_tag_is_never_everybody(tag_id: int) -> None:
    """Whatever its id is, 0 too. Everybody is `is_to_all`, and no tag."""
    body = sendall_body(Filter.tag(tag_id), TEXT, clientmsgid="c-1")
    assert body == {"filter": {"is_to_all": False, "tag_id": tag_id}, **WIRE, "clientmsgid": "c-1"}
    assert SENDALL == {"filter": {"is_to_all": True}, **WIRE, "clientmsgid": "c-1"}


@given(st.lists(st.text("abcXYZ019_-", min_size=1), min_size=2, max_size=50, unique=True))
def test_openids_are_written_as_they_are(openids: list[str]) -> None:
    """In their order, without a filter. Only articles have a `send_ignore_reprint`."""
    body = send_body(openids, TEXT, clientmsgid="c-1", send_ignore_reprint=True)
    assert body == {"touser": openids, **WIRE, "clientmsgid": "c-1"}


@pytest.mark.parametrize(("ignore", "wire"), [(False, 0), (True, 1)])
def test_articles_say_what_to_do_with_reprints(ignore: bool, wire: int) -> None:
    """`send_ignore_reprint` is a number on the wire, and always written for articles."""
    body = sendall_body(Filter.everybody(), Content.mpnews("M"), clientmsgid="c-1", send_ignore_reprint=ignore)
    assert (body["mpnews"], body["msgtype"], body["send_ignore_reprint"]) == ({"media_id": "M"}, "mpnews", wire)


def to_some(openids: Any, clientmsgid: str = "c-1") -> object:
    """A text to openids."""
    return send_body(openids, TEXT, clientmsgid=clientmsgid)


def to_all(clientmsgid: str) -> object:
    """A text to everybody."""
    return sendall_body(Filter.everybody(), TEXT, clientmsgid=clientmsgid)


def lacking(name: str, kind: Callable[..., object]) -> object:
    """An article without this."""
    return kind(**{**NEEDED, name: ""})


MANY = [f"o{number}" for number in range(10_001)]
IDS = ("", "x" * 33, "a b", "编号", "a\n")
NOBODIES = ("", "o1\r", " o1", "o 1", "o1\n", None, ["o1"], ["o1", "o2"])
ODD: list[tuple[str, Callable[..., object], list[Any]]] = [
    *(("filter", Filter.tag, [tag]) for tag in (None, -1, True, "2", 2.0)),
    *(("filter", Filter, [*one]) for one in ((True, 2), (False, None), (None, None), ("false", None), (1, None))),
    *(("mass/send takes", to_some, [to]) for to in ([], ["o1"], ["o1", "o1"], ["o1", ""], "o1", MANY)),
    *(("clientmsgid", to_all, [one]) for one in IDS),
    *(("clientmsgid", to_some, [["o1", "o2"], one]) for one in IDS),
    *(("one person", kind, [name]) for kind in (Openid, Wxname) for name in NOBODIES),
    *((name, lacking, [name, kind]) for kind in (NewsArticle, DraftArticle) for name in NEEDED),
    *(("1 to 8 articles", articles_body, [[NewsArticle(**NEEDED)] * number]) for number in (0, 9)),
    *(("needs", make, [""]) for make in (Content.text, Content.mpnews, Content.voice, Content.mpvideo, Content.wxcard)),
    *(("needs", Content.image, [media_ids]) for media_ids in ([], ["A", ""], "AB")),
    ("one picture", lambda: Content.image(["A", "B"], via="image"), []),
    ("one picture", lambda: Content.image(["A"], via="image", recommend="text"), []),
    ("one picture", lambda: Content.image(["A"], via="image", need_open_comment=True), []),
    ("one picture", lambda: preview_body(Openid("o1"), Content.image(["A", "B"])), []),
    ("card_ext", lambda: preview_body(Openid("o1"), TEXT, card_ext="{}"), []),
]


@pytest.mark.parametrize(("said", "make", "given_to_it"), ODD)
def test_what_wechat_has_no_form_for_is_an_error(
    said: str, make: Callable[..., object], given_to_it: list[Any]
) -> None:
    """What an endpoint cannot carry, or would read otherwise, is refused. Nothing is silently left out."""
    with pytest.raises(ValueError, match=said):
        make(*given_to_it)


@pytest.mark.parametrize(
    ("answer", "previewed"),
    [
        ({"errcode": 0, "errmsg": "preview success", "msg_id": 34182}, Previewed(msg_id=34182)),
        ({"errcode": 0, "errmsg": "preview success"}, Previewed()),
        ({"errcode": 0, "errmsg": "preview success", "msg_id": 0}, Previewed()),
        ({"msg_id": "34182"}, Previewed(msg_id=34182)),
    ],
)
async def test_a_preview_is_out_with_errcode_0(answer: object, previewed: Previewed) -> None:
    """Its msg_id may be missing."""
    wechat = WeChat(answer)
    assert await wechat.account().preview(ACCESS, PREVIEW) == previewed
    (request,) = wechat.requests
    assert request.url.path == "/cgi-bin/message/mass/preview"
    assert json.loads(request.content) == {"touser": "o1", **WIRE}


async def test_a_preview_without_a_success_names_its_person() -> None:
    """Of a hundred people, the error says which one it is about. An empty object is no success."""
    with pytest.raises(MaybeWritten, match="preview to openid o1"):
        await WeChat({}).account().preview(ACCESS, PREVIEW)
    with pytest.raises(Refused, match=r"account demo, preview to WeChat id somebody: .* 40132") as caught:
        await WeChat({"errcode": 40132}).account().preview(ACCESS, preview_body(Wxname("somebody"), TEXT))
    assert caught.value.code.code_class is CodeClass.REFUSED


async def test_a_preview_never_becomes_a_send_or_the_other_way() -> None:
    """The types forbid it, which mypy sees here, and so do the calls. Nothing is written, nor what nobody checked."""
    wechat = WeChat(ACCEPTED)
    account, unchecked = wechat.account(), {"filter": {"is_to_all": True}, "clientmsgid": "c-1"}
    mixed: dict[str, Coroutine[Any, Any, object]] = {  # that mypy sees each is half the test
        "SendallBody, not a PreviewBody": account.sendall(ACCESS, PREVIEW),  # type: ignore[arg-type]
        "SendBody, not a PreviewBody": account.send(ACCESS, PREVIEW),  # type: ignore[arg-type]
        "PreviewBody, not a SendallBody": account.preview(ACCESS, SENDALL),  # type: ignore[arg-type]
        "PreviewBody, not a SendBody": account.preview(ACCESS, SEND),  # type: ignore[arg-type]
        "SendallBody, not a SendBody": account.sendall(ACCESS, SEND),  # type: ignore[arg-type]
        "SendBody, not a SendallBody": account.send(ACCESS, SENDALL),  # type: ignore[arg-type]
        "SendallBody, not a dict": account.sendall(ACCESS, unchecked),  # type: ignore[arg-type]
    }
    for said, call in mixed.items():
        with pytest.raises(TypeError, match=said):
            await call
    with pytest.raises(TypeError, match="Openid or Wxname"):
        preview_body("o1", TEXT)  # type: ignore[arg-type]  # text could be either of the two
    assert wechat.requests == []
