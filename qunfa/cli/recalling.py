"""Carrying out one recall, and showing meanwhile what it waits for."""

import asyncio
from typing import Any, Final

from temporalio.client import Client, WorkflowFailureError, WorkflowHandle, WorkflowQueryFailedError
from temporalio.common import WorkflowIDConflictPolicy, WorkflowIDReusePolicy
from temporalio.exceptions import ApplicationError, FailureError, WorkflowAlreadyStartedError
from temporalio.service import RPCError

from qunfa.cli.console import note
from qunfa.cli.errors import Refused
from qunfa.cli.link import workflow_link
from qunfa.cli.reading import RPC_TIMEOUT
from qunfa.cli.recall_aims import Aim
from qunfa.cli.rendering.recall import waiting_line
from qunfa.contract import INVALID_REQUEST
from qunfa.contract.ids import RECALL_MASS_SEND
from qunfa.contract.recall import RECALL_FAILED, RecallResult, RecallStatus
from qunfa.contract.refusal import full_stop
from qunfa.markdown import plain, summary_line

Handle = WorkflowHandle[Any, RecallResult]

_LOOK_EVERY: Final = 1.0


async def recall_one(client: Client, aim: Aim, by: str, reason: str, queue: str) -> RecallResult:
    """The recall's result, good or bad; stderr shows what it waits for.

    Raises:
        Refused: Another one of the same job is under way, or it was ended from outside.
        RPCError: Temporal does not answer any more.
    """
    try:
        handle: Handle = await client.start_workflow(
            RECALL_MASS_SEND,
            aim.request(by, reason),
            id=aim.workflow_id,
            task_queue=queue,
            id_reuse_policy=WorkflowIDReusePolicy.ALLOW_DUPLICATE,
            id_conflict_policy=WorkflowIDConflictPolicy.FAIL,
            result_type=RecallResult,
            static_summary=summary_line(f"Recall of {plain(aim.what)}"),
            rpc_timeout=RPC_TIMEOUT,
        )
    except WorkflowAlreadyStartedError:
        raise await _under_way(client, aim) from None
    try:
        return await _followed(handle)
    except WorkflowFailureError as error:
        return _ended_badly(error)
    except (asyncio.CancelledError, RPCError):
        where = workflow_link(client, aim.workflow_id) or f"the workflow {aim.workflow_id}"
        note(f"The recall goes on without this command: {where}")
        raise


async def _followed(handle: Handle) -> RecallResult:
    waiting = asyncio.create_task(handle.result())
    said: str | None = None
    try:
        while not waiting.done():
            status = await _status(handle)
            line = waiting_line(status) if status else None
            if line and line != said:
                note(line)
                said = line
            await asyncio.wait({waiting}, timeout=_LOOK_EVERY)
        return await waiting
    finally:
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)


async def _status(handle: Handle) -> RecallStatus | None:
    try:
        status: RecallStatus = await handle.query("status", result_type=RecallStatus, rpc_timeout=RPC_TIMEOUT)
    except (WorkflowQueryFailedError, RPCError):  # no worker just now: the result comes when there is one
        return None
    return status


async def _under_way(client: Client, aim: Aim) -> Refused:
    handle: Handle = client.get_workflow_handle(aim.workflow_id)
    status = await _status(handle)
    by = f", by {status.by}: {status.reason}" if status and status.by else ""
    line = (status and waiting_line(status)) or f"See the workflow {aim.workflow_id}."
    return Refused(f"{aim.what}: a recall is under way already{by}. {line}")


def _ended_badly(error: WorkflowFailureError) -> RecallResult:
    match error.cause:
        case ApplicationError(type=kind, details=details) if kind == RECALL_FAILED and details:
            return RecallResult.model_validate(details[0])
        case ApplicationError(type=kind, details=details, message=message) if kind == INVALID_REQUEST:
            problems = details[0] if details and isinstance(details[0], list) else [message]
            raise Refused(f"Nothing was recalled: {'; '.join(str(one).removesuffix('.') for one in problems)}.")
        case FailureError(message=message):
            raise Refused(f"{full_stop(f'The recall was ended: {message}')} What it had done stands in its history.")
        case cause:
            raise Refused(str(cause))
