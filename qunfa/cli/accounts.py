"""`qunfa freeze`, `unfreeze` and `ledger`: what an account's own workflow is told and asked."""

from datetime import timedelta
from typing import Annotated, Any, Final

import typer
from pydantic import BaseModel
from temporalio.client import Client, WithStartWorkflowOperation, WorkflowQueryFailedError
from temporalio.common import WorkflowIDConflictPolicy
from temporalio.service import RPCError

from qunfa.cli.appid import describe_account, find_appid
from qunfa.cli.connection import temporal_client
from qunfa.cli.console import note, show, show_json
from qunfa.cli.errors import Refused, WrongUse
from qunfa.cli.group import run
from qunfa.cli.options import By, Json, Reason, TaskQueue, login_name
from qunfa.cli.payload import payload
from qunfa.cli.queue import has_worker, no_worker, task_queue
from qunfa.cli.reading import RPC_TIMEOUT
from qunfa.cli.rendering.ledger import render_ledger, render_switch
from qunfa.contract import ACCOUNT, Freeze, Unfreeze, account_id
from qunfa.contract.ledger import FreezeAnswer, LedgerView

UPDATE_TIMEOUT: Final = timedelta(seconds=30)

Name = Annotated[str, typer.Argument(metavar="ACCOUNT", help="The account's name, or its appid.")]
Appid = Annotated[str | None, typer.Option("--appid", help="The appid, where the name does not lead to it.")]


def freeze(
    account: Name, *, reason: Reason, appid: Appid = None, by: By = None, queue: TaskQueue = None, as_json: Json = False
) -> None:
    """Submit nothing more of an account, whoever asks; shows what is in flight all the same."""
    told = payload(Freeze, by=by or login_name(), reason=reason)
    _show(*run(_switch(account, appid, task_queue(queue), "freeze", told)), as_json=as_json)


def unfreeze(
    account: Name,
    *,
    reason: Annotated[str | None, typer.Option("--reason", help="Why.")] = None,
    appid: Appid = None,
    by: By = None,
    queue: TaskQueue = None,
    as_json: Json = False,
) -> None:
    """Let the submissions of a frozen account go on."""
    told = payload(Unfreeze, by=by or login_name(), reason=reason)
    _show(*run(_switch(account, appid, task_queue(queue), "unfreeze", told)), as_json=as_json)


def ledger(
    account: Name,
    *,
    key: Annotated[str | None, typer.Option(help="Only this key.")] = None,
    msg_id: Annotated[int | None, typer.Option(min=1, help="Only the send with this msg_id.")] = None,
    appid: Appid = None,
    as_json: Json = False,
) -> None:
    """Show what an account's own workflow knows: keys, pace, freeze, quota, pushes that nobody waits for."""
    if key is not None and msg_id is not None:
        raise WrongUse("Give --key or --msg-id, not both.")
    wanted = {"key": key} if key is not None else {"msg_id": msg_id} if msg_id is not None else None
    view = run(_ledger(account, appid, wanted))
    if as_json:
        show_json(view)
    else:
        show(render_ledger(view))


async def _switch(
    account: str, given: str | None, queue: str, update: str, told: BaseModel
) -> tuple[str, FreezeAnswer]:
    client = await temporal_client()
    appid = await find_appid(client, account, given)
    if not await has_worker(client, queue):
        raise Refused(f"{no_worker(queue)} Without one nothing is submitted, and nothing can be frozen or unfrozen.")
    known = await describe_account(client, appid)
    operation: WithStartWorkflowOperation[Any, Any] = WithStartWorkflowOperation(
        ACCOUNT, id=account_id(appid), task_queue=queue, id_conflict_policy=WorkflowIDConflictPolicy.USE_EXISTING
    )
    answer = await client.execute_update_with_start_workflow(
        update, told, start_workflow_operation=operation, result_type=FreezeAnswer, rpc_timeout=UPDATE_TIMEOUT
    )
    if known is None:
        note(f"Nothing has been sent by {appid} through this namespace so far: see that this is the appid you mean.")
    return appid, answer


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


def _show(appid: str, answer: FreezeAnswer, *, as_json: bool) -> None:
    if as_json:
        show_json(answer)
    else:
        show(render_switch(appid, answer))
