"""`qunfa recall`: the pages behind a delivered message go."""

from typing import Annotated

import typer

from qunfa.cli.awaiting import demand_worker
from qunfa.cli.connection import temporal_client
from qunfa.cli.console import show, show_json
from qunfa.cli.errors import ExitCode
from qunfa.cli.group import run
from qunfa.cli.options import By, Json, Reason, TaskQueue, Yes, confirm, demand_consent, login_name
from qunfa.cli.payload import payload
from qunfa.cli.queue import task_queue
from qunfa.cli.recall_aims import Aim, aims
from qunfa.cli.recalling import recall_one
from qunfa.cli.rendering.recall import FOR_GOOD, SHARED, STAYS, render_recall
from qunfa.contract.recall import ARTICLES_MAX, RecallRequest, RecallResult


def recall(
    what: Annotated[
        str,
        typer.Argument(
            metavar="SEND|MSG_ID|URL",
            help="account/key or a workflow id; the msg_id of a job; or the address of an article.",
        ),
    ],
    *,
    reason: Reason,
    article: Annotated[
        int | None,
        typer.Option(min=1, max=ARTICLES_MAX, help="Only this article, counted from 1.", show_default="all"),
    ] = None,
    account: Annotated[str | None, typer.Option("--account", help="The account, where nothing else tells it.")] = None,
    by: By = None,
    yes: Yes = False,
    queue: TaskQueue = None,
    as_json: Json = False,
) -> None:
    """Delete the pages of articles or of a video that were sent. Cards that were delivered stay visible.

    Every other send of the same material loses its pages, too. WeChat takes ten calls a day.

    With --json: one object, or a list where a send was made in several jobs.
    """
    demand_consent(yes=yes)
    who = by or login_name()
    found = run(_found(what, account, article, task_queue(queue)))
    for aim in found:
        payload(RecallRequest, **aim.request(who, reason))
    _confirm(found, yes=yes)
    results = run(_recalled(found, who, reason, task_queue(queue)))
    if as_json:
        show_json(results[0] if len(results) == 1 else results)
    else:
        show(*(render_recall(one) for one in results))
    if not all(one.outcome == "recalled" for one in results):
        raise typer.Exit(ExitCode.REFUSED)


async def _found(what: str, account: str | None, article: int | None, queue: str) -> list[Aim]:
    client = await temporal_client()
    await demand_worker(client, queue)
    return await aims(client, what, account, article)


def _confirm(found: list[Aim], *, yes: bool) -> None:
    about = [*(aim.what for aim in found), STAYS, SHARED, FOR_GOOD]
    confirm("Recall it?" if len(found) == 1 else f"Recall these {len(found)} jobs?", yes=yes, about=about)


async def _recalled(found: list[Aim], by: str, reason: str, queue: str) -> list[RecallResult]:
    client = await temporal_client()
    return [await recall_one(client, aim, by, reason, queue) for aim in found]
