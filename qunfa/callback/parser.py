"""The event ``MASSSENDJOBFINISH`` out of a push's XML.

What is read follows the samples of WeChat's guide on mass sends and what SDKs have recorded: blocks and counts are
optional, unknown elements are ignored, one bad detail never loses the verdict.
"""

import re
from collections.abc import Callable, Iterator
from typing import Final, TypeVar

from lxml import etree

from qunfa.contract.event import ArticleCheck, Counts, JobFinished
from qunfa.contract.fields import MSG_ID_MAX

EVENT: Final = "MASSSENDJOBFINISH"
ARTICLES_MAX: Final = 64
"""Far more articles than a mass send can have (8); further ones are not read."""

_DIGITS: Final = re.compile(r"[0-9]{1,19}", re.ASCII)
_SMALL_MAX: Final = 2**31 - 1
T = TypeVar("T")


class EventError(Exception):
    """The body is no push that can be read. The message says why and quotes nothing of it."""


def parse_event(body: bytes) -> JobFinished | None:
    """The finished job that a push in plain mode reports; None for every other event and message.

    `counts` is None unless all four of them are readable: a count that is missing is not a zero.

    Raises:
        EventError: The body is not well-formed XML, carries a DOCTYPE, is encrypted, or is a finished job without
            an id or a status.
    """
    root = _parse(body)
    if root.find("MsgType") is None and root.find("Encrypt") is not None:
        raise EventError("the push is encrypted: choose plain mode in WeChat's server configuration")
    if _text(root, "MsgType").casefold() != "event" or _text(root, "Event").casefold() != EVENT.casefold():
        return None
    return JobFinished(
        msg_id=_msg_id(root),
        status=_status(root),
        counts=_counts(root),
        check_state=_small(root, "CopyrightCheckResult/CheckState"),
        articles=_articles(root),
        create_time=_small(root, "CreateTime", MSG_ID_MAX),
        to_user_name=_text(root, "ToUserName") or None,
    )


def _parse(body: bytes) -> etree._Element:
    parser = etree.XMLParser(
        resolve_entities=False,
        no_network=True,
        load_dtd=False,
        dtd_validation=False,
        attribute_defaults=False,
        huge_tree=False,
        remove_comments=True,
        remove_pis=True,
    )
    try:
        root = etree.fromstring(body, parser)
    except etree.XMLSyntaxError as error:
        hint = "; choose XML as data format in WeChat's server configuration" if body.lstrip()[:1] == b"{" else ""
        raise EventError(f"not well-formed XML (line {error.lineno}){hint}") from None
    if root.getroottree().docinfo.internalDTD is not None:
        raise EventError("a DOCTYPE is refused")
    return root


def _text(node: etree._Element, path: str) -> str:
    return (node.findtext(path) or "").strip()


def _number(text: str, most: int) -> int | None:
    return int(text) if _DIGITS.fullmatch(text) and int(text) <= most else None


def _small(node: etree._Element, path: str, most: int = _SMALL_MAX) -> int | None:
    return _number(_text(node, path), most)


def _flag(node: etree._Element, path: str) -> bool | None:
    return {"0": False, "1": True}.get(_text(node, path))


def _msg_id(root: etree._Element) -> int:
    """WeChat writes MsgID in this event and MsgId in messages; both are taken."""
    msg_id = _number(_text(root, "MsgID") or _text(root, "MsgId"), MSG_ID_MAX)
    if not msg_id:
        raise EventError(f"{EVENT} without a usable MsgID")
    return msg_id


def _status(root: etree._Element) -> str:
    status = _text(root, "Status")
    if not status:
        raise EventError(f"{EVENT} without a Status")
    return status


def _counts(root: etree._Element) -> Counts | None:
    total, left, sent, error = (
        _small(root, tag, MSG_ID_MAX) for tag in ("TotalCount", "FilterCount", "SentCount", "ErrorCount")
    )
    if total is None or left is None or sent is None or error is None:
        return None
    return Counts(total=total, filter=left, sent=sent, error=error)


def _articles(root: etree._Element) -> tuple[ArticleCheck, ...]:
    """Checks and addresses, which come in two blocks, joined by the article's index."""
    checks = dict(_items(root, "CopyrightCheckResult", _check))
    urls = dict(_items(root, "ArticleUrlResult", lambda _, item: _text(item, "ArticleUrl") or None))
    indexes = sorted(checks.keys() | urls.keys())[:ARTICLES_MAX]
    return tuple(checks.get(idx, ArticleCheck(idx=idx)).model_copy(update={"url": urls.get(idx)}) for idx in indexes)


def _items(root: etree._Element, block: str, read: Callable[[int, etree._Element], T]) -> Iterator[tuple[int, T]]:
    for item in root.iterfind(f"{block}/ResultList/item"):
        idx = _small(item, "ArticleIdx")
        if idx is not None:
            yield idx, read(idx, item)


def _check(idx: int, item: etree._Element) -> ArticleCheck:
    return ArticleCheck(
        idx=idx,
        user_declare_state=_small(item, "UserDeclareState"),
        audit_state=_small(item, "AuditState"),
        original_url=_text(item, "OriginalArticleUrl") or None,
        original_article_type=_small(item, "OriginalArticleType"),
        can_reprint=_flag(item, "CanReprint"),
        need_replace_content=_flag(item, "NeedReplaceContent"),
        need_show_reprint_source=_flag(item, "NeedShowReprintSource"),
    )
