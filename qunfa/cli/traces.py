"""What logs have of sends, where Temporal has forgotten it: tries in those of workers, pushes in those of receivers."""

import json
import sys
from collections.abc import Iterable, Iterator
from contextlib import nullcontext
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from pydantic import ValidationError

from qunfa.cli.errors import WrongUse
from qunfa.contract.fields import Id64, Moment, Stored
from qunfa.contract.steps import TRIED
from qunfa.language import _

STDIN: Final = Path("-")
_PUSH: Final = "push"


class Trace(Stored):
    """A job of WeChat's that a log knows. ``key``: its send's, where a worker's log says so; ``status``: its word."""

    account: str
    msg_id: Id64
    at: Moment
    key: str | None = None
    status: str | None = None


def traces(files: Iterable[Path], since: datetime) -> tuple[Trace, ...]:
    """The jobs that these logs know since then, each once, in the order of their msg_ids.

    Raises:
        WrongUse: A file cannot be read, or has no line of JSON: `QUNFA_LOG=json` writes such ones.
    """
    found: dict[tuple[str, int], Trace] = {}
    for file in files:
        for one in _read(file):
            if one.at >= since:
                before = found.get((one.account, one.msg_id))
                found[one.account, one.msg_id] = _together(before, one) if before else one
    return tuple(found[which] for which in sorted(found))


def _read(file: Path) -> Iterator[Trace]:
    lines = 0
    try:
        with nullcontext(sys.stdin) if file == STDIN else file.open(encoding="utf-8", errors="replace") as text:
            for line in text:
                event = _event(line)
                lines += event is not None
                if event is not None and (trace := _trace(event)) is not None:
                    yield trace
    except OSError as error:
        raise WrongUse(_("--log {file} cannot be read: {why}.").format(file=file, why=error.strerror)) from None
    if not lines:
        raise WrongUse(
            _("--log {file} has no line of JSON: give the log of a worker or a receiver (QUNFA_LOG=json).").format(
                file=file
            )
        )


def _event(line: str) -> dict[str, Any] | None:
    """The event that a line holds, also behind what a container or a supervisor has put before it."""
    start = line.find("{")
    try:
        event = json.loads(line[start:]) if start >= 0 else None
    except (ValueError, RecursionError):
        return None
    return event if isinstance(event, dict) else None


def _trace(event: dict[str, Any]) -> Trace | None:
    what, fields = event.get("event"), {"account", "msg_id", "key", "status"}
    if what not in {TRIED, _PUSH} or event.get("msg_id") is None:
        return None
    try:
        return Trace.model_validate({"at": event.get("timestamp"), **{name: event.get(name) for name in fields}})
    except ValidationError:
        return None


def _together(one: Trace, other: Trace) -> Trace:
    """What two lines on one job say: the later word of WeChat's stands."""
    return other.model_copy(
        update={"key": other.key or one.key, "status": other.status or one.status, "at": max(one.at, other.at)}
    )
