"""What only a worker can see: an account's token, its clock, its callback, and a tag right before it is sent to.

A worker has the AppSecret, and calls WeChat from its own address. Nothing is changed.
"""

from datetime import timedelta
from typing import Final

import httpx
from temporalio import activity

from activities.accounts import Accounts, Question, ask, pinned
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
from qunfa.settings import Settings
from qunfa.wechat import NoToken, server_time

_SECOND: Final = timedelta(seconds=1)
_OWN: Final = "a token service"


class AccountCheck:
    """What only a worker can say of an account: it has the AppSecret, and it calls WeChat from its own address."""

    def __init__(
        self, settings: Settings, accounts: Accounts, http: httpx.AsyncClient, clock: Clock | None = None
    ) -> None:
        self._settings = settings
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
        pinned(self._settings, step.account)
        source = self._settings.accounts[step.account.name].token_source
        named = _OWN if "://" in source else source  # the URL of a token service may hold a key
        try:
            await self._accounts.fresh_token(step.account.name)
        except NoToken as none:
            refused = none.refused
            if refused is None:
                return TokenSeen(source=named, detail=none.reason)
            return TokenSeen(
                source=named,
                detail=none.reason,
                refused=refused.code.problem,
                errcode=refused.errcode,
                errmsg=refused.errmsg,
                rid=refused.rid,
            )
        return TokenSeen(source=named)

    @activity.defn(name=READ_CLOCKS)
    @heartbeats()
    async def read_clocks(self, step: AccountStep) -> Clocks:
        """This machine's clock against the time at which Temporal started the activity, and against WeChat's `Date`.

        Raises:
            ApplicationError: `AccountChanged`, not retried.
        """
        ahead_of_temporal = (self._clock.now() - activity.info().started_time) / _SECOND
        pinned(self._settings, step.account)
        before = self._clock.now()
        heard = await server_time(self._http, step.account.base_url)
        if heard.date is None:
            return Clocks(ahead_of_temporal=ahead_of_temporal, detail=heard.reason)
        between = before + (self._clock.now() - before) / 2
        told = heard.date + _SECOND / 2  # a Date is cut to the second
        return Clocks(ahead_of_temporal=ahead_of_temporal, ahead_of_wechat=(between - told) / _SECOND)


class CallbackCheck:
    """What `callback/check` says: it resolves the callback's host and pings it."""

    def __init__(self, settings: Settings, accounts: Accounts) -> None:
        self._settings = settings
        self._accounts = accounts

    @activity.defn(name=CALLBACK_CHECK)
    @heartbeats()
    async def callback_check(self, step: CallbackCheckStep) -> CallbackView:
        """The addresses of the callback's host, and how they answer.

        Raises:
            ApplicationError: `AccountChanged` and `CallbackCheckRefused`, not retried; `WechatUnavailable`, retried.
        """
        pinned(self._settings, step.account)
        question = Question(step.account.name, "Asking about the callback", CALLBACK_CHECK_REFUSED)
        seen = await ask(self._accounts, question, lambda api, token: api.callback_check(token))
        return CallbackView(
            dns=tuple(CallbackAddress(ip=one.ip, operator=one.real_operator) for one in seen.dns),
            ping=tuple(
                CallbackPing(ip=one.ip, operator=one.from_operator, loss=one.package_loss, time=one.time)
                for one in seen.ping
            ),
        )


class AudienceCheck:
    """What `tags/get` says of a tag."""

    def __init__(self, settings: Settings, accounts: Accounts) -> None:
        self._settings = settings
        self._accounts = accounts

    @activity.defn(name=CHECK_AUDIENCE)
    @heartbeats()
    async def check_audience(self, step: AudienceStep) -> AudienceFinding:
        """The tag's name and how many followers have it; `count` is as of some time ago.

        Raises:
            ApplicationError: `AccountChanged` and `AudienceRefused`, not retried; `WechatUnavailable`, retried.
        """
        pinned(self._settings, step.account)
        question = Question(step.account.name, "Asking for the tag", AUDIENCE_REFUSED)
        tags = await ask(self._accounts, question, lambda api, token: api.tags(token))
        tag = next((tag for tag in tags if tag.id == step.tag_id), None)
        return (
            AudienceFinding(found=False) if tag is None else AudienceFinding(found=True, name=tag.name, count=tag.count)
        )
