"""Resetting a workflow, as Temporal's UI does it."""

import uuid
from enum import Enum
from typing import Any

from temporalio.api.common.v1 import WorkflowExecution
from temporalio.api.enums.v1 import EventType, ResetReapplyType
from temporalio.api.workflowservice.v1 import ResetWorkflowExecutionRequest
from temporalio.client import Client, WorkflowHandle

from qunfa.contract import MassSendResult


class Reapply(Enum):
    """Whether signals and updates that came after the point are applied again to the new run."""

    ALL = ResetReapplyType.RESET_REAPPLY_TYPE_ALL_ELIGIBLE
    NONE = ResetReapplyType.RESET_REAPPLY_TYPE_NONE


async def points(handle: WorkflowHandle[Any, Any]) -> list[int]:
    """Every point of a run to which it can be reset: its completed workflow tasks."""
    done = EventType.EVENT_TYPE_WORKFLOW_TASK_COMPLETED
    return [event.event_id async for event in handle.fetch_history_events() if event.event_type == done]


async def applied_again(handle: WorkflowHandle[Any, Any]) -> int:
    """How many updates were applied again to a run that a reset began."""
    admitted = EventType.EVENT_TYPE_WORKFLOW_EXECUTION_UPDATE_ADMITTED
    return len([event async for event in handle.fetch_history_events() if event.event_type == admitted])


async def reset(
    client: Client, handle: WorkflowHandle[Any, Any], event_id: int, reapply: Reapply = Reapply.ALL
) -> WorkflowHandle[Any, Any]:
    """Reset the run that `handle` names, or the newest, to a completed workflow task; the new run."""
    request = ResetWorkflowExecutionRequest(
        namespace=client.namespace,
        workflow_execution=WorkflowExecution(workflow_id=handle.id, run_id=handle.run_id or ""),
        reason="a test",
        workflow_task_finish_event_id=event_id,
        request_id=str(uuid.uuid4()),
        reset_reapply_type=reapply.value,
    )
    answer = await client.workflow_service.reset_workflow_execution(request)
    return client.get_workflow_handle(handle.id, run_id=answer.run_id, result_type=MassSendResult)
