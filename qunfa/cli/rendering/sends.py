"""A list of sends as a table."""

from collections.abc import Sequence

from rich.table import Table

from qunfa.cli.rendering.words import moment, plain
from qunfa.cli.view import SendRow

_COLUMNS = ("send", "phase", "problem", "type", "msg_id", "started", "ended")


def render_sends(rows: Sequence[SendRow]) -> Table:
    """One row per run, the newest first."""
    table = Table(box=None, padding=(0, 2, 0, 0))
    for heading in _COLUMNS:
        table.add_column(heading, overflow="fold", header_style="dim")
    for row in rows:
        table.add_row(*(plain(cell) for cell in _cells(row)))
    return table


def _cells(row: SendRow) -> tuple[object, ...]:
    phase = row.phase if row.state == "running" else row.state
    name = f"{row.account}/{row.key}" if row.account and row.key else row.workflow_id
    msg_ids = ", ".join(row.msg_ids) or None
    return name, phase, row.problem, row.msgtype, msg_ids, moment(row.started_at), moment(row.closed_at)
