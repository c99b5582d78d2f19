"""The event ``MASSSENDJOBFINISH`` out of a push.

What is read follows the samples of WeChat's guide on mass sends and what SDKs have recorded: blocks and counts are
optional, one bad detail never loses the verdict, and what is not understood is kept as it came.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Final, TypeVar

from qunfa.callback.document import Document, JsonDocument, read_document
from qunfa.callback.malformed import EncryptedError, EventError
from qunfa.contract.event import ArticleCheck, Counts, JobFinished
from qunfa.contract.fields import MSG_ID_MAX

EVENT: Final = "MASSSENDJOBFINISH"
ARTICLES_MAX: Final = 64
"""Far more articles than a mass send can have (8); further ones are not read."""
EXTRA_MAX: Final = 32
STATUS_MAX: Final = 256
_URL_MAX: Final = 2048
_PLACE_MAX: Final = 200
_TEXT_MAX: Final = 256

_DIGITS_MAX: Final = 19
_SMALL_MAX: Final = 2**31 - 1
_SAYS_NOTHING: Final = (
    "MsgType", "Event", "FromUserName", "Encrypt", "CopyrightCheckResult/Count", "ArticleUrlResult/Count",
)  # fmt: skip
"""Read already, or without a meaning here: the sender is WeChat's helper or any follower, items can be counted."""
_COUNTS: Final = ("TotalCount", "FilterCount", "SentCount", "ErrorCount")
_KINDS: Final = frozenset({"event", ""})
"""Messages of followers have other kinds; whoever hands an event over may have left its kind out."""
_CHECKS: Final = "CopyrightCheckResult/"
_URLS: Final = "ArticleUrlResult/"
_INDEX: Final = "/ArticleIdx"
T = TypeVar("T")


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
    if isinstance(body, Mapping):
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
    unread = _Unread(document.leaves())
    return JobFinished(
        msg_id=_msg_id(unread),
        status=_status(unread),
        counts=_counts(unread),
        check_state=unread.take("CopyrightCheckResult/CheckState", _small),
        articles=_articles(unread),
        create_time=unread.take("CreateTime", _large),
        to_user_name=unread.take("ToUserName", _short),
        extra=unread.rest(),
    )


class _Unread:
    """The texts of an event that nobody has understood so far."""

    def __init__(self, leaves: Iterator[tuple[str, str]]) -> None:
        self._texts = {place: text for place, text in leaves if place not in _SAYS_NOTHING}

    def take(self, place: str, read: Callable[[str], T | None]) -> T | None:
        """What `read` makes of the text at `place`; a text of which it makes nothing stays."""
        text = self._texts.get(place)
        value = None if text is None else read(text)
        if value is not None:
            del self._texts[place]
        return value

    def look(self, place: str, read: Callable[[str], T | None]) -> T | None:
        """What `read` makes of the text at `place`, which stays."""
        text = self._texts.get(place)
        return None if text is None else read(text)

    def forget(self, places: Iterable[str]) -> None:
        """Takes what has been looked at."""
        for place in places:
            self._texts.pop(place, None)

    def articles(self, block: str) -> list[str]:
        """Where the articles of a block stand, however the list is written: each has its index."""
        ends = [place for place in self._texts if place.startswith(block) and place.endswith(_INDEX)]
        return [place.removesuffix("ArticleIdx") for place in ends]

    def rest(self) -> dict[str, str]:
        """What nobody took, as much of it as a history should carry."""
        kept = list(self._texts.items())
        extra = {place[:_PLACE_MAX]: _cut(text, _TEXT_MAX) for place, text in kept[:EXTRA_MAX]}
        return extra | ({"…": f"{len(kept) - EXTRA_MAX} more"} if len(kept) > EXTRA_MAX else {})


def _cut(text: str, most: int) -> str:
    return text if len(text) <= most else f"{text[: most - 1]}…"


def _small(text: str) -> int | None:
    number = _large(text)
    return None if number is None or number > _SMALL_MAX else number


def _large(text: str) -> int | None:
    if not (text.isdigit() and text.isascii()) or len(text) > _DIGITS_MAX:
        return None
    number = int(text)
    return number if number <= MSG_ID_MAX else None


def _flag(text: str) -> bool | None:
    return {"0": False, "1": True}.get(text)


def _short(text: str) -> str | None:
    return text if len(text) <= _TEXT_MAX else None


def _url(text: str) -> str | None:
    return text if len(text) <= _URL_MAX else None


def _msg_id(unread: _Unread) -> int:
    """WeChat writes MsgID in this event and MsgId in messages; both are taken."""
    msg_id = unread.take("MsgID", _large) or unread.take("MsgId", _large)
    if not msg_id:
        raise EventError(f"{EVENT} without a usable MsgID")
    return msg_id


def _status(unread: _Unread) -> str:
    status = unread.take("Status", lambda text: _cut(text, STATUS_MAX))
    if status is None:
        raise EventError(f"{EVENT} without a Status")
    return status


def _counts(unread: _Unread) -> Counts | None:
    numbers = [unread.look(place, _large) for place in _COUNTS]
    total, left, sent, error = numbers
    if total is None or left is None or sent is None or error is None:
        return None
    unread.forget(_COUNTS)
    return Counts(total=total, filter=left, sent=sent, error=error)


def _articles(unread: _Unread) -> tuple[ArticleCheck, ...]:
    """Checks and addresses, which come in two blocks, joined by the article's index."""
    found: dict[int, dict[str, Any]] = {}
    for block, read in ((_CHECKS, _check), (_URLS, _address)):
        seen: set[int] = set()
        for place in unread.articles(block):
            idx = unread.look(f"{place}ArticleIdx", _small)
            if idx is None or idx in seen or (idx not in found and len(found) >= ARTICLES_MAX):
                continue
            seen.add(idx)
            unread.take(f"{place}ArticleIdx", _small)
            found.setdefault(idx, {}).update(read(unread, place))
    return tuple(ArticleCheck(idx=idx, **found[idx]) for idx in sorted(found))


def _address(unread: _Unread, place: str) -> dict[str, Any]:
    return {"url": unread.take(f"{place}ArticleUrl", _url)}


def _check(unread: _Unread, place: str) -> dict[str, Any]:
    return {
        "user_declare_state": unread.take(f"{place}UserDeclareState", _small),
        "audit_state": unread.take(f"{place}AuditState", _small),
        "original_url": unread.take(f"{place}OriginalArticleUrl", _url),
        "original_article_type": unread.take(f"{place}OriginalArticleType", _small),
        "can_reprint": unread.take(f"{place}CanReprint", _flag),
        "need_replace_content": unread.take(f"{place}NeedReplaceContent", _flag),
        "need_show_reprint_source": unread.take(f"{place}NeedShowReprintSource", _flag),
    }
