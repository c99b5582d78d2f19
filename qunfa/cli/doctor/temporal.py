"""Looks at Temporal: its version, the namespace, and who polls the task queue."""

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Final

from temporalio.api.deployment.v1 import WorkerDeploymentVersion
from temporalio.api.enums.v1 import TaskQueueType, WorkerVersioningMode
from temporalio.api.taskqueue.v1 import PollerInfo, TaskQueue
from temporalio.api.workflowservice.v1 import DescribeTaskQueueRequest, GetSystemInfoRequest
from temporalio.client import Client

from qunfa.contract.doctor import Finding
from qunfa.rules.doctor import (
    Pollers,
    attributes_found,
    attributes_in_conflict,
    attributes_unknown,
    retention_found,
    version_found,
    workers_found,
)
from qunfa.temporal import SearchAttributeConflict, TemporalError, missing_search_attributes, namespace_retention

_TIMEOUT: Final = timedelta(seconds=5)


async def look_at_version(client: Client) -> Finding:
    """The server's version.

    Raises:
        RPCError: it does not answer.
    """
    answer = await client.workflow_service.get_system_info(GetSystemInfoRequest(), timeout=_TIMEOUT)
    return version_found(answer.server_version)


async def look_at_retention(client: Client) -> Finding:
    """How long the namespace keeps closed workflows.

    Raises:
        TemporalError: the server does not tell.
    """
    return retention_found(client.namespace, await namespace_retention(client))


async def look_at_attributes(client: Client) -> Finding:
    """Whether the search attributes are registered."""
    try:
        return attributes_found(await missing_search_attributes(client))
    except SearchAttributeConflict as conflict:
        return attributes_in_conflict(str(conflict))
    except TemporalError as error:
        return attributes_unknown(str(error))


async def look_at_workers(client: Client, queue: str) -> Finding:
    """Who polls the queue, for both kinds of tasks.

    Raises:
        RPCError: the server does not answer.
    """
    workflows, activities = await asyncio.gather(
        _pollers(client, queue, TaskQueueType.TASK_QUEUE_TYPE_WORKFLOW),
        _pollers(client, queue, TaskQueueType.TASK_QUEUE_TYPE_ACTIVITY),
    )
    return workers_found(queue, workflows, activities)


async def _pollers(client: Client, queue: str, kind: TaskQueueType.ValueType) -> Pollers:
    request = DescribeTaskQueueRequest(
        namespace=client.namespace, task_queue=TaskQueue(name=queue), task_queue_type=kind
    )
    answer = await client.workflow_service.describe_task_queue(request, timeout=_TIMEOUT)
    if not answer.pollers:
        return Pollers()
    return Pollers(
        versions=tuple(_version_of(poller) for poller in answer.pollers),
        seconds_ago=(datetime.now(UTC) - _last_poll(answer.pollers)).total_seconds(),
        current=_named(answer.versioning_info.current_deployment_version),
    )


def _last_poll(pollers: Sequence[PollerInfo]) -> datetime:
    return max(poller.last_access_time.ToDatetime(UTC) for poller in pollers)


def _version_of(poller: PollerInfo) -> str | None:
    options = poller.deployment_options
    if options.worker_versioning_mode != WorkerVersioningMode.WORKER_VERSIONING_MODE_VERSIONED:
        return None
    return f"{options.deployment_name}:{options.build_id}"


def _named(version: WorkerDeploymentVersion) -> str | None:
    return f"{version.deployment_name}:{version.build_id}" if version.deployment_name else None
