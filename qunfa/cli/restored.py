"""`qunfa restored`: what is to be done after Temporal's database came back from a snapshot."""

import asyncio
import shlex
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Final, NamedTuple

from pydantic import TypeAdapter, ValidationError
from temporalio.client import Client, WorkflowUpdateStage

from qunfa.cli.connection import RPC_TIMEOUT, carried_out, has_worker, no_worker, task_queue, with_client
from qunfa.cli.errors import NOT_DONE, ExitCode, Refused, Unreadable, WrongUse, done_if, explain
from qunfa.cli.ledger import Silence, answers_of, configured, current_run, find_appid, running_accounts, views_of
from qunfa.cli.list import SendRow, find_rows, visibility_query
from qunfa.cli.options import confirm, demand_accounts, demand_consent, login_name, payload
from qunfa.cli.output import moment, show_result
from qunfa.cli.recovery import (
    OTHERS,
    AccountTold,
    Logs,
    Recovery,
    Told,
    next_steps,
    open_send,
    read_logs,
    render_recovery,
)
from qunfa.cli.typed import operations as typed
from qunfa.cli.typed.sends import Filters
from qunfa.contract import account_id
from qunfa.contract.fields import Time
from qunfa.contract.ids import account_of, parse_account_id, parse_mass_send_id
from qunfa.contract.ledger import LedgerView, Restored
from qunfa.contract.operators import CaughtUp, Restore
from qunfa.language import N_, _, listed
from qunfa.temporal.account import signal_account

SENDS_MAX: Final = 100_000
_LOOKS: Final = 20
_AGAIN_SECONDS: Final = 0.5


def restored(asked: typed.Restored) -> ExitCode:
    """Carry out `qunfa restored`."""
    taken = asked.taken
    if (taken is None) != asked.done:
        raise WrongUse(_("Say when the snapshot was taken, by --taken; or give --done once all was started again."))
    if asked.done and asked.log:
        raise WrongUse(_("Give --log along with --taken: --done does not look at it."))
    if taken is not None and asked.reason is None and not asked.dry_run:
        raise WrongUse(_("Say why, by --reason: it stays in the history."))
    demand_accounts(*(asked.accounts or ()))
    now = datetime.now(UTC)
    at = _time(taken, now) if taken is not None else None
    logs = read_logs(asked.log or (), at or datetime.min.replace(tzinfo=UTC))
    demand_consent(yes=asked.yes or asked.dry_run, first=_("look at what --dry-run says"))
    what = _Asked(at, now, asked)
    if asked.done:
        standing = with_client(_standing, what)
        _confirm_done(what, standing)
        recovery = with_client(_caught_up, what, standing)
    else:
        told_of = with_client(_told_of, what)
        _confirm_taken(what, told_of.accounts)
        recovery = with_client(_marked, what, told_of, logs)
    show_result(recovery, render_recovery, as_json=asked.as_json)
    return done_if(not any(one.refusal for one in recovery.accounts))


def _time(taken: str, now: datetime) -> datetime:
    """When the snapshot was taken: by the clock, since the same is to be said again later."""
    try:
        at = TypeAdapter(Time).validate_python(taken)
    except ValidationError:
        sentence = _("--taken {taken!r} is no RFC 3339 time, such as 2026-12-01T03:00:00+08:00.")
        raise WrongUse(sentence.format(taken=taken)) from None
    if at > now:
        said = _("--taken {taken!r} is in the future: a snapshot was taken before it was restored.")
        raise WrongUse(said.format(taken=taken))
    return at


class _Asked(NamedTuple):
    """What a person has typed."""

    taken: datetime | None
    began: datetime
    given: typed.Restored
    doubting: frozenset[str] = frozenset()
    """The appids of the accounts that were told of a restore before, and doubt each key still."""

    @property
    def by(self) -> str:
        return self.given.by or login_name()

    @property
    def finish(self) -> str:
        """The command for the same accounts once all was started again: others may not be so far."""
        queue = ("--task-queue", self.given.queue) if self.given.queue else ()
        return shlex.join(("qunfa", "restored", *(self.given.accounts or ()), "--done", *queue))


class _ToldOf(NamedTuple):
    """Who is to be told of a restore: appid → name, and appid → task queue."""

    accounts: dict[str, str | None]
    queues: dict[str, str]


async def _told_of(client: Client, asked: _Asked) -> _ToldOf:
    accounts = await _accounts(client, asked.given.accounts or ())
    return _ToldOf(accounts, await _queues(client, accounts, asked.given.queue))


def _confirm_taken(asked: _Asked, accounts: Mapping[str, str | None]) -> None:
    if asked.given.dry_run:
        return
    names = [f"{name or appid} ({appid})" for appid, name in accounts.items()]
    question = _("Tell {accounts} of it? Each that has not heard of it freezes, and doubts each key once.")
    told = listed(name or appid for appid, name in accounts.items())
    confirm(question.format(accounts=told), yes=asked.given.yes, about=names)


async def _marked(client: Client, asked: _Asked, told_of: _ToldOf, logs: Logs) -> Recovery:
    """Each account is told, whether a worker runs or not; then what there is to be seen."""
    accounts, queues = told_of
    asleep = await _asleep(client, queues)
    if asked.given.dry_run:
        told = [_told(appid, name, "to be told", None) for appid, name in accounts.items()]
        return await _seen(client, asked, told, logs, asleep)
    before = await views_of(client, [account_id(appid) for appid in accounts if appid not in asleep])
    asked = asked._replace(doubting=frozenset(one.appid for one in before.values() if one and _is_open(one)))
    restore = payload(Restore, by=asked.by, reason=asked.given.reason or "", taken=asked.taken)
    for appid, queue in queues.items():
        await signal_account(client, queue, account_id(appid), "restored", restore, within=RPC_TIMEOUT)
    await _until_known(client, accounts.keys() - asleep.keys(), restore)
    told = [_told(appid, name, "told", None) for appid, name in accounts.items()]
    return await _seen(client, asked, told, logs, asleep)


async def _queues(client: Client, appids: Iterable[str], given: str | None) -> dict[str, str]:
    """Appid → the task queue on which its workflow runs; one that does not run is started on the queue of this machine.

    Where that is wrong, nobody would hear of the account, and no send of its own would.
    """
    running, queue = await running_accounts(client), task_queue(given)
    found = {appid: running.get(account_id(appid), queue) for appid in appids}
    new, others = [appid for appid in found if account_id(appid) not in running], sorted(set(running.values()))
    if new and others and given is None and queue not in others:
        said = _(
            "{appid} would be started on the task queue {queue}, and no account runs there. "
            "Say by --task-queue where its workers are. Accounts run on {others}."
        )
        raise Refused(said.format(appid=listed(new), queue=queue, others=listed(others)))
    return found


async def _asleep(client: Client, queues: Mapping[str, str]) -> dict[str, str]:
    """The accounts on whose task queues no worker is."""
    polled = {queue: await has_worker(client, queue) for queue in set(queues.values())}
    return {appid: queue for appid, queue in queues.items() if not polled[queue]}


async def _until_known(client: Client, accounts: Iterable[str], restore: Restore) -> None:
    """Wait until all of the accounts know of the restore, or some seconds."""
    for _look in range(_LOOKS):
        views = await views_of(client, list(map(account_id, accounts)))
        if all(_knows(view, restore.taken) for view in views.values()):
            break
        await asyncio.sleep(_AGAIN_SECONDS)


class _Standing(NamedTuple):
    """Who is to be told that all was started again; who does not answer, and the accounts without a worker."""

    accounts: dict[str, str | None]
    silent: list[AccountTold]
    asleep: dict[str, str]


async def _standing(client: Client, asked: _Asked) -> _Standing:
    accounts = await _accounts(client, asked.given.accounts or ())
    running = await running_accounts(client)
    queues = {appid: running[account_id(appid)] for appid in accounts if account_id(appid) in running}
    asleep = await _asleep(client, queues)
    said = await answers_of(client, [account_id(appid) for appid in accounts if appid not in asleep])
    why = {appid: no_worker(queue) for appid, queue in asleep.items()}
    for appid in accounts.keys() - asleep.keys():
        if not isinstance(found := said[account_id(appid)], LedgerView) and await current_run(client, appid):
            why[appid] = _why(found)
    silent = [_told(appid, name, "refused", why[appid]) for appid, name in accounts.items() if appid in why]
    marked = {one for one, view in said.items() if isinstance(view, LedgerView) and view.restored is not None}
    accounts = {appid: name for appid, name in accounts.items() if account_id(appid) in marked}
    if not (accounts or silent):
        raise Refused(_("No account was told of a restore: give this with --taken first."))
    return _Standing(accounts, silent, asleep)


def _confirm_done(asked: _Asked, standing: _Standing) -> None:
    names = [name or appid for appid, name in standing.accounts.items()]
    if asked.given.dry_run or not names:
        return
    is_new = _("{account}: a key that is started for the first time from now on is new")
    about = [is_new.format(account=one) for one in names]
    question = _("Was all started again that {accounts} may have forgotten?").format(accounts=listed(names))
    confirm(question, yes=asked.given.yes, about=about)


async def _caught_up(client: Client, asked: _Asked, standing: _Standing) -> Recovery:
    """The accounts are told that all was started again. What was started before is doubted whenever it asks."""
    told = [await _tell_caught_up(client, asked, appid, name) for appid, name in standing.accounts.items()]
    return await _seen(client, asked, [*told, *standing.silent], Logs(), standing.asleep)


def _why(silence: Silence) -> str:
    if isinstance(silence, Unreadable):
        return str(silence)
    return _("It does not answer: see `qunfa doctor`, then give this again.")


async def _tell_caught_up(client: Client, asked: _Asked, appid: str, name: str | None) -> AccountTold:
    if asked.given.dry_run:
        return _told(appid, name, "to be told", None)
    told = payload(CaughtUp, by=asked.by, reason=asked.given.reason or None)
    try:
        account = client.get_workflow_handle(account_id(appid))
        accepted = WorkflowUpdateStage.ACCEPTED
        update = account.start_update("caught_up", told, wait_for_stage=accepted, result_type=Restored)
        await carried_out(update, account.id)
    except NOT_DONE as error:
        said = explain(error)
        return _told(appid, name, "not known" if said.perhaps else "refused", said.line)
    return _told(appid, name, "caught up", None)


async def _accounts(client: Client, names: Sequence[str]) -> dict[str, str | None]:
    """Appid → name: those that were named, or all that the configuration or Temporal has."""
    found: dict[str, str | None] = {appid: name for name, appid in sorted(configured().items())}
    if names:
        appids = {await find_appid(client, name): name for name in dict.fromkeys(names)}
        return {appid: found.get(appid, None if name == appid else name) for appid, name in appids.items()}
    for appid in filter(None, map(parse_account_id, sorted(await running_accounts(client)))):
        found.setdefault(appid, None)
    if not found:
        raise WrongUse(_("Neither the configuration nor Temporal has an account: name the accounts by their appids."))
    return found


async def _running(client: Client, accounts: Mapping[str, str | None]) -> list[SendRow]:
    """The sends of these accounts that run; all where the name of one is not known."""
    rows = await find_rows(client, visibility_query(Filters(), running=True), SENDS_MAX)
    names = set(accounts.values())
    return rows if None in names else [row for row in rows if row.account in names]


async def _others(client: Client, accounts: Mapping[str, str | None]) -> list[str]:
    """The workflow ids of the recalls and previews of these accounts that run, as :func:`_running`."""
    found = sorted([one.id async for one in client.list_workflows(OTHERS, rpc_timeout=RPC_TIMEOUT)])
    names = set(accounts.values())
    return [one for one in found if None in names or {account_of(kind, one) for kind in ("recall", "preview")} & names]


async def _seen(
    client: Client, asked: _Asked, told: Sequence[AccountTold], logs: Logs, asleep: Mapping[str, str]
) -> Recovery:
    """What there is to be seen now, and what is to be done next."""
    views = await views_of(client, [account_id(one.appid) for one in told if one.appid not in asleep])
    accounts = tuple(_as_it_says(one, views.get(account_id(one.appid)), asked.taken) for one in told)
    # Sends may run under a name that the configuration no longer has, so none hides them that nobody has typed.
    known, names = _known(views.values()), {one.appid: one.account if asked.given.accounts else None for one in told}
    recovery = Recovery(
        taken=asked.taken,
        dry_run=asked.given.dry_run,
        worker=not asleep,
        idle=tuple(sorted(set(asleep.values()))),
        late=asked.taken is not None and any(_is_late(view, asked) for view in views.values()),
        configured=bool(configured()),
        accounts=accounts,
        sends=tuple(map(open_send, await _running(client, names))),
        others=tuple(await _others(client, names)),
        jobs=tuple(job for job in logs.jobs if (job.account, job.msg_id) not in known),
        unread=logs.unread,
    )
    finish = None if asked.taken is None else asked.finish
    return recovery.model_copy(update={"next": tuple(next_steps(recovery, finish=finish))})


def _known(views: Iterable[LedgerView | None]) -> set[tuple[str, int | None]]:
    """Account and msg_id of each job of the ledgers: two accounts may have the same msg_id."""
    return {
        (send.account, job.msg_id)
        for view in views
        for record in (view.records if view else ())
        if (send := parse_mass_send_id(record.workflow_id)) is not None
        for job in record.jobs
    }


def _is_late(view: LedgerView | None, asked: _Asked) -> bool:
    """Whether a worker was there to hear it at once, and nobody had told it before: it may have submitted something."""
    restored = view.restored if view and view.appid not in asked.doubting else None
    return restored is not None and restored.taken == asked.taken and restored.at >= asked.began


def _is_open(view: LedgerView) -> bool:
    return view.restored is not None and view.restored.ended_at is None


def _told(appid: str, name: str | None, state: Told, refusal: str | None) -> AccountTold:
    return AccountTold(appid=appid, account=name, state=state, refusal=refusal)


def _knows(view: LedgerView | None, taken: datetime | None) -> bool:
    """Whether the account has taken in the restore."""
    return view is not None and view.restored is not None and view.restored.taken == taken


_OVER: Final = N_(
    "Whoever gave --done at {ended_at} said that all was started again, so this changed nothing. "
    "Was that too early? Give a --taken that is a second later: it freezes, and doubts each key once more."
)


def _as_it_says(one: AccountTold, view: LedgerView | None, taken: datetime | None) -> AccountTold:
    """The account with what its own workflow says: once it has caught up, the same restore changes nothing."""
    if view is None:
        return one
    one = one.model_copy(update={"frozen_by": view.frozen and view.frozen.by})
    if not _knows(view, taken) or view.restored is None:
        return one
    if (ended_at := view.restored.ended_at) is not None:
        return one.model_copy(update={"state": "refused", "refusal": _(_OVER).format(ended_at=moment(ended_at))})
    return one.model_copy(update={"state": "knows it"})
