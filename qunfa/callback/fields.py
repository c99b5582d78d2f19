"""What the texts of a finished job say: each field with its name in the contract, its place, and how it is read."""

from collections.abc import Callable, Mapping
from typing import Any, Final

from qunfa.contract.fields import MSG_ID_MAX

STATUS_MAX: Final = 256
TEXT_MAX: Final = 256
_URL_MAX: Final = 2048
_DIGITS_MAX: Final = 19
_SMALL_MAX: Final = 2**31 - 1

Reader = Callable[[str], object]
"""Makes a value of a text, or None."""
ArticleFields = tuple[tuple[str, str, Reader], ...]


def read(texts: Mapping[str, str]) -> tuple[dict[str, Any], dict[str, str]]:
    """The values of an event's fields, by name, and what is left: texts that are none, or of which nothing is made."""
    values, rest = {}, {}
    for place, text in texts.items():
        field = _FIELDS.get(place)
        if field is not None and (value := field[1](text)) is not None:
            values[field[0]] = value
        else:
            rest[place] = text
    return values, rest


def take(rest: dict[str, str], fields: ArticleFields, above: str) -> dict[str, Any]:
    """The values of an article's fields, by name; a text of which nothing can be made stays."""
    values = {}
    for name, below, reader in fields:
        text = rest.get(place := above + below)
        if text is not None and (value := reader(text)) is not None:
            values[name] = value
            del rest[place]
    return values


def cut(text: str, most: int) -> str:
    """A text of any length."""
    return text if len(text) <= most else f"{text[: most - 1]}…"


def large(text: str) -> int | None:
    """A number of 63 bits."""
    if not (text.isdigit() and text.isascii()) or len(text) > _DIGITS_MAX:
        return None
    number = int(text)
    return number if number <= MSG_ID_MAX else None


def small(text: str) -> int | None:
    """A number of 31 bits."""
    number = large(text)
    return None if number is None or number > _SMALL_MAX else number


def _status(text: str) -> str:
    return cut(text, STATUS_MAX)


def _flag(text: str) -> bool | None:
    return {"0": False, "1": True}.get(text)


def _short(text: str) -> str | None:
    return text if len(text) <= TEXT_MAX else None


def _url(text: str) -> str | None:
    return text if len(text) <= _URL_MAX else None


COUNTS: Final = {"total": "TotalCount", "filter": "FilterCount", "sent": "SentCount", "error": "ErrorCount"}
_FIELDS: Final[Mapping[str, tuple[str, Reader]]] = {
    "MsgID": ("msg_id", large),
    "Status": ("status", _status),
    "CopyrightCheckResult/CheckState": ("check_state", small),
    "CreateTime": ("create_time", large),
    "ToUserName": ("to_user_name", _short),
    **{place: (name, large) for name, place in COUNTS.items()},
}
INDEX: Final = "ArticleIdx"
"""Each article of a block has one, however the list is written."""
BLOCKS: Final[tuple[tuple[str, ArticleFields], ...]] = (
    (
        "CopyrightCheckResult/",
        (
            ("user_declare_state", "UserDeclareState", small),
            ("audit_state", "AuditState", small),
            ("original_url", "OriginalArticleUrl", _url),
            ("original_article_type", "OriginalArticleType", small),
            ("can_reprint", "CanReprint", _flag),
            ("need_replace_content", "NeedReplaceContent", _flag),
            ("need_show_reprint_source", "NeedShowReprintSource", _flag),
        ),
    ),
    ("ArticleUrlResult/", (("url", "ArticleUrl", _url),)),
)
"""Checks and addresses of articles come in blocks of their own."""
