"""Handing an event over from a system that has a Temporal client of its own."""

import re
from collections.abc import Mapping
from typing import Any, Final

from temporalio.client import Client

from qunfa.callback.delivery import TemporalDelivery
from qunfa.callback.parser import parse_event
from qunfa.contract.result import JobFinished
from qunfa.settings import load_settings, load_task_queue

_APPID: Final = re.compile(r"wx[0-9A-Za-z]{16}")


class UnknownAccountError(LookupError):
    """The name leads to no appid. The message says what to give instead."""


async def report_job_finish(
    client: Client, account: str, body: bytes | str | Mapping[str, Any], *, task_queue: str | None = None
) -> JobFinished | None:
    """Hands a mass send's result to the workflows that wait for it; safe to repeat, and to call with every event.

    For an existing receiver of WeChat's pushes: call it with what it has verified and decrypted, and answer WeChat
    with `success` once it returns.

    Args:
        client: Of the namespace in which Qunfa runs, with whichever data converter reads plain JSON there.
        account: The AppID (`wx` and 16 more), or a name under which this process's configuration has the account.
        body: The event: XML or JSON as it came, decrypted, or the mapping that a framework has made of it.
        task_queue: Where Qunfa's workers poll; `QUNFA_TASK_QUEUE`, or that of the configuration, when None.

    Returns:
        What was handed over, once it is durable; None for every other event or message, which nobody gets.

    Raises:
        EventError: The body cannot be read; repeating it changes nothing.
        DeliveryError: Temporal has not taken it: let WeChat try again.
        UnknownAccountError: `account` is no AppID and not in the configuration.
        SettingsError: The configuration cannot be read.
    """
    event = parse_event(body)
    if event is not None:
        await TemporalDelivery(client, task_queue or load_task_queue())(_appid(account), event)
    return event


def _appid(account: str) -> str:
    if _APPID.fullmatch(account):
        return account
    configured = load_settings(credentials=False).accounts.get(account)
    if configured is None:
        raise UnknownAccountError(
            f"{account} is neither an AppID (wx and 16 letters or digits) nor a name in this process's configuration"
        )
    return configured.appid
