"""`qunfa forget`: has an account's ledger forget a key."""

from typing import Annotated

import typer
from temporalio.client import Client

from qunfa.cli.accounts import Appid, Name
from qunfa.cli.appid import describe_account, find_appid
from qunfa.cli.connection import temporal_client
from qunfa.cli.console import show, show_json
from qunfa.cli.errors import Refused
from qunfa.cli.group import run
from qunfa.cli.options import By, Json, Reason, Yes, confirm, demand_consent, login_name
from qunfa.cli.payload import payload
from qunfa.cli.queue import has_worker, no_worker
from qunfa.cli.rendering.ledger import render_forgotten
from qunfa.cli.switching import UPDATE_TIMEOUT
from qunfa.contract import account_id
from qunfa.contract.ledger import Forgotten
from qunfa.contract.operators import Forget

_WARNING = (
    "You vouch that what became of the key is settled. Its ledger stands against sending it again, and will not any "
    "more; what Temporal still has of its earlier runs does."
)


def forget(
    account: Name,
    key: Annotated[str, typer.Argument(metavar="KEY", help="The key that is to be forgotten.")],
    *,
    reason: Reason,
    appid: Appid = None,
    by: By = None,
    yes: Yes = False,
    as_json: Json = False,
) -> None:
    """Have an account's ledger forget what it knows of a key; it asks first, or needs --yes."""
    told = payload(Forget, by=by or login_name(), reason=reason, key=key)
    demand_consent(yes=yes)
    confirm(f"Have the ledger of {account} forget the key {key}?", yes=yes, about=[_WARNING])
    forgotten = run(_forget(account, appid, told))
    if as_json:
        show_json(forgotten)
    else:
        show(render_forgotten(forgotten))


async def _forget(account: str, given: str | None, told: Forget) -> Forgotten:
    client = await temporal_client()
    appid = await find_appid(client, account, given)
    description = await describe_account(client, appid)
    if description is None:
        raise Refused(f"Nothing has been sent by {appid} through the namespace {client.namespace} yet.")
    if not await has_worker(client, description.task_queue):
        raise Refused(f"{no_worker(description.task_queue)} Without one nothing can be forgotten.")
    return await _forgotten(client, appid, told)


async def _forgotten(client: Client, appid: str, told: Forget) -> Forgotten:
    handle = client.get_workflow_handle(account_id(appid))
    line: Forgotten = await handle.execute_update("forget", told, result_type=Forgotten, rpc_timeout=UPDATE_TIMEOUT)
    return line
