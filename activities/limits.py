"""What an account has used of its limits today, and how fast its mass sends go.

Calls of an API are by WeChat's count. Mass sends are by the ledger's count.
"""

from typing import Final

from temporalio import activity
from temporalio.client import Client
from temporalio.exceptions import ApplicationError

from activities.accounts import Accounts
from activities.attempts import heartbeats
from activities.ledger import ledger_view
from qunfa.contract.limits import (
    CALLS_LEFT,
    GET_SPEED,
    SENDS_COUNTED,
    SET_SPEED,
    SPEED_REFUSED,
    Book,
    CallsLeft,
    CallsLeftStep,
    GetSpeedStep,
    SendsCountedStep,
    SetSpeedStep,
    Speed,
)

_REFUSED: Final = "QuotaRefused"
_NO_KEY: Final = ""


class Limits:
    """`openapi/quota/get`, the ledger's quota book, and `mass/speed`."""

    def __init__(self, accounts: Accounts, client: Client) -> None:
        self._accounts = accounts
        self._client = client

    @activity.defn(name=CALLS_LEFT)
    @heartbeats()
    async def calls_left(self, step: CallsLeftStep) -> CallsLeft:
        """The count of one API; a lasting refusal is an answer too.

        Raises:
            ApplicationError: `AccountChanged`, not retried; `WechatUnavailable`, retried.
        """
        try:
            quota = await self._accounts.answer(
                step.account, "Asking for the quota", _REFUSED, lambda api, token: api.quota(token, step.cgi_path)
            )
        except ApplicationError as error:
            if error.type != _REFUSED:
                raise
            evidence = {name: error.details[0][name] for name in ("errcode", "errmsg", "rid")}
            return CallsLeft(cgi_path=step.cgi_path, **evidence)
        rate = quota.rate_limit.model_dump() if quota.rate_limit else {}
        return CallsLeft(
            cgi_path=step.cgi_path, daily_limit=quota.daily_limit, used=quota.used, remain=quota.remain, **rate
        )

    @activity.defn(name=SENDS_COUNTED)
    @heartbeats()
    async def sends_counted(self, step: SendsCountedStep) -> Book:
        """The ledger's book; an empty one where there is no ledger.

        Raises:
            ApplicationError: `LedgerUnavailable`, retried.
        """
        view = await ledger_view(self._client, step.appid, {"key": _NO_KEY})
        return Book() if view is None else Book(since=view.since, days=view.book, frozen=view.frozen)

    @activity.defn(name=GET_SPEED)
    @heartbeats()
    async def get_speed(self, step: GetSpeedStep) -> Speed:
        """The speed, as WeChat tells it.

        Raises:
            ApplicationError: `AccountChanged` and `SpeedRefused`, not retried; `WechatUnavailable`, retried.
        """
        said = await self._accounts.answer(
            step.account, "Asking for the speed", SPEED_REFUSED, lambda api, token: api.speed_get(token)
        )
        return Speed(speed=said.speed, realspeed=said.realspeed)

    @activity.defn(name=SET_SPEED)
    @heartbeats()
    async def set_speed(self, step: SetSpeedStep) -> None:
        """Set the speed of all mass sends of the account from now on; a lost call is repeated, which changes nothing.

        Raises:
            ApplicationError: `AccountChanged` and `SpeedRefused`, not retried; `WechatUnavailable`, retried.
        """
        await self._accounts.answer(
            step.account, "Setting the speed", SPEED_REFUSED, lambda api, token: api.speed_set(token, step.speed)
        )
