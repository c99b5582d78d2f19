"""What a key stands for, and by what WeChat knows its submissions: neither changes between versions."""

import re
from typing import Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qunfa.contract.audience import AnyAudience
from qunfa.contract.fields import GENERATIONS_MAX
from qunfa.contract.message import Material, Message, Source, Use
from qunfa.contract.request import MassSendRequest, parse_request
from qunfa.rules.digest import clientmsgid, content_digest, digest_at_once, digest_of_all

TEXT: dict[str, Any] = {"msgtype": "text", "content": "你好 hello"}
THUMB = {"uri": "file:/srv/cover.jpg"}
NEWS: dict[str, Any] = {
    "msgtype": "mpnews",
    "articles": [{"title": title, "content": "<p>c</p>", "thumb": THUMB} for title in ("first", "second")],
}
IMAGES: dict[str, Any] = {"msgtype": "image", "images": [{"uri": "file:/srv/a.png"}, {"media_id": "there"}]}
AUDIENCES = {get_args(one.model_fields["kind"].annotation)[0] for one in get_args(AnyAudience)}
MESSAGES = {get_args(one.model_fields["msgtype"].annotation)[0] for one in get_args(get_args(Message)[0])}
PEOPLE = {"kind": "openids", "openids": ["o1", "o2", "o3"]}


def digest(audience: dict[str, Any], message: dict[str, Any] | None = None, **more: Any) -> str:
    """Of a request with this content."""
    asked = {"account": "demo", "key": "k", "audience": audience, "message": message or TEXT, **more}
    return content_digest(parse_request(asked))


@given(st.permutations(["o1", "o2", "o3", "o2"]))
def test_the_order_of_openids_does_not_matter(openids: list[str]) -> None:
    """The same people are the same audience, also with duplicates."""
    people = {"kind": "openids", "openids": openids}
    assert digest(people) == digest(PEOPLE)
    several = {"kind": "several", "of": [{"kind": "all"}, people], "minus": [people]}
    assert digest(several) == digest({**several, "of": [{"kind": "all"}, PEOPLE], "minus": [PEOPLE]})


@pytest.mark.parametrize(
    "more",
    [
        {"key": "other"},
        {"account": "another"},
        {"send_at": "2026-12-01T09:00:00+08:00", "not_after": "2026-12-01T21:00:00+08:00"},
        {"requested_by": "crm"},
        {"send_ignore_reprint": 1},
        {"on_problem": "fail", "decision_timeout": "PT1H", "result": {"push_timeout": 5}},
        {"approval": {"required": False}},
    ],
)
def test_how_and_when_it_is_sent_does_not_matter(more: dict[str, Any]) -> None:
    """Only audience and message are content."""
    assert digest({"kind": "all"}, **more) == digest({"kind": "all"})


def test_what_is_expected_of_a_tag_does_not_matter() -> None:
    """It is a check, not an audience."""
    tag = {"kind": "tag", "tag_id": 2}
    assert digest({**tag, "expect": {"name": "VIP", "max": 5}}) == digest(tag)


def test_any_change_of_content_is_other_content() -> None:
    """Another audience, or one character of the text."""
    found = [
        digest({"kind": "all"}),
        digest({"kind": "all"}, {**TEXT, "content": "你好 hello "}),
        digest({"kind": "all"}, {**TEXT, "content": "你好 Hello"}),
        digest({"kind": "tag", "tag_id": 0}),
        digest({"kind": "tag", "tag_id": 2}),
        digest(PEOPLE),
        digest({"kind": "openids", "openids": ["o1", "o2"]}),
        digest({"kind": "openids", "openids": ["o1", "o2", "o4"]}),
    ]
    assert len(set(found)) == len(found)


WORDS = st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=20)


@given(WORDS, WORDS)
def test_two_texts_have_one_digest_only_if_they_are_one(first: str, second: str) -> None:
    """Injective in the text, in every script."""
    if first.strip() and second.strip():
        one, two = (digest({"kind": "all"}, {**TEXT, "content": text}) for text in (first, second))
        assert (one == two) == (first == second)


def test_a_digest_never_changes_between_versions() -> None:
    """A restarted send must find its key again."""
    asked = {"account": "demo", "key": "k", "audience": {"kind": "all"}, "message": TEXT}
    assert digest_at_once(parse_request(asked)) == digest({"kind": "all"})
    assert digest({"kind": "all"}) == "253a86078321b60718a0aaf436120e9d8db0983f298b49d7fca21da4f0bfa5f1"


def of_sources(
    message: dict[str, Any], found: dict[str, str], contents: str = "", use: Use = "cover", uri: str = "file:/srv/x"
) -> str:
    """Of a message to all whose sources had these SHA-256, each one letter, as had the contents of its articles."""
    sources = tuple(Source(place=place, uri=uri, use=use, sha256=one * 64, size=1) for place, one in found.items())
    material = Material(sources=sources, contents=tuple(one * 64 for one in contents))
    asked = {"account": "demo", "key": "k", "audience": {"kind": "all"}, "message": message}
    return content_digest(parse_request(asked), material)


COVERS = {"message.articles[0].thumb": "a", "message.articles[1].thumb": "b"}


def test_what_stands_at_a_source_is_content_and_where_it_is_not() -> None:
    """The same pictures from another place are the same; another picture, or another order of two, is not."""
    elsewhere = {**NEWS, "articles": [{**one, "thumb": {"uri": "file:/b.jpg"}} for one in NEWS["articles"]]}
    same = of_sources(NEWS, COVERS, "cd")
    assert of_sources(elsewhere, COVERS, "cd", uri="file:/b.jpg") == same
    assert of_sources(NEWS, {**COVERS, "message.articles[1].thumb": "e"}, "cd") != same
    assert of_sources(NEWS, dict(zip(COVERS, "ba", strict=True)), "cd") != same


def test_what_an_article_says_is_content() -> None:
    """By the digest that its look at the pictures has told, and not by the text that names their places."""
    rewritten = {**NEWS, "articles": [{**one, "content": "<p>d</p>"} for one in NEWS["articles"]]}
    same = of_sources(NEWS, COVERS, "cd")
    assert of_sources(rewritten, COVERS, "cd") == same
    assert of_sources(NEWS, COVERS, "dc") != same
    assert of_sources({**NEWS, "articles": NEWS["articles"][::-1]}, COVERS, "cd") != same


def test_a_picture_within_an_article_counts_with_its_content() -> None:
    """It has the content's place, and would stand for all of it."""
    both = {**COVERS, "message.articles[0].content": "f"}
    plain = of_sources(NEWS, both, "cd", use="picture")
    assert plain == of_sources(NEWS, {**both, "message.articles[0].content": "e"}, "cd", use="picture")
    assert plain != of_sources(NEWS, both, "ce", use="picture")


def test_each_of_several_images_is_content() -> None:
    """Found or named."""
    same = of_sources(IMAGES, {"message.images[0]": "a"}, use="image")
    assert of_sources(IMAGES, {"message.images[0]": "b"}, use="image") != same
    named = {**IMAGES, "images": [IMAGES["images"][0], {"media_id": "other"}]}
    assert of_sources(named, {"message.images[0]": "a"}, use="image") != same


def test_sources_that_were_not_read_have_no_digest() -> None:
    """Nobody knows what would be sent."""
    asked = {"account": "demo", "key": "k", "audience": {"kind": "all"}, "message": NEWS}
    assert digest_at_once(parse_request(asked)) == ""
    with pytest.raises(ValueError, match="the sources of the message were not read"):
        content_digest(parse_request(asked))
    with pytest.raises(ValueError, match="argument"):
        of_sources(NEWS, COVERS, "c")


def test_a_digest_of_sources_never_changes_either() -> None:
    """A restarted send finds its key again."""
    assert of_sources(NEWS, COVERS, "cd")[:16] == "961676849d1252d4"
    assert of_sources(IMAGES, {"message.images[0]": "a"}, use="image")[:16] == "9c5b989c3f3f0fd9"


FILE = {"kind": "openid_file", "uri": "file:/srv/o.csv", "column": "openid"}
TAGS = {"kind": "tags", "any": [2, 3], "none": [4]}
OF_EACH: dict[str, tuple[dict[str, Any], str]] = {
    "all": ({}, "253a86078321b607"),
    "tag": ({"tag_id": 2, "expect": {"max": 5}}, "2fc9937c498d5500"),
    "openids": ({"openids": ["o1", "o2"]}, "cf11a23a9bcf004a"),
    "openid_file": (FILE, "bf1361626225af12"),
    "tags": (TAGS, "523d4d90245529ed"),
    "report": ({"key": "spring", "states": ["failed"]}, "fd799d47c4f82570"),
    "several": (
        {"of": [{"kind": "all"}, TAGS, FILE], "minus": [PEOPLE, {"kind": "report", "key": "spring"}]},
        "b432e3e415602f59",
    ),
    "batch": (
        {"key": "spring", "plan": "d" * 64, "number": 1, "of": 2, "openids": 9, "retried": True},
        "cc902276db3bb383",
    ),
    "text": ({"content": "你好"}, "34973b16e132ca59"),
    "mpnews": (
        {"articles": [{"title": "t", "content": "<p>c</p>", "thumb": {"uri": "file:/a.jpg"}}]},
        "73664176ddaa8d6a",
    ),
    "image": ({"images": [{"media_id": "m"}], "recommend": "look"}, "65bb2031112e551b"),
    "voice": ({"media": {"media_id": "m"}}, "b958a3234e790ed0"),
    "mpvideo": ({"media": {"media_id": "m"}, "title": "t"}, "a1936bfcc4f9876e"),
    "wxcard": ({"card_id": "c"}, "331d9ee9fa1e8405"),
}


@pytest.mark.parametrize("kind", OF_EACH)
def test_a_later_field_leaves_each_digest_as_it_is(kind: str) -> None:
    """Else a key that is started again stands for other content, and who takes a new one sends it twice.

    So a field that is added to one of these is left out of its digest where it has its default.
    """
    content, pinned = OF_EACH[kind]
    audience, message = (
        ({"kind": kind, **content}, TEXT) if kind in AUDIENCES else (PEOPLE, {"msgtype": kind, **content})
    )
    asked = {"account": "demo", "key": "k", "audience": audience, "message": message}
    found = Source(place="message.articles[0].thumb", uri="file:/a.jpg", use="cover", sha256="a" * 64, size=1)
    material = Material(sources=(found,), contents=("b" * 64,)) if kind == "mpnews" else Material()
    assert content_digest(MassSendRequest.model_validate(asked), material)[:16] == pinned


def test_each_kind_of_content_has_its_digest_pinned() -> None:
    """A new audience or message has to be among them."""
    assert {*OF_EACH} == {*AUDIENCES, *MESSAGES}


def test_a_split_test_has_the_digest_of_both_messages() -> None:
    """And of its shares, in their order: neither may change under a key. Without one there is a single message."""
    asked = {"account": "demo", "key": "k", "audience": {"kind": "openid_file", "uri": "file:/o.txt"}, "message": TEXT}
    halves, most = (parse_request({**asked, "message_b": TEXT, "split": {"a": a, "b": 50}}) for a in (50, 30))
    found = [digest_of_all(*one) for one in ((halves, "de"), (halves, "ed"), (halves, "df"), (most, "de"))]
    assert len(set(found)) == len(found)
    assert found[0][:12] == "8aa46fa72c50"
    assert digest_of_all(parse_request(asked), "d") == "d"


identities = st.tuples(
    st.sampled_from(["default", "prod", "pro", "prodw"]),
    st.sampled_from(["wx1", "wx11", "w", "wx"]),
    st.text("ab.-_", min_size=1, max_size=64),
    st.integers(0, GENERATIONS_MAX - 1),
)


def test_a_clientmsgid_never_changes_between_versions() -> None:
    """A worker of another version must repeat a try under the same id."""
    assert clientmsgid("default", "wx0123456789abcdef", "spring-sale-2026", 0) == "e7cc9a796a789ea67733-0000-00"


@given(identities)
def test_wechat_takes_it(identity: tuple[str, str, str, int]) -> None:
    """At most 32 characters of a plain alphabet."""
    assert re.fullmatch(r"[A-Za-z0-9_-]{1,32}", clientmsgid(*identity))


@given(st.lists(identities, min_size=2, max_size=40, unique=True))
def test_no_two_jobs_share_one(found: list[tuple[str, str, str, int]]) -> None:
    """Another namespace, account, key or generation is another id."""
    assert len({clientmsgid(*identity) for identity in found}) == len(found)


@pytest.mark.parametrize("generation", [-1, GENERATIONS_MAX])
def test_there_is_none_beyond_its_digits(generation: int) -> None:
    """Rather no submission than one under another's id."""
    with pytest.raises(ValueError, match="no clientmsgid for generation"):
        clientmsgid("default", "wx", "k", generation)
