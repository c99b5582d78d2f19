"""What checks ask Temporal, the workers behind it, and WeChat through these.

Where a server does not answer, each raises `RPCError` or `TemporalError`.
"""

import asyncio
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final, NamedTuple

from temporalio.api.deployment.v1 import WorkerDeploymentVersion
from temporalio.api.enums.v1 import TaskQueueType, WorkerVersioningMode
from temporalio.api.taskqueue.v1 import PollerInfo
from temporalio.api.workflowservice.v1 import GetSystemInfoRequest
from temporalio.client import Client, WorkflowExecution, WorkflowExecutionStatus, WorkflowFailureError
from temporalio.common import SearchAttributeKey, WorkflowIDConflictPolicy
from temporalio.service import RPCError, RPCStatusCode

from qunfa.cli.connection import RPC_TIMEOUT, SENDS, describe_queue, has_worker
from qunfa.cli.errors import Refused, explain
from qunfa.cli.ledger import describe_account, running_accounts, views_of
from qunfa.cli.workers import Handle, InvalidError, Question, answer_of, begin, terminated, unique
from qunfa.contract import ids
from qunfa.contract.checks import CallbackCheckResult, CheckAccountResult, Finding
from qunfa.rules import doctor as rules
from qunfa.rules.doctor_account import (
    Step,
    account_findings,
    not_answered,
    own_workflow_found,
    own_workflow_paused,
    own_workflow_stuck,
)
from qunfa.temporal.connection import TemporalError, is_gone
from qunfa.temporal.namespace import SearchAttributeConflict, missing_search_attributes, namespace_retention
from qunfa.temporal.paused import is_paused

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


async def ask_workers(client: Client, queue: str, account: str, configured: Mapping[str, object]) -> Answer:
    """What a worker finds; `configured` is what this machine has of it. Cancelled, it leaves nothing running."""
    reading: list[float] = []
    seen = None
    try:
        async with asyncio.timeout(WITHIN.total_seconds()):
            starting = _started(client, queue, account, reading)
            found = await answer_of(client, starting, terminated("the doctor has gone"), quietly=True)
    except InvalidError as error:
        findings = not_answered(account, "; ".join(error.problems), "Correct the name, or the workers' configuration.")
    except Refused as error:
        findings = not_answered(account, str(error), _LOG)
    except RPCError as error:
        findings = not_answered(account, explain(error).line, "Look at Temporal, then repeat this.")
    except TimeoutError:
        findings = not_answered(account, f"no worker answered within {WITHIN.total_seconds():.0f} s", _SILENT)
    else:
        findings, seen = account_findings(found, configured), found.appid
    return Answer(findings, next(iter(reading), None), seen)


async def _started(client: Client, queue: str, account: str, reading: list[float]) -> Handle[CheckAccountResult]:
    before = datetime.now(UTC)
    question = Question(
        ids.CHECK_ACCOUNT, ids.account_check_id(account, unique()), {"account": account}, at_most=_AT_MOST
    )
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
_LOOK_EVERY: Final = 0.2
"""Seconds between two looks at the list."""
_NAMED: Final = 5
"""How many workflows a finding names."""
_NO_KEY: Final = ""
"""No record has it: an account that is asked for it answers with all but its records."""


async def look_at_version(client: Client) -> Finding:
    answer = await client.workflow_service.get_system_info(GetSystemInfoRequest(), timeout=_TIMEOUT)
    return rules.version_found(answer.server_version)


async def look_at_retention(client: Client) -> Finding:
    """How long the namespace keeps closed workflows."""
    return rules.retention_found(client.namespace, await namespace_retention(client))


async def look_at_attributes(client: Client) -> Finding:
    try:
        return rules.attributes_found(await missing_search_attributes(client))
    except SearchAttributeConflict as conflict:
        return rules.attributes_in_conflict(str(conflict))
    except TemporalError as error:
        return rules.attributes_unknown(str(error))


async def look_at_workers(client: Client, queue: str) -> Finding:
    """Who polls the queue, for both kinds of tasks, and whether one of them answers."""
    workflows, activities = await asyncio.gather(
        _pollers(client, queue, TaskQueueType.TASK_QUEUE_TYPE_WORKFLOW),
        _pollers(client, queue, TaskQueueType.TASK_QUEUE_TYPE_ACTIVITY),
    )
    remembered = rules.workers_found(queue, workflows, activities)
    if remembered.state == "failed":
        return remembered
    handle = await _asked(client, queue, "Whether a worker answers")
    asked_at = (await handle.describe(rpc_timeout=_TIMEOUT)).start_time
    if not await is_answered(handle):
        return rules.workers_silent(queue, workflows, asked_at, ANSWERS)
    return rules.workers_answered(queue, workflows, activities, asked_at)


async def _asked(client: Client, queue: str, summary: str) -> Handle[Any]:
    handle: Handle[Any] = await client.start_workflow(
        ids.CHECK_WORKER,
        id=ids.worker_check_id(unique()),
        task_queue=queue,
        id_conflict_policy=WorkflowIDConflictPolicy.FAIL,
        execution_timeout=2 * ANSWERS,
        static_summary=summary,
        rpc_timeout=_TIMEOUT,
    )
    return handle


async def is_answered(handle: Handle[Any]) -> bool:
    """Whether a worker answers within :data:`ANSWERS`; if none does, the check is ended."""
    try:
        async with asyncio.timeout(ANSWERS.total_seconds()):
            await handle.result()
    except WorkflowFailureError:  # somebody else has ended it
        return False
    except TimeoutError:
        return not await _is_given_up(handle)
    return True


async def _is_given_up(handle: Handle[Any]) -> bool:
    """End the check; false where its answer came first."""
    try:
        await handle.terminate("no worker has answered the doctor", rpc_timeout=_TIMEOUT)
    except RPCError as error:
        if is_gone(error):
            return False
        raise
    return True


async def look_at_visibility(client: Client, queue: str) -> Finding:
    """Whether Temporal's list shows a run within :data:`ANSWERS`. A worker is there that ends it."""
    handle = await _asked(client, queue, "Whether Temporal's list shows a run")
    try:
        async with asyncio.timeout(ANSWERS.total_seconds()):
            while True:
                found, _ = await _first_of(client, f"WorkflowId = '{handle.id}'")
                if found:
                    return rules.visibility_found()
                await asyncio.sleep(_LOOK_EVERY)
    except TimeoutError:
        return rules.visibility_behind(ANSWERS)


async def look_at_tasks(client: Client) -> Finding:
    """Which workflows' tasks keep failing; Temporal tells of it after some attempts, within a minute or so."""
    types = ", ".join(f"'{kind}'" for kind in ids.WORKFLOW_TYPES)
    query = f"{_PROBLEMS.name} IS NOT NULL AND ExecutionStatus = 'Running' AND WorkflowType IN ({types})"
    try:
        found, count = await _first_of(client, query)
    except RPCError as error:
        if error.status in {RPCStatusCode.INVALID_ARGUMENT, RPCStatusCode.UNIMPLEMENTED}:
            return rules.tasks_unknown()
        raise
    return rules.tasks_found([_stuck(one) for one in found], count)


async def look_at_first_tasks(client: Client) -> Finding:
    """Which sends no worker has begun: maybe none polls the task queue on which they were started."""
    until = datetime.now(UTC) - rules.BEGUN_WITHIN
    unbegun = f"{SENDS} AND ExecutionStatus = 'Running' AND MassSendPhase IS NULL"
    query = f"{unbegun} AND ExecutionTime < '{until.isoformat()}'"  # one that a caller delays begins then
    found, count = await _first_of(client, query)
    return rules.first_tasks_found([rules.Unbegun(one.id, one.task_queue) for one in found], count)


async def _first_of(client: Client, query: str) -> tuple[list[WorkflowExecution], int]:
    """The first few that a query finds, and how many there are."""
    found = [one async for one in client.list_workflows(query, limit=_NAMED, rpc_timeout=_TIMEOUT)]
    if len(found) < _NAMED:
        return found, len(found)
    return found, (await client.count_workflows(query, rpc_timeout=_TIMEOUT)).count


async def look_at_restores(client: Client, names: Mapping[str, str]) -> Finding:
    """Which accounts wait for the end of a restore; `names` has the names of some, by appid."""
    views = await views_of(client, sorted(await running_accounts(client)), {"key": _NO_KEY})
    waiting, silent = {}, []
    for workflow_id, view in views.items():
        appid = workflow_id.removeprefix(ids.account_id(""))
        account = f"{names[appid]} ({appid})" if appid in names else appid
        if view is None:
            silent.append(account)
        elif view.restored is not None and view.restored.ended_at is None:
            waiting[account] = view.restored.taken
    return rules.restore_found(waiting, silent)


def _stuck(found: WorkflowExecution) -> rules.Stuck:
    said = found.typed_search_attributes.get(_PROBLEMS) or ()
    causes = (one.removeprefix(_CAUSE) for one in said if one.startswith(_CAUSE))
    return rules.Stuck(found.id, tuple(causes))


async def look_at_own_workflow(client: Client, queue: str, account: str, appid: str, now: datetime) -> Finding:
    """Whether the account's own workflow, where it has one, goes on: its tasks, and who polls its task queue.

    `now` is the time of Temporal's clock.
    """
    found = await describe_account(client, appid)
    if found is None or found.status is not WorkflowExecutionStatus.RUNNING:
        return own_workflow_found(account, ids.account_id(appid), queue, None)
    if is_paused(found):
        return own_workflow_paused(account, found.id)
    if found.typed_search_attributes.get(_PROBLEMS):
        return own_workflow_stuck(account, found.id, _stuck(found).causes)
    if found.task_queue == queue:
        return own_workflow_found(account, found.id, queue, queue)
    pollers = await _pollers(client, found.task_queue, TaskQueueType.TASK_QUEUE_TYPE_WORKFLOW)
    served = bool(pollers.alive(now).polls)
    return own_workflow_found(account, found.id, queue, found.task_queue, served=served)


async def _pollers(client: Client, queue: str, kind: TaskQueueType.ValueType) -> rules.Pollers:
    answer = await describe_queue(client, queue, kind)
    polls = (rules.Poller(_version_of(one), one.last_access_time.ToDatetime(UTC)) for one in answer.pollers)
    info = answer.versioning_info
    percent = info.ramping_version_percentage
    ramp = rules.Ramp(_named(info.ramping_deployment_version), percent) if percent else None
    return rules.Pollers(tuple(polls), _named(info.current_deployment_version), ramp)


def _version_of(poller: PollerInfo) -> str | None:
    options = poller.deployment_options
    if options.worker_versioning_mode != WorkerVersioningMode.WORKER_VERSIONING_MODE_VERSIONED:
        return None
    return f"{options.deployment_name}:{options.build_id}"


def _named(version: WorkerDeploymentVersion) -> str | None:
    return f"{version.deployment_name}:{version.build_id}" if version.deployment_name else None


WECHAT_WITHIN: Final = timedelta(seconds=90)
"""The workflow gives up after half of it, if a worker is there."""
_ALL_LOST: Final = "100%"
_LATER: Final = "Repeat this in some minutes; where it goes on, look at the workers' log."
_SWITCHED_ON: Final = (
    "See what the server configuration (服务器配置) of WeChat's console has: its URL has to be there, and be switched"
    " on."
)
_HOST: Final = "Correct the host in the server configuration (服务器配置) of WeChat's console, or DNS."


async def ask_wechat(
    client: Client, account: str, appid: str | None, queue: str, within: timedelta | None = None
) -> tuple[Step, CallbackCheckResult | None]:
    """The step, and WeChat's answer where there is one; `appid` is what the workers should have, where that is known.

    `within`: so soon it is given up, and stderr does not show how far it is.
    """
    if not await has_worker(client, queue):
        todo = "Start one (`qunfa worker`), or name its task queue with --task-queue."
        return _failed(f"no worker polls the task queue {queue}", todo), None
    question = Question(ids.CHECK_CALLBACK, ids.callback_check_id(account, unique()), {"account": account})
    end = terminated("the check of the callback was given up")
    seconds = (within or WECHAT_WITHIN).total_seconds()
    try:
        async with asyncio.timeout(seconds):
            starting = begin(client, question, CallbackCheckResult, queue)
            found = await answer_of(client, starting, end, quietly=within is not None)
    except InvalidError as error:
        todo = "Correct the workers' configuration, or the name."
        return _failed(f"the workers refuse: {'; '.join(error.problems)}", todo), None
    except Refused as error:
        return _failed(str(error), _LOG), None
    except TimeoutError:
        return _failed(f"no worker answered within {seconds:g} s", _LOG), None
    return _judged(found, appid), found


def _judged(found: CallbackCheckResult, appid: str | None) -> Step:
    if appid not in {None, found.appid}:
        todo = "Give workers, receiver and this command the same configuration, and start the first two anew."
        return _failed(f"the workers have {found.appid} under this name, this configuration has {appid}", todo)
    if found.view is None:
        return _failed(found.problem or "no reason was given", _SWITCHED_ON if found.errcode else _LATER)
    if not found.view.dns:
        return _failed("WeChat finds no address for the callback's host", _HOST)
    lost = [ping.ip for ping in found.view.ping if ping.loss.strip() == _ALL_LOST]
    seen = ", ".join(dict.fromkeys(address.ip for address in found.view.dns))
    hint = f"{', '.join(lost)} does not answer WeChat's ping: nothing is wrong where it answers no ping at all."
    return Step(name="wechat", state="ok", said=f"WeChat finds the host at {seen}", todo=hint if lost else None)


def _failed(said: str, todo: str) -> Step:
    return Step(name="wechat", state="failed", said=said, todo=todo)
