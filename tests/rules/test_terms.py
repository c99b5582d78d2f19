"""What a request is refused for before anything of it is made or sent."""

from datetime import timedelta
from typing import Any, Final

import pytest

from qunfa.contract.message import ImageVia, NewsVia, Source
from qunfa.contract.request import MassSendRequest, parse_request
from qunfa.contract.steps import AccountFacts
from qunfa.rules.terms import is_sent_once, not_by_itself, not_kept, not_through, of_account, of_form, terms, warnings
from tests.rules.arbitrary import NOON

TEXT: Final = {"msgtype": "text", "content": "你好"}
DRAFT: Final = {"msgtype": "mpnews", "media_id": "d"}
ARTICLES: Final = {"msgtype": "mpnews", "articles": [{"title": "t", "content": "c", "thumb": {"media_id": "T"}}]}
FILE: Final = {"kind": "openid_file", "uri": "file:/srv/lists/spring.txt"}
SPLIT: Final[dict[str, Any]] = {"split": {"a": 10, "b": 10}, "audience": FILE}
PREVIEW: Final = {"to": [{"openid": "boss"}]}


def request(**more: Any) -> MassSendRequest:
    return parse_request({"account": "demo", "key": "spring", "audience": {"kind": "all"}, "message": TEXT, **more})


def facts(**more: Any) -> AccountFacts:
    return AccountFacts(name="demo", appid="wx", base_url="https://x.test", **more)


def pictures(number: int) -> dict[str, Any]:
    return {"msgtype": "image", "images": [{"media_id": "a"}] * number}


@pytest.mark.parametrize(
    ("more", "refused"),
    [
        ({"message": pictures(3)}, []),
        ({"message": pictures(1), "preview": PREVIEW}, []),
        ({"message": pictures(3), "preview": PREVIEW}, ["message.images: a preview shows one picture"]),
        ({"message_b": pictures(2), "preview": PREVIEW, **SPLIT}, ["message_b: message.images: a preview shows one"]),
    ],
)
def test_a_preview_of_several_pictures_is_refused(more: dict[str, Any], refused: list[str]) -> None:
    """WeChat previews one picture, and a send whose preview fails goes on: nobody would have seen it."""
    found = terms(request(**more), NOON)
    assert [said[: len(begin)] for said, begin in zip(found, refused, strict=True)] == refused


def test_the_form_of_2018_has_room_for_one_picture() -> None:
    """And for nothing beside it. Who is refused reads of which account that is."""
    asked = request(message={**pictures(2), "recommend": "看"})
    found = of_form(asked.message, facts(image_via="image"))
    assert [one.partition(" sends pictures")[0] for one in found] == [
        "message.images: account demo", "message.recommend: account demo"
    ]  # fmt: skip
    assert of_form(asked.message, facts(image_via="images")) == []


@pytest.mark.parametrize(
    ("audience", "refused"),
    [
        ({"kind": "all"}, False),
        ({"kind": "tag", "tag_id": 2}, False),
        ({"kind": "batch", "key": "k", "plan": "a" * 64, "number": 1, "of": 2, "openids": 2}, False),
        ({"kind": "openids", "openids": ["a", "b"]}, True),
        ({"kind": "tags", "any": [2]}, True),
        (FILE, True),
    ],
)
def test_a_subscription_account_sends_to_no_list(audience: dict[str, Any], refused: bool) -> None:
    """WeChat always answers 48001 there. A batch was judged with its whole."""
    said = [one.partition(":")[0] for one in of_account(request(audience=audience), facts(kind="subscription"))]
    assert said == ["audience.kind"] * refused
    assert of_account(request(audience=audience), facts()) == []


@pytest.mark.parametrize(
    ("more", "once"),
    [({"message": DRAFT}, True), ({"message_b": DRAFT, **SPLIT}, True), ({"message": ARTICLES}, False), ({}, False)],
)
def test_a_draft_that_wechat_holds_is_sent_once(more: dict[str, Any], once: bool) -> None:
    """It dies with its first delivery. Material of `uploadnews` does not."""
    assert is_sent_once(request(**more), facts()) is once
    assert not is_sent_once(request(**more), facts(news_via="uploadnews"))


@pytest.mark.parametrize(
    ("length", "news_via", "warned"), [(32, "draft", False), (33, "draft", True), (33, "uploadnews", False)]
)
def test_a_long_title_of_a_draft_is_warned_of(length: int, news_via: NewsVia, warned: bool) -> None:
    """WeChat's page on drafts says 32 characters, and older pages 64."""
    article = {"title": "题" * length, "content": "c", "thumb": {"media_id": "T"}}
    asked = request(message={"msgtype": "mpnews", "articles": [article]})
    found = warnings(asked, (), facts(news_via=news_via))
    said = "message.articles[0].title: has 33 characters; WeChat may refuse more than 32 (45003)"
    assert found == [said] * warned


@pytest.mark.parametrize(
    ("size", "fit", "warned"), [(2_000_000, False, False), (2_000_001, False, True), (2_000_001, True, False)]
)
def test_a_big_picture_is_warned_of(size: int, fit: bool, warned: bool) -> None:
    """WeChat's page says 10 MB, and 2 MB in a note. One that is made smaller needs no word."""
    source = Source(place="message.images[0]", uri="file:/a.png", use="image", sha256="a" * 64, size=size, fit=fit)
    found = warnings(request(message={**pictures(1), "recommend": "看"}), (source,), facts())
    assert [one.partition(";")[0] for one in found] == ["message.images[0]: has 2,000,001 bytes"] * warned


@pytest.mark.parametrize(("content", "warned"), [("x" * 2048, False), ("字" * 683, True)])
def test_a_text_that_wechat_may_find_too_long_is_warned_of(content: str, warned: bool) -> None:
    """No page names a limit of it. More than 2,048 bytes were too many for customer service."""
    found = warnings(request(message={"msgtype": "text", "content": content}), (), facts())
    assert found == ["message.content: has 2,049 bytes; WeChat may refuse more than 2,048 (45002)"] * warned


@pytest.mark.parametrize(
    ("recommend", "image_via", "warned"),
    [(None, "images", True), ("", "images", True), ("看", "images", False), (None, "image", False)],
)
def test_pictures_without_words_are_warned_of(recommend: str | None, image_via: ImageVia, warned: bool) -> None:
    """WeChat writes some itself. The form of 2018 has no words at all."""
    found = warnings(request(message={**pictures(2), "recommend": recommend}), (), facts(image_via=image_via))
    assert found == ["message.recommend: there is none, so WeChat adds its own words: 分享图片"] * warned


@pytest.mark.parametrize(
    ("more", "lacks"), [({}, "recommend"), ({"only_fans_can_comment": True}, "recommend, only_fans_can_comment")]
)
def test_what_a_preview_leaves_out_is_warned_of(more: dict[str, Any], lacks: str) -> None:
    """It has the form of 2018. Without a preview there is nothing to tell."""
    message = {**pictures(1), "recommend": "看", **more}
    assert warnings(request(message=message, preview=PREVIEW), (), facts()) == [
        f"preview: shows the picture without {lacks}"
    ]
    assert warnings(request(message=message), (), facts()) == []


@pytest.mark.parametrize(
    ("audience", "warned"),
    [
        ({"kind": "all"}, False),
        ({"kind": "tag", "tag_id": 2}, False),
        ({"kind": "openids", "openids": ["a", "b"]}, True),
        ({"kind": "tags", "any": [2]}, True),
        ({"kind": "several", "of": [FILE]}, True),
    ],
)
@pytest.mark.parametrize("message", [DRAFT, ARTICLES, TEXT], ids="-".join)
def test_articles_to_a_list_are_warned_of(message: dict[str, Any], audience: dict[str, Any], warned: bool) -> None:
    """WeChat shows them as temporary links."""
    found = warnings(request(message=message, audience=audience), (), facts())
    said = "message.msgtype: WeChat shows articles that go to a list as temporary links; nothing changes that"
    assert found == [said] * (warned and message is not TEXT)


DAY = timedelta(days=1)
GIVEN = {"media_id": "given"}
THUMBED = {"msgtype": "mpnews", "articles": [{"title": "t", "content": "<p>c</p>", "thumb": GIVEN}]}


@pytest.mark.parametrize(
    ("message", "via", "places"),
    [
        ({"msgtype": "voice", "media": GIVEN}, "draft", ["message.media"]),
        ({"msgtype": "mpvideo", "media": GIVEN, "title": "t"}, "draft", ["message.media"]),
        (
            {**pictures(1), "images": [{"uri": "file:/a"}, GIVEN, GIVEN]},
            "draft",
            ["message.images[1]", "message.images[2]"],
        ),
        ({"msgtype": "mpnews", **GIVEN}, "uploadnews", ["message.media_id"]),
        (THUMBED, "uploadnews", ["message.articles[0].thumb"]),
        ({"msgtype": "mpnews", **GIVEN}, "draft", []),
        (THUMBED, "draft", []),
        ({**pictures(1), "images": [{"uri": "file:/a"}]}, "draft", []),
        (TEXT, "draft", []),
    ],
)
def test_an_id_that_may_be_dead_by_then_is_warned_of(message: dict[str, Any], via: str, places: list[str]) -> None:
    """A temporary one lives for three days; a draft, and the cover of one, stay."""
    asked, pinned = request(message=message), facts(news_via=via)
    assert [one.partition(":")[0] for one in not_kept(asked, pinned, NOON, NOON + 4 * DAY)] == places
    assert not_kept(asked, pinned, NOON, NOON + 3 * DAY) == not_kept(asked, pinned, NOON, None) == []


FAILS: dict[str, Any] = {"on_problem": "fail"}
GOES_ON: dict[str, Any] = {"on_batch_problem": "continue"}


@pytest.mark.parametrize(
    ("quota", "hours", "ends_at", "more", "told"),
    [
        ("ask", None, DAY, {}, "a person is asked"),
        ("ask", None, DAY, FAILS, "what is left of it fails"),
        ("ask", None, DAY, GOES_ON, "what is left of it fails"),
        ("ask", None, timedelta(hours=11), {}, None),
        ("ask", ("08:00", "11:00"), timedelta(hours=22), {}, None),
        ("ask", None, None, {}, None),
        ("wait", None, DAY, {}, None),
    ],
)
def test_a_list_that_waits_for_no_quota_is_warned_of(
    quota: str, hours: tuple[str, str] | None, ends_at: timedelta | None, more: dict[str, Any], told: str | None
) -> None:
    """It takes more than a day, and nothing of it goes on by itself the next day."""
    pinned = facts(quota=quota, send_hours=hours)
    found = not_by_itself(request(audience=FILE, **more), pinned, NOON, NOON + ends_at if ends_at else None)
    assert [one.rpartition("used up, ")[2] for one in found] == [told] * (told is not None)


@pytest.mark.parametrize(
    ("not_after", "hours", "ends_at", "told"),
    [
        (timedelta(hours=1), None, timedelta(hours=2), "2026-12-01 13:00:00+08:00"),
        (timedelta(hours=2), ("08:00", "12:30"), timedelta(hours=1), "2026-12-01 12:30:00+08:00"),
        (timedelta(hours=2), None, timedelta(hours=2), None),
        (timedelta(hours=2), None, None, None),
        (None, None, timedelta(days=9), None),
    ],
)
def test_a_list_that_is_not_through_in_time_is_warned_of(
    not_after: timedelta | None, hours: tuple[str, str] | None, ends_at: timedelta | None, told: str | None
) -> None:
    """By the last of the account's hours before that time, too."""
    asked = request(audience=FILE, **{"not_after": NOON + not_after} if not_after else {})
    found = not_through(asked, facts(send_hours=hours), NOON + ends_at if ends_at else None)
    assert [one.partition("left of it at ")[2] for one in found] == [f"{told} is not sent"] * (told is not None)
