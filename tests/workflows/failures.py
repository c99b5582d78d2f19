"""The result that a failed send carries."""

from typing import Any

import pytest
from temporalio.client import WorkflowFailureError, WorkflowHandle
from temporalio.exceptions import ApplicationError

from qunfa.contract import INVALID_REQUEST, MASS_SEND_FAILED, MassSendResult


async def failure_of(handle: WorkflowHandle[Any, Any]) -> MassSendResult:
    """The result of a send that must have failed as `MassSendFailed`."""
    return MassSendResult.model_validate((await _cause(handle, MASS_SEND_FAILED)).details[0])


async def refusal_of(handle: WorkflowHandle[Any, Any]) -> str:
    """The message of a send that must have failed as `InvalidRequest`."""
    return (await _cause(handle, INVALID_REQUEST)).message


async def _cause(handle: WorkflowHandle[Any, Any], kind: str) -> ApplicationError:
    with pytest.raises(WorkflowFailureError) as caught:
        await handle.result(follow_runs=False)
    cause = caught.value.cause
    assert isinstance(cause, ApplicationError)
    assert (cause.type, cause.non_retryable) == (kind, True)
    return cause
