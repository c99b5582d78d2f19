"""The checks while they are made: on a terminal a table in which each waits, and then has its finding."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.live import Live
from rich.spinner import Spinner
from rich.table import Table
from rich.text import Text

from qunfa.cli.console import stderr
from qunfa.cli.doctor.plan import Plan
from qunfa.cli.rendering.doctor import STYLES
from qunfa.cli.rendering.words import plain
from qunfa.contract.checks import CheckName, Finding


@contextmanager
def shown(plan: Plan) -> Iterator[Callable[[Finding], None]]:
    """Takes the findings; what is drawn goes when all have been made. Elsewhere than on a terminal nothing is drawn."""
    console = stderr()
    if not console.is_terminal:
        yield _unseen
        return
    board = _Board(plan)
    with Live(board, console=console, transient=True, vertical_overflow="crop"):
        yield board.take


def _unseen(_finding: Finding) -> None:
    pass


class _Board:
    def __init__(self, plan: Plan) -> None:
        self._checks = plan.checks
        self._made: dict[tuple[str | None, CheckName], Finding] = {}
        self._spinner = Spinner("dots")

    def take(self, finding: Finding) -> None:
        """A check has been made."""
        self._made[finding.account, finding.name] = finding

    def __rich__(self) -> Table:
        table = Table.grid(padding=(0, 2))
        for _ in range(3):
            table.add_column(no_wrap=True)
        for account, name in self._checks:
            finding = self._made.get((account, name))
            label = plain(name if account is None else f"{account} {name}")
            if finding is None:
                table.add_row(self._spinner, label, "")
            else:
                table.add_row(Text(finding.state, style=STYLES[finding.state]), label, plain(finding.said))
        return table
