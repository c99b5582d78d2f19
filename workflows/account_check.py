"""``CheckAccount``: whether the workers can work with an account, as ``qunfa doctor`` asks. It changes nothing."""

import asyncio
from datetime import timedelta
from typing import Any, Final, TypeVar

from temporalio import workflow
from temporalio.common import RetryPolicy
from temporalio.exceptions import ActivityError, ApplicationError

with workflow.unsafe.imports_passed_through():
    from qunfa.contract.account_check import (
        CALLS,
        CHECK_TOKEN,
        READ_CLOCKS,
        AccountStep,
        CheckAccountRequest,
        CheckAccountResult,
        Clocks,
        TokenSeen,
    )
    from qunfa.contract.ids import CHECK_ACCOUNT
    from qunfa.contract.parsing import parsed
    from qunfa.contract.quota import CALLS_LEFT, SENDS_COUNTED, Book, CallsLeft, CallsLeftStep, SendsCountedStep
    from qunfa.contract.refusal import InvalidRequestError
    from qunfa.contract.steps import AccountFacts
    from qunfa.rules.quota_view import allowances
    from workflows.preparing import account_facts, refuse

WITHIN: Final = timedelta(seconds=10)
"""Each step has so long, and is tried once: somebody waits in front of a terminal."""
_ONCE: Final = RetryPolicy(maximum_attempts=1)

Found = TypeVar("Found")


@workflow.defn(name=CHECK_ACCOUNT)
class CheckAccount:
    """Look at an account's token, clocks and quotas, each once; what could not be seen says why."""

    @workflow.run
    async def run(self, raw: Any = None, *more: Any) -> CheckAccountResult:
        """What a worker sees; that WeChat or the ledger does not answer is a result as well."""
        facts = await account_facts(_read(raw, more).account)
        (token, calls), clocks, (book, uncounted) = await asyncio.gather(_wechat(facts), _clocks(facts), _book(facts))
        return CheckAccountResult(
            account=facts.name,
            appid=facts.appid,
            kind=facts.kind,
            token=token,
            clocks=clocks,
            calls=calls,
            allowances=() if book is None else allowances(facts.kind, book, calls, workflow.now()),
            uncounted=uncounted,
            frozen=None if book is None else book.frozen,
        )


def _read(raw: Any, more: tuple[Any, ...]) -> CheckAccountRequest:
    if more:
        raise refuse(["the workflow takes one input, the request"])
    try:
        return parsed(CheckAccountRequest, raw)
    except InvalidRequestError as error:
        raise refuse(error.problems) from None


async def _wechat(facts: AccountFacts) -> tuple[TokenSeen, tuple[CallsLeft, ...]]:
    """Nothing can be asked without a token."""
    try:
        token = await _once(facts, CHECK_TOKEN, AccountStep(account=facts.pinned), TokenSeen)
    except ActivityError as error:
        return TokenSeen(detail=_why(error)), ()
    if token.detail is not None:
        return token, ()
    return token, tuple(await asyncio.gather(*(_calls_left(facts, path) for path in CALLS)))


async def _calls_left(facts: AccountFacts, path: str) -> CallsLeft:
    try:
        return await _once(facts, CALLS_LEFT, CallsLeftStep(account=facts.pinned, cgi_path=path), CallsLeft)
    except ActivityError as error:
        return CallsLeft(cgi_path=path, errmsg=_why(error))


async def _clocks(facts: AccountFacts) -> Clocks:
    try:
        return await _once(facts, READ_CLOCKS, AccountStep(account=facts.pinned), Clocks)
    except ActivityError as error:
        return Clocks(detail=_why(error))


async def _book(facts: AccountFacts) -> tuple[Book | None, str | None]:
    try:
        return await _once(facts, SENDS_COUNTED, SendsCountedStep(appid=facts.appid), Book), None
    except ActivityError as error:
        return None, _why(error)


async def _once(facts: AccountFacts, name: str, step: Any, result_type: type[Found]) -> Found:
    found: Found = await workflow.execute_activity(
        name,
        step,
        result_type=result_type,
        schedule_to_close_timeout=WITHIN,
        heartbeat_timeout=facts.timing.heartbeat,
        retry_policy=_ONCE,
    )
    return found


def _why(error: ActivityError) -> str:
    cause = error.cause
    return cause.message if isinstance(cause, ApplicationError) else f"no answer within {WITHIN.total_seconds():.0f} s"
