"""`qunfa list`: sends by Temporal's search attributes."""

from typing import Annotated, Final, get_args

import typer
from temporalio.client import Client, WorkflowExecution
from temporalio.common import SearchAttributeKey
from temporalio.service import RPCError, RPCStatusCode

from qunfa.cli.connection import temporal_client
from qunfa.cli.console import note, show, show_json
from qunfa.cli.errors import WrongUse
from qunfa.cli.filters import Filters, visibility_query
from qunfa.cli.group import run
from qunfa.cli.options import Json
from qunfa.cli.reading import PHASE, RPC_TIMEOUT, state_of
from qunfa.cli.rendering.sends import render_sends
from qunfa.cli.view import SendRow
from qunfa.contract.ids import parse_mass_send_id
from qunfa.contract.status import Phase
from qunfa.temporal import missing_search_attributes

_PROBLEM: Final = SearchAttributeKey.for_keyword("MassSendProblem")
_MSGTYPE: Final = SearchAttributeKey.for_keyword("MassSendMsgType")
_MSG_ID: Final = SearchAttributeKey.for_keyword_list("MassSendMsgId")


def list_sends(
    *,
    account: Annotated[str | None, typer.Option(help="Of this account.")] = None,
    phase: Annotated[
        str | None, typer.Option(metavar="PHASE", help=f"In this phase: {', '.join(get_args(Phase))}.")
    ] = None,
    problem: Annotated[str | None, typer.Option(help="With this problem, such as reprint_needs_decision.")] = None,
    msgtype: Annotated[str | None, typer.Option(help="Of this type: text, mpnews, image …")] = None,
    since: Annotated[
        str | None,
        typer.Option(metavar="TIME", help="Started since: a span back from now (12h, 7d, PT90M) or an RFC 3339 time."),
    ] = None,
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="At most so many, the newest.")] = 50,
    query: Annotated[
        str | None, typer.Option(help="And by a visibility query, such as ExecutionStatus = 'Running'.")
    ] = None,
    as_json: Json = False,
) -> None:
    """List sends, the newest first; without a worker, too."""
    asked = visibility_query(Filters(account, phase, problem, msgtype, since, query))
    rows = run(_list(asked, limit))
    if len(rows) > limit:
        note(f"There are more: these are the newest {limit}. Ask for more with --limit.")
    if as_json:
        show_json(rows[:limit])
    elif rows:
        show(render_sends(rows[:limit]))
    else:
        note("No send matches.")


async def _list(query: str, limit: int) -> list[SendRow]:
    """One more row than `limit`, where there is one."""
    client = await temporal_client()
    try:
        return [_row(one) async for one in client.list_workflows(query, limit=limit + 1, rpc_timeout=RPC_TIMEOUT)]
    except RPCError as error:
        if error.status is RPCStatusCode.INVALID_ARGUMENT:
            raise await _bad_query(client, error) from None
        raise


async def _bad_query(client: Client, error: RPCError) -> WrongUse:
    missing = await missing_search_attributes(client)
    if missing:
        return WrongUse(
            f"The namespace {client.namespace} lacks the search attributes {', '.join(missing)}: run `qunfa setup`."
        )
    return WrongUse(f"Temporal does not take this query: {error.message}")


def _row(found: WorkflowExecution) -> SendRow:
    attributes = found.typed_search_attributes
    named = parse_mass_send_id(found.id)
    return SendRow(
        workflow_id=found.id,
        run_id=found.run_id,
        account=named and named.account,
        key=named and named.key,
        state=state_of(found.status),
        phase=attributes.get(PHASE),
        problem=attributes.get(_PROBLEM),
        msgtype=attributes.get(_MSGTYPE),
        msg_ids=tuple(attributes.get(_MSG_ID) or ()),
        started_at=found.start_time,
        closed_at=found.close_time,
    )
