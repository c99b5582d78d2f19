"""A command's way to Temporal: its client, its task queue, and which workflows are sends in a query."""

import asyncio
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from datetime import timedelta
from functools import cache
from typing import Any, Concatenate, Final, ParamSpec, TypeVar

from temporalio.api.enums.v1 import TaskQueueType
from temporalio.api.taskqueue.v1 import TaskQueue
from temporalio.api.workflowservice.v1 import DescribeTaskQueueRequest, DescribeTaskQueueResponse
from temporalio.client import Client, WorkflowUpdateHandle, WorkflowUpdateRPCTimeoutOrCancelledError
from temporalio.runtime import Runtime, TelemetryConfig
from temporalio.service import RPCError, RPCStatusCode

from qunfa.cli.errors import AnswerLost, PerhapsDone, Refused, Unreadable
from qunfa.cli.output import note
from qunfa.contract.ids import MASS_SEND, MASS_SEND_IN_BATCHES
from qunfa.language import _, sentences
from qunfa.temporal.connection import connect, is_gone

RPC_TIMEOUT: Final = timedelta(seconds=10)
_ACCEPTED_SECONDS: Final = 30.0
"""Within it, a worker that is there has accepted an update."""
_ANSWERED_SECONDS: Final = 600.0
"""Before it answers, it may ask WeChat about several jobs, each for two minutes, and the ledger."""
_QUIET_SECONDS: Final = 10.0
"""After so long without an answer, whoever waits hears of it."""


async def temporal_client() -> Client:
    """A client of the configured namespace, whose own log stays quiet: it would be written to stdout.

    Raises:
        TemporalUnreachable: Temporal does not answer, or refuses this client.
        TemporalConfigError: Its client configuration cannot be read.
    """
    return await connect(runtime=_runtime())


@cache
def _runtime() -> Runtime:
    return Runtime(telemetry=TelemetryConfig(logging=None))


Answer = TypeVar("Answer")
Given = ParamSpec("Given")
# Temporal's threads may still answer to the loop: a moment before it closes has them find it.
_SETTLE_SECONDS = 0.05


def run(command: Coroutine[Any, Any, Answer]) -> Answer:
    """Run a command's coroutine to its end; the only way in which a command uses asyncio."""

    async def settled() -> Answer:
        try:
            return await command
        finally:
            # At Ctrl-C one of several is over sooner: the others may still be ending what they began in Temporal.
            if ending := {task for task in asyncio.all_tasks() - {asyncio.current_task()} if task.cancelling()}:
                await asyncio.wait(ending)
            await asyncio.sleep(_SETTLE_SECONDS)

    return asyncio.run(settled())


def with_client(
    command: Callable[Concatenate[Client, Given], Coroutine[Any, Any, Answer]],
    *given: Given.args,
    **named: Given.kwargs,
) -> Answer:
    """Run what works with a client of Temporal to its end."""

    async def connected() -> Answer:
        return await command(await temporal_client(), *given, **named)

    return run(connected())


async def carried_out(update: Coroutine[Any, Any, WorkflowUpdateHandle[Answer]], workflow_id: str) -> Answer:
    """What an update comes to; `update` ends where a worker has accepted it.

    Where it is slow or interrupted, stderr says that it may still be carried out.

    Raises:
        CancelledError: It was interrupted, as by Ctrl-C.
        WorkflowUpdateRPCTimeoutOrCancelledError: No worker accepted it in time.
        PerhapsDone: It was accepted, and not answered in time.
        AnswerLost: It may have been carried out.
        RPCError: It never arrived.
    """
    waits = _("The workflow {workflow_id} has not answered yet. It may still carry this out.")
    try:
        accepted = await _in_time(update, _ACCEPTED_SECONDS, waits.format(workflow_id=workflow_id))
        return await _answer(accepted)
    except asyncio.CancelledError:
        said = _("Interrupted: the workflow {workflow_id} may still carry this out. Look before you repeat it.")
        note(said.format(workflow_id=workflow_id))
        raise
    except RPCError as error:
        if may_have_arrived(error):
            raise AnswerLost.by(error) from None
        raise


async def _answer(accepted: WorkflowUpdateHandle[Answer]) -> Answer:
    works = _(
        "The workflow {workflow_id} has accepted this and is at it: WeChat or the ledger may have to be asked. "
        "That can take minutes, and Ctrl-C undoes nothing."
    )
    try:
        return await _in_time(accepted.result(), _ANSWERED_SECONDS, works.format(workflow_id=accepted.workflow_id))
    except WorkflowUpdateRPCTimeoutOrCancelledError:
        said = _(
            "The workflow {workflow_id} has accepted this, and has not said in time what came of it. "
            "It may still be carried out: look at the status before you repeat it."
        )
        raise PerhapsDone(said.format(workflow_id=accepted.workflow_id)) from None
    except RPCError as error:
        raise AnswerLost.by(error) from None


async def _in_time(call: Coroutine[Any, Any, Answer], seconds: float, slow: str) -> Answer:
    """What a call of the SDK gives; its own timeout bounds each request, and it asks again for ever."""
    calling = asyncio.ensure_future(call)
    try:
        await asyncio.wait({calling}, timeout=_QUIET_SECONDS)
        if not calling.done():
            note(slow)
            await asyncio.wait({calling}, timeout=seconds - _QUIET_SECONDS)
        if not calling.done():
            raise WorkflowUpdateRPCTimeoutOrCancelledError
        return calling.result()
    finally:
        calling.cancel()
        await asyncio.gather(calling, return_exceptions=True)


_NOT_ARRIVED: Final = frozenset(
    {
        RPCStatusCode.INVALID_ARGUMENT,
        RPCStatusCode.PERMISSION_DENIED,
        RPCStatusCode.UNAUTHENTICATED,
        RPCStatusCode.UNIMPLEMENTED,
    }
)


def may_have_arrived(error: RPCError) -> bool:
    """Whether Temporal may have taken what it has answered so."""
    return error.status not in _NOT_ARRIVED and not is_gone(error)


@contextmanager
def in_doubt(said: str) -> Iterator[None]:
    """For what may have begun although its answer is lost, unreadable or not awaited: stderr says ``said``."""
    try:
        yield
    except (asyncio.CancelledError, Unreadable):
        note(said)
        raise
    except RPCError as error:
        if may_have_arrived(error):
            note(said)
        raise


_TIMEOUT: Final = timedelta(seconds=5)


def task_queue(option: str | None) -> str:
    """The queue that was asked for, or the configured one."""
    from qunfa.settings import check_variables, load_task_queue  # noqa: PLC0415 - help and completion need no settings

    check_variables()
    return option or load_task_queue()


async def has_worker(client: Client, queue: str) -> bool:
    """Whether a worker has polled `queue` for workflow tasks within the last minutes."""
    return bool((await describe_queue(client, queue)).pollers)


async def describe_queue(
    client: Client, queue: str, kind: TaskQueueType.ValueType = TaskQueueType.TASK_QUEUE_TYPE_WORKFLOW
) -> DescribeTaskQueueResponse:
    request = DescribeTaskQueueRequest(
        namespace=client.namespace, task_queue=TaskQueue(name=queue), task_queue_type=kind
    )
    return await client.workflow_service.describe_task_queue(request, timeout=_TIMEOUT)


async def warn_without_worker(client: Client, queue: str) -> None:
    """Say so when nobody would pick up what was started; where that cannot be seen, nothing is said."""
    try:
        nobody = not await has_worker(client, queue)
    except RPCError:
        return
    if nobody:
        note(_("{no_worker} What was started waits until one does.").format(no_worker=no_worker(queue)))


def no_worker(queue: str) -> str:
    """The sentence for a queue that nobody polls."""
    return _("No worker polls the task queue {queue}: start one (`qunfa worker`).").format(queue=queue)


async def demand_worker(client: Client, queue: str, otherwise: str | None = None) -> None:
    """See that somebody would carry it out now; what is done days later surprises everybody."""
    if not await has_worker(client, queue):
        raise Refused(sentences(no_worker(queue), _("Nothing was started.") if otherwise is None else otherwise))


SENDS: Final = f"WorkflowType IN ('{MASS_SEND}', '{MASS_SEND_IN_BATCHES}')"
"""All sends, in batches or not."""
NO_CLOSED_BATCH: Final = (
    "(ExecutionStatus = 'Running' OR ParentWorkflowId IS NULL OR ParentWorkflowId NOT STARTS_WITH 'mass-send:')"
)
"""Of sends: a batch that runs is found, since nobody else may tell of it where its whole send is gone."""


def quoted(value: str) -> str:
    """A value in a query: nothing in it is taken for a condition."""
    escaped = value.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"
