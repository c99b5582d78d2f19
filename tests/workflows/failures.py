"""How a send must have failed."""

from typing import Any

import pytest
from temporalio.client import WorkflowFailureError, WorkflowHandle
from temporalio.exceptions import ApplicationError, CancelledError

from qunfa.contract import INVALID_REQUEST, MASS_SEND_FAILED, MassSendResult


async def failure_of(handle: WorkflowHandle[Any, Any], *, follow_runs: bool = False) -> MassSendResult:
    """The result of a send that must have failed as `MassSendFailed`."""
    cause = await cause_of(handle, MASS_SEND_FAILED, follow_runs=follow_runs)
    return MassSendResult.model_validate(cause.details[0])


async def refusal_of(handle: WorkflowHandle[Any, Any], *, follow_runs: bool = False) -> str:
    """The message of a workflow that must have failed as `InvalidRequest`."""
    return (await cause_of(handle, INVALID_REQUEST, follow_runs=follow_runs)).message


async def cause_of(handle: WorkflowHandle[Any, Any], kind: str, *, follow_runs: bool = False) -> ApplicationError:
    """Why a workflow failed, or the run that it went on in. It must be of this kind, and not to be retried."""
    with pytest.raises(WorkflowFailureError) as caught:
        await handle.result(follow_runs=follow_runs)
    cause = caught.value.cause
    assert isinstance(cause, ApplicationError)
    assert (cause.type, cause.non_retryable) == (kind, True)
    return cause


async def cancelled(handle: WorkflowHandle[Any, Any]) -> None:
    with pytest.raises(WorkflowFailureError) as caught:
        await handle.result()
    assert isinstance(caught.value.cause, CancelledError)
