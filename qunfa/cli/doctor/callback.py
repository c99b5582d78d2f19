"""An account's callback, as far as it can be checked without starting or disturbing anything."""

import asyncio
import secrets
from collections.abc import Awaitable
from typing import Final, Protocol

import httpx
from temporalio.client import Client, WorkflowExecutionStatus
from temporalio.service import RPCError

from qunfa.cli.appid import describe_account
from qunfa.cli.arrival import position
from qunfa.cli.callback_asking import ask_wechat
from qunfa.cli.callback_check import followed
from qunfa.cli.callback_report import Step
from qunfa.cli.doctor.account import WITHIN
from qunfa.cli.doctor.plan import Plan
from qunfa.cli.errors import WrongUse, explain
from qunfa.cli.trial import Trial
from qunfa.contract.checks import TEST_MSG_ID_MIN, Finding
from qunfa.contract.fields import MSG_ID_MAX
from qunfa.rules.doctor import skipped
from qunfa.rules.doctor_account import callback_found
from qunfa.settings import AccountSettings, CallbackSettings

_LISTENS: Final = 2.0
"""Seconds in which a receiver on this machine has to take a connection."""
_CHECK: Final = "`qunfa callback check` sends it all the same"


class Asked(Protocol):
    """What came of asking the workers about the account."""

    @property
    def unable(self) -> str | None:
        """Why WeChat cannot be asked more of it."""


async def check_callback(plan: Plan, account: str, connection: Client | str, asked: Awaitable[Asked]) -> Finding:
    """The receiver's side at once, WeChat's once the workers were `asked`; without Temporal `connection` says so.

    A test push goes only where the account's own workflow runs, which takes and forgets it, and where no other system
    would get it.
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


async def _wechat(plan: Plan, account: str, connection: Client | str, asked: Awaitable[Asked]) -> Step:
    unable = (await asked).unable
    if isinstance(connection, str) or unable is not None:
        return _skipped("wechat", unable or str(connection))
    configured = plan.configured(account)
    try:
        async with asyncio.timeout(WITHIN.total_seconds()):
            step, _ = await ask_wechat(
                connection, account, configured.appid if configured else None, plan.queue, quietly=True
            )
    except TimeoutError:
        said = f"no worker answered within {WITHIN.total_seconds():.0f} s"
        return Step(name="wechat", state="failed", said=said, todo="Look at the workers' log.")
    except RPCError as error:
        return Step(name="wechat", state="failed", said=" ".join(explain(error).lines))
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
    return [verified, *await _pushed(trial, configured.appid, configured.callback, connection)]


async def _pushed(trial: Trial, appid: str, callback: CallbackSettings, connection: Client | str) -> list[Step]:
    if isinstance(connection, str):
        return [_skipped("push", connection)]
    if callback.forward_results:
        return [_skipped("push", f"left out, as the system behind forward_to would get it ({_CHECK})")]
    try:
        if not await _runs(connection, appid):
            return [_skipped("push", f"left out, as it would start the account's own workflow ({_CHECK})")]
        msg_id = TEST_MSG_ID_MIN + secrets.randbelow(MSG_ID_MAX - TEST_MSG_ID_MIN + 1)
        since = await position(connection, appid)
        pushed = await trial.push(msg_id)
        return [pushed, await followed(connection, appid, msg_id, pushed, since)]
    except RPCError as error:
        return [_skipped("push", " ".join(explain(error).lines))]


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
