"""`qunfa doctor`: what it is asked, and what it shows."""

from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import groupby

import typer
from rich.console import Group, RenderableType
from rich.text import Text

from qunfa.cli.connection import run
from qunfa.cli.errors import ExitCode
from qunfa.cli.examination import UnderWay, examined, planned
from qunfa.cli.output import STATES, checks, plain, show_result, stderr
from qunfa.cli.typed import operations as typed
from qunfa.contract.checks import Diagnosis
from qunfa.language import _
from qunfa.language.phrases import told


def doctor(asked: typed.Doctor) -> None:
    """Carry out `qunfa doctor`."""
    plan = planned(asked.accounts or (), asked.queue, asked.callback_url)
    with stderr().status("") as line:
        under_way = UnderWay(lambda names: line.update(plain(_("Looking at {checks}").format(checks=names))))
        findings = run(examined(plan, under_way))
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
