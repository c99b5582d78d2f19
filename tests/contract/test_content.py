"""What two requests under one key differ in, before anybody has read what stands at their URIs."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qunfa.contract.content import differing
from qunfa.contract.request import MassSendRequest, parse_request
from qunfa.rules.digest import content_digest

TEXT: dict[str, Any] = {"msgtype": "text", "content": "see https://shop.example/spring"}
ALL: dict[str, Any] = {"kind": "all"}
TAG: dict[str, Any] = {"kind": "tag", "tag_id": 2}
LISTED: dict[str, Any] = {"kind": "openid_file", "uri": "https://lists.example/a?signed=1"}
DIGEST = "d" * 64


def asked(audience: dict[str, Any], message: dict[str, Any] | None = None, **more: Any) -> MassSendRequest:
    """A request."""
    return parse_request({"account": "demo", "key": "k", "audience": audience, "message": message or TEXT, **more})


def article(content: str, thumb: str = "file:/a.jpg") -> dict[str, Any]:
    """A message of one article."""
    return {"msgtype": "mpnews", "articles": [{"title": "春", "content": content, "thumb": {"uri": thumb}}]}


@given(
    st.sampled_from([ALL, TAG, {**TAG, "expect": {"max": 5}}, {"kind": "openids", "openids": ["o1", "o2"]}]),
    st.sampled_from([ALL, TAG, {**TAG, "expect": {"name": "VIP"}}, {"kind": "openids", "openids": ["o2", "o1", "o2"]}]),
    st.sampled_from([TEXT, {**TEXT, "content": "else"}]),
)
def test_content_differs_where_the_ledger_says_so(
    one: dict[str, Any], two: dict[str, Any], message: dict[str, Any]
) -> None:
    """By its digest: the order of openids and what is expected of a tag are no content."""
    ours, theirs = asked(one), asked(two, message)
    assert (not differing(ours, theirs).fields) == (content_digest(ours) == content_digest(theirs))


PARTS: list[dict[str, Any]] = [
    ALL,
    LISTED,
    {"kind": "tags", "any": [100, 9, 101], "all": [7, 8], "none": [3, 20]},
    {"kind": "report", "key": "spring", "states": ["not_submitted", "failed"]},
    {"kind": "openids", "openids": ["o1", "o10", "o2"]},
]


@st.composite
def told_otherwise(draw: st.DrawFn, audience: dict[str, Any]) -> dict[str, Any]:
    """The same audience: each list in any order, with some of it twice."""

    def said(value: Any) -> Any:
        if not isinstance(value, list):
            return value
        items = [draw(told_otherwise(one)) if isinstance(one, dict) else one for one in value]
        return draw(st.permutations([*items, *draw(st.lists(st.sampled_from(items), max_size=2))]))

    return {name: said(value) for name, value in audience.items()}


@given(st.data(), st.sampled_from([*PARTS[2:], {"kind": "several", "of": PARTS[1:], "minus": PARTS}]))
def test_no_order_within_an_audience_is_content(data: st.DataObject, audience: dict[str, Any]) -> None:
    """The same tags, states, openids and parts are the same people: with a new key they would get it twice."""
    ours, theirs = asked(audience), asked(data.draw(told_otherwise(audience)))
    assert differing(ours, theirs) == ((), False)
    assert content_digest(ours) == content_digest(theirs)


@pytest.mark.parametrize("other", [{"any": [100, 9]}, {"all": [7]}, {"none": []}, {"any": [7], "all": [100, 9]}])
def test_other_tags_are_other_content(other: dict[str, Any]) -> None:
    """One less, or elsewhere."""
    ours, theirs = asked(PARTS[2]), asked({**PARTS[2], **other})
    assert differing(ours, theirs) == (("audience",), False)
    assert content_digest(ours) != content_digest(theirs)


def test_parts_of_a_sum_may_be_the_same_in_any_order() -> None:
    """Whatever their URIs and digests sort like."""
    column, plain = {**LISTED, "column": "openid"}, {**LISTED, "sha256": DIGEST}
    elsewhere = [{**plain, "uri": "file:/a"}, {**plain, "uri": "file:/b", "sha256": None}, {**column, "uri": "s3://c"}]
    ours = asked({"kind": "several", "of": [column, plain]})
    assert differing(ours, asked({"kind": "several", "of": elsewhere})) == (("audience",), True)
    assert differing(ours, asked({"kind": "several", "of": elsewhere[:2]})) == (("audience",), False)
    assert differing(ours, asked({"kind": "several", "of": [*elsewhere, ALL]})) == (("audience",), False)


@pytest.mark.parametrize(
    ("one", "two"),
    [
        (asked(LISTED), asked({**LISTED, "uri": "https://lists.example/a?signed=2"})),
        (asked(LISTED), asked({**LISTED, "sha256": DIGEST})),
        (asked({"kind": "several", "of": [ALL], "minus": [LISTED]}),
         asked({"kind": "several", "of": [ALL], "minus": [{**LISTED, "uri": "s3://lists/a"}]})),
        (asked(ALL, article("<p>c</p>")), asked(ALL, article("<p>c</p>", "file:/b.jpg"))),
        (asked(ALL, article("<p><img src='a.png'></p>")), asked(ALL, article('<p><img src="https://x.example/a"></p>'))),
        *((asked(ALL, article(f'<p style="background: url({one}) no-repeat">c</p>')),
           asked(ALL, article(f'<p style="background: url({two}) no-repeat">c</p>')))
          for one, two in (("a.png", "'b.png'"), ("&quot;a.png&quot;", " b.png "), ("'a(1).png'", "'b(2).png'"))),
        (asked(ALL, {"msgtype": "voice", "media": {"uri": "file:/a.mp3"}}),
         asked(ALL, {"msgtype": "voice", "media": {"uri": "file:/b.mp3"}})),
    ],
)  # fmt: skip
def test_the_same_may_stand_at_another_uri(one: MassSendRequest, two: MassSendRequest) -> None:
    """Only who reads it knows."""
    found = differing(one, two)
    assert (len(found.fields), found.in_uris) == (1, True)


@pytest.mark.parametrize(
    ("one", "two", "fields"),
    [
        (asked(ALL), asked(ALL, {**TEXT, "content": "see https://shop.example/summer"}), ("message",)),
        (asked(ALL), asked(TAG), ("audience",)),
        (asked({**LISTED, "sha256": DIGEST}), asked({**LISTED, "sha256": "e" * 64}), ("audience",)),
        (asked(LISTED), asked({**LISTED, "uri": "s3://b", "column": "openid"}), ("audience",)),
        (asked(LISTED), asked({**LISTED, "uri": "s3://b"}, {**TEXT, "content": "else"}), ("audience", "message")),
        (asked(ALL, article("<p>c</p>")), asked(ALL, article("<p>d</p>", "file:/b.jpg")), ("message",)),
        (asked(ALL, article("<p>c</p>")), asked(ALL, {"msgtype": "mpnews", "media_id": "draft"}), ("message",)),
        (asked(LISTED), asked(LISTED, message_b=TEXT, split={"a": 10, "b": 20}), ("message_b", "split")),
    ],
)  # fmt: skip
def test_another_word_or_audience_is_other_content(
    one: MassSendRequest, two: MassSendRequest, fields: tuple[str, ...]
) -> None:
    """Whatever their URIs are; a link in a text is a word of it."""
    assert (differing(one, two), differing(two, one)) == ((fields, False), (fields, False))


def test_times_and_names_are_no_content() -> None:
    """They are other fields."""
    assert differing(asked(ALL), asked(ALL, requested_by="crm", send_at="2026-12-01T09:00:00+08:00")) == ((), False)
