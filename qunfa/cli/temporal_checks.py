"""What the doctor asks Temporal, and the workers behind it.

Where a server does not answer, each raises `RPCError` or `TemporalError`.
"""

import asyncio
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Final, NamedTuple

from temporalio.api.deployment.v1 import WorkerDeploymentVersion
from temporalio.api.enums.v1 import TaskQueueType, WorkerVersioningMode
from temporalio.api.taskqueue.v1 import PollerInfo
from temporalio.api.workflowservice.v1 import GetSystemInfoRequest
from temporalio.client import Client, WorkflowExecution, WorkflowExecutionStatus, WorkflowFailureError
from temporalio.common import SearchAttributeKey, WorkflowIDConflictPolicy
from temporalio.service import RPCError, RPCStatusCode

from qunfa.cli.connection import RPC_TIMEOUT, describe_queue
from qunfa.cli.errors import Refused, explain
from qunfa.cli.ledger import describe_account, running_accounts, views_of
from qunfa.cli.workers import Handle, InvalidError, Question, begin, result_of, terminated, unique
from qunfa.contract.checks import CheckAccountResult, Finding
from qunfa.contract.ids import (
    CHECK_ACCOUNT,
    CHECK_WORKER,
    WORKFLOW_TYPES,
    account_check_id,
    account_id,
    worker_check_id,
)
from qunfa.rules.doctor import (
    Poller,
    Pollers,
    Ramp,
    Stuck,
    attributes_found,
    attributes_in_conflict,
    attributes_unknown,
    restore_found,
    retention_found,
    tasks_found,
    tasks_unknown,
    version_found,
    workers_answered,
    workers_found,
    workers_silent,
)
from qunfa.rules.doctor_account import account_findings, not_answered, own_workflow_found, own_workflow_stuck
from qunfa.temporal.connection import TemporalError, is_gone
from qunfa.temporal.namespace import SearchAttributeConflict, missing_search_attributes, namespace_retention

WITHIN: Final = timedelta(seconds=30)
"""Two steps of the workflow, one after the other, take at most 20."""
_AT_MOST: Final = timedelta(minutes=1)
"""The workflow ends then, also where nobody is left to end it."""
_LOG: Final = "Look at the workers' log."
_SILENT: Final = "Look at the workers' log; one of an earlier version does not know this check."


class Answer(NamedTuple):
    """The findings; by how many seconds this machine is ahead of Temporal, and the appid, where these could be seen."""

    findings: list[Finding]
    ahead: float | None = None
    appid: str | None = None


async def ask_workers(client: Client, queue: str, account: str, appid: str | None) -> Answer:
    """What a worker finds; `appid` is what this machine's configuration has. Cancelled, it leaves nothing running."""
    reading: list[float] = []
    seen = None
    try:
        async with asyncio.timeout(WITHIN.total_seconds()):
            starting = _started(client, queue, account, reading)
            found: CheckAccountResult = await result_of(
                client, starting, terminated("the doctor has gone"), quietly=True
            )
    except InvalidError as error:
        findings = not_answered(account, "; ".join(error.problems), "Correct the name, or the workers' configuration.")
    except Refused as error:
        findings = not_answered(account, str(error), _LOG)
    except RPCError as error:
        findings = not_answered(account, explain(error).line, "Look at Temporal, then repeat this.")
    except TimeoutError:
        findings = not_answered(account, f"no worker answered within {WITHIN.total_seconds():.0f} s", _SILENT)
    else:
        findings, seen = account_findings(found, appid), found.appid
    return Answer(findings, next(iter(reading), None), seen)


async def _started(client: Client, queue: str, account: str, reading: list[float]) -> Handle:
    before = datetime.now(UTC)
    question = Question(CHECK_ACCOUNT, account_check_id(account, unique()), {"account": account}, at_most=_AT_MOST)
    handle = await begin(client, question, CheckAccountResult, queue)
    between = before + (datetime.now(UTC) - before) / 2
    begun = (await handle.describe(rpc_timeout=RPC_TIMEOUT)).start_time
    reading.append((between - begun).total_seconds())
    return handle


ANSWERS: Final = timedelta(seconds=5)
"""A worker that is not overloaded answers what takes it no work in a small part of this."""
_TIMEOUT: Final = timedelta(seconds=5)
_PROBLEMS: Final = SearchAttributeKey.for_keyword_list("TemporalReportedProblems")
"""Temporal's own: set after five failed attempts of a workflow task, and unset by one that succeeds."""
_CAUSE: Final = "cause=WorkflowTaskFailedCause"
_NAMED: Final = 5
"""How many stuck workflows are named."""
_NO_KEY: Final = ""
"""No record has it: an account that is asked for it answers with all but its records."""


async def look_at_version(client: Client) -> Finding:
    """The server's version."""
    answer = await client.workflow_service.get_system_info(GetSystemInfoRequest(), timeout=_TIMEOUT)
    return version_found(answer.server_version)


async def look_at_retention(client: Client) -> Finding:
    """How long the namespace keeps closed workflows."""
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
    """Who polls the queue, for both kinds of tasks, and whether one of them answers."""
    workflows, activities = await asyncio.gather(
        _pollers(client, queue, TaskQueueType.TASK_QUEUE_TYPE_WORKFLOW),
        _pollers(client, queue, TaskQueueType.TASK_QUEUE_TYPE_ACTIVITY),
    )
    remembered = workers_found(queue, workflows, activities)
    if remembered.state == "failed":
        return remembered
    handle = await _asked(client, queue)
    asked_at = (await handle.describe(rpc_timeout=_TIMEOUT)).start_time
    if not await is_answered(handle):
        return workers_silent(queue, workflows, asked_at, ANSWERS)
    return workers_answered(queue, workflows, activities, asked_at)


async def _asked(client: Client, queue: str) -> Handle:
    handle: Handle = await client.start_workflow(
        CHECK_WORKER,
        id=worker_check_id(unique()),
        task_queue=queue,
        id_conflict_policy=WorkflowIDConflictPolicy.FAIL,
        execution_timeout=2 * ANSWERS,
        static_summary="Whether a worker answers",
        rpc_timeout=_TIMEOUT,
    )
    return handle


async def is_answered(handle: Handle) -> bool:
    """Whether a worker answers within :data:`ANSWERS`; if none does, the check is ended."""
    try:
        async with asyncio.timeout(ANSWERS.total_seconds()):
            await handle.result()
    except WorkflowFailureError:  # somebody else has ended it
        return False
    except TimeoutError:
        return not await _is_given_up(handle)
    return True


async def _is_given_up(handle: Handle) -> bool:
    """End the check; false where its answer came first."""
    try:
        await handle.terminate("no worker has answered the doctor", rpc_timeout=_TIMEOUT)
    except RPCError as error:
        if is_gone(error):
            return False
        raise
    return True


async def look_at_tasks(client: Client) -> Finding:
    """Which workflows' tasks keep failing; Temporal tells of it after some attempts, within a minute or so."""
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


async def look_at_restores(client: Client, names: Mapping[str, str]) -> Finding:
    """Which accounts wait for the end of a restore; `names` has the names of some, by appid."""
    views = await views_of(client, sorted(await running_accounts(client)), {"key": _NO_KEY})
    waiting, silent = {}, []
    for workflow_id, view in views.items():
        appid = workflow_id.removeprefix(account_id(""))
        account = f"{names[appid]} ({appid})" if appid in names else appid
        if view is None:
            silent.append(account)
        elif view.restored is not None and view.restored.ended_at is None:
            waiting[account] = view.restored.taken
    return restore_found(waiting, silent)


def _stuck(found: WorkflowExecution) -> Stuck:
    said = found.typed_search_attributes.get(_PROBLEMS) or ()
    causes = (one.removeprefix(_CAUSE) for one in said if one.startswith(_CAUSE))
    return Stuck(found.id, tuple(causes))


async def look_at_own_workflow(client: Client, queue: str, account: str, appid: str, now: datetime) -> Finding:
    """Whether the account's own workflow, where it has one, goes on: its tasks, and who polls its task queue.

    `now` is the time of Temporal's clock.
    """
    found = await describe_account(client, appid)
    if found is None or found.status is not WorkflowExecutionStatus.RUNNING:
        return own_workflow_found(account, account_id(appid), queue, None)
    if found.typed_search_attributes.get(_PROBLEMS):
        return own_workflow_stuck(account, found.id, _stuck(found).causes)
    if found.task_queue == queue:
        return own_workflow_found(account, found.id, queue, queue)
    pollers = await _pollers(client, found.task_queue, TaskQueueType.TASK_QUEUE_TYPE_WORKFLOW)
    served = bool(pollers.alive(now).polls)
    return own_workflow_found(account, found.id, queue, found.task_queue, served=served)


async def _pollers(client: Client, queue: str, kind: TaskQueueType.ValueType) -> Pollers:
    answer = await describe_queue(client, queue, kind)
    polls = (Poller(_version_of(one), one.last_access_time.ToDatetime(UTC)) for one in answer.pollers)
    info = answer.versioning_info
    percent = info.ramping_version_percentage
    ramp = Ramp(_named(info.ramping_deployment_version), percent) if percent else None
    return Pollers(tuple(polls), _named(info.current_deployment_version), ramp)


def _version_of(poller: PollerInfo) -> str | None:
    options = poller.deployment_options
    if options.worker_versioning_mode != WorkerVersioningMode.WORKER_VERSIONING_MODE_VERSIONED:
        return None
    return f"{options.deployment_name}:{options.build_id}"


def _named(version: WorkerDeploymentVersion) -> str | None:
    return f"{version.deployment_name}:{version.build_id}" if version.deployment_name else None
