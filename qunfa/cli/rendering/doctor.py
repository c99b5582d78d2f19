"""What the doctor has found, for people."""

from collections.abc import Iterable, Iterator
from itertools import groupby
from typing import Final

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from qunfa.cli.rendering.words import plain
from qunfa.contract.checks import Diagnosis, Finding, FindingState

STYLES: Final[dict[FindingState, str]] = {
    "ok": "bold green",
    "warning": "bold yellow",
    "failed": "bold red",
    "skipped": "dim",
}


def render_diagnosis(diagnosis: Diagnosis) -> RenderableType:
    """The checks that are made once, then those of each account: state, name, sentence, and below it the next step."""
    return Group(*_parts(diagnosis), "", plain(_verdict(diagnosis)))


def _parts(diagnosis: Diagnosis) -> Iterator[RenderableType]:
    for account, findings in groupby(diagnosis.findings, key=lambda finding: finding.account):
        if account is not None:
            yield ""
            yield Text(account, style="bold")
        yield _table(findings)


def _table(findings: Iterable[Finding]) -> Table:
    table = Table.grid(padding=(0, 2))
    table.add_column(no_wrap=True)
    table.add_column(style="dim", no_wrap=True)
    table.add_column(overflow="fold")
    for finding in findings:
        table.add_row(Text(finding.state, style=STYLES[finding.state]), plain(finding.name), plain(finding.said))
        if finding.todo is not None:
            table.add_row("", "", plain(f"→ {finding.todo}"))
    return table


def _verdict(diagnosis: Diagnosis) -> str:
    states = [finding.state for finding in diagnosis.findings]
    counts = ", ".join(f"{states.count(state)} {state}" for state in STYLES if state in states)
    return f"{len(states)} checks: {counts}."
