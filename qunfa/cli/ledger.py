"""`qunfa ledger` and `forget`: what an account's own workflow knows, and what it is told."""

import asyncio
import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from typing import Any, Final

from pydantic import BaseModel, ValidationError
from rich.console import Group, RenderableType
from rich.text import Text
from temporalio.client import (
    Client,
    WithStartWorkflowOperation,
    WorkflowExecutionDescription,
    WorkflowExecutionStatus,
    WorkflowQueryFailedError,
    WorkflowUpdateHandle,
    WorkflowUpdateRPCTimeoutOrCancelledError,
    WorkflowUpdateStage,
)
from temporalio.common import Priority, WorkflowIDConflictPolicy
from temporalio.service import RPCError

from qunfa.cli.connection import RPC_TIMEOUT, carried_out, demand_worker, with_client
from qunfa.cli.errors import Refused, Unreadable, WrongUse
from qunfa.cli.options import confirm, demand_accounts, demand_consent, login_name, payload
from qunfa.cli.output import moment, plain, short, show_result, table
from qunfa.cli.typed import operations as typed
from qunfa.contract import ACCOUNT, account_id
from qunfa.contract.ids import FIRST, parse_mass_send_id
from qunfa.contract.ledger import Forgotten, FreezeAnswer, Frozen, Lease, LedgerView, Record
from qunfa.contract.operators import Forget
from qunfa.contract.result import Job
from qunfa.language import N_, _, listed
from qunfa.language.phrases import told
from qunfa.rules.outcome import job_result, recalled
from qunfa.settings import SettingsError, load_settings
from qunfa.settings.account import APPID_PATTERN
from qunfa.temporal.connection import is_gone
from qunfa.temporal.paused import OPEN, PausedError


def ledger(asked: typed.Ledger) -> None:
    """Carry out `qunfa ledger`."""
    key, msg_id = asked.key, asked.msg_id
    if key is not None and msg_id is not None:
        raise WrongUse(_("Give --key or --msg-id, not both."))
    demand_accounts(asked.account)
    wanted = {"key": key} if key is not None else {"msg_id": msg_id} if msg_id is not None else None
    show_result(with_client(_ledger, asked.account, asked.appid, wanted), render_ledger, as_json=asked.as_json)


async def _ledger(client: Client, account: str, given: str | None, wanted: dict[str, Any] | None) -> LedgerView:
    appid = await _appid_to_ask(client, account, given, "")
    try:
        return await _query(client, account_id(appid), wanted)
    except WorkflowQueryFailedError as error:
        said = _("The account {appid} could not say what it knows: {error}")
        raise Refused(said.format(appid=appid, error=error)) from None
    except PausedError:
        raise
    except RPCError:
        sentence = _("No worker answered for the account {appid}: see that one runs (`qunfa worker`).")
        raise Refused(sentence.format(appid=appid)) from None


async def _appid_to_ask(client: Client, account: str, given: str | None, otherwise: str) -> str:
    """The appid of an account whose own workflow can be asked now."""
    appid = await find_appid(client, account, given)
    description = await describe_account(client, appid)
    if description is None:
        said = _("Nothing has been sent by {appid} through the namespace {namespace} yet.")
        raise Refused(said.format(appid=appid, namespace=client.namespace))
    await demand_worker(client, description.task_queue, otherwise)
    return appid


async def _query(client: Client, workflow_id: str, wanted: dict[str, Any] | None = None) -> LedgerView:
    handle = client.get_workflow_handle(workflow_id)
    try:
        view: LedgerView = await handle.query("ledger", wanted, result_type=LedgerView, rpc_timeout=RPC_TIMEOUT)
    except ValidationError:
        raise Unreadable from None
    return view


_WARNING = N_(
    "You vouch that what became of the key is settled. Its ledger stands against sending it "
    "again, and will not any more; what Temporal still has of its earlier runs does."
)


def forget(asked: typed.Forget) -> None:
    """Carry out `qunfa forget`."""
    demand_accounts(asked.account)
    told = payload(Forget, by=asked.by or login_name(), reason=asked.reason, key=asked.key)
    demand_consent(yes=asked.yes)
    said = _("Have the ledger of {account} forget the key {key}?")
    confirm(said.format(account=asked.account, key=asked.key), yes=asked.yes, about=[_(_WARNING)])
    show_result(with_client(_forget, asked.account, asked.appid, told), render_forgotten, as_json=asked.as_json)


async def _forget(client: Client, account: str, given: str | None, told: Forget) -> Forgotten:
    appid = await _appid_to_ask(client, account, given, _("Without one nothing can be forgotten."))
    handle = client.get_workflow_handle(account_id(appid))
    update = handle.start_update("forget", told, wait_for_stage=WorkflowUpdateStage.ACCEPTED, result_type=Forgotten)
    line: Forgotten = await carried_out(update, handle.id)
    return line


async def update_account(client: Client, appid: str, update: str, told: BaseModel, queue: str) -> FreezeAnswer:
    """Send the update `freeze` or `unfreeze` to the account's own workflow, which is started where there is none.

    Raises:
        WorkflowUpdateFailedError: It was refused.
        WorkflowUpdateRPCTimeoutOrCancelledError: No worker accepted it in time, and it may still be carried out.
        PerhapsDone: It was accepted, and not answered in time.
        AnswerLost: It may have been carried out.
    """
    answer: FreezeAnswer = await carried_out(_update_or_start(client, appid, update, told, queue), account_id(appid))
    return answer


async def _update_or_start(
    client: Client, appid: str, update: str, told: BaseModel, queue: str
) -> WorkflowUpdateHandle[FreezeAnswer]:
    operation: WithStartWorkflowOperation[Any, Any] = WithStartWorkflowOperation(
        ACCOUNT,
        id=account_id(appid),
        task_queue=queue,
        id_conflict_policy=WorkflowIDConflictPolicy.USE_EXISTING,
        priority=Priority(priority_key=FIRST),
    )
    try:
        return await client.start_update_with_start_workflow(
            update,
            told,
            start_workflow_operation=operation,
            wait_for_stage=WorkflowUpdateStage.ACCEPTED,
            result_type=FreezeAnswer,
        )
    except (RPCError, WorkflowUpdateRPCTimeoutOrCancelledError):
        # Nobody else asks for the handle, and a future whose error nobody has seen is complained about.
        await asyncio.gather(operation.workflow_handle(), return_exceptions=True)
        raise


_APPID: Final = re.compile(r"wx[0-9A-Za-z]{16}")
"""How WeChat writes an appid. Shorter text may be a name, and a mistaken freeze would protect nothing."""


async def find_appid(client: Client, account: str, given: str | None = None) -> str:
    """The appid of `account`, which is a name or already an appid; `given` wins.

    No other text is taken for one. A workflow of that name would be frozen in the account's place, now or some day.
    """
    if given is not None:
        if not re.fullmatch(APPID_PATTERN, given):
            said = _("--appid {appid!r} is no AppID: wx, then letters, digits, _ or -, at most 64 in all.")
            raise WrongUse(said.format(appid=given))
        return given
    with suppress(SettingsError):  # a freeze must not wait for a good configuration
        if (appid := configured().get(account)) is not None:
            return appid
    if _APPID.fullmatch(account):
        return account
    if re.fullmatch(APPID_PATTERN, account) and await describe_account(client, account):
        return account
    known = await ledgers(client)
    found = [view.appid for view in known.values() if view and has_sent_as(view, account)]
    silent = [workflow_id for workflow_id, view in known.items() if view is None]
    if len(found) == 1 and not silent:
        return found[0]
    if silent and len(found) <= 1:
        unknown = _("{silent} did not answer, so which account {account} is stays open: give its appid.")
        raise WrongUse(unknown.format(silent=listed(silent), account=account))
    many = _("The appids {found} have sent under the name {account}").format(found=listed(found), account=account)
    nobody = _("Neither this configuration nor any account's ledger knows {account}").format(account=account)
    raise WrongUse(_("{said}: give its appid instead of its name.").format(said=many if found else nobody))


async def describe_account(client: Client, appid: str) -> WorkflowExecutionDescription | None:
    """What Temporal knows of the account's own workflow; `None` where it knows none."""
    try:
        return await client.get_workflow_handle(account_id(appid)).describe(rpc_timeout=RPC_TIMEOUT)
    except RPCError as error:
        if is_gone(error):
            return None
        raise


async def current_run(client: Client, appid: str) -> str | None:
    """The id of the run that the account's own workflow is in; `None` where it does not run."""
    found = await describe_account(client, appid)
    return found.run_id if found is not None and found.status is WorkflowExecutionStatus.RUNNING else None


def configured() -> dict[str, str]:
    """Name → appid of the configuration; nothing where there is none, as on an operator's machine.

    Raises:
        SettingsError: There is one, and it cannot be read.
    """
    return {name: settings.appid for name, settings in load_settings("command").accounts.items()}


async def ledgers(client: Client) -> dict[str, LedgerView | None]:
    """What each account's own workflow knows, by its workflow id; `None` where it does not answer."""
    return await views_of(client, list(await running_accounts(client)))


async def running_accounts(client: Client) -> dict[str, str]:
    """The workflow ids of the accounts that Temporal has, and on which task queue each of them runs."""
    running = f"WorkflowType = '{ACCOUNT}' AND {OPEN}"
    return {found.id: found.task_queue async for found in client.list_workflows(running, rpc_timeout=RPC_TIMEOUT)}


Silence = RPCError | WorkflowQueryFailedError | Unreadable
"""What an account ends with that does not answer, or not as this version knows it."""


async def views_of(
    client: Client, ids: Sequence[str], wanted: dict[str, Any] | None = None
) -> dict[str, LedgerView | None]:
    """What the accounts of these workflow ids know, or what is `wanted` of it; `None` where one does not answer."""
    said = await answers_of(client, ids, wanted)
    return {one: view if isinstance(view, LedgerView) else None for one, view in said.items()}


async def answers_of(
    client: Client, ids: Sequence[str], wanted: dict[str, Any] | None = None
) -> dict[str, LedgerView | Silence]:
    """As :func:`views_of`, with why one does not answer."""
    said: dict[str, LedgerView | Silence] = {}
    views = await asyncio.gather(*(_query(client, one, wanted) for one in ids), return_exceptions=True)
    for one, view in zip(ids, views, strict=True):
        if isinstance(view, BaseException) and not isinstance(view, Silence):
            raise view
        said[one] = view
    return said


def has_sent_as(view: LedgerView, account: str) -> bool:
    sends = (parse_mass_send_id(record.workflow_id) for record in view.records)
    return any(send is not None and send.account == account for send in sends)


_DAYS_SHOWN = 31


def render_ledger(view: LedgerView) -> RenderableType:
    wrapped, cut = (_("state"), _("ended as"), _("status"), _("why")), {_("touched"): 11, _("gen"): 3, _("tries"): 5}
    tables = (table(headings, rows, title, wrapped=wrapped, cut=cut) for title, headings, rows in _tables(view))
    return Group(switch_title(view.appid, view.frozen), *map(plain, _facts(view)), *tables)


def _tables(view: LedgerView) -> Iterator[tuple[str, tuple[str, ...], Iterable[tuple[object, ...]]]]:
    """Title, headings and rows: the keys always, the others where there are any."""
    if view.waiting:
        waiting = ((one.place, one.key, moment(one.due)) for one in view.waiting)
        yield _("Waiting for their turn"), (_("before it"), _("key"), _("due")), waiting
    headings = (_("key"), _("gen"), _("tries"), "msg_id", _("state"), _("ended as"), _("touched"))
    yield _("Keys"), headings, _keys(view.records)
    if view.kept:
        pushes = ((push.event.msg_id, push.event.status, moment(push.at)) for push in view.kept)
        yield _("Pushes that nobody waits for"), ("msg_id", _("status"), _("came")), pushes
    if view.book:
        newest = sorted(view.book.items(), reverse=True)[:_DAYS_SHOWN]
        days = ((day, counted.total, counted.to_all, counted.others) for day, counted in newest)
        yield _("Sends by Shanghai day"), (_("day"), _("ours"), _("of them to all"), _("not ours")), days
    if view.forgotten:
        forgotten = ((one.key, one.by, moment(one.at), one.reason) for one in reversed(view.forgotten))
        yield _("Forgotten"), (_("key"), _("by"), _("when"), _("why")), forgotten


def render_forgotten(forgotten: Forgotten) -> RenderableType:
    """What the ledger does not know any more, and what still stands against sending it again."""
    said = _("{key}  forgotten by {by}: {reason}")
    but = _("What Temporal still has of its earlier runs is looked for before it is sent again.")
    return Group(plain(said.format(key=forgotten.key, by=forgotten.by, reason=forgotten.reason)), plain(but))


def _facts(view: LedgerView) -> Iterator[str]:
    if view.pace.spacing:  # the first submission brings it along
        yield _("pace: {seconds:g} s between two submissions").format(seconds=view.pace.spacing.total_seconds())
    yield _("in flight: {said}").format(said=flight(view.lease) if view.lease else _("nothing"))
    yield _("counted since {since}").format(since=moment(view.since))
    if view.restored is not None and view.restored.ended_at is None:
        said = _("restored from a snapshot of {taken}: each key asks a person first, until `qunfa restored --done`")
        yield said.format(taken=moment(view.restored.taken))


def frozen_word(frozen: Frozen | None) -> tuple[str, str]:
    """Whether an account is frozen, and the style of the word."""
    return (_("FROZEN"), "bold red") if frozen else (_("open"), "bold green")


def switch_title(appid: str, frozen: Frozen | None) -> Text:
    """Whether an account is frozen, and by whom, since when and why."""
    title = Text.assemble((appid, "bold"), "  ", frozen_word(frozen))
    if frozen:
        title.append_text(plain("\n" + frozen_by_words(frozen)))
    return title


class OneSwitched(FreezeAnswer):
    """The answer of the one account that was named."""

    account: str
    appid: str


def render_switch(answer: OneSwitched) -> RenderableType:
    """Whether the account is frozen, and what is in flight all the same."""
    flights = [_("in flight: {flight}").format(flight=flight(lease)) for lease in answer.in_flight] or [
        _("nothing is in flight")
    ]
    return Group(switch_title(answer.appid, answer.frozen), *map(plain, flights))


def switch_line(account: str, appid: str, answer: FreezeAnswer) -> str:
    word, _style = frozen_word(answer.frozen)
    flights = listed(flight(lease) for lease in answer.in_flight)
    said = _("in flight: {flight}").format(flight=flights) if flights else _("nothing is in flight")
    return f"{account}  {appid}  {word}  {said}"


def frozen_by_words(frozen: Frozen) -> str:
    """Who has frozen an account, since when and why."""
    return _("by {by} since {at}: {reason}").format(by=frozen.by, at=moment(frozen.at), reason=frozen.reason)


def flight(lease: Lease) -> str:
    """A try that is under way."""
    return _("{key}, job {index}, generation {generation}, try {attempt}, counts as unknown after {expires_at}").format(
        key=lease.key,
        index=lease.index,
        generation=lease.generation,
        attempt=lease.attempt,
        expires_at=moment(lease.expires_at),
    )


def _keys(records: Sequence[Record]) -> Iterator[tuple[object, ...]]:
    for record in sorted(records, key=lambda record: record.touched_at, reverse=True):
        problem = _(" ({problem})").format(problem=record.problem) if record.problem else ""
        ended = record.ended_as and _(record.ended_as) + problem
        ended = listed(filter(None, (ended, *map(told, recalled(record.recalled))))) or None
        for job in record.jobs or (None,):
            cells = (job.generation, job.attempts, job.msg_id, _state(job, record.jobs)) if job else (None,) * 4
            yield (record.key, *cells, ended, short(record.touched_at))


def _state(job: Job, jobs: Sequence[Job]) -> str:
    """WeChat's word on the job with who heard it, or else how far the job is."""
    if job.verdict:
        return _("{status} ({observer})").format(status=job.verdict.status, observer=_(job.verdict.observed_by))
    return _(job_result(job, tuple(jobs)).state)
