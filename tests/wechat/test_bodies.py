"""What is written, from plain values: who receives it, in which form, and what WeChat has no form for.

Each type of message is held against WeChat's page, to the byte, in `tests/activities/test_writing.py`.
"""

import json
from collections.abc import Callable, Coroutine
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qunfa.contract.audience import All, Openids, Tag
from qunfa.contract.message import Article, ImageMessage, MpnewsMessage, TextMessage
from qunfa.contract.request import PreviewRecipient
from qunfa.contract.steps import Listed
from qunfa.wechat import article_wire, mass_body, preview_body
from tests.wechat.conftest import ACCEPTED, ACCESS, WeChat

TEXT = TextMessage(msgtype="text", content="你好")
WIRE = {"text": {"content": "你好"}, "msgtype": "text"}
ALL = All(kind="all")
SENDALL = mass_body(ALL, TEXT, clientmsgid="c-1")
SEND = mass_body(Openids(kind="openids", openids=("o1", "o2")), TEXT, clientmsgid="c-1")
SOMEBODY = PreviewRecipient(openid="o1")
PREVIEW = preview_body(SOMEBODY, TEXT)
NEWS = MpnewsMessage(msgtype="mpnews", media_id="M")
LISTED = Listed.of(("o1", "o2"))


def pictures(*media_ids: str) -> ImageMessage:
    return ImageMessage.model_validate({"msgtype": "image", "images": [{"media_id": one} for one in media_ids]})


@pytest.mark.parametrize(
    ("body", "sample"),
    [
        *((body, '"text":{"content":"你好"},"msgtype":"text"') for body in (SENDALL, SEND, PREVIEW)),
        (
            preview_body(PreviewRecipient(wxname="w"), pictures("M")),
            '"towxname":"w","image":{"media_id":"M"},"msgtype":"image"',
        ),
    ],
    ids=["sendall", "send", "preview", "picture of 2018"],
)
def test_only_what_is_said_is_written(body: object, sample: str) -> None:
    """What is not set is left out: WeChat has its own defaults, such as the digest from the text."""
    assert sample in json.dumps(body, ensure_ascii=False, separators=(",", ":"))


async def test_articles_are_written_as_they_are_said() -> None:
    """With what WeChat knows of their thumb and pictures. Its drafts do not know `show_cover_pic`."""
    asked = {"title": "t", "content": "<p>p</p>", "thumb": {"uri": "file:/t"}, "author": "", "show_cover_pic": 1}
    articles = [article_wire(Article.model_validate({**asked, "need_open_comment": True}), "c", "T")]
    wechat = WeChat({"media_id": "M"})
    await wechat.account().uploadnews(ACCESS, articles)
    await wechat.account().draft_add(ACCESS, articles)
    news, draft = (json.loads(request.content) for request in wechat.requests)
    flags = {"need_open_comment": 1, "only_fans_can_comment": 0}
    said = {"thumb_media_id": "T", "title": "t", "content": "c", "author": "", **flags}
    assert news == {"articles": [{**said, "show_cover_pic": 1}]}
    assert draft == {"articles": [{"article_type": "news", **said}]}


@given(st.integers(min_value=0, max_value=2**31 - 1))
def test_a_tag_is_never_everybody(tag_id: int) -> None:
    """Whatever its id is, 0 too. Everybody is `is_to_all`, and no tag."""
    body = mass_body(Tag(kind="tag", tag_id=tag_id), TEXT, clientmsgid="c-1")
    assert body == {"filter": {"is_to_all": False, "tag_id": tag_id}, **WIRE, "clientmsgid": "c-1"}
    assert SENDALL == {"filter": {"is_to_all": True}, **WIRE, "clientmsgid": "c-1"}


@given(st.lists(st.text("abcXYZ019_-", min_size=1), min_size=2, max_size=50, unique=True))
def test_openids_are_written_as_they_are(openids: list[str]) -> None:
    """In their order, without a filter. Only articles have a `send_ignore_reprint`."""
    audience = Openids(kind="openids", openids=tuple(openids))
    body = mass_body(audience, TEXT, clientmsgid="c-1", send_ignore_reprint=True)
    assert body == {"touser": openids, **WIRE, "clientmsgid": "c-1"}


@pytest.mark.parametrize(("ignore", "wire"), [(False, 0), (True, 1)])
def test_articles_say_what_to_do_with_reprints(ignore: bool, wire: int) -> None:
    """`send_ignore_reprint` is a number on the wire, and always written for articles."""
    body = mass_body(ALL, NEWS, clientmsgid="c-1", send_ignore_reprint=ignore)
    assert (body["mpnews"], body["msgtype"], body["send_ignore_reprint"]) == ({"media_id": "M"}, "mpnews", wire)


NOBODIES = ("o1\r", " o1", "o 1", "o1\n")
ODD: list[tuple[str, Callable[[Any], object], Any]] = [
    *(
        ("clientmsgid", lambda one: mass_body(ALL, TEXT, clientmsgid=one), one)
        for one in ("", "x" * 33, "a b", "编号", "a\n")
    ),
    *(("one person", lambda name: preview_body(PreviewRecipient(wxname=name), TEXT), name) for name in NOBODIES),
    ("one picture", lambda ids: preview_body(SOMEBODY, pictures(*ids)), "AB"),
]


@pytest.mark.parametrize(("said", "make", "given_to_it"), ODD)
def test_what_wechat_has_no_form_for_is_an_error(said: str, make: Callable[[Any], object], given_to_it: Any) -> None:
    """What an endpoint cannot carry, or would read otherwise, is refused. Nothing is silently left out."""
    with pytest.raises(ValueError, match=said):
        make(given_to_it)


@pytest.mark.parametrize("odd", [None, "all", {"is_to_all": True}, ["o1", "o2"], ALL.model_dump(), LISTED])
def test_an_audience_of_no_kind_is_never_everybody(odd: Any) -> None:
    """There is no default and no fourth way. Openids that are only named are none."""
    with pytest.raises(AssertionError):
        mass_body(odd, TEXT, clientmsgid="c-1")


async def test_a_preview_never_becomes_a_send_or_the_other_way() -> None:
    """The types forbid it, which mypy sees here, and so do the calls. Nothing is written, nor what nobody checked."""
    wechat = WeChat(ACCEPTED)
    account, unchecked = wechat.account(), {"filter": {"is_to_all": True}, "clientmsgid": "c-1"}
    mixed: dict[str, Coroutine[Any, Any, object]] = {  # that mypy sees each is half the test
        "MassBody, not a PreviewBody": account.submit(ACCESS, PREVIEW),  # type: ignore[arg-type]
        "PreviewBody, not a MassBody": account.preview(ACCESS, SEND),  # type: ignore[arg-type]
        "MassBody, not a dict": account.submit(ACCESS, unchecked),  # type: ignore[arg-type]
    }
    for said, call in mixed.items():
        with pytest.raises(TypeError, match=said):
            await call
    assert wechat.requests == []
