"""``AccountQuota``: what an account has used, and what is left of it. It changes nothing."""

import asyncio
from datetime import timedelta
from typing import Any, Final

from temporalio import workflow
from temporalio.common import RetryPolicy
from temporalio.exceptions import ActivityError, ApplicationError

with workflow.unsafe.imports_passed_through():
    from qunfa.contract.ids import ACCOUNT_QUOTA
    from qunfa.contract.parsing import parsed
    from qunfa.contract.quota import (
        CALLS_LEFT,
        PATHS,
        QUOTA_FAILED,
        SENDS_COUNTED,
        UPLOADNEWS,
        Book,
        CallsLeft,
        CallsLeftStep,
        QuotaRequest,
        QuotaResult,
        SendsCountedStep,
    )
    from qunfa.contract.refusal import InvalidRequestError
    from qunfa.contract.steps import AccountFacts
    from qunfa.rules.quota_view import allowances, this_month, today
    from workflows.preparing import account_facts, refuse

_PATIENT: Final = RetryPolicy(initial_interval=timedelta(seconds=1), maximum_interval=timedelta(seconds=15))
_SHORT: Final = timedelta(seconds=30)
_A_MINUTE: Final = timedelta(minutes=1)


@workflow.defn(name=ACCOUNT_QUOTA)
class AccountQuota:
    """Ask WeChat for its counts of calls, and the account's ledger for its count of sends."""

    @workflow.run
    async def run(self, raw: Any = None, *more: Any) -> QuotaResult:
        """Calls and sends, used and left; a call whose count WeChat does not tell says why."""
        request = _read(raw, more)
        facts = await account_facts(request.account)
        paths = (*PATHS, UPLOADNEWS) if facts.news_via == "uploadnews" else PATHS
        counting = asyncio.create_task(_book(facts))
        calls = await asyncio.gather(*(_calls_left(facts, path) for path in paths))
        book = await counting
        now = workflow.now()
        return QuotaResult(
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


def _read(raw: Any, more: tuple[Any, ...]) -> QuotaRequest:
    if more:
        raise refuse(["the workflow takes one input, the request"])
    try:
        return parsed(QuotaRequest, raw)
    except InvalidRequestError as error:
        raise refuse(error.problems) from None


async def _book(facts: AccountFacts) -> Book:
    try:
        book: Book = await workflow.execute_activity(
            SENDS_COUNTED,
            SendsCountedStep(appid=facts.appid),
            result_type=Book,
            start_to_close_timeout=_SHORT,
            schedule_to_close_timeout=_A_MINUTE,
            heartbeat_timeout=facts.timing.heartbeat,
            retry_policy=_PATIENT,
            summary="the ledger's quota book",
        )
    except ActivityError as error:
        sentence = f"account {facts.name}: its sends could not be counted: {_why(error)}"
        raise ApplicationError(sentence, type=QUOTA_FAILED, non_retryable=True) from None
    return book


async def _calls_left(facts: AccountFacts, path: str) -> CallsLeft:
    try:
        found: CallsLeft = await workflow.execute_activity(
            CALLS_LEFT,
            CallsLeftStep(account=facts.pinned, cgi_path=path),
            result_type=CallsLeft,
            start_to_close_timeout=_SHORT,
            schedule_to_close_timeout=_A_MINUTE,
            heartbeat_timeout=facts.timing.heartbeat,
            retry_policy=_PATIENT,
            summary=f"openapi/quota/get of {path}",
        )
    except ActivityError as error:
        return CallsLeft(cgi_path=path, errmsg=_why(error))
    return found


def _why(error: ActivityError) -> str:
    return error.cause.message if isinstance(error.cause, ApplicationError) else f"no answer within {_A_MINUTE}"
