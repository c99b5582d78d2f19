"""The checks of the doctor, side by side: none waits for another but for what it needs, and none hides another."""

import asyncio
from asyncio import Task
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final, NamedTuple

import httpx
from temporalio.client import Client, WorkflowExecutionStatus
from temporalio.service import RPCError

from qunfa.cli.callback import ask_wechat, callback_url, push_and_follow
from qunfa.cli.connection import temporal_client
from qunfa.cli.errors import WrongUse, explain
from qunfa.cli.ledger import describe_account
from qunfa.cli.temporal_checks import (
    WITHIN,
    ask_workers,
    look_at_attributes,
    look_at_own_workflow,
    look_at_restores,
    look_at_retention,
    look_at_tasks,
    look_at_version,
    look_at_workers,
)
from qunfa.cli.trial import Step, Trial
from qunfa.contract.checks import GENERAL, OF_AN_ACCOUNT, CheckName, Finding
from qunfa.contract.ids import TASK_QUEUE
from qunfa.rules.doctor import (
    clock_found,
    configuration_failed,
    configuration_found,
    skipped,
    temporal_failed,
    temporal_found,
)
from qunfa.rules.doctor_account import callback_found, not_asked, not_at_wechat
from qunfa.settings import AccountSettings, CallbackSettings, Settings, SettingsError, load_settings, load_task_queue
from qunfa.temporal.connection import TemporalError

_PLACE: Final = "{account}"


@dataclass(frozen=True)
class Plan:
    """What is checked; `settings` are None where the configuration cannot be read, as `configuration` says then."""

    accounts: tuple[str, ...]
    queue: str
    settings: Settings | None
    configuration: Finding
    template: str | None = None

    @property
    def checks(self) -> list[tuple[str | None, CheckName]]:
        """Account and name of every check, in the order in which they are shown."""
        general: list[tuple[str | None, CheckName]] = [(None, name) for name in GENERAL]
        return general + [(account, name) for account in self.accounts for name in OF_AN_ACCOUNT]

    def configured(self, account: str) -> AccountSettings | None:
        """What this machine has under the name."""
        return None if self.settings is None else self.settings.accounts.get(account)

    def appid(self, account: str) -> str | None:
        """The appid that this machine has under the name."""
        configured = self.configured(account)
        return configured.appid if configured else None

    def url(self, account: str) -> httpx.URL:
        """Where the account's receiver should answer.

        Raises:
            WrongUse: nobody knows.
        """
        given = None if self.template is None else self.template.replace(_PLACE, account)
        return callback_url(self.settings or Settings(), account, given, "--callback-url")


def planned(named: Sequence[str], queue: str | None, template: str | None) -> Plan:
    """The accounts that are named, or all of the configuration; one that cannot be read is a finding.

    Raises:
        WrongUse: one callback URL is given for several accounts, or one that is none.
    """
    settings: Settings | None
    try:
        settings = load_settings(credentials=False)
        queue = queue or load_task_queue()
    except SettingsError as error:
        settings, configuration = None, configuration_failed(str(error))
    else:
        configuration = configuration_found(sorted(settings.accounts))
    accounts = tuple(dict.fromkeys(named)) or tuple(sorted(settings.accounts if settings else ()))
    plan = Plan(accounts, queue or TASK_QUEUE, settings, configuration, template)
    if template is not None:
        if len(accounts) > 1 and _PLACE not in template:
            raise WrongUse("--callback-url is one account's: put {account} where their URLs differ.")
        for account in accounts:
            plan.url(account)
    return plan


_NO_TEMPORAL: Final = "Temporal has to answer first"
_NO_WORKER: Final = "a worker has to poll the task queue first"
_NO_APPID: Final = "neither this configuration nor a worker says which appid it has"
_NO_TIME: Final = "nothing tells Temporal's time: that is seen when a worker is asked about an account"
Told = Callable[[Finding], None]


class _Asked(NamedTuple):
    """By how many seconds this machine is ahead of Temporal, why WeChat cannot be asked more, and the appid."""

    ahead: float | None
    unable: str | None
    appid: str | None


class Examination:
    """One run of all checks; `told` hears of each finding as it is made."""

    def __init__(self, plan: Plan, told: Told) -> None:
        self._plan = plan
        self._told = told
        self._findings: dict[tuple[str | None, CheckName], Finding] = {}

    async def carried_out(self) -> tuple[Finding, ...]:
        """The findings, one for each check of the plan."""
        self._make([self._plan.configuration])
        async with asyncio.TaskGroup() as group:
            connecting = group.create_task(self._connected())
            looking = group.create_task(self._workers(connecting))
            group.create_task(self._look("temporal_version", connecting, look_at_version))
            group.create_task(self._look("retention", connecting, look_at_retention))
            group.create_task(self._look("search_attributes", connecting, look_at_attributes))
            group.create_task(self._look("workflow_tasks", connecting, look_at_tasks))
            asking = {
                account: group.create_task(self._account(account, connecting, looking))
                for account in self._plan.accounts
            }
            group.create_task(self._restores(connecting, looking))
            group.create_task(self._clock(asking.values()))
            for account, asked in asking.items():
                group.create_task(self._own_workflow(account, connecting, asked))
                group.create_task(self._callback(account, connecting, asked))
        return tuple(self._findings[account, name] for account, name in self._plan.checks)

    def _make(self, findings: Iterable[Finding]) -> None:
        for finding in findings:
            self._findings[finding.account, finding.name] = finding
            self._told(finding)

    async def _connected(self) -> Client | str:
        """The client, or why there is none, for those that need it."""
        try:
            client = await temporal_client()
        except TemporalError as error:
            self._make([temporal_failed(str(error))])
            return _NO_TEMPORAL
        self._make([temporal_found(client.service_client.config.target_host, client.namespace)])
        return client

    async def _look(
        self,
        name: CheckName,
        connecting: Awaitable[Client | str],
        look: Callable[[Client], Awaitable[Finding]],
        account: str | None = None,
    ) -> Finding:
        client = await connecting
        if isinstance(client, str):
            finding = skipped(name, client)
        else:
            try:
                finding = await look(client)
            except (TemporalError, RPCError) as error:
                finding = Finding(name=name, state="failed", said=explain(error).line)
        self._make([finding.model_copy(update={"account": account})])
        return finding

    async def _workers(self, connecting: Awaitable[Client | str]) -> str | None:
        """Why no worker can be asked; None where one can."""
        found = await self._look("workers", connecting, lambda client: look_at_workers(client, self._plan.queue))
        return {"failed": _NO_WORKER, "skipped": found.said}.get(found.state)

    async def _restores(self, connecting: Awaitable[Client | str], looking: Awaitable[str | None]) -> None:
        worker = await looking
        configured = self._plan.settings.accounts if self._plan.settings else {}

        async def look(client: Client) -> Finding:
            if worker is not None:
                return skipped("restore", worker)
            return await look_at_restores(client, {one.appid: name for name, one in configured.items()})

        await self._look("restore", connecting, look)

    async def _account(
        self, account: str, connecting: Awaitable[Client | str], looking: Awaitable[str | None]
    ) -> _Asked:
        client, worker = await connecting, await looking
        if isinstance(client, str) or worker is not None:
            why = worker or str(client)
            self._make(not_asked(account, why))
            return _Asked(None, why, self._plan.appid(account))
        answer = await ask_workers(client, self._plan.queue, account, self._plan.appid(account))
        self._make(answer.findings)
        return _Asked(answer.ahead, not_at_wechat(answer.findings), answer.appid or self._plan.appid(account))

    async def _own_workflow(self, account: str, connecting: Awaitable[Client | str], asking: Awaitable[_Asked]) -> None:
        ahead, _, appid = await asking

        async def look(client: Client) -> Finding:
            if appid is None:
                return skipped("own_workflow", _NO_APPID)
            now = datetime.now(UTC) - timedelta(seconds=ahead or 0.0)
            return await look_at_own_workflow(client, self._plan.queue, account, appid, now)

        await self._look("own_workflow", connecting, look, account)

    async def _clock(self, asking: Iterable[Awaitable[_Asked]]) -> None:
        readings = [asked.ahead for asked in await asyncio.gather(*asking) if asked.ahead is not None]
        self._make([clock_found(min(readings, key=abs)) if readings else skipped("clock", _NO_TIME)])

    async def _callback(self, account: str, connecting: Awaitable[Client | str], asked: Task[_Asked]) -> None:
        self._make([await _check_callback(self._plan, account, await connecting, asked)])


_LISTENS: Final = 2.0
"""Seconds in which a receiver on this machine has to take a connection."""
_CHECK: Final = "`qunfa callback check` sends it all the same"


async def _check_callback(plan: Plan, account: str, connection: Client | str, asked: Awaitable[_Asked]) -> Finding:
    """The receiver's side at once, WeChat's once the workers were `asked`; without Temporal `connection` says so.

    A test push goes only where the account's own workflow runs: that takes it, and forgets it. It is left out where
    another system would get it.
    """
    configured = plan.configured(account)
    if configured is not None and (configured.callback is None or not configured.callback.tokens):
        return skipped("callback", _no_pushes(configured.callback), account)
    receiver, wechat = await asyncio.gather(
        _receiver(plan, account, configured, connection), _wechat(plan, account, connection, asked)
    )
    mode = configured.callback.mode if configured is not None and configured.callback is not None else None
    return callback_found(account, [*receiver, wechat], mode)


def _no_pushes(callback: CallbackSettings | None) -> str:
    if callback is None:
        return "WeChat does not push to Qunfa for this account: results are asked for"
    return "another system gets WeChat's pushes for this account, and hands the results over (events_token)"


async def _wechat(plan: Plan, account: str, connection: Client | str, asked: Awaitable[_Asked]) -> Step:
    unable = (await asked).unable
    if isinstance(connection, str) or unable is not None:
        return _skipped("wechat", unable or str(connection))
    try:
        async with asyncio.timeout(WITHIN.total_seconds()):
            step, _ = await ask_wechat(connection, account, plan.appid(account), plan.queue, quietly=True)
    except TimeoutError:
        said = f"no worker answered within {WITHIN.total_seconds():.0f} s"
        return Step(name="wechat", state="failed", said=said, todo="Look at the workers' log.")
    except RPCError as error:
        return Step(name="wechat", state="failed", said=explain(error).line)
    return step


async def _receiver(
    plan: Plan, account: str, configured: AccountSettings | None, connection: Client | str
) -> list[Step]:
    if configured is None or configured.callback is None:
        return [_skipped("url", "this configuration does not have the account's callback token")]
    try:
        url = plan.url(account)
    except WrongUse as error:
        return [_skipped("url", str(error), "Say with --callback-url where the receiver is.")]
    if plan.template is None and not await _listens(url):
        where = f"no receiver listens on this machine ({url.host}:{url.port or url.scheme})"
        return [_skipped("url", where, "Say with --callback-url https://your.host/wechat/{account} where it is.")]
    trial = Trial(configured.appid, configured.callback, url)
    verified = await trial.verify()
    if verified.state != "ok":
        return [verified]
    return [verified, *await _pushed(trial, connection)]


async def _pushed(trial: Trial, connection: Client | str) -> list[Step]:
    if isinstance(connection, str):
        return [_skipped("push", connection)]
    if trial.callback.forward_results:
        return [_skipped("push", f"left out, as the system behind forward_to would get it ({_CHECK})")]
    try:
        if not await _runs(connection, trial.appid):
            return [_skipped("push", f"left out, as it would start the account's own workflow ({_CHECK})")]
        _, pushed, arrived = await push_and_follow(connection, trial)
    except RPCError as error:
        return [_skipped("push", explain(error).line)]
    return [pushed, arrived]


async def _runs(client: Client, appid: str) -> bool:
    description = await describe_account(client, appid)
    return description is not None and description.status is WorkflowExecutionStatus.RUNNING


async def _listens(url: httpx.URL) -> bool:
    try:
        async with asyncio.timeout(_LISTENS):
            _, writer = await asyncio.open_connection(url.host, url.port or (443 if url.scheme == "https" else 80))
    except (OSError, TimeoutError):
        return False
    writer.close()
    return True


def _skipped(name: str, said: str, todo: str | None = None) -> Step:
    return Step.model_validate({"name": name, "state": "skipped", "said": said, "todo": todo})
