"""What only a worker can see: an account's token, clock, callback, followers, limits, and what a key has done.

A worker has the AppSecret, and calls WeChat from its own address. Nothing is changed but the speed, where it is set.
"""

from datetime import timedelta
from typing import Final

import httpx
from temporalio import activity
from temporalio.client import Client, WorkflowExecutionStatus
from temporalio.common import SearchAttributeKey
from temporalio.exceptions import ApplicationError
from temporalio.service import RPCError

from activities.accounts import Accounts, evidence
from activities.attempts import Clock, SystemClock, heartbeats, passing
from activities.earlier_runs import VisibleRuns
from activities.ledger import ledger_view
from qunfa.account.show import past_of
from qunfa.contract import checks, limits, prospect
from qunfa.contract.batches import batch_key
from qunfa.contract.ids import mass_send_id
from qunfa.contract.ledger import LedgerView
from qunfa.contract.steps import (
    AUDIENCE_REFUSED,
    CHECK_AUDIENCE,
    LEDGER_UNAVAILABLE,
    AccountStep,
    AudienceFinding,
    AudienceStep,
)
from qunfa.temporal.connection import is_gone
from qunfa.wechat import NoToken, server_time

_SECOND: Final = timedelta(seconds=1)
_PHASE: Final = SearchAttributeKey.for_keyword("MassSendPhase")
_PATIENCE: Final = timedelta(seconds=5)
"""For the ledger: what the other questions find is told in time where it is silent."""
_REFUSED: Final = "QuotaRefused"
_NO_KEY: Final = ""


class Checks:
    """Looks at an account from where its calls come from."""

    def __init__(self, accounts: Accounts, http: httpx.AsyncClient, clock: Clock | None = None) -> None:
        self._accounts = accounts
        self._http = http
        self._clock = clock or SystemClock()

    @activity.defn(name=checks.CHECK_TOKEN)
    @heartbeats()
    async def check_token(self, step: AccountStep) -> checks.TokenSeen:
        """How an access token was had just now; that there is none is an answer too."""
        self._accounts.pinned(step.account)
        source = self._accounts.token_source(step.account.name)
        try:
            await self._accounts.fresh_token(step.account.name)
        except NoToken as none:
            seen = checks.TokenSeen(source=source, detail=none.reason)
            refused = none.refused
            return seen.model_copy(update={"refused": refused.code.problem, **evidence(refused)}) if refused else seen
        return checks.TokenSeen(source=source)

    @activity.defn(name=checks.READ_CLOCKS)
    @heartbeats()
    async def read_clocks(self, step: AccountStep) -> checks.Clocks:
        """This machine's clock against the time at which Temporal started the activity, and against WeChat's `Date`."""
        ahead_of_temporal = (self._clock.now() - activity.info().started_time) / _SECOND
        self._accounts.pinned(step.account)
        before = self._clock.now()
        heard = await server_time(self._http, step.account.base_url)
        if heard.date is None:
            return checks.Clocks(ahead_of_temporal=ahead_of_temporal, detail=heard.reason)
        between = before + (self._clock.now() - before) / 2
        told = heard.date + _SECOND / 2  # a Date is cut to the second
        return checks.Clocks(ahead_of_temporal=ahead_of_temporal, ahead_of_wechat=(between - told) / _SECOND)

    @activity.defn(name=checks.CALLBACK_CHECK)
    @heartbeats()
    async def callback_check(self, step: AccountStep) -> checks.CallbackView:
        """The addresses that WeChat finds for the callback's host, and how they answer (`callback/check`)."""
        seen = await self._accounts.answer(
            step.account,
            "Asking about the callback",
            checks.CALLBACK_CHECK_REFUSED,
            lambda api, token: api.callback_check(token),
        )
        return checks.CallbackView(
            dns=tuple(checks.CallbackAddress(ip=one.ip, operator=one.real_operator) for one in seen.dns),
            ping=tuple(
                checks.CallbackPing(ip=one.ip, operator=one.from_operator, loss=one.package_loss, time=one.time)
                for one in seen.ping
            ),
        )

    @activity.defn(name=prospect.COUNT_FOLLOWERS)
    @heartbeats()
    async def count_followers(self, step: AccountStep) -> prospect.Followers:
        """How many followers the account has (`user/get`)."""
        total = await self._accounts.answer(
            step.account,
            "Asking for the number of followers",
            AUDIENCE_REFUSED,
            lambda api, token: api.followers(token),
        )
        return prospect.Followers(total=total)

    @activity.defn(name=CHECK_AUDIENCE)
    @heartbeats()
    async def check_audience(self, step: AudienceStep) -> AudienceFinding:
        """The tag's name and how many followers have it (`tags/get`); `count` is as of some time ago."""
        tags = await self._accounts.answer(
            step.account, "Asking for the tag", AUDIENCE_REFUSED, lambda api, token: api.tags(token)
        )
        tag = next((tag for tag in tags if tag.id == step.tag_id), None)
        return AudienceFinding(found=True, name=tag.name, count=tag.count) if tag else AudienceFinding(found=False)


class Outlook:
    """What a send would meet: by the account's ledger and by the runs of its key. Nothing is started for it."""

    def __init__(self, client: Client, earlier: VisibleRuns) -> None:
        self._client = client
        self._earlier = earlier

    @activity.defn(name=prospect.LOOK_AHEAD)
    @heartbeats()
    async def look_ahead(self, step: prospect.LookAheadStep) -> prospect.Ahead:
        """What is known of account and key; what cannot be asked is told with the reason.

        The account is asked by a query, which starts none.
        """
        seen = await self._look_ahead(step)
        if not step.or_list:
            return seen
        first = await self._look_ahead(step.model_copy(update={"key": batch_key(step.key, 1)}))
        return seen.model_copy(update={"first": first})

    async def _look_ahead(self, step: prospect.LookAheadStep) -> prospect.Ahead:
        try:
            run = await self._newest_run(step)
            ledger = await ledger_view(self._client, step.appid, {"key": step.key}, patience=_PATIENCE, running=True)
        except ApplicationError as silent:
            return prospect.Ahead(unbooked=silent.message, forgotten=silent.message)
        book = _book_of(ledger)
        try:
            return prospect.Ahead(book=book, past=await self._past(step, ledger), run=run)
        except ApplicationError as silent:
            return prospect.Ahead(book=book, forgotten=silent.message, run=run)

    async def _newest_run(self, step: prospect.LookAheadStep) -> prospect.RunSeen | None:
        workflow_id = mass_send_id(step.account, step.key)
        try:
            found = await self._client.get_workflow_handle(workflow_id).describe(rpc_timeout=_PATIENCE)
        except RPCError as error:
            if is_gone(error):
                return None
            raise passing(
                LEDGER_UNAVAILABLE, f"Temporal could not be asked about {workflow_id}: {error.status.name}."
            ) from None
        return prospect.RunSeen(
            running=found.status == WorkflowExecutionStatus.RUNNING,
            parent=found.parent_id,
            phase=found.typed_search_attributes.get(_PHASE),
            started_at=found.start_time,
            closed_at=found.close_time,
        )

    async def _past(self, step: prospect.LookAheadStep, ledger: LedgerView | None) -> prospect.Past:
        """As a run that starts now would find it: earlier runs may know more than the ledger."""
        found = await self._earlier.find(mass_send_id(step.account, step.key), "", step.appid)
        earlier = prospect.Past(known=found.known, digests=found.digests, ended=found.ended)
        return past_of(ledger, step.key, earlier, found.started_at) if ledger is not None else earlier


def _book_of(ledger: LedgerView | None) -> limits.Book:
    return limits.Book(since=ledger.since, days=ledger.book, frozen=ledger.frozen) if ledger else limits.Book()


class Limits:
    """`openapi/quota/get`, the ledger's quota book, and `mass/speed`."""

    def __init__(self, accounts: Accounts, client: Client) -> None:
        self._accounts = accounts
        self._client = client

    @activity.defn(name=limits.CALLS_LEFT)
    @heartbeats()
    async def calls_left(self, step: limits.CallsLeftStep) -> limits.CallsLeft:
        """The count of one API; a lasting refusal is an answer too."""
        try:
            quota = await self._accounts.answer(
                step.account, "Asking for the quota", _REFUSED, lambda api, token: api.quota(token, step.cgi_path)
            )
        except ApplicationError as error:
            if error.type != _REFUSED:
                raise
            evidence = {name: error.details[0][name] for name in ("errcode", "errmsg", "rid")}
            return limits.CallsLeft(cgi_path=step.cgi_path, **evidence)
        rate = quota.rate_limit.model_dump() if quota.rate_limit else {}
        return limits.CallsLeft(
            cgi_path=step.cgi_path, daily_limit=quota.daily_limit, used=quota.used, remain=quota.remain, **rate
        )

    @activity.defn(name=limits.SENDS_COUNTED)
    @heartbeats()
    async def sends_counted(self, step: limits.SendsCountedStep) -> limits.Book:
        """The ledger's book; an empty one where there is no ledger."""
        return _book_of(await ledger_view(self._client, step.appid, {"key": _NO_KEY}))

    @activity.defn(name=limits.GET_SPEED)
    @heartbeats()
    async def get_speed(self, step: AccountStep) -> limits.Speed:
        """The speed, as WeChat tells it."""
        said = await self._accounts.answer(
            step.account, "Asking for the speed", limits.SPEED_REFUSED, lambda api, token: api.speed_get(token)
        )
        return limits.Speed(speed=said.speed, realspeed=said.realspeed)

    @activity.defn(name=limits.SET_SPEED)
    @heartbeats()
    async def set_speed(self, step: limits.SetSpeedStep) -> None:
        """Set the speed of all mass sends of the account from now on. A lost call is repeated: that changes nothing."""
        await self._accounts.answer(
            step.account, "Setting the speed", limits.SPEED_REFUSED, lambda api, token: api.speed_set(token, step.speed)
        )
