"""Temporal's task queue: which one a command uses, and whether a worker polls it."""

from datetime import timedelta
from typing import Final

from temporalio.api.enums.v1 import TaskQueueType
from temporalio.api.taskqueue.v1 import TaskQueue
from temporalio.api.workflowservice.v1 import DescribeTaskQueueRequest
from temporalio.client import Client

from qunfa.cli.console import note
from qunfa.settings import load_task_queue

_TIMEOUT: Final = timedelta(seconds=5)


def task_queue(option: str | None) -> str:
    """The queue that was asked for, or the configured one."""
    return option or load_task_queue()


async def has_worker(client: Client, queue: str) -> bool:
    """Whether a worker has polled `queue` for workflow tasks within the last minutes."""
    request = DescribeTaskQueueRequest(
        namespace=client.namespace,
        task_queue=TaskQueue(name=queue),
        task_queue_type=TaskQueueType.TASK_QUEUE_TYPE_WORKFLOW,
    )
    answer = await client.workflow_service.describe_task_queue(request, timeout=_TIMEOUT)
    return bool(answer.pollers)


async def warn_without_worker(client: Client, queue: str) -> None:
    """Say so when nobody would pick up what is started now."""
    if not await has_worker(client, queue):
        note(f"{no_worker(queue)} What was started waits until one does.")


def no_worker(queue: str) -> str:
    """The sentence for a queue that nobody polls."""
    return f"No worker polls the task queue {queue}: start one (`qunfa worker`)."
