"""`qunfa ledger`: what an account's own workflow knows."""

from typing import Annotated, Any

import typer
from temporalio.client import Client, WorkflowQueryFailedError
from temporalio.service import RPCError

from qunfa.cli.appid import describe_account, find_appid
from qunfa.cli.connection import temporal_client
from qunfa.cli.console import show, show_json
from qunfa.cli.errors import Refused, WrongUse
from qunfa.cli.group import run
from qunfa.cli.options import Json
from qunfa.cli.queue import has_worker, no_worker
from qunfa.cli.reading import RPC_TIMEOUT
from qunfa.cli.rendering.ledger import render_ledger
from qunfa.contract import account_id
from qunfa.contract.ledger import LedgerView

Name = Annotated[str, typer.Argument(metavar="ACCOUNT", help="The account's name, or its appid.")]
Appid = Annotated[str | None, typer.Option("--appid", help="The appid, where the name does not lead to it.")]


def ledger(
    account: Name,
    *,
    key: Annotated[str | None, typer.Option(help="Only this key.")] = None,
    msg_id: Annotated[int | None, typer.Option(min=1, help="Only the send with this msg_id.")] = None,
    appid: Appid = None,
    as_json: Json = False,
) -> None:
    """Show what an account's own workflow knows: keys, who waits, pace, freeze, sends by day, what was forgotten."""
    if key is not None and msg_id is not None:
        raise WrongUse("Give --key or --msg-id, not both.")
    wanted = {"key": key} if key is not None else {"msg_id": msg_id} if msg_id is not None else None
    view = run(_ledger(account, appid, wanted))
    if as_json:
        show_json(view)
    else:
        show(render_ledger(view))


async def _ledger(account: str, given: str | None, wanted: dict[str, Any] | None) -> LedgerView:
    client = await temporal_client()
    appid = await find_appid(client, account, given)
    description = await describe_account(client, appid)
    if description is None:
        raise Refused(f"Nothing has been sent by {appid} through the namespace {client.namespace} yet.")
    if not await has_worker(client, description.task_queue):
        raise Refused(no_worker(description.task_queue))
    try:
        return await _queried(client, appid, wanted)
    except WorkflowQueryFailedError as error:
        raise Refused(f"The account {appid} could not say what it knows: {error}") from None
    except RPCError:
        raise Refused(f"No worker answered for the account {appid}: see that one runs (`qunfa worker`).") from None


async def _queried(client: Client, appid: str, wanted: dict[str, Any] | None) -> LedgerView:
    handle = client.get_workflow_handle(account_id(appid))
    view: LedgerView = await handle.query("ledger", wanted, result_type=LedgerView, rpc_timeout=RPC_TIMEOUT)
    return view
