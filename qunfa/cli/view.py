"""One mass send, as Temporal and its workflow tell it, and what a person can type about it."""

import json
import re
from collections.abc import Iterable
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
from qunfa.cli.message import RequestView, in_words
from qunfa.cli.options import short_name
from qunfa.cli.output import in_a_line
from qunfa.cli.workers import Work, pending_work
from qunfa.contract import MASS_SEND, MASS_SEND_FAILED, InvalidRequestError, MassSendRequest, parse_request
from qunfa.contract.batches import batch_key
from qunfa.contract.fields import Stored
from qunfa.contract.ids import MASS_SEND_IN_BATCHES, MassSendId, mass_send_id, whole_of
from qunfa.contract.operators import FROZEN_BY, Status
from qunfa.contract.result import COMPLETES, JobResult, MassSendResult
from qunfa.language import CHINESE, N_, _, spoken
from qunfa.rules.problems import BATCH_FAILED, tells_of_one_batch
from qunfa.temporal.connection import is_gone, workflow_link
from qunfa.temporal.paused import PausedError

State = Literal["running", "completed", "failed", "canceled", "terminated", "timed_out"]
"""How Temporal sees the workflow."""


class Failure(Stored):
    """The failure with which a workflow closed: its type (`MassSendFailed`, `InvalidRequest` …) and message."""

    type: str | None
    message: str


class SendView(Stored):
    """One mass send. `request` is `None` where Temporal holds none that can be read.

    `status` is what the workflow says of itself, and `None` where it was not asked or no worker answered. `work` is
    what workers make or look at for it just now, or for its batch under way. `result` is what it ended with. `note`
    says what is missing here and why. `in_batches`: it is a send in batches. `batch_of`: the key of the send in batches
    that it is a batch of.
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
    def jobs(self) -> tuple[JobResult, ...]:
        """Those of its result, or until then those of its status."""
        return self.result.jobs if self.result else self.status.jobs if self.status else ()

    @property
    def asks(self) -> str | None:
        """The name of the problem that a person is asked about now."""
        return self.status.problem.name if self.status and self.status.problem else None

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
_UNPOLLED: Final = (
    "No worker polls the task queue {queue} of this send, so this is only what Temporal knows: start one there "
    "(`qunfa worker`)."
)
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
    whole = whole_of(send, description.parent_id)
    return SendView(
        workflow_id=description.id,
        run_id=description.run_id,
        account=send.account,
        key=send.key,
        request=request,
        in_batches=description.workflow_type == MASS_SEND_IN_BATCHES,
        batch_of=whole and whole.key,
        state=state_of(description.status),
        started_at=description.start_time,
        closed_at=description.close_time,
        link=workflow_link(client, description.id, description.run_id),
        **{"phase": word(description.typed_search_attributes, PHASE), **said},
    )


async def request_words(client: Client, workflow_id: str, run_id: str | None) -> RequestView | None:
    try:
        request = await request_of(client, workflow_id, run_id)
    except RPCError:
        return None
    return None if request is None else in_words(request)


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


def word(attributes: TypedSearchAttributes, key: SearchAttributeKey[str]) -> str | None:
    """A search attribute, in one line: whoever may start a workflow writes it."""
    value = attributes.get(key)
    return None if value is None else in_a_line(value)


async def _said(client: Client, description: WorkflowExecutionDescription) -> dict[str, Any]:
    """The fields of a view that only the workflow itself, or its history, can fill."""
    run = client.get_workflow_handle(description.id, run_id=description.run_id)
    state = state_of(description.status)
    if state == "running":
        work = await _work(client, description)
        return {"work": work, **await _asked(client, description, RPC_TIMEOUT)}
    if state == "completed":
        found = _result_fields(await run.result(follow_runs=False, rpc_timeout=RPC_TIMEOUT))
    else:
        found = await _failure_fields(run)
    last_words = await _asked(client, description, _LAST_WORDS)
    return {**found, **({"status": last_words["status"]} if "status" in last_words else {})}


async def _work(client: Client, description: WorkflowExecutionDescription) -> tuple[Work, ...]:
    """What is made for it, and for a batch that it has begun: the list itself does not hear why that takes long.

    A batch that an earlier run has begun is no child of it: its own status tells.
    """
    work = await pending_work(client, description)
    for child in description.raw_description.pending_children:
        if child.workflow_type_name == MASS_SEND and child.run_id:  # it has begun
            batch = client.get_workflow_handle(child.workflow_id)
            work += await pending_work(client, await batch.describe(rpc_timeout=RPC_TIMEOUT))
    return work


async def _asked(client: Client, description: WorkflowExecutionDescription, within: timedelta) -> dict[str, Any]:
    if not await has_worker(client, description.task_queue):
        return {"note": _UNPOLLED.format(queue=description.task_queue)}
    run = client.get_workflow_handle(description.id, run_id=description.run_id)
    try:
        status = await run.query("status", result_type=Status, rpc_timeout=within)
    except WorkflowQueryFailedError as error:
        return {"note": f"The workflow could not say its status: {error}"}
    except PausedError as error:
        return {"note": error.message}
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
        kind = cause.type if isinstance(cause, ApplicationError) else None
        said = cause.message if isinstance(cause, FailureError) else str(cause)
        return {"failure": Failure(type=kind, message=said), **result}
    return {}


def _result_fields(raw: Any) -> dict[str, Any]:
    try:
        return {"result": MassSendResult.model_validate(raw)}
    except ValidationError:
        return {"note": _OTHER_FORM}


def state_word(view: SendView) -> str:
    """The phase while a send runs, its outcome afterwards, or how Temporal closed it where it has none."""
    if view.state == "running":
        return view.phase or "running"
    return view.result.outcome if view.result else view.state


def named_state(view: SendView) -> str:
    """That word for people; in Chinese its name stands beside it, which options and queries take."""
    word = state_word(view)
    return f"{_(word)}（{word}）" if spoken() == CHINESE else word


_COMMANDS: Final = frozenset(
    {"retry", "abort", "mark_sent", "approve", "reject", "pause", "resume", "reschedule", "choose"}
)
_WITHOUT_REASON: Final = frozenset({"approve", "pause", "resume", "reschedule", "choose"})
"""These need no reason, and `reschedule` takes none."""
_NAME: Final = re.compile(r"[a-z][a-z_]{0,63}")
_FLAGS: Final = {
    ("retry", "reprint_needs_decision"): " --send-ignore-reprint",
    ("retry", "unknown_outcome"): " --confirm-not-delivered",
    ("mark_sent", None): " --msg-id MSG_ID",
    ("reschedule", None): " --send-at TIME",
    ("choose", None): " --winner A_OR_B",
}


def next_command(view: SendView) -> str | None:
    """What to type next where nothing has to be answered; `None` where the answers or the sentences say it already."""
    send = f"{view.account}/{view.key}"
    if view.state == "running":
        waits = view.status is None or view.status.problem or view.phase in NEEDS_A_PERSON
        return None if waits else _while_frozen(view) or f"qunfa watch {send}"
    if view.ended_well or view.result is None:
        return None
    if not view.in_batches:
        return f"qunfa ledger {view.account} --key {view.key}"
    planned = view.result.jobs or (view.status is not None and view.status.progress.jobs)
    return f"qunfa report {send}" if planned else None


def _while_frozen(view: SendView) -> str | None:
    """Where the freeze that it waits for is told of: it may be a restore's, which has to stay to its end."""
    waiting = view.status.waiting_for if view.status else None
    if waiting is None or not waiting.reason.startswith(FROZEN_BY):
        return None
    return f"qunfa ledger {view.account}"


def look_command(view: SendView) -> str | None:
    """What shows the articles that somebody is to approve."""
    waits = view.state == "running" and view.status is not None and "approve" in view.status.answers
    return view.request.look_at if waits and view.request is not None else None


def batch_asking(view: SendView) -> tuple[int, str] | None:
    """The number and the key of the batch that a person is asked about."""
    if not view.in_batches or view.status is None or view.state != "running":
        return None
    number = view.status.batch
    return None if number is None else (number, batch_key(view.key, number))


def batch_command(view: SendView) -> str | None:
    """The first answer, given to the batch itself; `None` where none is under way."""
    asking, answers = batch_asking(view), _named(view.status.answers if view.status else ())
    if asking is None or not answers or view.asks in {None, BATCH_FAILED}:
        return None
    own = _command(view.model_copy(update={"key": asking[1]}), answers[0], view.asks)
    return None if own in answer_commands(view) else own


def answer_commands(view: SendView) -> list[str]:
    """One command for each answer that fits now; words in capitals stand for what only the person knows.

    What somebody has looked for in WeChat's console is one batch, so such an answer goes to that batch.
    """
    if view.status is None or view.state != "running":
        return []
    asking = batch_asking(view)
    batch = view if asking is None else view.model_copy(update={"key": asking[1]})
    return [
        _command(batch if tells_of_one_batch(answer, view.asks) else view, answer, view.asks)
        for answer in _named(view.status.answers)
    ]


def _named(answers: Iterable[str]) -> list[str]:
    """Those that are names. A worker says them, and somebody pastes the command into a shell."""
    return [answer for answer in answers if _NAME.fullmatch(answer)]


def _command(view: SendView, answer: str, problem: str | None) -> str:
    if answer not in _COMMANDS:
        payload = json.dumps({"by": "YOU", "reason": "WHY"})
        return f"temporal workflow update execute --workflow-id {view.workflow_id} --name {answer} --input '{payload}'"
    flag = _FLAGS.get((answer, problem), _FLAGS.get((answer, None), ""))
    reason = "" if answer in _WITHOUT_REASON else ' --reason "WHY"'
    return f"qunfa {answer.replace('_', '-')} {view.account}/{view.key}{flag}{reason}"
