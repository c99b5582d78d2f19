"""Reading one mass send from Temporal: from the workflow while it runs, from its history when it has closed."""

from datetime import timedelta
from typing import Any, Final

from pydantic import ValidationError
from temporalio.client import (
    Client,
    WorkflowExecutionDescription,
    WorkflowExecutionStatus,
    WorkflowFailureError,
    WorkflowHandle,
    WorkflowQueryFailedError,
)
from temporalio.common import SearchAttributeKey
from temporalio.exceptions import ApplicationError, CancelledError, FailureError, TerminatedError
from temporalio.service import RPCError, RPCStatusCode

from qunfa.cli.errors import Refused
from qunfa.cli.link import workflow_link
from qunfa.cli.naming import short_name
from qunfa.cli.pending import pending_work
from qunfa.cli.queue import has_worker
from qunfa.cli.view import Failure, SendView, State
from qunfa.contract import MASS_SEND, MASS_SEND_FAILED, MassSendResult, Status
from qunfa.contract.ids import MassSendId, mass_send_id

RPC_TIMEOUT: Final = timedelta(seconds=10)
_LAST_WORDS: Final = timedelta(seconds=3)
"""A closed workflow need not say its status: its result is there without a worker."""
PHASE: Final = SearchAttributeKey.for_keyword("MassSendPhase")

_STATES: Final[dict[WorkflowExecutionStatus, State]] = {
    WorkflowExecutionStatus.RUNNING: "running",
    WorkflowExecutionStatus.COMPLETED: "completed",
    WorkflowExecutionStatus.FAILED: "failed",
    WorkflowExecutionStatus.CANCELED: "canceled",
    WorkflowExecutionStatus.TERMINATED: "terminated",
    WorkflowExecutionStatus.TIMED_OUT: "timed_out",
}
_NO_WORKER: Final = "No worker answered, so this is only what Temporal knows: see that one runs (`qunfa worker`)."
_OTHER_FORM: Final = "It holds a result of a form that this version does not know: look at it in Temporal's UI."


async def read_send(client: Client, send: MassSendId) -> SendView:
    """The newest run of a mass send.

    Raises:
        Refused: Temporal does not know it, or the id belongs to a workflow of another type.
        RPCError: Temporal did not answer.
    """
    description = await describe_send(client, send)
    return _described(client, send, description).model_copy(update=await _said(client, description))


async def describe_send(client: Client, send: MassSendId) -> WorkflowExecutionDescription:
    """What Temporal knows of the newest run of a mass send, without asking a worker.

    Raises:
        Refused: Temporal does not know it, or the id belongs to a workflow of another type.
        RPCError: Temporal did not answer.
    """
    try:
        description = await client.get_workflow_handle(mass_send_id(*send)).describe(rpc_timeout=RPC_TIMEOUT)
    except RPCError as error:
        if error.status is not RPCStatusCode.NOT_FOUND:
            raise
        raise Refused(
            f"Temporal's namespace {client.namespace} holds no mass send {short_name(send)}. Look at `qunfa list "
            f"--account {send.account}`; one that has closed is forgotten when the namespace's retention is over."
        ) from None
    if description.workflow_type != MASS_SEND:
        raise Refused(f"{description.id} is a workflow of the type {description.workflow_type}, not a mass send.")
    return description


def state_of(status: WorkflowExecutionStatus | None) -> State:
    """How Temporal sees a workflow; one that continued as new runs."""
    return "running" if status is None else _STATES.get(status, "running")


def _described(client: Client, send: MassSendId, description: WorkflowExecutionDescription) -> SendView:
    return SendView(
        workflow_id=description.id,
        run_id=description.run_id,
        account=send.account,
        key=send.key,
        state=state_of(description.status),
        phase=description.typed_search_attributes.get(PHASE),
        started_at=description.start_time,
        closed_at=description.close_time,
        link=workflow_link(client, description.id, description.run_id),
    )


async def _said(client: Client, description: WorkflowExecutionDescription) -> dict[str, Any]:
    """The fields of a view that only the workflow itself, or its history, can fill."""
    run = client.get_workflow_handle(description.id, run_id=description.run_id)
    state = state_of(description.status)
    if state == "running":
        work = await pending_work(client, description)
        return {"work": work, **await _asked(client, description, RPC_TIMEOUT)}
    if state == "completed":
        found = _result_fields(await run.result(follow_runs=False, rpc_timeout=RPC_TIMEOUT))
    else:
        found = await _failure_fields(run)
    return {**found, **_without_note(await _asked(client, description, _LAST_WORDS))}


async def _asked(client: Client, description: WorkflowExecutionDescription, within: timedelta) -> dict[str, Any]:
    if not await has_worker(client, description.task_queue):
        return {"note": _NO_WORKER}
    run = client.get_workflow_handle(description.id, run_id=description.run_id)
    try:
        status = await run.query("status", result_type=Status, rpc_timeout=within)
    except WorkflowQueryFailedError as error:
        return {"note": f"The workflow could not say its status: {error}"}
    except RPCError:
        # The server is there, it has just described the workflow: what is missing is a worker.
        return {"note": _NO_WORKER}
    return {"status": status, "phase": status.phase}


def _without_note(fields: dict[str, Any]) -> dict[str, Any]:
    """What a closed workflow would have said is only more evidence: its absence is no news."""
    return {name: value for name, value in fields.items() if name == "status"}


async def _failure_fields(run: WorkflowHandle[Any, Any]) -> dict[str, Any]:
    try:
        await run.result(follow_runs=False, rpc_timeout=RPC_TIMEOUT)
    except WorkflowFailureError as error:
        cause = error.cause
        details = list(cause.details) if isinstance(cause, ApplicationError) else []
        failed = isinstance(cause, ApplicationError) and cause.type == MASS_SEND_FAILED
        result = _result_fields(details[0] if details else None) if failed else {}
        return {"failure": _failure(cause), **result}
    return {}


def _failure(cause: BaseException) -> Failure:
    match cause:
        case ApplicationError():
            return Failure(type=cause.type, message=cause.message)
        case CancelledError() | TerminatedError() | FailureError():
            return Failure(type=None, message=cause.message)
        case _:
            return Failure(type=None, message=str(cause))


def _result_fields(raw: Any) -> dict[str, Any]:
    try:
        return {"result": MassSendResult.model_validate(raw)}
    except ValidationError:
        return {"note": _OTHER_FORM}
