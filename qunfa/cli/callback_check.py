"""`qunfa callback check`: an account's callback as WeChat finds it, from the URL to Temporal."""

import secrets
from typing import Annotated, Final

import httpx
import typer
from temporalio.client import Client

from qunfa.cli.arrival import Position, has_arrived, position
from qunfa.cli.callback_asking import ask_wechat
from qunfa.cli.callback_report import CallbackReport, Step
from qunfa.cli.connection import temporal_client
from qunfa.cli.console import show, show_json
from qunfa.cli.errors import ExitCode, WrongUse
from qunfa.cli.group import run
from qunfa.cli.link import workflow_link
from qunfa.cli.options import Json, TaskQueue
from qunfa.cli.queue import task_queue
from qunfa.cli.rendering.callback import render_report
from qunfa.cli.trial import Trial
from qunfa.contract import account_id
from qunfa.contract.checks import TEST_MSG_ID_MIN
from qunfa.contract.fields import MSG_ID_MAX
from qunfa.settings import AccountSettings, CallbackSettings, Settings, load_settings

_EVERYWHERE: Final = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - nothing listens here


def callback_check(
    account: Annotated[str, typer.Argument(metavar="ACCOUNT", help="The account's name in the configuration.")],
    *,
    url: Annotated[
        str | None,
        typer.Option(
            metavar="URL",
            help="The callback's URL as it was entered at WeChat, so that proxies on the way are checked too.",
            show_default="the receiver on this machine, by receiver.host and receiver.port",
        ),
    ] = None,
    queue: TaskQueue = None,
    as_json: Json = False,
) -> None:
    """Check an account's callback: its URL, token, mode and key, the way to Temporal, and what WeChat sees of it.

    The receiver gets a test push, signed and encrypted as WeChat's are, about a mass send that does not exist: it is
    followed to the account's workflow, which forgets it. Only a system behind forward_to that gets results as well
    will see it. WeChat is asked by a worker. The account's AppSecret is not needed here, its callback token is.
    """
    settings = load_settings(credentials=False)
    found, callback = _configured(settings, account)
    target = callback_url(settings, account, url)
    trial = Trial(found.appid, callback, target)
    report = run(_checked(account, found.appid, trial, callback, target, task_queue(queue)))
    if as_json:
        show_json(report)
    else:
        show(render_report(report))
    if not report.ok:
        raise typer.Exit(ExitCode.REFUSED)


def _configured(settings: Settings, name: str) -> tuple[AccountSettings, CallbackSettings]:
    account = settings.accounts.get(name)
    if account is None:
        known = ", ".join(sorted(settings.accounts)) or "none at all"
        raise WrongUse(f"The configuration has no account {name} (it has: {known}): see QUNFA_CONFIG or qunfa.toml.")
    if account.callback is None or not account.callback.tokens:
        raise WrongUse(
            f"WeChat does not push to Qunfa for the account {name}: [accounts.{name}.callback] has no token, so there "
            "is nothing to check."
        )
    return account, account.callback


def callback_url(settings: Settings, account: str, given: str | None, option: str = "--url") -> httpx.URL:
    """The URL that was given by an option, or that of the receiver on this machine.

    Raises:
        WrongUse: it is none, or nobody knows where the receiver listens.
    """
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


async def _checked(  # noqa: PLR0917 - what the command was asked for
    account: str, appid: str, trial: Trial, callback: CallbackSettings, url: httpx.URL, queue: str
) -> CallbackReport:
    client = await temporal_client()
    msg_id = TEST_MSG_ID_MIN + secrets.randbelow(MSG_ID_MAX - TEST_MSG_ID_MIN + 1)
    verified = await trial.verify()
    since = await position(client, appid)
    pushed = await trial.push(msg_id)
    arrived = await followed(client, appid, msg_id, pushed, since)
    wechat, told = await ask_wechat(client, account, appid, queue)
    steps = (verified, pushed, arrived, wechat)
    return CallbackReport(
        account=account,
        appid=appid,
        mode=callback.mode,
        url=str(url.copy_with(query=None)),
        msg_id=msg_id,
        ok=all(step.state == "ok" for step in steps),
        steps=steps,
        wechat=told,
    )


async def followed(client: Client, appid: str, msg_id: int, pushed: Step, since: Position | None) -> Step:
    """Whether a push that was answered has come to the account's own workflow."""
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
