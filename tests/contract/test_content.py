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


@pytest.mark.parametrize(
    ("one", "two"),
    [
        (asked(LISTED), asked({**LISTED, "uri": "https://lists.example/a?signed=2"})),
        (asked(LISTED), asked({**LISTED, "sha256": DIGEST})),
        (asked({"kind": "several", "of": [ALL], "minus": [LISTED]}),
         asked({"kind": "several", "of": [ALL], "minus": [{**LISTED, "uri": "s3://lists/a"}]})),
        (asked(ALL, article("<p>c</p>")), asked(ALL, article("<p>c</p>", "file:/b.jpg"))),
        (asked(ALL, article("<p><img src='a.png'></p>")), asked(ALL, article('<p><img src="https://x.example/a"></p>'))),
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
