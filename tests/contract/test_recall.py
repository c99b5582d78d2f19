"""Whose article stands at a URL, and what a recall may be asked for."""

from datetime import UTC, datetime
from typing import Any

import pytest
from pydantic import ValidationError

from qunfa.contract.ledger import KeptPush, LedgerView, Pace, Record
from qunfa.contract.recall import RecallRequest, article_at
from qunfa.contract.result import ArticleCheck, Job, JobFinished, Verdict
from tests.contract.test_schema import takes

NOON = datetime(2026, 12, 1, 4, tzinfo=UTC)
LONG = "http://mp.weixin.qq.com/s?__biz=MzA%3D%3D&mid=100&idx={}&sn=abc&chksm=1#rd"
SHORT = "http://mp.weixin.qq.com/s/AbC-{}"


def ledger(*urls: str | None, kept: str = "http://mp.weixin.qq.com/s/elsewhere") -> LedgerView:
    """A ledger with a delivered job of so many articles, and a push of a send that was made elsewhere."""
    articles = tuple(ArticleCheck(idx=number, url=url) for number, url in enumerate(urls, start=1))
    verdict = Verdict(status="send success", observed_by="push", articles=articles)
    others = (
        Job(clientmsgid="c", generation=0, msg_id=6, verdict=Verdict(status="err(40001)", observed_by="push")),
        Job(clientmsgid="c", generation=1, msg_id=7, verdict=verdict),
    )
    record = Record(key="k", digest="d", workflow_id="mass-send:demo:k", jobs=others, touched_at=NOON)
    event = JobFinished(msg_id=9, status="send success", articles=(ArticleCheck(idx=1, url=kept),))
    return LedgerView(
        appid="wx",
        since=NOON,
        records=(record,),
        lease=None,
        pace=Pace(),
        frozen=None,
        kept=(KeptPush(event=event, at=NOON),),
        book={},
    )


@pytest.mark.parametrize(
    "url",
    [
        LONG.format(2),
        LONG.format(2).replace("http:", "https:").removesuffix("#rd"),
        LONG.format(2).replace("&", "&amp;"),
        "https://mp.weixin.qq.com/s?sn=abc&idx=2&mid=100&__biz=MzA==&scene=21#wechat_redirect",
    ],
)
def test_an_article_is_known_by_what_names_it(url: str) -> None:
    """However somebody came by its address."""
    found = article_at(ledger(LONG.format(1), LONG.format(2)), url)
    assert found is not None
    assert (found.msg_id, found.article_idx, found.record and found.record.key) == (7, 2, "k")


def test_a_short_address_is_known_by_its_path() -> None:
    """Letter for letter."""
    known = ledger(SHORT.format(1), SHORT.format(2))
    found = article_at(known, SHORT.format(2).replace("http:", "https:") + "?scene=1#rd")
    assert (found and found.article_idx) == 2
    assert article_at(known, SHORT.format(2).lower()) is None


@pytest.mark.parametrize("url", [LONG.format(3), SHORT.format(1), LONG.format(1).replace("sn=abc", "sn=abd")])
def test_another_article_is_not_taken_for_it(url: str) -> None:
    """A wrong one would be recalled."""
    assert article_at(ledger(LONG.format(1), LONG.format(2), None), url) is None


def test_an_article_of_a_send_that_was_made_elsewhere() -> None:
    """Its push tells its msg_id."""
    found = article_at(ledger(SHORT.format(1)), "https://mp.weixin.qq.com/s/elsewhere")
    assert found is not None
    assert (found.msg_id, found.article_idx, found.record) == (9, 1, None)


def test_whatever_a_push_has_held_does_no_harm() -> None:
    """It is not always a URL."""
    assert article_at(ledger("http://[", "", "你好", kept="http://["), SHORT.format(1)) is None


@pytest.mark.parametrize(
    "url",
    [
        "https://example.com/s/a", "https://mp.weixin.qq.com.example.com/s/a", "https://mp.weixin.qq.com/mp/profile",
        "ftp://mp.weixin.qq.com/s/a", "https://mp.weixin.qq.com/s/a b", "https://mp.weixin.qq.com/s/a\n", "http://[",
        "",
    ],
)  # fmt: skip
def test_what_is_no_address_of_an_article_is_refused(url: str) -> None:
    """Before WeChat is asked."""
    with pytest.raises(ValidationError):
        RecallRequest(account="demo", url=url, by="li", reason="r")


@pytest.mark.parametrize("more", [{"msg_id": 7, "colour": "red"}, {"msg_id": "7"}, {"msg_id": 7, "article_idx": 9}])
def test_the_schema_refuses_what_the_parser_refuses(more: dict[str, Any]) -> None:
    """And takes what it takes."""
    asked = {"account": "demo", "by": "li", "reason": "r"}
    assert takes("RecallMassSend", {**asked, "msg_id": 7, "article_idx": 2})
    assert not takes("RecallMassSend", {**asked, **more})
