"""What WeChat says of an account's callback, asked by a worker, which alone has the account's credentials."""

import asyncio
import secrets
from typing import Final

from temporalio.client import Client

from qunfa.cli.awaiting import AT_MOST, Handle, InvalidError, result_of
from qunfa.cli.callback_report import Step
from qunfa.cli.errors import Refused
from qunfa.cli.queue import has_worker
from qunfa.cli.reading import RPC_TIMEOUT
from qunfa.contract.checks import CallbackCheckResult
from qunfa.contract.ids import CHECK_CALLBACK, callback_check_id

WITHIN: Final = 90.0
"""Seconds. The workflow gives up after half of it, if a worker is there."""
_ALL_LOST: Final = "100%"
_LATER: Final = "Repeat this in some minutes; where it goes on, look at the workers' log."
_CONSOLE: Final = "the server configuration (服务器配置) of WeChat's console"


async def ask_wechat(
    client: Client, account: str, appid: str | None, queue: str, *, quietly: bool = False
) -> tuple[Step, CallbackCheckResult | None]:
    """The step, and WeChat's answer where there is one; `appid` is what the workers should have, where that is known.

    `quietly`: stderr does not show how far it is.
    """
    if not await has_worker(client, queue):
        todo = "Start one (`qunfa worker`), or name its task queue with --task-queue."
        return _failed(f"no worker polls the task queue {queue}", todo), None
    try:
        async with asyncio.timeout(WITHIN):
            found = await _result(client, account, queue, quietly=quietly)
    except InvalidError as error:
        todo = "Correct the workers' configuration, or the name."
        return _failed(f"the workers refuse: {'; '.join(error.problems)}", todo), None
    except Refused as error:
        return _failed(str(error), "Look at the workers' log."), None
    except TimeoutError:
        return _failed(f"no worker answered within {WITHIN:g} s", "Look at the workers' log."), None
    return _judged(found, appid), found


async def _result(client: Client, account: str, queue: str, *, quietly: bool) -> CallbackCheckResult:
    starting = client.start_workflow(
        CHECK_CALLBACK,
        {"account": account},
        id=callback_check_id(account, secrets.token_hex(8)),
        task_queue=queue,
        execution_timeout=AT_MOST,
        result_type=CallbackCheckResult,
        rpc_timeout=RPC_TIMEOUT,
    )
    found: CallbackCheckResult = await result_of(client, starting, _ended, quietly=quietly)
    return found


async def _ended(handle: Handle) -> None:
    await handle.terminate("the check of the callback was given up", rpc_timeout=RPC_TIMEOUT)


def _judged(found: CallbackCheckResult, appid: str | None) -> Step:
    if appid not in {None, found.appid}:
        todo = "Give workers, receiver and this command the same configuration, and start the first two anew."
        return _failed(f"the workers have {found.appid} under this name, this configuration has {appid}", todo)
    if found.view is None:
        todo = f"See what {_CONSOLE} has: its URL has to be there, and be switched on." if found.errcode else _LATER
        return _failed(found.problem or "no reason was given", todo)
    if not found.view.dns:
        return _failed("WeChat finds no address for the callback's host", f"Correct the host in {_CONSOLE}, or DNS.")
    lost = [ping.ip for ping in found.view.ping if ping.loss.strip() == _ALL_LOST]
    seen = ", ".join(dict.fromkeys(address.ip for address in found.view.dns))
    hint = f"{', '.join(lost)} does not answer WeChat's ping: nothing is wrong where it answers no ping at all."
    return Step(name="wechat", state="ok", said=f"WeChat finds the host at {seen}", todo=hint if lost else None)


def _failed(said: str, todo: str) -> Step:
    return Step(name="wechat", state="failed", said=said, todo=todo)
