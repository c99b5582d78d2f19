"""One mass send, as Temporal and its workflow tell it."""

import re
from datetime import datetime, timedelta
from typing import Any, Final, Literal

from pydantic import ValidationError
from temporalio.client import (
    Client,
    WorkflowExecutionDescription,
    WorkflowExecutionStatus,
    WorkflowFailureError,
    WorkflowHandle,
    WorkflowQueryFailedError,
)
from temporalio.common import SearchAttributeKey, TypedSearchAttributes
from temporalio.exceptions import ApplicationError, FailureError
from temporalio.service import RPCError

from qunfa.cli.connection import RPC_TIMEOUT, has_worker
from qunfa.cli.errors import NEWER, Refused
from qunfa.cli.message import beginning
from qunfa.cli.options import short_name
from qunfa.cli.output import in_a_line
from qunfa.contract import MASS_SEND, MASS_SEND_FAILED, InvalidRequestError, MassSendRequest, parse_request, steps
from qunfa.contract.audience import describe
from qunfa.contract.batches import PLAN_AUDIENCE, WRITE_REPORT, whole_of
from qunfa.contract.fields import Stored
from qunfa.contract.ids import MASS_SEND_IN_BATCHES, MassSendId, mass_send_id
from qunfa.contract.operators import Status
from qunfa.contract.request import look_at
from qunfa.contract.result import COMPLETES, MassSendResult
from qunfa.language import N_, _
from qunfa.temporal.connection import is_gone
from qunfa.temporal.ui import workflow_link

State = Literal["running", "completed", "failed", "canceled", "terminated", "timed_out"]
"""How Temporal sees the workflow."""


class RequestView(Stored):
    """What was asked for, in words: what goes to whom, who asked, and for when.

    `send_at` knows of no `reschedule`. `look_at`: the command that shows its articles, where Qunfa knows what they say.
    """

    message: str
    audience: str
    requested_by: str | None = None
    send_at: datetime | None = None
    look_at: str | None = None


class Failure(Stored):
    """The failure with which a workflow closed: its type (`MassSendFailed`, `InvalidRequest` …) and message."""

    type: str | None
    message: str


class Work(Stored):
    """Something that a worker does for a workflow just now, or tries again later: an activity by its name.

    `written` of `size` bytes, where an upload has told. `failure` is why the last attempt failed, where there was one.
    `paused`: somebody has paused the activity in Temporal, so that nobody does it.
    """

    activity: str
    attempt: int = 1
    written: int | None = None
    size: int | None = None
    failure: str | None = None
    paused: bool = False


class SendView(Stored):
    """One mass send. `request` is `None` where Temporal holds none that can be read.

    `status` is what the workflow says of itself, and `None` where it was not asked or no worker answered. `work` is
    what workers make or look at for it just now. `result` is what it ended with. `note` says what is missing here and
    why. `in_batches`: it is a send in batches. `batch_of`: the key of the send in batches that it is a batch of.
    """

    workflow_id: str
    run_id: str | None = None
    account: str
    key: str
    request: RequestView | None = None
    in_batches: bool = False
    batch_of: str | None = None
    state: State
    phase: str | None = None
    status: Status | None = None
    work: tuple[Work, ...] = ()
    result: MassSendResult | None = None
    failure: Failure | None = None
    note: str | None = None
    started_at: datetime | None = None
    closed_at: datetime | None = None
    link: str | None = None

    @property
    def ended_well(self) -> bool:
        """Whether nothing is left to look at: it is done, and each of its jobs ended well."""
        done = self.state == "completed" and self.result is not None and self.result.outcome in COMPLETES
        return done and not self.is_partly_sent

    @property
    def is_partly_sent(self) -> bool:
        """Whether some of its jobs ended well, and others did not."""
        return self.result is not None and self.result.outcome == "partly_sent"


_LAST_WORDS: Final = timedelta(seconds=3)
"""A closed workflow need not say its status: its result is there without a worker."""
PHASE: Final = SearchAttributeKey.for_keyword("MassSendPhase")
OUTCOME: Final = SearchAttributeKey.for_keyword("MassSendOutcome")
_STATES: Final[dict[WorkflowExecutionStatus, State]] = {
    WorkflowExecutionStatus.RUNNING: "running",
    WorkflowExecutionStatus.COMPLETED: "completed",
    WorkflowExecutionStatus.FAILED: "failed",
    WorkflowExecutionStatus.CANCELED: "canceled",
    WorkflowExecutionStatus.TERMINATED: "terminated",
    WorkflowExecutionStatus.TIMED_OUT: "timed_out",
}
NEEDS_A_PERSON: Final = frozenset({"needs_operator", "awaiting_approval", "paused"})
"""The phases that a person has to end."""
_NO_WORKER: Final = N_("No worker answered, so this is only what Temporal knows: see that one runs (`qunfa worker`).")
_OTHER_FORM: Final = N_("It holds a result of a form that this version does not know: look at it in Temporal's UI.")


async def read_send(client: Client, send: MassSendId, seen: SendView | None = None) -> SendView:
    """The newest run of a mass send; what it was `seen` to be asked for before is not read again.

    Raises:
        Refused: Temporal does not know it, or the id belongs to a workflow of another type.
        RPCError: Temporal did not answer.
    """
    description = await describe_send(client, send)
    known = seen.request if seen is not None and seen.run_id == description.run_id else None
    request = known or await request_words(client, description.id, description.run_id)
    said = await _said(client, description)
    return _described(client, send, description).model_copy(update={"request": request, **said})


async def request_words(client: Client, workflow_id: str, run_id: str | None) -> RequestView | None:
    """What a run was asked for, in words."""
    try:
        request = await request_of(client, workflow_id, run_id)
    except RPCError:
        return None
    return None if request is None else in_words(request)


def in_words(request: MassSendRequest) -> RequestView:
    """What goes to whom, who asked, and for when."""
    messages = [version.message for version in request.versions]
    return RequestView(
        message=" / ".join(map(beginning, messages)),
        audience=describe(request.audience),
        requested_by=request.requested_by,
        send_at=request.send_at,
        look_at=look_at(request),
    )


async def request_of(client: Client, workflow_id: str, run_id: str | None = None) -> MassSendRequest | None:
    """What a run was asked for; `None` where it cannot be read."""
    handle = client.get_workflow_handle(workflow_id, run_id=run_id)
    async for event in handle.fetch_history_events(page_size=1, rpc_timeout=RPC_TIMEOUT):
        payloads = event.workflow_execution_started_event_attributes.input.payloads
        (raw, *_) = await client.data_converter.decode(payloads) or [None]
        try:
            return parse_request(raw)
        except (InvalidRequestError, ValidationError):
            return None
    return None


async def describe_send(client: Client, send: MassSendId) -> WorkflowExecutionDescription:
    """What Temporal knows of the newest run of a mass send, without asking a worker.

    Raises:
        Refused: Temporal does not know it, or the id belongs to a workflow of another type.
        RPCError: Temporal did not answer.
    """
    try:
        description = await client.get_workflow_handle(mass_send_id(*send)).describe(rpc_timeout=RPC_TIMEOUT)
    except RPCError as error:
        if not is_gone(error):
            raise
        raise Refused(
            _(
                "Temporal's namespace {namespace} holds no mass send {send}. Look at `qunfa list --account "
                "{account}`; one that has closed is forgotten when the namespace's retention is over."
            ).format(namespace=client.namespace, send=short_name(send), account=send.account)
        ) from None
    if description.workflow_type not in {MASS_SEND, MASS_SEND_IN_BATCHES}:
        said = _("{id} is a workflow of the type {workflow_type}, not a mass send.")
        raise Refused(said.format(id=description.id, workflow_type=description.workflow_type))
    return description


def state_of(status: WorkflowExecutionStatus | None) -> State:
    """How Temporal sees a workflow; one that continued as new runs."""
    return "running" if status is None else _STATES.get(status, "running")


def _described(client: Client, send: MassSendId, description: WorkflowExecutionDescription) -> SendView:
    whole = whole_of(send, description.parent_id)
    return SendView(
        workflow_id=description.id,
        run_id=description.run_id,
        account=send.account,
        key=send.key,
        in_batches=description.workflow_type == MASS_SEND_IN_BATCHES,
        batch_of=whole and whole.key,
        state=state_of(description.status),
        phase=word(description.typed_search_attributes, PHASE),
        started_at=description.start_time,
        closed_at=description.close_time,
        link=workflow_link(client, description.id, description.run_id),
    )


def word(attributes: TypedSearchAttributes, key: SearchAttributeKey[str]) -> str | None:
    """A search attribute, in one line: whoever may start a workflow writes it."""
    value = attributes.get(key)
    return None if value is None else in_a_line(value)


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
    last_words = await _asked(client, description, _LAST_WORDS)
    return {**found, **({"status": last_words["status"]} if "status" in last_words else {})}


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
    except ValidationError:
        return {"note": NEWER}
    return {"status": status, "phase": status.phase}


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
    kind = cause.type if isinstance(cause, ApplicationError) else None
    return Failure(type=kind, message=cause.message if isinstance(cause, FailureError) else str(cause))


def _result_fields(raw: Any) -> dict[str, Any]:
    try:
        return {"result": MassSendResult.model_validate(raw)}
    except ValidationError:
        return {"note": _OTHER_FORM}


SHOWN: Final = frozenset(
    {
        steps.INSPECT,
        steps.UPLOAD,
        steps.MAKE_DRAFT,
        steps.CHECK_DRAFT,
        steps.CONVERT_VIDEO,
        steps.CHECK_AUDIENCE,
        steps.PREVIEW,
        PLAN_AUDIENCE,
        WRITE_REPORT,
    }
)
"""Those that make and check what is sent, and plan and report to whom. The send tells of its other steps."""
_PROGRESS: Final = re.compile(r"(\d+) of (\d+) bytes")


async def pending_work(client: Client, description: WorkflowExecutionDescription) -> tuple[Work, ...]:
    """The activities under way, or waiting for their next attempt, that make material or look at it.

    And whichever is paused in Temporal: what it is a step of stands still, and cannot say so.
    """
    pending = description.raw_description.pending_activities
    shown = [one for one in pending if one.activity_type.name in SHOWN or one.paused]
    return tuple([await _work(client, one) for one in shown])


async def _work(client: Client, pending: Any) -> Work:
    written, size = await _progress(client, pending)
    failure = None
    if pending.attempt > 1 and pending.HasField("last_failure"):
        error = await client.data_converter.decode_failure(pending.last_failure)
        failure = error.message if isinstance(error, FailureError) else str(error)
    return Work(
        activity=pending.activity_type.name,
        attempt=pending.attempt,
        written=written,
        size=size,
        failure=failure,
        paused=pending.paused,
    )


async def _progress(client: Client, pending: Any) -> tuple[int | None, int | None]:
    """Bytes so far and in all, as the heartbeats of an upload tell them."""
    for detail in await client.data_converter.decode(pending.heartbeat_details.payloads):
        if isinstance(detail, str) and (found := _PROGRESS.fullmatch(detail)):
            return int(found[1]), int(found[2])
    return None, None
