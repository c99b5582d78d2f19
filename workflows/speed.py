"""``AccountSpeed``: how fast an account's mass sends go, read or set."""

from datetime import timedelta
from typing import Any, Final

from temporalio import workflow
from temporalio.common import RetryPolicy
from temporalio.exceptions import ActivityError, ApplicationError

with workflow.unsafe.imports_passed_through():
    from qunfa.contract.ids import ACCOUNT_SPEED
    from qunfa.contract.parsing import parsed
    from qunfa.contract.refusal import InvalidRequestError
    from qunfa.contract.speed import (
        GET_SPEED,
        SET_SPEED,
        SPEED_FAILED,
        GetSpeedStep,
        SetSpeedStep,
        Speed,
        SpeedRequest,
        SpeedResult,
    )
    from qunfa.contract.steps import AccountFacts
    from workflows.preparing import account_facts, refuse

_PATIENT: Final = RetryPolicy(initial_interval=timedelta(seconds=1), maximum_interval=timedelta(seconds=15))
_SHORT: Final = timedelta(seconds=30)
_PATIENCE: Final = timedelta(minutes=2)


@workflow.defn(name=ACCOUNT_SPEED)
class AccountSpeed:
    """Ask WeChat for the speed; where it is to be set, set it and ask again."""

    @workflow.run
    async def run(self, raw: Any = None, *more: Any) -> SpeedResult:
        """The speed as WeChat tells it, before and after."""
        request = _read(raw, more)
        facts = await account_facts(request.account)
        wanted = request.speed
        now = await _get(facts)
        if wanted is None:
            return SpeedResult(account=request.account, now=now)
        before = now
        await _set(facts, wanted)
        now = await _get(facts)
        if now.speed != wanted:
            raise _failed(f"account {request.account}: WeChat took the speed {wanted}, but tells {now.speed}.")
        return SpeedResult(account=request.account, now=now, before=before, by=request.by, reason=request.reason)


def _read(raw: Any, more: tuple[Any, ...]) -> SpeedRequest:
    if more:
        raise refuse(["the workflow takes one input, the request"])
    try:
        return parsed(SpeedRequest, raw)
    except InvalidRequestError as error:
        raise refuse(error.problems) from None


async def _get(facts: AccountFacts) -> Speed:
    try:
        found: Speed = await workflow.execute_activity(
            GET_SPEED,
            GetSpeedStep(account=facts.pinned),
            result_type=Speed,
            start_to_close_timeout=_SHORT,
            schedule_to_close_timeout=_PATIENCE,
            heartbeat_timeout=facts.timing.heartbeat,
            retry_policy=_PATIENT,
            summary="speed/get",
        )
    except ActivityError as error:
        raise _failed(f"The speed could not be read: {_why(error)}") from None
    return found


async def _set(facts: AccountFacts, speed: int) -> None:
    try:
        await workflow.execute_activity(
            SET_SPEED,
            SetSpeedStep(account=facts.pinned, speed=speed),
            start_to_close_timeout=_SHORT,
            schedule_to_close_timeout=_PATIENCE,
            heartbeat_timeout=facts.timing.heartbeat,
            retry_policy=_PATIENT,
            summary=f"speed/set to {speed}",
        )
    except ActivityError as error:
        raise _failed(f"The speed may not have been set, so look at it again: {_why(error)}") from None


def _why(error: ActivityError) -> str:
    return error.cause.message if isinstance(error.cause, ApplicationError) else f"no answer within {_PATIENCE}"


def _failed(sentence: str) -> ApplicationError:
    return ApplicationError(sentence, type=SPEED_FAILED, non_retryable=True)
