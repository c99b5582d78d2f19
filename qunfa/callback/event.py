"""The event `MASSSENDJOBFINISH` out of a push: how a mass send ended.

What is read follows WeChat's guide on mass sends and what SDKs have recorded. Blocks and counts are optional. One bad
detail never loses the verdict. What is not understood is kept as it came.
"""

import json
from collections.abc import Callable, Mapping
from typing import Any, Final

from qunfa.callback.document import EncryptedError, EventError, read_document
from qunfa.contract.fields import MSG_ID_MAX
from qunfa.contract.result import JobFinished

EVENT: Final = "MASSSENDJOBFINISH"
TEXT_MAX: Final = 256
ARTICLES_MAX: Final = 64
"""A mass send has at most 8 articles. More than these are not read."""
ARTICLES_BYTES_MAX: Final = 64 * 1024
"""Of all that is read of them, as JSON. An account takes no event of twice as many bytes."""
EXTRA_MAX: Final = 32
EXTRA_BYTES_MAX: Final = 2048
"""How much of the unknown is kept: names and texts together, in UTF-8."""
_PLACE_MAX: Final = 200
_URL_MAX: Final = 2048
_DIGITS_MAX: Final = 19
_SMALL_MAX: Final = 2**31 - 1
_KINDS: Final = frozenset({"event", ""})
"""Followers' messages have other kinds. A system that hands an event over may leave its kind out."""
_SAYS_NOTHING: Final = (
    "MsgType", "Event", "FromUserName", "Encrypt", "CopyrightCheckResult/Count", "ArticleUrlResult/Count",
)  # fmt: skip
"""Read already, or without a meaning here."""
_Reader = Callable[[str], object]
"""Makes a value of a text, or None."""
_COUNTS: Final = {"total": "TotalCount", "filter": "FilterCount", "sent": "SentCount", "error": "ErrorCount"}


def parse_event(body: bytes | str | Mapping[str, Any]) -> JobFinished | None:
    """The finished job that a push reports; None for every other event and message.

    Args:
        body: XML or JSON, decrypted; or what a framework has made of it, with WeChat's names.

    Returns:
        `counts` is None unless all four are readable: a missing count is not a zero. `extra` holds what is unknown or
        unreadable.

    Raises:
        EventError: The body is neither well-formed XML nor JSON, is encrypted, or is a finished job without an id
            or a status.
        HostileError: It carries a DOCTYPE, or is not UTF-8.
    """
    return read_event(read_document(body))


def read_event(texts: dict[str, str]) -> JobFinished | None:
    """The finished job that a document's texts report; None for every other event and message.

    Raises:
        EventError: The document is encrypted, or is a finished job without an id or a status.
    """
    kind = texts.get("MsgType", "").casefold()
    if not kind and "Encrypt" in texts:
        raise EncryptedError(
            'the push is encrypted: set mode = "safe" and aes_key, as in WeChat\'s server configuration'
        )
    if kind not in _KINDS or texts.get("Event", "").casefold() != EVENT.casefold():
        return None
    event, rest = _values({place: text for place, text in texts.items() if place not in _SAYS_NOTHING})
    if not (event.get("msg_id") or _take_other_id(event, rest)):
        raise EventError(f"{EVENT} without a usable MsgID")
    if "status" not in event:
        raise EventError(f"{EVENT} without a Status")
    counts = {name: event.pop(name) for name in _COUNTS if name in event}
    if len(counts) == len(_COUNTS):
        event["counts"] = counts
    elif counts:
        rest = {place: text for place, text in texts.items() if place in rest or place in _COUNTS.values()}
    if rest:
        articles = _articles(rest)
        left_out = len(json.dumps(articles, ensure_ascii=False).encode()) > ARTICLES_BYTES_MAX
        note = {"articles": f"{len(articles)} left out: too long"} if left_out else {}
        event |= {"articles": [] if left_out else articles, "extra": _extra(rest) | note}
    return JobFinished.model_validate(event)


def _values(texts: Mapping[str, str]) -> tuple[dict[str, Any], dict[str, str]]:
    """The event's fields by name, and the texts that are none or cannot be read."""
    values, rest = {}, {}
    for place, text in texts.items():
        field = _FIELDS.get(place)
        if field is not None and (value := field[1](text)) is not None:
            values[field[0]] = value
        else:
            rest[place] = text
    return values, rest


def _take_other_id(event: dict[str, Any], rest: dict[str, str]) -> bool:
    """WeChat writes MsgID in this event and MsgId in messages. Both are taken."""
    event["msg_id"] = _large(rest.pop("MsgId", ""))
    return bool(event["msg_id"])


def _articles(rest: dict[str, str]) -> list[dict[str, Any]]:
    """Checks and addresses, which come in two blocks, joined by the article's index. They are taken out of `rest`."""
    found: dict[int, dict[str, Any]] = {}
    for block, fields in _BLOCKS.items():
        seen: set[int] = set()
        for place in [one for one in rest if one.endswith("/ArticleIdx") and one.startswith(block)]:
            idx = _small(rest[place])
            if idx is None or idx in seen or (idx not in found and len(found) >= ARTICLES_MAX):
                continue
            seen.add(idx)
            del rest[place]
            article = found.setdefault(idx, {"idx": idx})
            for name, (below, reader) in fields.items():
                text = rest.get(here := place.removesuffix("ArticleIdx") + below)
                if text is not None and (value := reader(text)) is not None:
                    article[name] = value
                    del rest[here]
    return [found[idx] for idx in sorted(found)]


def _extra(rest: dict[str, str]) -> dict[str, str]:
    """As much of the rest as a history should carry: the first entries, and how many more there are."""
    extra, room = dict[str, str](), EXTRA_BYTES_MAX
    for place, text in [(place[:_PLACE_MAX], _cut(text)) for place, text in list(rest.items())[:EXTRA_MAX]]:
        room -= len(place.encode()) + len(text.encode())
        if room < 0:
            break
        extra[place] = text
    left = len(rest) - len(extra)
    return extra | ({"…": f"{left} more"} if left else {})


def _cut(text: str) -> str:
    return text if len(text) <= TEXT_MAX else f"{text[: TEXT_MAX - 1]}…"


def _large(text: str) -> int | None:
    """A number of 63 bits."""
    if not (text.isdigit() and text.isascii()) or len(text) > _DIGITS_MAX:
        return None
    number = int(text)
    return number if number <= MSG_ID_MAX else None


def _small(text: str) -> int | None:
    """A number of 31 bits."""
    number = _large(text)
    return None if number is None or number > _SMALL_MAX else number


def _flag(text: str) -> bool | None:
    return {"0": False, "1": True}.get(text)


def _short(text: str) -> str | None:
    return text if len(text) <= TEXT_MAX else None


def _url(text: str) -> str | None:
    return text if len(text) <= _URL_MAX else None


_FIELDS: Final[Mapping[str, tuple[str, _Reader]]] = {
    "MsgID": ("msg_id", _large),
    "Status": ("status", _cut),
    "CopyrightCheckResult/CheckState": ("check_state", _small),
    "CreateTime": ("create_time", _large),
    "ToUserName": ("to_user_name", _short),
    **{place: (name, _large) for name, place in _COUNTS.items()},
}
_BLOCKS: Final[Mapping[str, Mapping[str, tuple[str, _Reader]]]] = {
    "CopyrightCheckResult/": {
        "user_declare_state": ("UserDeclareState", _small),
        "audit_state": ("AuditState", _small),
        "original_url": ("OriginalArticleUrl", _url),
        "original_article_type": ("OriginalArticleType", _small),
        "can_reprint": ("CanReprint", _flag),
        "need_replace_content": ("NeedReplaceContent", _flag),
        "need_show_reprint_source": ("NeedShowReprintSource", _flag),
    },
    "ArticleUrlResult/": {"url": ("ArticleUrl", _url)},
}
"""The blocks with something about each article. However a list is written, each of its items has an ArticleIdx."""
