"""`qunfa freeze` and `unfreeze`."""

import asyncio
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Final, NamedTuple

import typer
from pydantic import BaseModel
from rich.console import Group, RenderableType
from temporalio.client import Client, WithStartWorkflowOperation
from temporalio.common import Priority, WorkflowIDConflictPolicy

from qunfa.cli.connection import UPDATE_TIMEOUT, carried_out, demand_worker, run, task_queue, temporal_client
from qunfa.cli.errors import NOT_DONE, ExitCode, WrongUse, explain
from qunfa.cli.ledger import describe_account, find_appid, flight, frozen_word, switch_title
from qunfa.cli.options import confirm, demand_accounts, demand_consent, login_name, payload
from qunfa.cli.output import note, plain, show, show_json, show_result, to_the_end
from qunfa.cli.typed import operations as typed
from qunfa.contract import ACCOUNT, Freeze, Unfreeze, account_id
from qunfa.contract.fields import Stored
from qunfa.contract.ids import FIRST
from qunfa.contract.ledger import FreezeAnswer
from qunfa.language import N_, _
from qunfa.settings import load_settings


class Switched(Stored):
    """What became of a freeze or unfreeze of one account among several; `refusal` says why it was not carried out."""

    account: str
    update: str
    appid: str | None = None
    refusal: str | None = None
    answer: FreezeAnswer | None = None


_UNDONE: Final = {"freeze": N_("NOT FROZEN"), "unfreeze": N_("NOT UNFROZEN")}


class _Switch(NamedTuple):
    """The update, what it holds, and how it is sent."""

    update: str
    told: BaseModel
    queue: str
    appid: str | None


def switch(asked: typed.Freeze | typed.Unfreeze) -> None:
    """Carry out `qunfa freeze` or `unfreeze`.

    One account by its name: its answer. Several: a line each as it comes, or a list of `Switched` as JSON.

    Raises:
        Exit: With 1 where one of several was not switched.
    """
    update, model = ("freeze", Freeze) if isinstance(asked, typed.Freeze) else ("unfreeze", Unfreeze)
    names, given = _chosen(asked, update), asked.given
    told = payload(model, by=given.by or login_name(), reason=asked.reason)
    how = _Switch(update, told, task_queue(given.queue), given.appid)
    if isinstance(names, str):
        appid, answer = run(_switch_one(names, how))
        show_result(answer, partial(render_switch, appid), as_json=given.as_json)
        return
    with to_the_end(note if given.as_json else show, note) as say:
        switched = run(_switch_all(names, how, say))
    if given.as_json:
        show_json(switched)
    if any(one.refusal is not None for one in switched):
        raise typer.Exit(ExitCode.REFUSED)


def _chosen(asked: typed.Freeze | typed.Unfreeze, command: str) -> list[str] | str:
    """The accounts of a command line, each once; one by its name alone; `--all` once a person has seen them.

    Raises:
        WrongUse: It has none, or both; or nobody can confirm several, or `--all`.
        Refused: The person said no.
    """
    given, everything = asked.given, asked.everything
    names = list(dict.fromkeys(asked.accounts or ()))
    demand_accounts(*names)
    if bool(names) == everything:
        raise WrongUse(_("Say which accounts: by ACCOUNT…, or by --all, and not by both."))
    if given.appid is not None and len(names) != 1:
        raise WrongUse(_("--appid goes with one ACCOUNT."))
    if everything or len(names) > 1:
        demand_consent(yes=given.yes)
    if not everything:
        return names if len(names) > 1 else names[0]
    names = sorted(load_settings(credentials=False).accounts)
    if not names:
        raise WrongUse(_("The configuration has no account: see QUNFA_CONFIG or qunfa.toml, or name the accounts."))
    confirm(
        (_("Freeze these {number}?") if command == "freeze" else _("Unfreeze these {number}?")).format(
            number=len(names)
        ),
        yes=given.yes,
        about=names,
    )
    return names


async def _switch_one(account: str, switch: _Switch) -> tuple[str, FreezeAnswer]:
    return await _switched(await temporal_client(), account, switch)


async def _switch_all(names: Sequence[str], switch: _Switch, say: Callable[[str], None]) -> list[Switched]:
    """All at once: a freeze is in haste, and one account that does not answer is not to hold up the others."""
    client = await temporal_client()
    return list(await asyncio.gather(*(_attempt(client, name, switch, say) for name in names)))


async def _attempt(client: Client, account: str, switch: _Switch, say: Callable[[str], None]) -> Switched:
    try:
        appid, answer = await _switched(client, account, switch)
    except NOT_DONE as error:
        refusal = explain(error).line
        say(f"{account}  {_(_UNDONE[switch.update])}: {refusal}")
        return Switched(account=account, update=switch.update, refusal=refusal)
    say(switch_line(account, appid, answer))
    return Switched(account=account, update=switch.update, appid=appid, answer=answer)


async def _switched(client: Client, account: str, switch: _Switch) -> tuple[str, FreezeAnswer]:
    appid = await find_appid(client, account, switch.appid)
    otherwise = _("Without one nothing is submitted, and nothing can be frozen or unfrozen.")
    await demand_worker(client, switch.queue, otherwise)
    known = await describe_account(client, appid)
    answer = await update_account(client, appid, switch.update, switch.told, switch.queue)
    if known is None:
        said = _("Nothing has been sent by {appid} through this namespace so far: see that this is the appid you mean.")
        note(said.format(appid=appid))
    return appid, answer


async def update_account(client: Client, appid: str, update: str, told: BaseModel, queue: str) -> FreezeAnswer:
    """Send the update `freeze` or `unfreeze` to the account's own workflow, which is started where there is none.

    Raises:
        WorkflowUpdateFailedError: It was refused.
        RPCError: Temporal did not answer.
    """
    operation: WithStartWorkflowOperation[Any, Any] = WithStartWorkflowOperation(
        ACCOUNT,
        id=account_id(appid),
        task_queue=queue,
        id_conflict_policy=WorkflowIDConflictPolicy.USE_EXISTING,
        priority=Priority(priority_key=FIRST),
    )
    asked = client.execute_update_with_start_workflow(
        update, told, start_workflow_operation=operation, result_type=FreezeAnswer, rpc_timeout=UPDATE_TIMEOUT
    )
    answer: FreezeAnswer = await carried_out(asked, account_id(appid))
    return answer


def render_switch(appid: str, answer: FreezeAnswer) -> RenderableType:
    """Whether the account is frozen, and what is in flight all the same."""
    flights = [_("in flight: {flight}").format(flight=flight(lease)) for lease in answer.in_flight] or [
        _("nothing is in flight")
    ]
    return Group(switch_title(appid, answer.frozen), *map(plain, flights))


def switch_line(account: str, appid: str, answer: FreezeAnswer) -> str:
    """The same in one line."""
    word, _style = frozen_word(answer.frozen)
    flights = ", ".join(flight(lease) for lease in answer.in_flight)
    said = _("in flight: {flight}").format(flight=flights) if flights else _("nothing is in flight")
    return f"{account}  {appid}  {word}  {said}"
