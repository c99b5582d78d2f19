"""`qunfa freeze` and `unfreeze`: the switch of one account, of several, or of all that are configured."""

import asyncio
from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Annotated, Any, Final, NamedTuple

import typer
from pydantic import BaseModel
from temporalio.client import (
    Client,
    WithStartWorkflowOperation,
    WorkflowUpdateFailedError,
    WorkflowUpdateRPCTimeoutOrCancelledError,
)
from temporalio.common import WorkflowIDConflictPolicy
from temporalio.service import RPCError

from qunfa.cli.appid import describe_account, find_appid
from qunfa.cli.connection import temporal_client
from qunfa.cli.console import note, show, show_json
from qunfa.cli.errors import ExitCode, Refused, WrongUse, explain
from qunfa.cli.group import run
from qunfa.cli.options import By, Json, Reason, TaskQueue, Yes, confirm, demand_consent, login_name
from qunfa.cli.payload import payload
from qunfa.cli.queue import has_worker, no_worker, task_queue
from qunfa.cli.rendering.ledger import render_switch, switch_line
from qunfa.cli.view import Switched
from qunfa.contract import ACCOUNT, Freeze, Unfreeze, account_id
from qunfa.contract.ledger import FreezeAnswer
from qunfa.settings import load_settings

UPDATE_TIMEOUT: Final = timedelta(seconds=30)
_UNDONE: Final = {"freeze": "NOT FROZEN", "unfreeze": "NOT UNFROZEN"}

Names = Annotated[
    list[str] | None,
    typer.Argument(metavar="ACCOUNT…", help="The accounts' names, or their appids.", show_default=False),
]
All = Annotated[
    bool, typer.Option("--all", help="Every account that the configuration has; it asks first, or needs --yes.")
]
Appid = Annotated[str | None, typer.Option("--appid", help="The appid, where the one ACCOUNT does not lead to it.")]


class _Switch(NamedTuple):
    """The update, what it holds, and how it is sent."""

    update: str
    told: BaseModel
    queue: str
    appid: str | None


def freeze(
    accounts: Names = None,
    *,
    everything: All = False,
    reason: Reason,
    appid: Appid = None,
    by: By = None,
    yes: Yes = False,
    queue: TaskQueue = None,
    as_json: Json = False,
) -> None:
    """Submit nothing more of these accounts, whoever asks; shows what is in flight all the same."""
    names = _chosen(accounts, appid, "freeze", everything=everything, yes=yes)
    told = payload(Freeze, by=by or login_name(), reason=reason)
    _carry_out(names, _Switch("freeze", told, task_queue(queue), appid), one=not everything, as_json=as_json)


def unfreeze(
    accounts: Names = None,
    *,
    everything: All = False,
    reason: Annotated[str | None, typer.Option("--reason", help="Why.")] = None,
    appid: Appid = None,
    by: By = None,
    yes: Yes = False,
    queue: TaskQueue = None,
    as_json: Json = False,
) -> None:
    """Let the submissions of frozen accounts go on."""
    names = _chosen(accounts, appid, "unfreeze", everything=everything, yes=yes)
    told = payload(Unfreeze, by=by or login_name(), reason=reason)
    _carry_out(names, _Switch("unfreeze", told, task_queue(queue), appid), one=not everything, as_json=as_json)


def _chosen(
    accounts: Sequence[str] | None, appid: str | None, command: str, *, everything: bool, yes: bool
) -> list[str]:
    """The accounts of a command line, each once; `--all` once a person has seen them.

    Raises:
        WrongUse: It has none, or both; or nobody can confirm several, or `--all`.
        Refused: The person said no.
    """
    names = list(dict.fromkeys(accounts or ()))
    if bool(names) == everything:
        raise WrongUse("Say which accounts: by ACCOUNT…, or by --all, and not by both.")
    if appid is not None and len(names) != 1:
        raise WrongUse("--appid goes with one ACCOUNT.")
    if everything or len(names) > 1:
        demand_consent(yes=yes)
    if not everything:
        return names
    names = sorted(load_settings(credentials=False).accounts)
    if not names:
        raise WrongUse("The configuration has no account: see QUNFA_CONFIG or qunfa.toml, or name the accounts.")
    confirm(f"{command.capitalize()} these {len(names)}?", yes=yes, about=names)
    return names


def _carry_out(names: Sequence[str], switch: _Switch, *, one: bool, as_json: bool) -> None:
    """One account by its name: its answer. Several: a line each as it comes, or a list of `Switched` as JSON.

    Raises:
        Exit: With 1 where one of several was not switched.
    """
    if one and len(names) == 1:
        appid, answer = run(_switch_one(names[0], switch))
        if as_json:
            show_json(answer)
        else:
            show(render_switch(appid, answer))
        return
    switched = run(_switch_all(names, switch, note if as_json else show))
    if as_json:
        show_json(switched)
    if any(one.refusal is not None for one in switched):
        raise typer.Exit(ExitCode.REFUSED)


async def _switch_one(account: str, switch: _Switch) -> tuple[str, FreezeAnswer]:
    return await _switched(await temporal_client(), account, switch)


async def _switch_all(names: Sequence[str], switch: _Switch, say: Callable[[str], None]) -> list[Switched]:
    """All at once: a freeze is in haste, and one account that does not answer is not to hold up the others."""
    client = await temporal_client()
    return list(await asyncio.gather(*(_attempt(client, name, switch, say) for name in names)))


async def _attempt(client: Client, account: str, switch: _Switch, say: Callable[[str], None]) -> Switched:
    try:
        appid, answer = await _switched(client, account, switch)
    except (
        Refused,
        WrongUse,
        WorkflowUpdateFailedError,
        WorkflowUpdateRPCTimeoutOrCancelledError,
        RPCError,
    ) as error:
        refusal = " ".join(explain(error).lines)
        say(f"{account}  {_UNDONE[switch.update]}: {refusal}")
        return Switched(account=account, update=switch.update, refusal=refusal)
    say(switch_line(account, appid, answer))
    return Switched(account=account, update=switch.update, appid=appid, answer=answer)


async def _switched(client: Client, account: str, switch: _Switch) -> tuple[str, FreezeAnswer]:
    appid = await find_appid(client, account, switch.appid)
    if not await has_worker(client, switch.queue):
        sentence = f"{no_worker(switch.queue)} Without one nothing is submitted, and nothing can be frozen or unfrozen."
        raise Refused(sentence)
    known = await describe_account(client, appid)
    operation: WithStartWorkflowOperation[Any, Any] = WithStartWorkflowOperation(
        ACCOUNT, id=account_id(appid), task_queue=switch.queue, id_conflict_policy=WorkflowIDConflictPolicy.USE_EXISTING
    )
    answer = await client.execute_update_with_start_workflow(
        switch.update,
        switch.told,
        start_workflow_operation=operation,
        result_type=FreezeAnswer,
        rpc_timeout=UPDATE_TIMEOUT,
    )
    if known is None:
        note(f"Nothing has been sent by {appid} through this namespace so far: see that this is the appid you mean.")
    return appid, answer
