"""Times and spans, as people read and type them."""

import re
from datetime import datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from pydantic import TypeAdapter, ValidationError

from qunfa.cli.errors import WrongUse
from qunfa.contract.fields import Time
from qunfa.language import _

SHANGHAI: Final = ZoneInfo("Asia/Shanghai")
"""WeChat's quotas and an account's send hours are Shanghai's, so every time is shown there."""


def moment(at: datetime | None) -> str:
    """A time in Shanghai, to the second, with its offset."""
    return f"{at.astimezone(SHANGHAI):%Y-%m-%d %H:%M:%S} +08:00" if at else "–"


def short(at: datetime | None, now: datetime | None = None, *, seconds: bool = False) -> str:
    """A time in Shanghai, as short as can be: `12:30`, with its date where that is another day than `now`'s."""
    if at is None:
        return "–"
    there, today = at.astimezone(SHANGHAI), (now or datetime.now(SHANGHAI)).astimezone(SHANGHAI)
    date = "" if there.date() == today.date() else "%m-%d " if there.year == today.year else "%Y-%m-%d "
    return f"{there:{date}%H:%M{':%S' if seconds else ''}}"


_SPAN: Final = re.compile(r"(\d{1,5})([mhdw])")
_UNITS: Final = {"m": "minutes", "h": "hours", "d": "days", "w": "weeks"}


def time_or_span(text: str, now: datetime, option: str = "--since") -> datetime:
    """A span back from `now`, or a time.

    Raises:
        WrongUse: It is neither.
    """
    back = span(text)
    try:
        return TypeAdapter(Time).validate_python(text) if back is None else now - back
    except (ValidationError, OverflowError):
        said = _("{option} {text!r} is neither a span (90m, 12h, 7d, PT90M) nor an RFC 3339 time.")
        raise WrongUse(said.format(option=option, text=text)) from None


def span(text: str) -> timedelta | None:
    """`90m`, `12h`, `35d`, `2w` or an ISO 8601 duration; `None` where it is none."""
    short = _SPAN.fullmatch(text)
    if short:
        return timedelta(**{_UNITS[short[2]]: int(short[1])})
    if not text.startswith("P"):
        return None
    try:
        return TypeAdapter(timedelta).validate_python(text)
    except ValidationError:
        return None
