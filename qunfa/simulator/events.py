"""The event MASSSENDJOBFINISH as WeChat writes it: in the current form, with all blocks."""

from __future__ import annotations

from collections.abc import Sequence

from pydantic import BaseModel

from qunfa.simulator.documents import Fields, Value
from qunfa.simulator.plans import STRICT, CopyrightItem, Counts


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


def event_fields(event: Event) -> Fields:
    """Everything in the body of a push, in WeChat's order."""
    articles: list[Value] = [
        {"ArticleIdx": index, "ArticleUrl": url} for index, url in enumerate(event.article_urls, 1)
    ]
    return {
        "ToUserName": event.original_id,
        "FromUserName": event.sender,
        "CreateTime": event.create_time,
        "MsgType": "event",
        "Event": "MASSSENDJOBFINISH",
        "MsgID": event.msg_id,
        "Status": event.status,
        "TotalCount": event.counts.total,
        "FilterCount": event.counts.filter,
        "SentCount": event.counts.sent,
        "ErrorCount": event.counts.error,
        "CopyrightCheckResult": {
            **_results([item.model_dump() for item in event.copyright]),
            "CheckState": event.check_state,
        },
        "ArticleUrlResult": _results(articles),
    }


def _results(items: Sequence[Value]) -> dict[str, Value]:
    return {"Count": len(items), "ResultList": items}
