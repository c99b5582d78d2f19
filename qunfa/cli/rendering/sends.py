"""A list of sends as a table."""

from collections.abc import Sequence
from typing import Final

from rich.table import Table
from rich.text import Text

from qunfa.cli.console import clean
from qunfa.cli.rendering.words import moment, plain
from qunfa.cli.view import SendRow, State
from qunfa.contract.result import COMPLETES

_COLUMNS = ("send", "state", "problem", "type", "msg_id", "started", "ended")
_DOUBT: Final = "unknown: may have been delivered"
_BY_OTHERS: Final[dict[State, str]] = {"terminated": "terminated", "timed_out": "timed out"}
"""Nobody who ends a send so looks whether something was delivered."""
_CLOSED: Final[dict[State, str]] = {**_BY_OTHERS, "failed": "workflow failed"}
"""What is said of a send that has not told its outcome: none of these words is an outcome."""


def render_sends(rows: Sequence[SendRow]) -> Table:
    """One row per run, the newest first."""
    table = Table(box=None, padding=(0, 2, 0, 0))
    for heading in _COLUMNS:
        table.add_column(heading, overflow="fold", header_style="dim")
    for row in rows:
        name = f"{row.account}/{row.key}" if row.account and row.key else row.workflow_id
        table.add_row(plain(name), _state(row), *(plain(cell) for cell in _evidence(row)))
    return table


def _state(row: SendRow) -> Text:
    """The phase of a send that runs, the outcome of one that has ended, or how Temporal closed it."""
    if row.state == "running":
        return plain(row.phase or row.state)
    if row.outcome is None or row.state in _BY_OTHERS:
        return Text(_CLOSED.get(row.state, row.state), style="yellow")
    if row.outcome == "unknown":
        return Text(_DOUBT, style="bold reverse red")
    return Text(clean(row.outcome), style="green" if row.outcome in COMPLETES else "red")


def _evidence(row: SendRow) -> tuple[object, ...]:
    return (
        row.problem,
        row.msgtype,
        ", ".join(row.msg_ids) or None,
        moment(row.started_at),
        moment(row.closed_at),
    )
