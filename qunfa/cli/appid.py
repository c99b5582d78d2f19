"""Which appid an operator means: a name leads to it by the configuration, or by what an account's ledger holds."""

import re
from collections.abc import AsyncIterator
from typing import Final

from temporalio.client import Client, WorkflowExecutionDescription, WorkflowQueryFailedError
from temporalio.service import RPCError, RPCStatusCode

from qunfa.cli.errors import WrongUse
from qunfa.cli.reading import RPC_TIMEOUT
from qunfa.contract import ACCOUNT, account_id
from qunfa.contract.ids import parse_account_id, parse_mass_send_id
from qunfa.contract.ledger import LedgerView
from qunfa.settings import SettingsError, load_settings

_APPID: Final = re.compile(r"wx[0-9A-Za-z]{16}")
"""How WeChat writes an appid. Shorter text may be a name, and a mistaken freeze would protect nothing."""
_SEARCHED: Final = 100


async def find_appid(client: Client, account: str, given: str | None = None) -> str:
    """The appid of `account`, which is a name or already an appid; `given` wins.

    Raises:
        WrongUse: Nothing leads to one appid.
    """
    configured = given or _configured().get(account)
    if configured:
        return configured
    if await describe_account(client, account) or _APPID.fullmatch(account):
        return account
    found = [appid async for appid in _by_ledger(client, account)]
    if len(found) == 1:
        return found[0]
    several = (
        f"The appids {', '.join(found)} have sent under the name {account}"
        if found
        else (f"Neither this configuration nor any account's ledger knows {account}")
    )
    raise WrongUse(f"{several}: say which one is meant with --appid wx….")


async def describe_account(client: Client, appid: str) -> WorkflowExecutionDescription | None:
    """What Temporal knows of the account's own workflow; `None` where it knows none."""
    try:
        return await client.get_workflow_handle(account_id(appid)).describe(rpc_timeout=RPC_TIMEOUT)
    except RPCError as error:
        if error.status is RPCStatusCode.NOT_FOUND:
            return None
        raise


def _configured() -> dict[str, str]:
    """Name → appid; nothing where the configuration cannot be read, as on an operator's machine without secrets."""
    try:
        return {name: settings.appid for name, settings in load_settings(credentials=False).accounts.items()}
    except SettingsError:
        return {}


async def _by_ledger(client: Client, account: str) -> AsyncIterator[str]:
    running = f"WorkflowType = '{ACCOUNT}' AND ExecutionStatus = 'Running'"
    async for found in client.list_workflows(running, limit=_SEARCHED, rpc_timeout=RPC_TIMEOUT):
        appid = parse_account_id(found.id)
        if appid and await _has_sent_as(client, found.id, account):
            yield appid


async def _has_sent_as(client: Client, workflow_id: str, account: str) -> bool:
    try:
        view = await client.get_workflow_handle(workflow_id).query(
            "ledger", result_type=LedgerView, rpc_timeout=RPC_TIMEOUT
        )
    except (RPCError, WorkflowQueryFailedError):
        return False
    sends = (parse_mass_send_id(record.workflow_id) for record in view.records)
    return any(send is not None and send.account == account for send in sends)
