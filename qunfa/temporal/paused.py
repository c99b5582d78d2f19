"""Workflows that somebody has paused in Temporal, which its SDK does not know of: whoever looks at one gets an error.

A client with this reads each status that the SDK does not know as running: a paused workflow is open. A query tells.
"""

from typing import Any, Final

from temporalio.api.enums.v1 import WorkflowExecutionStatus as Status
from temporalio.client import (
    Interceptor,
    OutboundInterceptor,
    QueryWorkflowInput,
    WorkflowExecution,
    WorkflowExecutionStatus,
    WorkflowQueryRejectedError,
)
from temporalio.service import RPCError, RPCStatusCode

OPEN: Final = "ExecutionStatus NOT IN ('Completed', 'Failed', 'Canceled', 'Terminated', 'ContinuedAsNew', 'TimedOut')"
"""A condition on workflows: that they run, or are paused. Temporal lists these as `Paused`, and not as `Running`."""
PAUSED: Final = (
    "Somebody has paused {workflow_id} in Temporal, so that it does nothing: unpause it "
    "(`temporal workflow unpause --workflow-id {workflow_id}`)."
)


def is_paused(found: WorkflowExecution) -> bool:
    """Whether somebody has paused it, as Temporal says."""
    return found.raw_info.status == Status.WORKFLOW_EXECUTION_STATUS_PAUSED


class PausedError(RPCError):
    """A workflow was asked that is paused. It tells nothing until somebody unpauses it."""

    def __init__(self, workflow_id: str) -> None:
        super().__init__(PAUSED.format(workflow_id=workflow_id), RPCStatusCode.FAILED_PRECONDITION, b"")


class TellsPaused(Interceptor):
    """Has a query of a paused workflow end as one that nobody answers, and its status be read as running."""

    def intercept_client(self, next: OutboundInterceptor) -> OutboundInterceptor:  # noqa: A002  Temporal's own name
        WorkflowExecutionStatus._missing_ = classmethod(_running)  # type: ignore[assignment,method-assign]
        return _Queries(next)


def _running(_cls: object, _value: object) -> WorkflowExecutionStatus:
    return WorkflowExecutionStatus.RUNNING


class _Queries(OutboundInterceptor):
    async def query_workflow(self, input: QueryWorkflowInput) -> Any:  # noqa: A002  Temporal's own name
        try:
            return await super().query_workflow(input)
        except WorkflowQueryRejectedError as rejected:
            if rejected.status is WorkflowExecutionStatus.RUNNING:
                raise PausedError(input.id) from None
            raise
