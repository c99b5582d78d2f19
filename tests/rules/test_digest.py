from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qunfa.contract.request import parse_request
from qunfa.rules.digest import content_digest

TEXT = {"msgtype": "text", "content": "你好 hello"}
PEOPLE = {"kind": "openids", "openids": ["o1", "o2", "o3"]}


def digest(audience: dict[str, Any], message: dict[str, Any] | None = None, **more: Any) -> str:
    """Of a request with this content."""
    asked = {"account": "demo", "key": "k", "audience": audience, "message": message or TEXT, **more}
    return content_digest(parse_request(asked))


@given(st.permutations(["o1", "o2", "o3", "o2"]))
def test_the_order_of_openids_does_not_matter(openids: list[str]) -> None:
    """The same people are the same audience, also with duplicates."""
    assert digest({"kind": "openids", "openids": openids}) == digest(PEOPLE)


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


@given(st.text(min_size=1, max_size=20), st.text(min_size=1, max_size=20))
def test_two_texts_have_one_digest_only_if_they_are_one(first: str, second: str) -> None:
    """Injective in the text, in every script."""
    if first.strip() and second.strip():
        one, two = (digest({"kind": "all"}, {**TEXT, "content": text}) for text in (first, second))
        assert (one == two) == (first == second)


def test_a_digest_never_changes_between_versions() -> None:
    """A restarted send must find its key again."""
    assert digest({"kind": "all"}) == "253a86078321b60718a0aaf436120e9d8db0983f298b49d7fca21da4f0bfa5f1"
