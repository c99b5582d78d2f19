"""`qunfa doctor`: its checks, which stand side by side, and what it shows. No check hides another."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from itertools import groupby
from typing import Final

import httpx
from rich.console import RenderableType, group
from rich.text import Text
from temporalio.client import Client
from temporalio.service import RPCError

from qunfa.cli import temporal_checks as temporal
from qunfa.cli.callback import Trial, callback_url, push_and_follow
from qunfa.cli.connection import run, temporal_client
from qunfa.cli.errors import ExitCode, WrongUse, done_if, explain
from qunfa.cli.ledger import current_run
from qunfa.cli.output import STATES, checks, plain, show_result, stderr
from qunfa.cli.typed import operations as typed
from qunfa.contract.checks import OF_AN_ACCOUNT, AccountTerms, CheckName, Diagnosis, Finding
from qunfa.contract.ids import TASK_QUEUE
from qunfa.language import _, listed
from qunfa.language.phrases import told
from qunfa.rules import doctor as rules
from qunfa.rules.doctor_account import Step, callback_found, not_asked, not_at_wechat
from qunfa.settings import AccountSettings, CallbackSettings, Settings, SettingsError, load_settings, load_task_queue
from qunfa.temporal.connection import TemporalError


def doctor(asked: typed.Doctor) -> ExitCode:
    """Carry out `qunfa doctor`."""
    plan = planned(asked.accounts or (), asked.queue, asked.callback_url)
    with stderr().status("") as line:
        under_way = UnderWay(lambda names: line.update(plain(_("Looking at {checks}").format(checks=names))))
        findings = run(examined(plan, under_way))
    diagnosis = Diagnosis(
        ok=all(finding.state != "failed" for finding in findings),
        at=datetime.now(UTC),
        task_queue=plan.queue,
        accounts=plan.accounts,
        findings=findings,
    )
    show_result(diagnosis, render_diagnosis, as_json=asked.as_json)
    return done_if(diagnosis.ok)


@group()
def render_diagnosis(diagnosis: Diagnosis) -> Iterator[RenderableType]:
    """The checks that are made once, then those of each account: state, name, sentence, and below it the next step."""
    for account, findings in groupby(diagnosis.findings, key=lambda finding: finding.account):
        if account is not None:
            yield ""
            yield Text(account, style="bold")
        yield checks((one.state, one.name, told(one.said), one.todo and told(one.todo)) for one in findings)
    states = [finding.state for finding in diagnosis.findings]
    counts = listed(
        _("{number} {state}").format(number=states.count(state), state=_(state)) for state in STATES if state in states
    )
    yield plain("\n" + _("{number} checks: {counts}.").format(number=len(states), counts=counts))


_PLACE: Final = "{account}"


@dataclass(frozen=True)
class Plan:
    """What is checked; `settings` are None where the configuration cannot be read, as `configuration` says then."""

    accounts: tuple[str, ...]
    queue: str
    settings: Settings | None
    configuration: Finding
    template: str | None = None

    def configured(self, account: str) -> AccountSettings | None:
        """What this machine has under the name."""
        return None if self.settings is None else self.settings.accounts.get(account)

    def written(self, account: str) -> dict[str, object]:
        """What this machine's configuration has of what workers tell under the name; not what it leaves out."""
        configured = self.configured(account)
        written = set() if configured is None else configured.model_fields_set & {"appid", *AccountTerms.model_fields}
        return {name: getattr(configured, name) for name in written}

    def appid(self, account: str) -> str | None:
        """The appid that this machine has under the name."""
        configured = self.configured(account)
        return configured.appid if configured else None

    def url(self, account: str) -> httpx.URL:
        """Where the account's receiver should answer."""
        given = None if self.template is None else self.template.replace(_PLACE, account)
        return callback_url(self.settings or Settings(), account, given, "--callback-url")


def planned(named: Sequence[str], queue: str | None, template: str | None) -> Plan:
    """The accounts that are named, or all of the configuration; one that cannot be read is a finding."""
    with suppress(SettingsError):  # it needs less than the settings, which say what is wrong
        queue = queue or load_task_queue()
    settings: Settings | None
    try:
        settings = load_settings("receiver")
    except SettingsError as error:
        settings, configuration = None, rules.configuration_failed(str(error))
    else:
        configuration = rules.configuration_found(sorted(settings.accounts))
    accounts = tuple(dict.fromkeys(named)) or tuple(sorted(settings.accounts if settings else ()))
    plan = Plan(accounts, queue or TASK_QUEUE, settings, configuration, template)
    if template is not None:
        if len(accounts) > 1 and _PLACE not in template:
            said = _("--callback-url is one account's: put {place} where their URLs differ.")
            raise WrongUse(said.format(place=_PLACE))
        for account in accounts:
            plan.url(account)
    return plan


_NO_TEMPORAL: Final = "Temporal has to answer first"
_NO_WORKER: Final = "a worker has to poll the task queue first"
_NO_LIST: Final = "Temporal's list of workflows has to be up to date first"
_NO_APPID: Final = "neither this configuration nor a worker says which appid it has"
_NO_TIME: Final = "nothing tells Temporal's time: that is seen when a worker is asked about an account"


class UnderWay:
    """Says what is being looked at, as that changes."""

    def __init__(self, say: Callable[[str], None]) -> None:
        self._say = say
        self._names: list[str] = []

    @contextmanager
    def __call__(self, name: str) -> Iterator[None]:
        self._names.append(name)
        self._say(listed(self._names))
        try:
            yield
        finally:
            self._names.remove(name)
            self._say(listed(self._names))


async def examined(plan: Plan, under_way: UnderWay) -> tuple[Finding, ...]:
    """One finding for each check of the plan: those of Temporal side by side, then those of the accounts."""
    look = partial(_look, under_way)
    with under_way("temporal"):
        client, connected = await _connected()
    version, retention, attributes, workers, tasks, first_tasks = await asyncio.gather(
        look("temporal_version", client, temporal.look_at_version),
        look("retention", client, temporal.look_at_retention),
        look("search_attributes", client, temporal.look_at_attributes),
        look("workers", client, lambda client: temporal.look_at_workers(client, plan.queue)),
        look("workflow_tasks", client, temporal.look_at_tasks),
        look("first_tasks", client, temporal.look_at_first_tasks),
    )
    unable = {"failed": _NO_WORKER, "skipped": workers.said}.get(workers.state)
    names = {one.appid: name for name, one in (plan.settings.accounts if plan.settings else {}).items()}
    visibility, restore, asked = await asyncio.gather(
        look("visibility", unable or client, lambda client: temporal.look_at_visibility(client, plan.queue)),
        look("restore", unable or client, lambda client: temporal.look_at_restores(client, names)),
        asyncio.gather(*(_account(plan, under_way, account, client, unable) for account in plan.accounts)),
    )
    ahead = [seconds for seconds, _findings in asked if seconds is not None]
    clock = rules.clock_found(min(ahead, key=abs)) if ahead else rules.skipped("clock", _NO_TIME)
    of_a_list = [tasks, first_tasks, restore]
    if visibility.state == "failed":
        of_a_list = [rules.skipped(one.name, _NO_LIST) if one.state == "ok" else one for one in of_a_list]
    of_temporal = (connected, version, retention, attributes, workers, visibility, *of_a_list)
    general = (plan.configuration, *of_temporal, clock)
    return (*general, *(finding for _ahead, findings in asked for finding in findings))


async def _connected() -> tuple[Client | str, Finding]:
    """The client, or why there is none, for those that need it."""
    try:
        client = await temporal_client()
    except TemporalError as error:
        return _NO_TEMPORAL, rules.temporal_failed(str(error))
    return client, rules.temporal_found(client.service_client.config.target_host, client.namespace)


async def _look(
    under_way: UnderWay, name: CheckName, client: Client | str, look: Callable[[Client], Awaitable[Finding]]
) -> Finding:
    if isinstance(client, str):
        return rules.skipped(name, client)
    try:
        with under_way(name):
            return await look(client)
    except (TemporalError, RPCError) as error:
        return Finding(name=name, state="failed", said=explain(error).line)


async def _account(
    plan: Plan, under_way: UnderWay, account: str, client: Client | str, unable: str | None
) -> tuple[float | None, list[Finding]]:
    """By how many seconds this machine is ahead of Temporal, where that was seen; and the account's findings."""
    if isinstance(client, str) or unable is not None:
        answer = temporal.Answer(not_asked(account, unable or str(client)))
    else:
        with under_way(account):
            answer = await temporal.ask_workers(client, plan.queue, account, plan.written(account))
        unable = not_at_wechat(answer.findings)
    appid = answer.appid or plan.appid(account)

    async def look(client: Client) -> Finding:
        now = datetime.now(UTC) - timedelta(seconds=answer.ahead or 0.0)
        return await temporal.look_at_own_workflow(client, plan.queue, account, str(appid), now)

    with under_way(f"{account} callback"):
        own, callback = await asyncio.gather(
            _look(under_way, "own_workflow", client if appid or isinstance(client, str) else _NO_APPID, look),
            _check_callback(plan, account, client, unable),
        )
    made = {one.name: one for one in (*answer.findings, own, callback)}
    return answer.ahead, [made[name].model_copy(update={"account": account}) for name in OF_AN_ACCOUNT]


_LISTENS: Final = 2.0
"""Seconds in which a receiver on this machine has to take a connection."""
_CHECK: Final = "`qunfa callback check` sends it all the same"


async def _check_callback(plan: Plan, account: str, connection: Client | str, unable: str | None) -> Finding:
    """The receiver's side and WeChat's; `unable` says why that cannot be asked, and `connection` where Temporal fails.

    A test push goes only where the account's own workflow runs: that takes it, and forgets it. It is left out where
    another system would get it.
    """
    configured = plan.configured(account)
    if configured is not None and (configured.callback is None or not configured.callback.tokens):
        return rules.skipped("callback", _no_pushes(configured.callback), account)
    receiver, wechat = await asyncio.gather(
        _receiver(plan, account, configured, connection), _wechat(plan, account, connection, unable)
    )
    mode = configured.callback.mode if configured is not None and configured.callback is not None else None
    return callback_found(account, [*receiver, wechat], mode)


def _no_pushes(callback: CallbackSettings | None) -> str:
    if callback is None:
        return "WeChat does not push to Qunfa for this account: results are asked for"
    return "another system gets WeChat's pushes for this account, and hands the results over (events_token)"


async def _wechat(plan: Plan, account: str, connection: Client | str, unable: str | None) -> Step:
    if isinstance(connection, str) or unable is not None:
        return _skipped("wechat", unable or str(connection))
    try:
        step, _ = await temporal.ask_wechat(connection, account, plan.appid(account), plan.queue, temporal.WITHIN)
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
        if await current_run(connection, trial.appid) is None:
            return [_skipped("push", f"left out, as it would start the account's own workflow ({_CHECK})")]
        _, pushed, arrived = await push_and_follow(connection, trial)
    except RPCError as error:
        return [_skipped("push", explain(error).line)]
    return [pushed, arrived]


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
