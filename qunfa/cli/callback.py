"""`qunfa callback check`: an account's callback, from its URL to Temporal."""

import asyncio
import secrets
import time
from collections.abc import Iterator
from contextlib import suppress
from datetime import timedelta
from typing import Final, Literal, NamedTuple

import httpx
from rich.console import Group, RenderableType
from rich.text import Text
from temporalio.api.history.v1 import HistoryEvent
from temporalio.client import Client

from qunfa.cli.connection import task_queue, with_client
from qunfa.cli.errors import ExitCode, WrongUse, done_if
from qunfa.cli.ledger import current_run
from qunfa.cli.output import checks, plain, show_result
from qunfa.cli.temporal_checks import ask_wechat
from qunfa.cli.typed import operations as typed
from qunfa.contract import account_id
from qunfa.contract.checks import TEST_MSG_ID_MIN, CallbackCheckResult, CallbackView
from qunfa.contract.fields import MSG_ID_MAX, Stored
from qunfa.language import _, listed
from qunfa.language.phrases import told
from qunfa.rules.doctor_account import Step
from qunfa.settings import AccountSettings, CallbackSettings, Settings, load_settings
from qunfa.temporal.connection import workflow_link


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


def callback_check(asked: typed.CallbackCheck) -> ExitCode:
    """Carry out `qunfa callback check`."""
    account, url, queue, as_json = asked
    settings = load_settings("receiver")
    found, callback = _configured(settings, account)
    target = callback_url(settings, account, url)
    report = with_client(_checked, account, Trial(found.appid, callback, target), task_queue(queue))
    show_result(report, render_report, as_json=as_json)
    return done_if(report.ok)


def _configured(settings: Settings, name: str) -> tuple[AccountSettings, CallbackSettings]:
    account = settings.accounts.get(name)
    if account is None:
        known = listed(sorted(settings.accounts)) or _("none at all")
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


DEADLINE: Final = timedelta(seconds=5)
"""WeChat waits no longer."""
STATUS: Final = "qunfa callback check"
_NOBODY: Final = "gh_callback_check"
_ANSWER_MAX: Final = 4096
_SHOWN: Final = 80
_LOOPBACK: Final = {"localhost", "127.0.0.1", "::1"}
"""Hosts that no proxy of the environment is asked for."""
_ACCEPTED: Final = {"", "success"}
_START: Final = "Start the receiver (`qunfa callback`), or say with --url where it is."
_ELSEWHERE: Final = (
    "Something else answers at this URL: see that host, path and proxies lead to the receiver (`qunfa callback`)."
)
_TODO: Final = {
    "forged": (
        "Receiver and this command disagree about token, aes_key, mode, appid or original_id: give both the same "
        "configuration, and start the receiver anew."
    ),
    "malformed": (
        "The receiver cannot read the push; most likely its mode is plain: give it and this command the same "
        "configuration, and start it anew."
    ),
    "stale": "The receiver's clock and this machine's differ too much: set both by NTP.",
    "stranger": (
        "The receiver takes pushes from the account's sources alone, and this machine is none of them: add its address "
        "(127.0.0.1 where this runs beside the receiver). Behind a proxy, receiver.proxies has to name that."
    ),
    "unknown_account": "The receiver's configuration has no token for this account: add it, and start it anew.",
    "unavailable": "The receiver reaches neither Temporal nor a system behind forward_to in time: look at its log.",
}


class _Heard(NamedTuple):
    """What was answered, or in `failure` why nothing was."""

    status: int = 0
    body: str = ""
    milliseconds: int = 0
    failure: str | None = None

    def failed(self, name: Literal["url", "push"]) -> Step:
        """The step, where this is not what a receiver answers."""
        text = self.body if len(self.body) <= _SHOWN else f"{self.body[:_SHOWN]}…"
        said = f"answered {self.status} {text!r}" if text else f"answered {self.status} without a word"
        todo = _START if self.failure is not None else _TODO.get(self.body.strip(), _ELSEWHERE)
        return Step(name=name, state="failed", said=self.failure or said, todo=todo)


class Trial(NamedTuple):
    """One account's callback at one URL."""

    appid: str
    callback: CallbackSettings
    url: httpx.URL

    async def verify(self) -> Step:
        """The `GET` with which WeChat verifies a URL when it is entered; its answer is the echo alone."""
        echo = str(secrets.randbelow(10**19))
        heard = await self._request("GET", {**self._signed(), "echostr": echo}, None)
        if heard.status == httpx.codes.OK and heard.body == echo:
            return Step(name="url", state="ok", said=f"verified, as WeChat does it, in {heard.milliseconds} ms")
        return heard.failed("url")

    async def push(self, msg_id: int) -> Step:
        """A push of a finished job that nobody has sent, in the account's mode."""
        query, body = self._pushed(_event(msg_id, self.callback.original_id or _NOBODY))
        heard = await self._request("POST", query, body)
        took = f"a push in {self.callback.mode} mode was answered"
        if heard.status == httpx.codes.OK and self.callback.forward_results:
            by = "the system behind forward_to, which had it as well"
            return Step(name="push", state="ok", said=f"{took} in {heard.milliseconds} ms by {by}")
        if heard.status == httpx.codes.OK and heard.body in _ACCEPTED:
            return Step(name="push", state="ok", said=f"{took} with success in {heard.milliseconds} ms")
        return heard.failed("push")

    def _signed(self, *encrypted: str) -> dict[str, str]:
        from qunfa.callback.crypto import sign  # noqa: PLC0415 - other commands need no cryptography

        token, timestamp, nonce = self.callback.tokens[0], str(int(time.time())), secrets.token_hex(8)
        query = {"signature": sign(token, timestamp, nonce), "timestamp": timestamp, "nonce": nonce}
        return query | ({"msg_signature": sign(token, timestamp, nonce, *encrypted)} if encrypted else {})

    def _pushed(self, fields: str) -> tuple[dict[str, str], str]:
        if self.callback.mode == "plain":
            return self._signed(), f"<xml>{fields}</xml>"
        from qunfa.callback.crypto import MessageCipher  # noqa: PLC0415 - see above

        encrypted = MessageCipher(self.callback.aes_keys[0], self.appid).seal(f"<xml>{fields}</xml>".encode())
        clear = fields if self.callback.mode == "compat" else ""
        body = f"<xml>{clear}<Encrypt><![CDATA[{encrypted}]]></Encrypt></xml>"
        return {**self._signed(encrypted), "encrypt_type": "aes"}, body

    async def _request(self, method: str, query: dict[str, str], body: str | None) -> _Heard:
        """One request; no error tells its query, which could be replayed."""
        target = self.url.copy_merge_params(query)
        seconds = DEADLINE.total_seconds()
        started = time.perf_counter()
        try:
            async with (
                asyncio.timeout(seconds),
                httpx.AsyncClient(trust_env=self.url.host not in _LOOPBACK, timeout=seconds) as http,
                http.stream(method, target, content=body, headers={"Content-Type": "text/xml"}) as response,
            ):
                text = await _beginning(response)
        except (TimeoutError, httpx.TimeoutException):
            return _Heard(failure=f"no answer within {seconds:g} s")
        except httpx.HTTPError as error:
            return _Heard(failure=f"no answer ({type(error).__name__}: {str(error) or 'no reason given'})")
        return _Heard(response.status_code, text, round((time.perf_counter() - started) * 1000))


async def _beginning(response: httpx.Response) -> str:
    body = bytearray()
    async for chunk in response.aiter_bytes():
        body += chunk
        if len(body) > _ANSWER_MAX:
            break
    return body.decode("utf-8", "replace")


def _event(msg_id: int, original_id: str) -> str:
    """What WeChat says of a finished job; its Status tells people what it is."""
    return (
        f"<ToUserName><![CDATA[{original_id}]]></ToUserName><FromUserName><![CDATA[mphelper]]></FromUserName>"
        f"<CreateTime>{int(time.time())}</CreateTime><MsgType><![CDATA[event]]></MsgType>"
        f"<Event><![CDATA[MASSSENDJOBFINISH]]></Event><MsgID>{msg_id}</MsgID><Status><![CDATA[{STATUS}]]></Status>"
        "<TotalCount>0</TotalCount><FilterCount>0</FilterCount><SentCount>0</SentCount><ErrorCount>0</ErrorCount>"
    )


PATIENCE: Final = timedelta(seconds=15)
"""A signal stands in the history at once; where a worker is lost at that moment, after its workflow task's timeout."""
_LOOK_EVERY: Final = 0.2
_SIGNAL: Final = "push"


async def has_arrived(client: Client, appid: str, msg_id: int, since: str | None) -> bool:
    """Whether a push with this msg_id stands in the account's history, or will within `PATIENCE`.

    `since`: the run before the push. Where there was none, the push begins one.
    """
    with suppress(TimeoutError):
        async with asyncio.timeout(PATIENCE.total_seconds()):
            run = since or await current_run(client, appid)
            while run is None:
                await asyncio.sleep(_LOOK_EVERY)
                run = await current_run(client, appid)
            while run:
                handle = client.get_workflow_handle(account_id(appid), run_id=run)
                async for event in handle.fetch_history_events(wait_new_event=True):
                    if msg_id == await _pushed(client, event):
                        return True
                    run = event.workflow_execution_continued_as_new_event_attributes.new_execution_run_id
    return False


async def _pushed(client: Client, event: HistoryEvent) -> int | None:
    """The msg_id of a push that the event is the arrival of."""
    signal = event.workflow_execution_signaled_event_attributes
    if signal.signal_name != _SIGNAL or not signal.input.payloads:
        return None
    said = (await client.data_converter.decode(signal.input.payloads))[0]
    return said.get("msg_id") if isinstance(said, dict) else None


async def _checked(client: Client, account: str, trial: Trial, queue: str) -> CallbackReport:
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
    since = await current_run(client, trial.appid)
    pushed = await trial.push(msg_id)
    return msg_id, pushed, await _followed(client, trial.appid, msg_id, pushed, since)


async def _followed(client: Client, appid: str, msg_id: int, pushed: Step, since: str | None) -> Step:
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


def render_report(report: CallbackReport) -> RenderableType:
    """Each step with what was seen, and below it what to do."""
    rows = ((step.state, step.name, told(step.said), step.todo and told(step.todo)) for step in report.steps)
    view = report.wechat.view if report.wechat else None
    mode = _("{mode} mode").format(mode=report.mode)
    title = Text.assemble((report.account, "bold"), f"  {mode}  {report.url}")
    failed = listed(step.name for step in report.steps if step.state == "failed")
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
