"""``AccountQuota`` and ``AccountSpeed``: what an account has used and has left, and how fast its mass sends go.

The quota is only read. The speed is read or set.
"""

import asyncio
from datetime import timedelta
from typing import Any, Final

from temporalio import workflow
from temporalio.common import RetryPolicy
from temporalio.exceptions import ActivityError, ApplicationError

with workflow.unsafe.imports_passed_through():
    from qunfa.contract import limits
    from qunfa.contract.ids import ACCOUNT_QUOTA, ACCOUNT_SPEED
    from qunfa.contract.steps import AccountFacts
    from qunfa.rules.quota_view import allowances, this_month, today
    from workflows.calls import Call, why_unseen
    from workflows.refusal import account_facts, read_as

_PATIENT: Final = RetryPolicy(initial_interval=timedelta(seconds=1), maximum_interval=timedelta(seconds=15))
_SHORT: Final = timedelta(seconds=30)
_A_MINUTE: Final = timedelta(minutes=1)
_PATIENCE: Final = timedelta(minutes=2)
_SENDS_COUNTED: Final = Call(limits.SENDS_COUNTED, limits.Book, within=_SHORT, overall=_A_MINUTE, retry=_PATIENT)
_CALLS_LEFT: Final = Call(limits.CALLS_LEFT, limits.CallsLeft, within=_SHORT, overall=_A_MINUTE, retry=_PATIENT)
_GET_SPEED: Final = Call(limits.GET_SPEED, limits.Speed, within=_SHORT, overall=_PATIENCE, retry=_PATIENT)
_SET_SPEED: Final[Call[None]] = Call(limits.SET_SPEED, None, within=_SHORT, overall=_PATIENCE, retry=_PATIENT)


@workflow.defn(name=ACCOUNT_QUOTA)
class AccountQuota:
    """Ask WeChat for its counts of calls, and the account's ledger for its count of sends."""

    @workflow.run
    async def run(self, raw: Any = None, *more: Any) -> limits.QuotaResult:
        """Calls and sends, used and left; a call whose count WeChat does not tell says why."""
        request = read_as(limits.QuotaRequest, raw, more)
        facts = await account_facts(request.account)
        paths = (*limits.PATHS, limits.UPLOADNEWS) if facts.news_via == "uploadnews" else limits.PATHS
        counting = asyncio.create_task(_book(facts))
        calls = await asyncio.gather(*(_calls_left(facts, path) for path in paths))
        book = await counting
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


async def _book(facts: AccountFacts) -> limits.Book:
    try:
        return await _SENDS_COUNTED.begin(facts, limits.SendsCountedStep(appid=facts.appid), "the ledger's quota book")
    except ActivityError as error:
        sentence = f"account {facts.name}: its sends could not be counted: {why_unseen(error, _A_MINUTE)}"
        raise ApplicationError(sentence, type=limits.QUOTA_FAILED, non_retryable=True) from None


async def _calls_left(facts: AccountFacts, path: str) -> limits.CallsLeft:
    step = limits.CallsLeftStep(account=facts.pinned, cgi_path=path)
    try:
        return await _CALLS_LEFT.begin(facts, step, f"openapi/quota/get of {path}")
    except ActivityError as error:
        return limits.CallsLeft(cgi_path=path, errmsg=why_unseen(error, _A_MINUTE))


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
    try:
        return await _GET_SPEED.begin(facts, limits.GetSpeedStep(account=facts.pinned), "speed/get")
    except ActivityError as error:
        raise _failed(f"The speed could not be read: {why_unseen(error, _PATIENCE)}") from None


async def _set_speed(facts: AccountFacts, speed: int) -> None:
    try:
        await _SET_SPEED.begin(facts, limits.SetSpeedStep(account=facts.pinned, speed=speed), f"speed/set to {speed}")
    except ActivityError as error:
        raise _failed(f"The speed may not have been set, so look at it again: {why_unseen(error, _PATIENCE)}") from None


def _failed(sentence: str) -> ApplicationError:
    return ApplicationError(sentence, type=limits.SPEED_FAILED, non_retryable=True)
