"""Several sends that run, as a table that is drawn again and again."""

from collections.abc import Sequence

from rich.table import Table

from qunfa.cli.rendering.send import headline, progress_words
from qunfa.cli.rendering.words import plain
from qunfa.cli.rendering.work import work_words
from qunfa.cli.view import SendView

_COLUMNS = ("send", "phase", "progress", "what it waits for")


def render_board(views: Sequence[SendView]) -> Table:
    """One row per send, in the order of the names."""
    table = Table(box=None, padding=(0, 2, 0, 0))
    for heading in _COLUMNS:
        table.add_column(heading, overflow="fold", header_style="dim")
    for view in sorted(views, key=lambda one: (one.account, one.key)):
        table.add_row(*(plain(cell) for cell in _cells(view)))
    return table


def _cells(view: SendView) -> tuple[object, ...]:
    progress = progress_words(view.status.progress) if view.status else None
    work = ", ".join(work_words(one) for one in view.work)
    said = view.note if view.note and view.status is None else headline(view)
    return f"{view.account}/{view.key}", view.phase, progress, f"{said} ({work})" if work else said
