"""The event ``MASSSENDJOBFINISH`` out of a push.

What is read follows the samples of WeChat's guide on mass sends and what SDKs have recorded: blocks and counts are
optional, one bad detail never loses the verdict, and what is not understood is kept as it came.
"""

from collections.abc import Mapping
from typing import Any, Final

from qunfa.callback.document import Document, JsonDocument, read_document
from qunfa.callback.fields import BLOCKS, COUNTS, INDEX, TEXT_MAX, cut, large, read, small, take
from qunfa.callback.malformed import EncryptedError, EventError
from qunfa.contract.result import JobFinished

EVENT: Final = "MASSSENDJOBFINISH"
ARTICLES_MAX: Final = 64
"""Far more articles than a mass send can have (8); further ones are not read."""
EXTRA_MAX: Final = 32
EXTRA_BYTES_MAX: Final = 2048
"""What is kept of all that is unknown, names and texts together, in UTF-8."""
_PLACE_MAX: Final = 200
_SAYS_NOTHING: Final = (
    "MsgType", "Event", "FromUserName", "Encrypt", "CopyrightCheckResult/Count", "ArticleUrlResult/Count",
)  # fmt: skip
"""Read already, or without a meaning here: the sender is WeChat's helper or any follower, items can be counted."""
_KINDS: Final = frozenset({"event", ""})
"""Messages of followers have other kinds; whoever hands an event over may have left its kind out."""


def parse_event(body: bytes | str | Mapping[str, Any]) -> JobFinished | None:
    """The finished job that a push reports; None for every other event and message.

    Args:
        body: XML or JSON, decrypted; or what a framework has made of it, with WeChat's names.

    Returns:
        `counts` is None unless all four of them are readable: a count that is missing is not a zero. What is unknown or
        unreadable stands in `extra`.

    Raises:
        EventError: The body is neither well-formed XML nor JSON, is encrypted, or is a finished job without an id
            or a status.
        HostileError: It carries a DOCTYPE, or is not UTF-8.
    """
    if not isinstance(body, bytes | str) and isinstance(body, Mapping):  # in this order, as the latter takes its time
        return read_event(JsonDocument(body))
    return read_event(read_document(body.encode("utf-8", "replace") if isinstance(body, str) else body))


def read_event(document: Document) -> JobFinished | None:
    """The finished job that a document reports; None for every other event and message.

    Raises:
        EventError: The document is encrypted, or is a finished job without an id or a status.
    """
    kind = document.first("MsgType").casefold()
    if not kind and document.first("Encrypt"):
        raise EncryptedError(
            'the push is encrypted: set mode = "safe" and aes_key, as in WeChat\'s server configuration'
        )
    if kind not in _KINDS or document.first("Event").casefold() != EVENT.casefold():
        return None
    texts = document.texts()
    for place in _SAYS_NOTHING:
        texts.pop(place, None)
    return _event(texts)


def _event(texts: Mapping[str, str]) -> JobFinished:
    event, rest = read(texts)
    if not (event.get("msg_id") or _take_other_id(event, rest)):
        raise EventError(f"{EVENT} without a usable MsgID")
    if "status" not in event:
        raise EventError(f"{EVENT} without a Status")
    counts = {name: event.pop(name) for name in COUNTS if name in event}
    if len(counts) == len(COUNTS):
        event["counts"] = counts
    elif counts:  # one that is missing is not a zero, so the others are kept as they came
        rest = {place: text for place, text in texts.items() if place in rest or place in COUNTS.values()}
    if rest:
        event |= {"articles": _articles(rest), "extra": _extra(rest)}
    return JobFinished.model_validate(event)


def _take_other_id(event: dict[str, Any], rest: dict[str, str]) -> bool:
    """WeChat writes MsgID in this event and MsgId in messages; both are taken."""
    event["msg_id"] = large(rest.pop("MsgId", ""))
    return bool(event["msg_id"])


def _articles(texts: dict[str, str]) -> list[dict[str, Any]]:
    """Checks and addresses, which come in two blocks, joined by the article's index."""
    found: dict[int, dict[str, Any]] = {}
    for block, fields in BLOCKS:
        seen: set[int] = set()
        for place in [one for one in texts if one.endswith(f"/{INDEX}") and one.startswith(block)]:
            idx = small(texts[place])
            if idx is None or idx in seen or (idx not in found and len(found) >= ARTICLES_MAX):
                continue
            seen.add(idx)
            del texts[place]
            article = found.setdefault(idx, {"idx": idx})
            article |= take(texts, fields, place.removesuffix(INDEX))
    return [found[idx] for idx in sorted(found)]


def _extra(texts: dict[str, str]) -> dict[str, str]:
    """What nobody took, as much of it as a history should carry: the first entries, and how many more there are."""
    extra, room = dict[str, str](), EXTRA_BYTES_MAX
    for place, text in [(place[:_PLACE_MAX], cut(text, TEXT_MAX)) for place, text in list(texts.items())[:EXTRA_MAX]]:
        room -= len(place.encode()) + len(text.encode())
        if room < 0:
            break
        extra[place] = text
    left = len(texts) - len(extra)
    return extra | ({"…": f"{left} more"} if left else {})
