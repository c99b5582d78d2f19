"""The event MASSSENDJOBFINISH as WeChat writes it: XML in the current form, with all blocks."""

from __future__ import annotations

from collections.abc import Iterable

from pydantic import BaseModel

from qunfa.simulator.plans import STRICT, CopyrightItem, Counts

_URL_FIELDS = {"OriginalArticleUrl"}


class Event(BaseModel):
    """What the event says; `sender` is its FromUserName, `create_time` in seconds."""

    model_config = STRICT

    original_id: str
    sender: str
    create_time: int
    msg_id: int
    status: str
    counts: Counts = Counts()
    check_state: int = 0
    copyright: tuple[CopyrightItem, ...] = ()
    article_urls: tuple[str, ...] = ()


def event_xml(event: Event) -> str:
    """The body of a push."""
    counts = event.counts
    return (
        "<xml>"
        f"<ToUserName>{_cdata(event.original_id)}</ToUserName>"
        f"<FromUserName>{_cdata(event.sender)}</FromUserName>"
        f"<CreateTime>{event.create_time}</CreateTime>"
        f"<MsgType>{_cdata('event')}</MsgType>"
        f"<Event>{_cdata('MASSSENDJOBFINISH')}</Event>"
        f"<MsgID>{event.msg_id}</MsgID>"
        f"<Status>{_cdata(event.status)}</Status>"
        f"<TotalCount>{counts.total}</TotalCount>"
        f"<FilterCount>{counts.filter}</FilterCount>"
        f"<SentCount>{counts.sent}</SentCount>"
        f"<ErrorCount>{counts.error}</ErrorCount>"
        f"<CopyrightCheckResult>{_results(_copyright(item) for item in event.copyright)}"
        f"<CheckState>{event.check_state}</CheckState></CopyrightCheckResult>"
        f"<ArticleUrlResult>{_results(_article(index, url) for index, url in enumerate(event.article_urls, 1))}"
        "</ArticleUrlResult>"
        "</xml>"
    )


def _results(items: Iterable[str]) -> str:
    listed = [f"<item>{item}</item>" for item in items]
    return f"<Count>{len(listed)}</Count><ResultList>{''.join(listed)}</ResultList>"


def _copyright(item: CopyrightItem) -> str:
    return "".join(
        f"<{name}>{_cdata(value) if name in _URL_FIELDS else value}</{name}>"
        for name, value in item.model_dump().items()
    )


def _article(index: int, url: str) -> str:
    return f"<ArticleIdx>{index}</ArticleIdx><ArticleUrl>{_cdata(url)}</ArticleUrl>"


def _cdata(text: str) -> str:
    return f"<![CDATA[{text.replace(']]>', ']]]]><![CDATA[>')}]]>"
