"""`qunfa list`: sends by Temporal's search attributes."""

from typing import Annotated

import typer

from qunfa.cli.connection import temporal_client
from qunfa.cli.console import note, show, show_json
from qunfa.cli.filters import Filters, visibility_query
from qunfa.cli.group import run
from qunfa.cli.options import Json
from qunfa.cli.rendering.sends import render_sends
from qunfa.cli.rows import find_rows
from qunfa.cli.view import SendRow
from qunfa.contract.operators import Phase
from qunfa.contract.result import ShownOutcome


def list_sends(
    *,
    account: Annotated[str | None, typer.Option(help="Of this account.")] = None,
    phase: Annotated[Phase | None, typer.Option(help="In this phase.")] = None,
    outcome: Annotated[ShownOutcome | None, typer.Option(help="Ended so.")] = None,
    problem: Annotated[str | None, typer.Option(help="With this problem, such as reprint_needs_decision.")] = None,
    msgtype: Annotated[str | None, typer.Option(help="Of this type: text, mpnews, image …")] = None,
    since: Annotated[
        str | None,
        typer.Option(metavar="TIME", help="Started since: a span back from now (12h, 7d, PT90M) or an RFC 3339 time."),
    ] = None,
    until: Annotated[str | None, typer.Option(metavar="TIME", help="Started until then: a span or a time.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="At most so many, the newest.")] = 50,
    query: Annotated[
        str | None, typer.Option(help="And by a visibility query, such as ExecutionStatus = 'Running'.")
    ] = None,
    as_json: Json = False,
) -> None:
    """List sends, the newest first; without a worker, too."""
    asked = visibility_query(Filters(account, phase, problem, msgtype, since, query, until, outcome=outcome))
    rows = run(_list(asked, limit + 1))
    if len(rows) > limit:
        note(f"There are more: these are the newest {limit}. Ask for more with --limit.")
    if as_json:
        show_json(rows[:limit])
    elif rows:
        show(render_sends(rows[:limit]))
    else:
        note("No send matches.")


async def _list(query: str, limit: int) -> list[SendRow]:
    return await find_rows(await temporal_client(), query, limit)
