"""Whether a worker gets an access token for an account, and how right its clock is."""

from datetime import timedelta
from typing import Final

import httpx
from temporalio import activity

from activities.accounts import Accounts
from activities.clock import Clock, SystemClock
from activities.configuration import pinned
from activities.heartbeat import heartbeats
from qunfa.contract.account_check import CHECK_TOKEN, READ_CLOCKS, AccountStep, Clocks, TokenSeen
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
