"""Short workflows, for whose answer somebody waits. They change nothing but the speed, where it is set.

| workflow | says |
|---|---|
| ``AccountQuota`` | what an account has used and has left |
| ``AccountSpeed`` | how fast the mass sends of an account go |
| ``CheckAccount`` | whether the workers can work with an account, as ``qunfa doctor`` asks |
| ``CheckCallback`` | what WeChat sees of an account's callback |
| ``CheckWorker`` | whether a worker answers, as ``qunfa doctor`` asks |
| ``ShowPictures`` | what pictures of articles look like, as ``qunfa article preview`` asks |
"""

import asyncio
from datetime import timedelta
from typing import Any, Final, TypeVar

from temporalio import workflow
from temporalio.common import RetryPolicy
from temporalio.exceptions import ActivityError, ApplicationError

with workflow.unsafe.imports_passed_through():
    from pydantic import BaseModel

    from qunfa.contract import checks, limits
    from qunfa.contract.ids import (
        ACCOUNT_QUOTA,
        ACCOUNT_SPEED,
        CHECK_ACCOUNT,
        CHECK_CALLBACK,
        CHECK_WORKER,
        SHOW_PICTURES,
    )
    from qunfa.contract.refusal import Unreadable
    from qunfa.contract.steps import AccountFacts, AccountStep
    from qunfa.rules.quota_view import allowances, this_month, today
    from workflows.calls import ONCE, Call, cause_of, why_unseen
    from workflows.making import problem_of_failure
    from workflows.refusal import account_facts, invalid_request, read_as

ACCOUNT_WITHIN: Final = timedelta(seconds=10)
"""Each step of ``CheckAccount`` has so long, and is tried once: somebody waits in front of a terminal."""
CALLBACK_WITHIN: Final = timedelta(seconds=45)
"""Here, too, somebody waits."""
PICTURES_WITHIN: Final = timedelta(minutes=3)
NOT_SHOWN: Final = "NotShown"
"""Failure type of ``ShowPictures``: no worker could read anything. Its text says why."""
_SHORT: Final = timedelta(seconds=30)
_A_MINUTE: Final = timedelta(minutes=1)
_PATIENCE: Final = timedelta(minutes=2)
_RETRIES: Final = RetryPolicy(initial_interval=timedelta(seconds=1), maximum_interval=timedelta(seconds=10))
_PATIENT: Final = RetryPolicy(initial_interval=timedelta(seconds=1), maximum_interval=timedelta(seconds=15))

_CHECK_TOKEN: Final = Call(checks.CHECK_TOKEN, checks.TokenSeen, overall=ACCOUNT_WITHIN, retry=ONCE)
_READ_CLOCKS: Final = Call(checks.READ_CLOCKS, checks.Clocks, overall=ACCOUNT_WITHIN, retry=ONCE)
_CHECK_STORE: Final = Call(checks.CHECK_STORE, checks.StoreSeen, overall=ACCOUNT_WITHIN, retry=ONCE)
_LOOK_AT_CALLS: Final = Call(limits.CALLS_LEFT, limits.CallsLeft, overall=ACCOUNT_WITHIN, retry=ONCE)
_LOOK_AT_BOOK: Final = Call(limits.SENDS_COUNTED, limits.Book, overall=ACCOUNT_WITHIN, retry=ONCE)
_CALLS_LEFT: Final = Call(limits.CALLS_LEFT, limits.CallsLeft, within=_SHORT, overall=_A_MINUTE, retry=_PATIENT)
_SENDS_COUNTED: Final = Call(limits.SENDS_COUNTED, limits.Book, within=_SHORT, overall=_A_MINUTE, retry=_PATIENT)
_GET_SPEED: Final = Call(limits.GET_SPEED, limits.Speed, within=_SHORT, overall=_PATIENCE, retry=_PATIENT)
_SET_SPEED: Final[Call[None]] = Call(limits.SET_SPEED, None, within=_SHORT, overall=_PATIENCE, retry=_PATIENT)
_CALLBACK_CHECK: Final = Call(
    checks.CALLBACK_CHECK, checks.CallbackView, within=_SHORT, overall=CALLBACK_WITHIN, retry=_RETRIES
)
_READ_PICTURES: Final = Call(
    checks.READ_PICTURES, checks.ShowPicturesResult, within=PICTURES_WITHIN, overall=2 * PICTURES_WITHIN, retry=_RETRIES
)
Found = TypeVar("Found", bound=BaseModel)


@workflow.defn(name=CHECK_ACCOUNT)
class CheckAccount:
    """Look at an account's token, clocks and quotas, and at the store, each once; what was not seen says why."""

    @workflow.run
    async def run(self, raw: Any = None, *more: Any) -> checks.CheckAccountResult:
        """What a worker sees; that WeChat or the ledger does not answer is a result as well."""
        facts = await account_facts(read_as(checks.CheckAccountRequest, raw, more).account)
        (token, calls), clocks, (book, uncounted), store = await asyncio.gather(
            _wechat(facts), _clocks(facts), _book(_LOOK_AT_BOOK, facts), _store(facts)
        )
        return checks.CheckAccountResult(
            account=facts.name,
            appid=facts.appid,
            base_url=facts.base_url,
            kind=facts.kind,
            terms=checks.AccountTerms.model_validate(facts.model_dump()),
            token=token,
            clocks=clocks,
            calls=calls,
            allowances=() if book is None else allowances(facts.kind, book, calls, workflow.now()),
            uncounted=uncounted,
            frozen=None if book is None else book.frozen,
            store=store,
        )


async def _wechat(facts: AccountFacts) -> tuple[checks.TokenSeen, tuple[limits.CallsLeft, ...]]:
    """Nothing can be asked without a token."""
    token, why = await _seen(_CHECK_TOKEN, facts, AccountStep(account=facts.pinned))
    if token is None or token.detail is not None:
        return token or checks.TokenSeen(detail=why), ()
    return token, tuple(await asyncio.gather(*(_calls_left(_LOOK_AT_CALLS, facts, path) for path in checks.CALLS)))


async def _clocks(facts: AccountFacts) -> checks.Clocks:
    clocks, why = await _seen(_READ_CLOCKS, facts, AccountStep(account=facts.pinned))
    return clocks or checks.Clocks(detail=why)


async def _store(facts: AccountFacts) -> checks.StoreSeen:
    store, why = await _seen(_CHECK_STORE, facts, AccountStep(account=facts.pinned))
    return store or checks.StoreSeen(uri="", detail=why)


async def _calls_left(look: Call[limits.CallsLeft], facts: AccountFacts, path: str) -> limits.CallsLeft:
    step = limits.CallsLeftStep(account=facts.pinned, cgi_path=path)
    left, why = await _seen(look, facts, step, f"openapi/quota/get of {path}")
    return left or limits.CallsLeft(cgi_path=path, errmsg=why)


async def _book(look: Call[limits.Book], facts: AccountFacts) -> tuple[limits.Book | None, str | None]:
    return await _seen(look, facts, limits.SendsCountedStep(appid=facts.appid), "the ledger's quota book")


async def _seen(
    look: Call[Found], facts: AccountFacts, step: BaseModel, what: str | None = None
) -> tuple[Found | None, str | None]:
    """What the call gives; or why it gives nothing."""
    try:
        return await look.begin(facts, step, what), None
    except ActivityError as error:
        return None, why_unseen(error, look.overall)


@workflow.defn(name=ACCOUNT_QUOTA)
class AccountQuota:
    """Ask WeChat for its counts of calls, and the account's ledger for its count of sends."""

    @workflow.run
    async def run(self, raw: Any = None, *more: Any) -> limits.QuotaResult:
        """Calls and sends, used and left; a call whose count WeChat does not tell says why."""
        request = read_as(limits.QuotaRequest, raw, more)
        facts = await account_facts(request.account)
        paths = (*limits.PATHS, limits.UPLOADNEWS) if facts.news_via == "uploadnews" else limits.PATHS
        counting = asyncio.create_task(_book(_SENDS_COUNTED, facts))
        calls = await asyncio.gather(*(_calls_left(_CALLS_LEFT, facts, path) for path in paths))
        book, uncounted = await counting
        if book is None:
            sentence = f"account {facts.name}: its sends could not be counted: {uncounted}"
            raise ApplicationError(sentence, type=limits.QUOTA_FAILED, non_retryable=True)
        now = workflow.now()
        return limits.QuotaResult(
            account=request.account,
            appid=facts.appid,
            kind=facts.kind,
            at=now,
            since=book.since,
            today=today(book, now),
            month=this_month(book, now),
            allowances=allowances(facts.kind, book, calls, now),
            calls=tuple(calls),
        )


@workflow.defn(name=ACCOUNT_SPEED)
class AccountSpeed:
    """Ask WeChat for the speed; where it is to be set, set it and ask again."""

    @workflow.run
    async def run(self, raw: Any = None, *more: Any) -> limits.SpeedResult:
        """The speed as WeChat tells it, before and after."""
        request = read_as(limits.SpeedRequest, raw, more)
        facts = await account_facts(request.account)
        wanted = request.speed
        now = await _get_speed(facts)
        if wanted is None:
            return limits.SpeedResult(account=request.account, now=now)
        before = now
        await _set_speed(facts, wanted)
        now = await _get_speed(facts)
        if now.speed != wanted:
            raise _failed(f"account {request.account}: WeChat took the speed {wanted}, but tells {now.speed}.")
        return limits.SpeedResult(account=request.account, now=now, before=before, by=request.by, reason=request.reason)


async def _get_speed(facts: AccountFacts) -> limits.Speed:
    speed, why = await _seen(_GET_SPEED, facts, AccountStep(account=facts.pinned), "speed/get")
    if speed is None:
        raise _failed(f"The speed could not be read: {why}")
    return speed


async def _set_speed(facts: AccountFacts, speed: int) -> None:
    step = limits.SetSpeedStep(account=facts.pinned, speed=speed)
    try:
        await _SET_SPEED.begin(facts, step, f"speed/set to {speed}")
    except ActivityError as error:
        why = why_unseen(error, _SET_SPEED.overall)
        raise _failed(f"The speed may not have been set, so look at it again: {why}") from None


def _failed(sentence: str) -> ApplicationError:
    return ApplicationError(sentence, type=limits.SPEED_FAILED, non_retryable=True)


@workflow.defn(name=CHECK_CALLBACK)
class CheckCallback:
    """One question to WeChat, repeated for a short while where it cannot be asked; it changes nothing."""

    @workflow.run
    async def run(self, raw: Any = None, *more: Any) -> checks.CallbackCheckResult:
        """What WeChat sees; that it refuses or cannot be asked is a result as well."""
        facts = await account_facts(read_as(checks.CallbackCheckRequest, raw, more).account)
        found = checks.CallbackCheckResult(account=facts.name, appid=facts.appid)
        step = AccountStep(account=facts.pinned)
        try:
            return found.model_copy(update={"view": await _CALLBACK_CHECK.begin(facts, step, "callback/check")})
        except ActivityError as error:
            return found.model_copy(update=_why_no_view(error))


def _why_no_view(error: ActivityError) -> dict[str, Any]:
    """WeChat's refusal, or what kept it from being asked."""
    cause = cause_of(error)
    if cause is None:
        return {"problem": f"no worker had an answer of WeChat's within {CALLBACK_WITHIN.total_seconds():.0f} s"}
    evidence = cause.details[0] if cause.details and isinstance(cause.details[0], dict) else {}
    return {"problem": cause.message, **{name: evidence.get(name) for name in ("errcode", "errmsg", "rid")}}


@workflow.defn(name=SHOW_PICTURES)
class ShowPictures:
    """Read the pictures once; somebody waits for them."""

    @workflow.run
    async def run(self, raw: Any = None, *more: Any) -> checks.ShowPicturesResult:
        """The first of them, as many as fit; what cannot be read is a result as well."""
        request = read_as(checks.ShowPicturesRequest, raw, more)
        facts = await account_facts(request.account)
        step = checks.ReadPicturesStep(account=facts.pinned, uris=tuple(one.uri for one in request.pictures))
        try:
            shown = await _READ_PICTURES.begin(facts, step)
        except ActivityError as error:
            raise ApplicationError(problem_of_failure(error).sentence, type=NOT_SHOWN, non_retryable=True) from None
        return shown.model_copy(update={"news_via": facts.news_via})


@workflow.defn(name=CHECK_WORKER)
class CheckWorker:
    """Ends as soon as a worker has it: that it has ended is the answer. It takes no input."""

    @workflow.run
    async def run(self, given: Any = None) -> None:
        """Do nothing."""
        if isinstance(given, Unreadable):
            raise invalid_request([given.sentence])
