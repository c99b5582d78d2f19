"""The command `qunfa doctor`."""

from datetime import UTC, datetime
from typing import Annotated

import typer

from qunfa.cli.console import show, show_json
from qunfa.cli.doctor.examination import Examination
from qunfa.cli.doctor.plan import Plan, planned
from qunfa.cli.doctor.progress import shown
from qunfa.cli.errors import ExitCode
from qunfa.cli.group import run
from qunfa.cli.options import Json, TaskQueue
from qunfa.cli.rendering.doctor import render_diagnosis
from qunfa.contract.checks import Diagnosis, Finding


def doctor(
    accounts: Annotated[
        list[str] | None,
        typer.Argument(metavar="ACCOUNT…", help="The accounts' names.", show_default="all that the configuration has"),
    ] = None,
    *,
    callback_url: Annotated[
        str | None,
        typer.Option(
            metavar="URL",
            help="The callback's URL as it was entered at WeChat; {account} stands for the account's name.",
            show_default="the receiver on this machine, if one listens",
        ),
    ] = None,
    queue: TaskQueue = None,
    as_json: Json = False,
) -> None:
    """Check Temporal, workers, and each account's token, IP whitelist, quota, clock and callback; say what to do.

    Nothing is changed, and nothing is sent to followers. For each account a worker calls WeChat five times: for an
    access token, openapi/quota/get twice, callback/check, and a HEAD of the root, for the clock. The receiver gets what
    `qunfa callback check` sends it, where nobody else would see it. Exit code 1 if a check failed.
    """
    plan = planned(accounts or (), queue, callback_url)
    findings = run(_examined(plan))
    diagnosis = Diagnosis(
        ok=all(finding.state != "failed" for finding in findings),
        at=datetime.now(UTC),
        task_queue=plan.queue,
        accounts=plan.accounts,
        findings=findings,
    )
    if as_json:
        show_json(diagnosis)
    else:
        show(render_diagnosis(diagnosis))
    if not diagnosis.ok:
        raise typer.Exit(ExitCode.REFUSED)


async def _examined(plan: Plan) -> tuple[Finding, ...]:
    with shown(plan) as told:
        return await Examination(plan, told).carried_out()
