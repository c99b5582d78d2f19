"""Looks at Temporal: its version, the namespace, and who polls the task queue."""

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Final

from temporalio.api.deployment.v1 import WorkerDeploymentVersion
from temporalio.api.enums.v1 import TaskQueueType, WorkerVersioningMode
from temporalio.api.taskqueue.v1 import PollerInfo, TaskQueue
from temporalio.api.workflowservice.v1 import DescribeTaskQueueRequest, GetSystemInfoRequest
from temporalio.client import Client, WorkflowExecution, WorkflowExecutionStatus
from temporalio.common import SearchAttributeKey
from temporalio.service import RPCError, RPCStatusCode

from qunfa.cli.appid import describe_account
from qunfa.cli.queue import has_worker
from qunfa.contract.doctor import Finding
from qunfa.contract.ids import WORKFLOW_TYPES, account_id
from qunfa.rules.doctor import (
    Pollers,
    Stuck,
    attributes_found,
    attributes_in_conflict,
    attributes_unknown,
    retention_found,
    tasks_found,
    tasks_unknown,
    version_found,
    workers_found,
)
from qunfa.rules.doctor_account import own_workflow_found
from qunfa.temporal import SearchAttributeConflict, TemporalError, missing_search_attributes, namespace_retention

_TIMEOUT: Final = timedelta(seconds=5)
_PROBLEMS: Final = SearchAttributeKey.for_keyword_list("TemporalReportedProblems")
"""Temporal's own: set after five failed attempts of a workflow task, and unset by one that succeeds."""
_CAUSE: Final = "cause=WorkflowTaskFailedCause"
_NAMED: Final = 5
"""How many stuck workflows are named."""


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


async def look_at_tasks(client: Client) -> Finding:
    """Which workflows' tasks keep failing; Temporal tells of it after some attempts, within a minute or so.

    Raises:
        RPCError: the server does not answer.
    """
    types = ", ".join(f"'{kind}'" for kind in WORKFLOW_TYPES)
    query = f"{_PROBLEMS.name} IS NOT NULL AND ExecutionStatus = 'Running' AND WorkflowType IN ({types})"
    try:
        stuck = [_stuck(one) async for one in client.list_workflows(query, limit=_NAMED, rpc_timeout=_TIMEOUT)]
        count = (
            (await client.count_workflows(query, rpc_timeout=_TIMEOUT)).count if len(stuck) == _NAMED else len(stuck)
        )
    except RPCError as error:
        if error.status in {RPCStatusCode.INVALID_ARGUMENT, RPCStatusCode.UNIMPLEMENTED}:
            return tasks_unknown()
        raise
    return tasks_found(stuck, count)


def _stuck(found: WorkflowExecution) -> Stuck:
    said = found.typed_search_attributes.get(_PROBLEMS) or ()
    causes = (one.removeprefix(_CAUSE) for one in said if one.startswith(_CAUSE))
    return Stuck(found.id, tuple(causes))


async def look_at_own_workflow(client: Client, queue: str, account: str, appid: str) -> Finding:
    """Whether the account's own workflow, where it has one, is on the task queue.

    Raises:
        RPCError: the server does not answer.
    """
    found = await describe_account(client, appid)
    if found is None or found.status is not WorkflowExecutionStatus.RUNNING:
        return own_workflow_found(account, account_id(appid), queue, None)
    served = found.task_queue == queue or await has_worker(client, found.task_queue)
    return own_workflow_found(account, found.id, queue, found.task_queue, served=served)


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
