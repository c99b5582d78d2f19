"""What `qunfa list` is asked for, as Temporal's visibility query."""

import re
from datetime import UTC, datetime, timedelta
from typing import Final, NamedTuple

from pydantic import TypeAdapter, ValidationError

from qunfa.cli.errors import WrongUse
from qunfa.contract import MASS_SEND
from qunfa.contract.fields import Time

_SPAN: Final = re.compile(r"(\d{1,5})([mhdw])")
_UNITS: Final = {"m": "minutes", "h": "hours", "d": "days", "w": "weeks"}


class Filters(NamedTuple):
    """The options of `list`; `None` where one was not given."""

    account: str | None = None
    phase: str | None = None
    problem: str | None = None
    msgtype: str | None = None
    since: str | None = None
    query: str | None = None


def visibility_query(filters: Filters, now: datetime | None = None) -> str:
    """The query. Values are quoted, so that none is taken for a condition; only `filters.query` is one.

    Raises:
        WrongUse: `filters.since` is neither a span nor a time.
    """
    equal = {
        "WorkflowType": MASS_SEND,
        "MassSendAccount": filters.account,
        "MassSendPhase": filters.phase,
        "MassSendMsgType": filters.msgtype,
        "MassSendProblem": filters.problem,
    }
    conditions = [f"{name} = {_quoted(value)}" for name, value in equal.items() if value is not None]
    if filters.since is not None:
        conditions.append(f"StartTime >= {_quoted(moment(filters.since, now or datetime.now(UTC)).isoformat())}")
    if filters.query is not None:
        conditions.append(f"({filters.query})")
    return " AND ".join(conditions)


def moment(text: str, now: datetime) -> datetime:
    """A span back from `now`, or a time.

    Raises:
        WrongUse: It is neither.
    """
    back = span(text)
    if back is not None:
        return now - back
    try:
        return TypeAdapter(Time).validate_python(text)
    except ValidationError:
        raise WrongUse(f"--since {text!r} is neither a span (90m, 12h, 7d, PT90M) nor an RFC 3339 time.") from None


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


def _quoted(value: str) -> str:
    escaped = value.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"
