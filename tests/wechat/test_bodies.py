import json
from collections.abc import Callable
from typing import Any

import pytest

from qunfa.wechat import Content, Filter, Openid, Wxname, preview_body, send_body, sendall_body
from qunfa.wechat.articles import DraftArticle, NewsArticle, articles_body
from tests.wechat.conftest import ACCEPTED, WeChat

TAG = '"filter":{"is_to_all":false,"tag_id":2}'
TO = '"touser":["OPENID1","OPENID2"]'
THUMB = "qI6_Ze_6PtV7svjolgs-rN6stStuHIjs9_DidOHaj0Q-mwvBelOXCFZiq2OsIU-p"

MESSAGES = {
    "mpnews": (Content.mpnews("M"), '"mpnews":{"media_id":"M"},"msgtype":"mpnews","send_ignore_reprint":0'),
    "text": (Content.text("CONTENT"), '"text":{"content":"CONTENT"},"msgtype":"text"'),
    "voice": (Content.voice("M"), '"voice":{"media_id":"M"},"msgtype":"voice"'),
    "the image of 2018": (Content.image(["M"], via="image"), '"image":{"media_id":"M"},"msgtype":"image"'),
    "images": (
        Content.image(["A", "B"], recommend="text", need_open_comment=True, only_fans_can_comment=False),
        (
            '"images":{"media_ids":["A","B"],"recommend":"text","need_open_comment":1,"only_fans_can_comment":0},'
            '"msgtype":"image"'
        ),
    ),
    "images and nothing else": (Content.image(["A"]), '"images":{"media_ids":["A"]},"msgtype":"image"'),
    "wxcard": (Content.wxcard("C"), '"wxcard":{"card_id":"C"},"msgtype":"wxcard"'),
}
VIDEO = Content.mpvideo("M", title="TITLE", description="Description")
BARE_VIDEO = Content.mpvideo("M")
TO_TAG = {**MESSAGES, "mpvideo": (VIDEO, '"mpvideo":{"media_id":"M"},"msgtype":"mpvideo"')}
TO_OPENIDS = {
    **MESSAGES,
    "mpvideo": (
        VIDEO,
        '"mpvideo":{"media_id":"M","title":"TITLE","description":"Description"},"msgtype":"mpvideo"',
    ),
    "mpvideo without words": (BARE_VIDEO, '"mpvideo":{"media_id":"M"},"msgtype":"mpvideo"'),
}
CARD_EXT = '{"code":"","openid":"","timestamp":"1402057159","signature":"017bb17407c8e0058a66d72dcc61632b70f511ad"}'
PREVIEWS = {
    "mpnews": (Content.mpnews("M"), '"mpnews":{"media_id":"M"},"msgtype":"mpnews"'),
    "text": (Content.text("CONTENT"), '"text":{"content":"CONTENT"},"msgtype":"text"'),
    "voice": (Content.voice("M"), '"voice":{"media_id":"M"},"msgtype":"voice"'),
    "image": (Content.image(["M"], recommend="text"), '"image":{"media_id":"M"},"msgtype":"image"'),
    "the image of 2018": (Content.image(["M"], via="image"), '"image":{"media_id":"M"},"msgtype":"image"'),
    "mpvideo": (VIDEO, '"mpvideo":{"media_id":"M"},"msgtype":"mpvideo"'),
    "wxcard": (Content.wxcard("C"), '"wxcard":{"card_id":"C"},"msgtype":"wxcard"'),
}


def as_sent(body: object) -> str:
    """Names and order count, blanks do not."""
    return json.dumps(body, ensure_ascii=False, separators=(",", ":"))


@pytest.mark.parametrize(("content", "sample"), TO_TAG.values(), ids=TO_TAG)
def test_to_a_tag_as_on_wechats_page(content: Content, sample: str) -> None:
    """Each type of message goes to `mass/sendall` as WeChat's page shows it, with the clientmsgid at its end."""
    assert as_sent(sendall_body(Filter.tag(2), content, clientmsgid="c-1")) == f'{{{TAG},{sample},"clientmsgid":"c-1"}}'


@pytest.mark.parametrize(("content", "sample"), TO_OPENIDS.values(), ids=TO_OPENIDS)
def test_to_openids_as_on_wechats_page(content: Content, sample: str) -> None:
    """The same to `mass/send`, where alone a video repeats its title and description."""
    body = send_body(["OPENID1", "OPENID2"], content, clientmsgid="c-1")
    assert as_sent(body) == f'{{{TO},{sample},"clientmsgid":"c-1"}}'


@pytest.mark.parametrize(("content", "sample"), PREVIEWS.values(), ids=PREVIEWS)
def test_a_preview_as_on_wechats_page(content: Content, sample: str) -> None:
    """A preview has one receiver, a single `image`, and neither filter, clientmsgid nor anything on reprints."""
    assert as_sent(preview_body(Openid("OPENID"), content)) == f'{{"touser":"OPENID",{sample}}}'
    assert as_sent(preview_body(Wxname("wx-name"), content)) == f'{{"towxname":"wx-name",{sample}}}'


def test_a_cards_preview_as_on_wechats_page() -> None:
    """Only the preview of a card carries `card_ext`, which is JSON as text."""
    body = preview_body(Openid("OPENID"), Content.wxcard("C"), card_ext=CARD_EXT)
    sample = r'{"touser":"OPENID","wxcard":{"card_id":"C","card_ext":"{\"code\":\"\",\"openid\":\"\",'
    sample += r"\"timestamp\":\"1402057159\",\"signature\":\"017bb17407c8e0058a66d72dcc61632b70f511ad\"}"
    assert as_sent(body) == sample + '"},"msgtype":"wxcard"}'


def test_the_body_of_uploadnews_is_as_on_wechats_page() -> None:
    """An article for `media/uploadnews` has its fields in the page's order, and flags are numbers."""
    article = NewsArticle(
        thumb_media_id=THUMB,
        author="xxx",
        title="Happy Day",
        content_source_url="www.qq.com",
        content="content",
        digest="digest",
        show_cover_pic=True,
        need_open_comment=True,
        only_fans_can_comment=True,
    )
    assert as_sent(articles_body([article])) == (
        f'{{"articles":[{{"thumb_media_id":"{THUMB}","author":"xxx","title":"Happy Day",'
        '"content_source_url":"www.qq.com","content":"content","digest":"digest","show_cover_pic":1,'
        '"need_open_comment":1,"only_fans_can_comment":1}]}'
    )


def test_draft_add_as_on_wechats_page() -> None:
    """An article for `draft/add` says its type, and has no `show_cover_pic`."""
    article = DraftArticle(
        title="TITLE",
        author="AUTHOR",
        digest="DIGEST",
        content="<p>…</p>",
        content_source_url="https://…",
        thumb_media_id="PERMANENT_ID",
        need_open_comment=False,
        only_fans_can_comment=False,
        pic_crop_235_1="X1_Y1_X2_Y2",
        pic_crop_1_1="X1_Y1_X2_Y2",
    )
    assert as_sent(articles_body([article])) == (
        '{"articles":[{"article_type":"news","title":"TITLE","author":"AUTHOR","digest":"DIGEST",'
        '"content":"<p>…</p>","content_source_url":"https://…","thumb_media_id":"PERMANENT_ID",'
        '"need_open_comment":0,"only_fans_can_comment":0,"pic_crop_235_1":"X1_Y1_X2_Y2",'
        '"pic_crop_1_1":"X1_Y1_X2_Y2"}]}'
    )


def test_what_an_article_does_not_say_is_left_out() -> None:
    """Only what is set is written: WeChat has its own defaults, such as the digest from the text."""
    news = NewsArticle(thumb_media_id="T", title="t", content="c")
    draft = DraftArticle(thumb_media_id="T", title="t", content="c", author="")
    assert articles_body([news]) == {"articles": [{"thumb_media_id": "T", "title": "t", "content": "c"}]}
    assert articles_body([draft]) == {
        "articles": [{"article_type": "news", "title": "t", "author": "", "content": "c", "thumb_media_id": "T"}]
    }


@pytest.mark.parametrize("article", [NewsArticle, DraftArticle])
@pytest.mark.parametrize("field", ["thumb_media_id", "title", "content"])
def test_an_article_without_what_it_needs_is_an_error(article: Callable[..., object], field: str) -> None:
    """Cover, title and content are demanded here already."""
    with pytest.raises(ValueError, match=field):
        article(**{"thumb_media_id": "T", "title": "t", "content": "c", field: ""})


@pytest.mark.parametrize("number", [0, 9])
def test_a_message_has_up_to_eight_articles(number: int) -> None:
    """No article and nine articles are refused before WeChat sees them."""
    with pytest.raises(ValueError, match="1 to 8 articles"):
        articles_body([NewsArticle(thumb_media_id="T", title="t", content="c")] * number)


@pytest.mark.parametrize(
    "make",
    [
        lambda: Content.voice(""),
        lambda: Content.mpvideo(""),
        lambda: Content.wxcard(""),
        lambda: Content.image([]),
        lambda: Content.image(["A", ""]),
        lambda: Content.image("AB"),
        lambda: Content.image(["A", "B"], via="image"),
        lambda: Content.image(["A"], via="image", recommend="text"),
        lambda: Content.image(["A"], via="image", need_open_comment=True),
        lambda: preview_body(Openid("o1"), Content.image(["A", "B"])),
        lambda: preview_body(Openid("o1"), Content.text("hi"), card_ext="{}"),
    ],
)
def test_what_wechat_has_no_form_for_is_an_error(make: Callable[[], Any]) -> None:
    """What an endpoint cannot carry is refused, and never silently left out."""
    with pytest.raises(ValueError, match=r"needs|one picture|card_ext"):
        make()


@pytest.mark.parametrize("name", ["", "o1\r", " o1", "o 1", "o1\n", None, ["o1"], ["o1", "o2"]])
@pytest.mark.parametrize("person", [Openid, Wxname])
def test_a_preview_goes_to_one_person(person: Callable[[Any], object], name: object) -> None:
    """A list is no person, and a stray line end, which WeChat refuses with 40003, is found here."""
    with pytest.raises(ValueError, match="one person"):
        person(name)


async def test_a_preview_to_a_bare_name_is_an_error() -> None:
    """Text could be either of the two, so it is none."""
    with pytest.raises(TypeError, match="Openid or Wxname"):
        preview_body("o1", Content.text("hi"))  # type: ignore[arg-type]  # that is the point


async def test_the_bytes_of_a_message(token: Any) -> None:
    """What is checked above is what is written."""
    wechat = WeChat(ACCEPTED)
    body = send_body(["OPENID1", "OPENID2"], TO_OPENIDS["mpvideo"][0], clientmsgid="c-1")
    await wechat.account().send(token, body)
    assert wechat.requests[0].content.decode() == f'{{{TO},{TO_OPENIDS["mpvideo"][1]},"clientmsgid":"c-1"}}'
