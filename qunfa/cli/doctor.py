"""`qunfa doctor`: what it is asked, and what it shows."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from itertools import groupby

import typer
from rich.console import Group, RenderableType
from rich.live import Live
from rich.spinner import Spinner
from rich.table import Table
from rich.text import Text

from qunfa.cli.connection import run
from qunfa.cli.errors import ExitCode
from qunfa.cli.examination import Examination, Plan, planned
from qunfa.cli.output import STATES, checks, plain, show_result, stderr
from qunfa.cli.typed import operations as typed
from qunfa.contract.checks import CheckName, Diagnosis, Finding
from qunfa.language import _
from qunfa.language.phrases import told


def doctor(asked: typed.Doctor) -> None:
    """Carry out `qunfa doctor`."""
    plan = planned(asked.accounts or (), asked.queue, asked.callback_url)
    findings = run(_examined(plan))
    diagnosis = Diagnosis(
        ok=all(finding.state != "failed" for finding in findings),
        at=datetime.now(UTC),
        task_queue=plan.queue,
        accounts=plan.accounts,
        findings=findings,
    )
    show_result(diagnosis, render_diagnosis, as_json=asked.as_json)
    if not diagnosis.ok:
        raise typer.Exit(ExitCode.REFUSED)


async def _examined(plan: Plan) -> tuple[Finding, ...]:
    with shown(plan) as told:
        return await Examination(plan, told).carried_out()


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
        for _column in range(3):
            table.add_column(no_wrap=True)
        for account, name in self._checks:
            finding = self._made.get((account, name))
            label = plain(name if account is None else f"{account} {name}")
            if finding is None:
                table.add_row(self._spinner, label, "")
            else:
                table.add_row(Text(_(finding.state), style=STATES[finding.state]), label, plain(told(finding.said)))
        return table


def render_diagnosis(diagnosis: Diagnosis) -> RenderableType:
    """The checks that are made once, then those of each account: state, name, sentence, and below it the next step."""
    return Group(*_parts(diagnosis), "", plain(_verdict(diagnosis)))


def _parts(diagnosis: Diagnosis) -> Iterator[RenderableType]:
    for account, findings in groupby(diagnosis.findings, key=lambda finding: finding.account):
        if account is not None:
            yield ""
            yield Text(account, style="bold")
        yield checks((one.state, one.name, told(one.said), one.todo and told(one.todo)) for one in findings)


def _verdict(diagnosis: Diagnosis) -> str:
    states = [finding.state for finding in diagnosis.findings]
    counts = ", ".join(f"{states.count(state)} {_(state)}" for state in STATES if state in states)
    return _("{number} checks: {counts}.").format(number=len(states), counts=counts)
