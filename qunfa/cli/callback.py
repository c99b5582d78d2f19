"""`qunfa callback check`: an account's callback, from its URL to Temporal."""

import asyncio
import secrets
from collections.abc import Iterator
from typing import Final, Literal

import httpx
import typer
from rich.console import Group, RenderableType
from rich.text import Text
from temporalio.client import Client

from qunfa.cli.connection import has_worker, run, task_queue, temporal_client
from qunfa.cli.errors import ExitCode, Refused, WrongUse
from qunfa.cli.output import checks, plain, show_result
from qunfa.cli.trial import Position, Step, Trial, has_arrived, position
from qunfa.cli.typed import operations as typed
from qunfa.cli.workers import InvalidError, Question, answer_of, terminated, unique
from qunfa.contract import account_id
from qunfa.contract.checks import TEST_MSG_ID_MIN, CallbackCheckResult, CallbackView
from qunfa.contract.fields import MSG_ID_MAX, Stored
from qunfa.contract.ids import CHECK_CALLBACK, callback_check_id
from qunfa.language import _
from qunfa.language.phrases import told
from qunfa.settings import AccountSettings, CallbackSettings, Settings, load_settings
from qunfa.temporal.ui import workflow_link


class CallbackReport(Stored):
    """The whole check. `url` is without its query; `wechat` what the workers were told, where they were."""

    account: str
    appid: str
    mode: Literal["plain", "compat", "safe"]
    url: str
    msg_id: int
    ok: bool
    steps: tuple[Step, ...]
    wechat: CallbackCheckResult | None = None


_EVERYWHERE: Final = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - nothing listens here


def callback_check(asked: typed.CallbackCheck) -> None:
    """Carry out `qunfa callback check`."""
    account, url, queue, as_json = asked
    settings = load_settings("receiver")
    found, callback = _configured(settings, account)
    target = callback_url(settings, account, url)
    report = run(_checked(account, Trial(found.appid, callback, target), task_queue(queue)))
    show_result(report, render_report, as_json=as_json)
    if not report.ok:
        raise typer.Exit(ExitCode.REFUSED)


def _configured(settings: Settings, name: str) -> tuple[AccountSettings, CallbackSettings]:
    account = settings.accounts.get(name)
    if account is None:
        known = ", ".join(sorted(settings.accounts)) or _("none at all")
        said = _("The configuration has no account {name} (it has: {known}): see QUNFA_CONFIG or qunfa.toml.")
        raise WrongUse(said.format(name=name, known=known))
    if account.callback is None or not account.callback.tokens:
        said = _(
            "WeChat does not push to Qunfa for the account {name}: [accounts.{name}.callback] has no token, so there is"
            " nothing to check."
        )
        raise WrongUse(said.format(name=name))
    return account, account.callback


def callback_url(settings: Settings, account: str, given: str | None, option: str = "--url") -> httpx.URL:
    """The URL that was given by an option, or that of the receiver on this machine."""
    if given is None:
        host, port = settings.receiver.host, settings.receiver.port
        if not port:
            raise WrongUse(f"receiver.port is 0, so nobody knows where the receiver listens: say it with {option}.")
        host = _EVERYWHERE.get(host, host)
        given = f"http://{f'[{host}]' if ':' in host else host}:{port}/wechat/{account}"
    try:
        url = httpx.URL(given)
    except httpx.InvalidURL as error:
        raise WrongUse(f"{option} {given!r} is no URL: {error}.") from None
    if url.scheme not in {"http", "https"} or not url.host or url.userinfo or url.fragment:
        raise WrongUse(f"{option} must be the callback's whole URL, such as https://your.host/wechat/{account}.")
    return url


async def _checked(account: str, trial: Trial, queue: str) -> CallbackReport:
    client = await temporal_client()
    verified = await trial.verify()
    msg_id, pushed, arrived = await push_and_follow(client, trial)
    wechat, seen = await ask_wechat(client, account, trial.appid, queue)
    steps = (verified, pushed, arrived, wechat)
    return CallbackReport(
        account=account,
        appid=trial.appid,
        mode=trial.callback.mode,
        url=str(trial.url.copy_with(query=None)),
        msg_id=msg_id,
        ok=all(step.state == "ok" for step in steps),
        steps=steps,
        wechat=seen,
    )


async def push_and_follow(client: Client, trial: Trial) -> tuple[int, Step, Step]:
    """The msg_id of a test push, whether it was answered, and whether it has come to the account's own workflow."""
    msg_id = TEST_MSG_ID_MIN + secrets.randbelow(MSG_ID_MAX - TEST_MSG_ID_MIN + 1)
    since = await position(client, trial.appid)
    pushed = await trial.push(msg_id)
    return msg_id, pushed, await _followed(client, trial.appid, msg_id, pushed, since)


async def _followed(client: Client, appid: str, msg_id: int, pushed: Step, since: Position | None) -> Step:
    if pushed.state != "ok":
        return Step(name="temporal", state="skipped", said="the push has to be answered first")
    workflow_id = account_id(appid)
    if await has_arrived(client, appid, msg_id, since):
        link = workflow_link(client, workflow_id)
        where = f"the push stands in the history of {workflow_id}" + (f": {link}" if link else "")
        return Step(name="temporal", state="ok", said=where)
    address = client.service_client.config.target_host
    return Step(
        name="temporal",
        state="failed",
        said=f"the push was answered, but is not in the history of {workflow_id}",
        todo=f"The receiver uses another Temporal than this command ({address}, namespace {client.namespace}), has "
        "another appid under this name, or something else answers in its place.",
    )


WITHIN: Final = 90.0
"""Seconds. The workflow gives up after half of it, if a worker is there."""
_ALL_LOST: Final = "100%"
_LATER: Final = "Repeat this in some minutes; where it goes on, look at the workers' log."
_SWITCHED_ON: Final = (
    "See what the server configuration (服务器配置) of WeChat's console has: its URL has to be there, and be switched"
    " on."
)
_HOST: Final = "Correct the host in the server configuration (服务器配置) of WeChat's console, or DNS."


async def ask_wechat(
    client: Client, account: str, appid: str | None, queue: str, *, quietly: bool = False
) -> tuple[Step, CallbackCheckResult | None]:
    """The step, and WeChat's answer where there is one; `appid` is what the workers should have, where that is known.

    `quietly`: stderr does not show how far it is.
    """
    if not await has_worker(client, queue):
        todo = "Start one (`qunfa worker`), or name its task queue with --task-queue."
        return _failed(f"no worker polls the task queue {queue}", todo), None
    question = Question(CHECK_CALLBACK, callback_check_id(account, unique()), {"account": account})
    end = terminated("the check of the callback was given up")
    try:
        async with asyncio.timeout(WITHIN):
            found = await answer_of(client, question, CallbackCheckResult, queue, end, quietly=quietly)
    except InvalidError as error:
        todo = "Correct the workers' configuration, or the name."
        return _failed(f"the workers refuse: {'; '.join(error.problems)}", todo), None
    except Refused as error:
        return _failed(str(error), "Look at the workers' log."), None
    except TimeoutError:
        return _failed(f"no worker answered within {WITHIN:g} s", "Look at the workers' log."), None
    return _judged(found, appid), found


def _judged(found: CallbackCheckResult, appid: str | None) -> Step:
    if appid not in {None, found.appid}:
        todo = "Give workers, receiver and this command the same configuration, and start the first two anew."
        return _failed(f"the workers have {found.appid} under this name, this configuration has {appid}", todo)
    if found.view is None:
        return _failed(found.problem or "no reason was given", _SWITCHED_ON if found.errcode else _LATER)
    if not found.view.dns:
        return _failed("WeChat finds no address for the callback's host", _HOST)
    lost = [ping.ip for ping in found.view.ping if ping.loss.strip() == _ALL_LOST]
    seen = ", ".join(dict.fromkeys(address.ip for address in found.view.dns))
    hint = f"{', '.join(lost)} does not answer WeChat's ping: nothing is wrong where it answers no ping at all."
    return Step(name="wechat", state="ok", said=f"WeChat finds the host at {seen}", todo=hint if lost else None)


def _failed(said: str, todo: str) -> Step:
    return Step(name="wechat", state="failed", said=said, todo=todo)


def render_report(report: CallbackReport) -> RenderableType:
    """Each step with what was seen, and below it what to do."""
    rows = ((step.state, step.name, told(step.said), step.todo and told(step.todo)) for step in report.steps)
    view = report.wechat.view if report.wechat else None
    mode = _("{mode} mode").format(mode=report.mode)
    title = Text.assemble((report.account, "bold"), f"  {mode}  {report.url}")
    failed = ", ".join(step.name for step in report.steps if step.state == "failed")
    through, not_through = _("WeChat's pushes get through to Temporal."), _("Failed: {steps}.")
    verdict = through if report.ok else not_through.format(steps=failed)
    return Group(title, checks(rows), *map(plain, _seen(view)), "", plain(verdict))


def _seen(view: CallbackView | None) -> Iterator[str]:
    """What WeChat sees, address by address."""
    for address in view.dns if view else ():
        yield f"dns   {address.ip}  {address.operator}"
    for ping in view.ping if view else ():
        said = _("ping  {ip}  {loss} lost  {time}  from {operator}")
        yield said.format(ip=ping.ip, loss=ping.loss, time=ping.time, operator=ping.operator)
