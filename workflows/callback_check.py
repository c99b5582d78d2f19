"""``CheckCallback``: what WeChat sees of an account's callback, asked by a worker, which alone has the credentials."""

from datetime import timedelta
from typing import Any, Final

from temporalio import workflow
from temporalio.common import RetryPolicy
from temporalio.exceptions import ActivityError, ApplicationError

with workflow.unsafe.imports_passed_through():
    from qunfa.contract.callback_check import (
        CALLBACK_CHECK,
        CallbackCheckRequest,
        CallbackCheckResult,
        CallbackCheckStep,
        CallbackView,
    )
    from qunfa.contract.ids import CHECK_CALLBACK
    from qunfa.contract.parsing import parsed
    from qunfa.contract.refusal import InvalidRequestError
    from qunfa.contract.steps import AccountFacts
    from workflows.preparing import account_facts, refuse

WITHIN: Final = timedelta(seconds=45)
"""Somebody is waiting in front of a terminal."""
_RETRIES: Final = RetryPolicy(initial_interval=timedelta(seconds=1), maximum_interval=timedelta(seconds=10))


@workflow.defn(name=CHECK_CALLBACK)
class CheckCallback:
    """One question to WeChat, repeated for a short while where it cannot be asked; it changes nothing."""

    @workflow.run
    async def run(self, raw: Any = None, *more: Any) -> CallbackCheckResult:
        """What WeChat sees; that it refuses or cannot be asked is a result as well."""
        if more:
            raise refuse(["the workflow takes one input, the request"])
        try:
            request = parsed(CallbackCheckRequest, raw)
        except InvalidRequestError as error:
            raise refuse(error.problems) from None
        facts = await account_facts(request.account)
        found = CallbackCheckResult(account=facts.name, appid=facts.appid)
        try:
            return found.model_copy(update={"view": await _asked(facts)})
        except ActivityError as error:
            return found.model_copy(update=_why_not(error))


async def _asked(facts: AccountFacts) -> CallbackView:
    view: CallbackView = await workflow.execute_activity(
        CALLBACK_CHECK,
        CallbackCheckStep(account=facts.pinned),
        result_type=CallbackView,
        start_to_close_timeout=timedelta(seconds=30),
        schedule_to_close_timeout=WITHIN,
        heartbeat_timeout=facts.timing.heartbeat,
        retry_policy=_RETRIES,
        summary="callback/check",
    )
    return view


def _why_not(error: ActivityError) -> dict[str, Any]:
    """WeChat's refusal, or what kept it from being asked; a timeout has the last attempt's failure as its cause."""
    cause: BaseException | None = error
    while cause is not None and not isinstance(cause, ApplicationError):
        cause = cause.__cause__
    if cause is None:
        return {"problem": f"no worker had an answer of WeChat's within {WITHIN.total_seconds():.0f} s"}
    evidence = cause.details[0] if cause.details and isinstance(cause.details[0], dict) else {}
    return {"problem": cause.message, **{name: evidence.get(name) for name in ("errcode", "errmsg", "rid")}}
