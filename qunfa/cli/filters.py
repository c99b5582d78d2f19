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
    until: str | None = None
    running: bool = False
    outcome: str | None = None


def visibility_query(filters: Filters, now: datetime | None = None) -> str:
    """The query. Values are quoted, so that none is taken for a condition; only `filters.query` is one.

    Raises:
        WrongUse: `filters.since` or `filters.until` is neither a span nor a time, or they leave no time between them.
    """
    equal = {
        "WorkflowType": MASS_SEND,
        "MassSendAccount": filters.account,
        "MassSendPhase": filters.phase,
        "MassSendOutcome": filters.outcome,
        "MassSendMsgType": filters.msgtype,
        "MassSendProblem": filters.problem,
    }
    conditions = [f"{name} = {_quoted(value)}" for name, value in equal.items() if value is not None]
    conditions += _started(filters, now or datetime.now(UTC))
    if filters.running:
        conditions.append("ExecutionStatus = 'Running'")
    if filters.query is not None:
        conditions.append(f"({filters.query})")
    return " AND ".join(conditions)


def _started(filters: Filters, now: datetime) -> list[str]:
    since = None if filters.since is None else moment(filters.since, now)
    until = None if filters.until is None else moment(filters.until, now, "--until")
    if since is not None and until is not None and since > until:
        raise WrongUse(
            f"--since {filters.since!r} is later than --until {filters.until!r}: no send started in between."
        )
    bounds = ((">=", since), ("<=", until))
    return [f"StartTime {sign} {_quoted(at.isoformat())}" for sign, at in bounds if at is not None]


def moment(text: str, now: datetime, option: str = "--since") -> datetime:
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
        raise WrongUse(f"{option} {text!r} is neither a span (90m, 12h, 7d, PT90M) nor an RFC 3339 time.") from None


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
