"""Handing a result to the `Account` workflow that it belongs to: each one once, and no more than an account may get.

`report_job_finish` does it for systems that have a Temporal client of their own.
"""

import asyncio
import re
from collections import defaultdict
from collections.abc import Mapping
from datetime import timedelta
from functools import lru_cache
from typing import Any, Final, Protocol

from temporalio.client import Client
from temporalio.service import RPCError

from qunfa.callback.answers import Answer, Refusal
from qunfa.callback.event import parse_event
from qunfa.callback.limits import Rate, Recent, Turns, digest
from qunfa.contract.ids import account_id
from qunfa.contract.result import JobFinished, Verdict
from qunfa.rules.verdict import judge
from qunfa.settings import load_settings, load_task_queue
from qunfa.temporal.account import signal_account
from qunfa.temporal.connection import is_unconnected
from qunfa.temporal.payloads import data_converter

PUSH_SIGNAL = "push"
AT_A_TIME: Final = 10
"""Signals to one account at the same time. Its workflow task fails where some hundred come during it."""
_BURST_SECONDS: Final = 60
"""An account may get as many results at once as it may in a minute."""
_APPID: Final = re.compile(r"wx[0-9A-Za-z]{16}")


class DeliveryError(Exception):
    """The push could not be handed over; WeChat must try again. The message says why."""


class UnknownAccountError(LookupError):
    """The name leads to no appid. The message says what to give instead."""


class Delivery(Protocol):
    """Hands a result over. When it returns, the result is durable."""

    async def __call__(self, appid: str, event: JobFinished) -> None:
        """Raises DeliveryError where the result is not known to be durable."""


class TemporalDelivery:
    """Signals the account's workflow, and starts it when it is not running. Safe to repeat.

    The event goes out as plain JSON, whatever data converter or codec the client has: the account reads nothing else.
    """

    def __init__(self, client: Client, task_queue: str) -> None:
        config = client.config(active_config=True)
        self._client = Client(**(config | {"data_converter": data_converter, "plugins": []}))
        self._task_queue = task_queue

    async def __call__(self, appid: str, event: JobFinished) -> None:
        """Returns once Temporal has the signal; raises DeliveryError where it has not said so."""
        try:
            payload = event.model_dump(mode="json")
            await signal_account(self._client, self._task_queue, account_id(appid), PUSH_SIGNAL, payload)
        except RPCError as error:
            raise DeliveryError(f"Temporal did not take the push: {error.status.name}") from error
        except RuntimeError as error:
            if not is_unconnected(error):
                raise
            raise DeliveryError("Temporal did not take the push: there is no connection to it") from error


async def report_job_finish(
    client: Client, account: str, body: bytes | str | Mapping[str, Any], *, task_queue: str | None = None
) -> JobFinished | None:
    """Hands a mass send's result to the workflows that wait for it. Safe to repeat, and to call with every event.

    An existing receiver of WeChat's pushes calls it with what it has verified and decrypted. It answers WeChat with
    `success` once this returns.

    Args:
        client: Of the namespace in which Qunfa runs. Its data converter and codec are not used: plain JSON goes out.
        account: The AppID (`wx` and 16 more), or a name under which this process's configuration has the account.
        body: The event: XML or JSON as it came, decrypted, or the mapping that a framework has made of it.
        task_queue: Where Qunfa's workers poll; `QUNFA_TASK_QUEUE`, or that of the configuration, when None.

    Returns:
        What was handed over, once it is durable; None for every other event or message, which nobody gets.

    Raises:
        EventError: The body cannot be read; repeating it changes nothing.
        DeliveryError: Temporal has not taken it: let WeChat try again.
        UnknownAccountError: `account` is no AppID and not in the configuration.
        SettingsError: The configuration cannot be read. Where it is asked for a name, no variable of the process may
            begin with `QUNFA_` that is no setting.
    """
    event = parse_event(body)
    if event is not None:
        await TemporalDelivery(client, task_queue or load_task_queue())(_appid(account), event)
    return event


def _appid(account: str) -> str:
    if _APPID.fullmatch(account):
        return account
    configured = load_settings("command").accounts.get(account)
    if configured is None:
        raise UnknownAccountError(
            f"{account} is neither an AppID (wx and 16 letters or digits) nor a name in this process's configuration"
        )
    return configured.appid


class Handover:
    """Gives each result to a delivery once. It remembers for `span` what was delivered."""

    def __init__(self, deliver: Delivery, per_second: float, span: timedelta) -> None:
        self._deliver = deliver
        self._per_second = per_second
        self._rates: defaultdict[str, Rate] = defaultdict(lambda: Rate(per_second, per_second * _BURST_SECONDS))
        self._lines: defaultdict[str, asyncio.Semaphore] = defaultdict(lambda: asyncio.Semaphore(AT_A_TIME))
        self._delivered: Recent[int] = Recent(span)
        self._turns = Turns()

    async def __call__(self, appid: str, event: JobFinished) -> bool:
        """True once the result is durable; False where it was durable already.

        Raises:
            Refusal: It is not known to be durable, or the account has had too many.
        """
        async with self._turns.of((appid, event.msg_id)):
            key = _key(appid, event)
            if self._delivered.get(key):
                return False
            await self._hand_over(appid, event)
            self._delivered.note(key, event.msg_id)
            return True

    async def _hand_over(self, appid: str, event: JobFinished) -> None:
        rate = self._rates[appid]
        if not rate.take():
            raise Refusal(
                Answer.TOO_MANY,
                f"more than {self._per_second:g} results a second for this account: WeChat has never that many, so "
                "somebody may have overheard or forged them; if they are real, raise [receiver] results_per_second",
            )
        try:
            async with self._lines[appid]:
                await self._deliver(appid, event)
        except BaseException as error:
            rate.give_back()
            if isinstance(error, DeliveryError):
                raise Refusal(Answer.UNAVAILABLE, str(error)) from error
            raise


def _key(appid: str, event: JobFinished) -> bytes:
    """Stands for a result. A status that means nothing is wanted once for each job, whatever else stands beside it."""
    wanted = event.model_dump_json() if _is_understood(event.status) else str(event.msg_id)
    return digest(appid.encode(), wanted.encode())


@lru_cache(maxsize=256)
def _is_understood(status: str) -> bool:
    return judge(Verdict(status=status, observed_by="push")) is not None
