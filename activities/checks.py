"""What only a worker can see: an account's token, its clock, its callback, and a tag right before it is sent to.

A worker has the AppSecret, and calls WeChat from its own address. Nothing is changed.
"""

from datetime import timedelta
from typing import Final

import httpx
from temporalio import activity

from activities.accounts import Accounts, evidence
from activities.attempts import Clock, SystemClock, heartbeats
from qunfa.contract.checks import (
    CALLBACK_CHECK,
    CALLBACK_CHECK_REFUSED,
    CHECK_TOKEN,
    READ_CLOCKS,
    AccountStep,
    CallbackAddress,
    CallbackCheckStep,
    CallbackPing,
    CallbackView,
    Clocks,
    TokenSeen,
)
from qunfa.contract.steps import AUDIENCE_REFUSED, CHECK_AUDIENCE, AudienceFinding, AudienceStep
from qunfa.wechat import NoToken, server_time

_SECOND: Final = timedelta(seconds=1)


class Checks:
    """Looks at an account from where its calls come from."""

    def __init__(self, accounts: Accounts, http: httpx.AsyncClient, clock: Clock | None = None) -> None:
        self._accounts = accounts
        self._http = http
        self._clock = clock or SystemClock()

    @activity.defn(name=CHECK_TOKEN)
    @heartbeats()
    async def check_token(self, step: AccountStep) -> TokenSeen:
        """How an access token was had just now; that there is none is an answer too.

        Raises:
            ApplicationError: `AccountChanged`, not retried.
        """
        self._accounts.pinned(step.account)
        source = self._accounts.token_source(step.account.name)
        try:
            await self._accounts.fresh_token(step.account.name)
        except NoToken as none:
            seen = TokenSeen(source=source, detail=none.reason)
            refused = none.refused
            return seen.model_copy(update={"refused": refused.code.problem, **evidence(refused)}) if refused else seen
        return TokenSeen(source=source)

    @activity.defn(name=READ_CLOCKS)
    @heartbeats()
    async def read_clocks(self, step: AccountStep) -> Clocks:
        """This machine's clock against the time at which Temporal started the activity, and against WeChat's `Date`.

        Raises:
            ApplicationError: `AccountChanged`, not retried.
        """
        ahead_of_temporal = (self._clock.now() - activity.info().started_time) / _SECOND
        self._accounts.pinned(step.account)
        before = self._clock.now()
        heard = await server_time(self._http, step.account.base_url)
        if heard.date is None:
            return Clocks(ahead_of_temporal=ahead_of_temporal, detail=heard.reason)
        between = before + (self._clock.now() - before) / 2
        told = heard.date + _SECOND / 2  # a Date is cut to the second
        return Clocks(ahead_of_temporal=ahead_of_temporal, ahead_of_wechat=(between - told) / _SECOND)

    @activity.defn(name=CALLBACK_CHECK)
    @heartbeats()
    async def callback_check(self, step: CallbackCheckStep) -> CallbackView:
        """The addresses that WeChat finds for the callback's host, and how they answer (`callback/check`).

        Raises:
            ApplicationError: `AccountChanged` and `CallbackCheckRefused`, not retried; `WechatUnavailable`, retried.
        """
        seen = await self._accounts.answer(
            step.account,
            "Asking about the callback",
            CALLBACK_CHECK_REFUSED,
            lambda api, token: api.callback_check(token),
        )
        return CallbackView(
            dns=tuple(CallbackAddress(ip=one.ip, operator=one.real_operator) for one in seen.dns),
            ping=tuple(
                CallbackPing(ip=one.ip, operator=one.from_operator, loss=one.package_loss, time=one.time)
                for one in seen.ping
            ),
        )

    @activity.defn(name=CHECK_AUDIENCE)
    @heartbeats()
    async def check_audience(self, step: AudienceStep) -> AudienceFinding:
        """The tag's name and how many followers have it (`tags/get`); `count` is as of some time ago.

        Raises:
            ApplicationError: `AccountChanged` and `AudienceRefused`, not retried; `WechatUnavailable`, retried.
        """
        tags = await self._accounts.answer(
            step.account, "Asking for the tag", AUDIENCE_REFUSED, lambda api, token: api.tags(token)
        )
        tag = next((tag for tag in tags if tag.id == step.tag_id), None)
        return AudienceFinding(found=True, name=tag.name, count=tag.count) if tag else AudienceFinding(found=False)
