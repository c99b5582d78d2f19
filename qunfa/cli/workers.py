"""Questions to workers, as small workflows whose results are the answers; and what workers do just now."""

import asyncio
import re
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Sequence
from contextlib import asynccontextmanager, nullcontext, suppress
from datetime import timedelta
from typing import Any, Final, NamedTuple, TypeVar

from pydantic import BaseModel, ValidationError
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text
from temporalio import exceptions
from temporalio.client import Client, WorkflowExecutionDescription, WorkflowFailureError, WorkflowHandle
from temporalio.common import WorkflowIDConflictPolicy
from temporalio.service import RPCError

from qunfa.cli.connection import RPC_TIMEOUT, demand_worker, in_doubt
from qunfa.cli.errors import Refused, Unreadable
from qunfa.cli.message import bytes_words
from qunfa.cli.output import in_a_line, plain, stderr
from qunfa.contract import INVALID_REQUEST, steps
from qunfa.contract.batches import PLAN_AUDIENCE, WRITE_REPORT
from qunfa.contract.fields import Stored
from qunfa.language import N_, _
from qunfa.language.phrases import told
from qunfa.markdown import summary_line


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


AT_MOST: Final = timedelta(hours=1)
"""Such a workflow ends after this time, whoever still waits for it."""
_LOOK_EVERY: Final = 0.5
Result = TypeVar("Result", bound=BaseModel)
Handle = WorkflowHandle[Any, Result]
End = Callable[[Handle[Any]], Awaitable[None]]
Show = Callable[[tuple[Work, ...]], None]


class InvalidError(Exception):
    """The workflow has refused its request; `problems` has one sentence for each thing that is wrong."""

    def __init__(self, refusal: exceptions.ApplicationError) -> None:
        super().__init__(refusal.message)
        details = refusal.details
        named = details[0] if details and isinstance(details[0], list) else [refusal.message]
        self.problems = [str(one) for one in named]

    @property
    def said(self) -> str:
        return "; ".join(problem.removesuffix(".") for problem in self.problems) + "."


class Question(NamedTuple):
    """A workflow that is started to be answered by its result. `summary` says in Markdown what it is.

    `replaces`: it ends an older one of the same id.
    """

    workflow: str
    workflow_id: str
    raw: dict[str, Any]
    summary: str | None = None
    replaces: bool = False
    at_most: timedelta | None = AT_MOST


def unique() -> str:
    """A part of a workflow id that no other one has."""
    return secrets.token_hex(6)


def account_question(workflow: str, workflow_id: str, request: BaseModel, summary: str) -> Question:
    return Question(workflow, workflow_id, request.model_dump(mode="json", exclude_defaults=True), summary)


async def answer_of_a_worker(
    client: Client, question: Question, result_type: type[Result], queue: str, doubt: str | None = None
) -> Result:
    """The answer of a worker; when this is interrupted, the workflow is cancelled.

    `doubt` is said where the question may have changed something, and nobody hears its answer.
    """
    await demand_worker(client, queue)
    try:
        with nullcontext() if doubt is None else in_doubt(doubt):
            return await answer_of(client, begin(client, question, result_type, queue))
    except InvalidError as error:
        raise Refused(told(error.said)) from None


async def begin(client: Client, question: Question, result_type: type[Result], queue: str) -> Handle[Result]:
    """Start the question's workflow."""
    policy = WorkflowIDConflictPolicy
    handle: Handle[Result] = await client.start_workflow(
        question.workflow,
        question.raw,
        id=question.workflow_id,
        task_queue=queue,
        id_conflict_policy=policy.TERMINATE_EXISTING if question.replaces else policy.FAIL,
        execution_timeout=question.at_most,
        result_type=result_type,
        static_summary=None if question.summary is None else summary_line(question.summary),
        rpc_timeout=RPC_TIMEOUT,
    )
    return handle


async def cancelled(handle: Handle[Any]) -> None:
    """End a workflow such that it can still tell what it has done."""
    await handle.cancel(rpc_timeout=RPC_TIMEOUT)


def terminated(why: str) -> End:
    """What ends a workflow that has changed nothing."""

    async def end(handle: Handle[Any]) -> None:
        await handle.terminate(why, rpc_timeout=RPC_TIMEOUT)

    return end


async def answer_of(
    client: Client, starting: Coroutine[Any, Any, Handle[Result]], end: End = cancelled, *, quietly: bool = False
) -> Result:
    """The result of the workflow that is being started; meanwhile, but `quietly`, stderr shows what is made for it.

    When this is cancelled, as by Ctrl-C, `end` is called with the workflow's handle: nobody waits for it any more.

    Raises:
        InvalidError: It has refused its request.
        Refused: It failed, or was ended, for another reason.
        Unreadable: This version cannot read its result.
        RPCError: Temporal does not answer any more.
    """
    begun = asyncio.ensure_future(starting)
    try:
        handle = await asyncio.shield(begun)
        return await (handle.result() if quietly else _awaited(client, handle))
    except WorkflowFailureError as error:
        raise _explained(error) from None
    except ValidationError:
        raise Unreadable from None
    except asyncio.CancelledError:
        with suppress(RPCError, exceptions.WorkflowAlreadyStartedError):
            await end(await begun)
        raise


async def _awaited(client: Client, handle: Handle[Result]) -> Result:
    this_run = client.get_workflow_handle(handle.id, run_id=handle.result_run_id)
    async with _shown() as show:

        async def look() -> None:
            show(await pending_work(client, await this_run.describe(rpc_timeout=RPC_TIMEOUT)))

        return await result_with_looks(handle, look, _LOOK_EVERY)


async def result_with_looks(handle: Handle[Result], look: Callable[[], Awaitable[None]], seconds: float) -> Result:
    """The workflow's result; until it is there, `look` is called at once and every so many seconds.

    A look that Temporal does not answer ends nothing.
    """
    waiting = asyncio.create_task(handle.result())
    try:
        while not waiting.done():
            with suppress(RPCError):
                await look()
            await asyncio.wait({waiting}, timeout=seconds)
        return await waiting
    finally:
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)


@asynccontextmanager
async def _shown() -> AsyncIterator[Show]:
    """Live bars on a terminal; elsewhere a line for each new kind of work, and for each failed attempt."""
    console = stderr()
    if console.is_terminal:
        with Live(console=console, auto_refresh=False, transient=True) as live:
            yield lambda work: live.update(render_work(work), refresh=True)
        return
    said: set[str] = set()

    def show(work: tuple[Work, ...]) -> None:
        for one in work:
            line = failure_line(one) or work_words(one)
            if line not in said:
                console.print(Text(in_a_line(line)), soft_wrap=True)
            said.add(line)

    yield show


def _explained(error: WorkflowFailureError) -> Exception:
    match error.cause:
        case exceptions.ApplicationError(type=kind) as cause if kind == INVALID_REQUEST:
            return InvalidError(cause)
        case exceptions.TerminatedError():
            said = _("It was ended in Temporal before it had an answer; another one of the same key does that.")
            return Refused(said)
        case exceptions.CancelledError():
            return Refused(_("It was cancelled in Temporal before it had an answer."))
        case exceptions.TimeoutError():
            said = _("It had no answer within {at_most}, and was given up: look at its workflow in Temporal.")
            return Refused(said.format(at_most=AT_MOST))
        case exceptions.FailureError(message=message):
            return Refused(told(message))
        case cause:
            return Refused(str(cause))


_BAR: Final = 30
SHOWN: Final = {
    steps.INSPECT: N_("a look at the material"),
    steps.UPLOAD: N_("upload to WeChat"),
    steps.MAKE_DRAFT: N_("WeChat's draft"),
    steps.CHECK_DRAFT: N_("a look at the draft's pictures"),
    steps.CONVERT_VIDEO: N_("conversion of the video"),
    steps.CHECK_AUDIENCE: N_("a look at the tag"),
    steps.PREVIEW: N_("preview"),
    PLAN_AUDIENCE: N_("the plan of the audience"),
    WRITE_REPORT: N_("the report"),
}
"""What makes and checks what is sent, and plans and reports to whom. The send tells of its other steps."""
_LATE: Final = {steps.WISH: N_("the account's ledger")}
"""What is over in a moment, and is shown once an attempt has failed: the send itself does not hear why."""

_PAUSED: Final = N_("paused in Temporal, so that nothing goes on; unpause the activity there")


def render_work(work: Sequence[Work]) -> Table:
    """One row per activity: what it is, how far, and why its last attempt failed, or that it is paused."""
    table = Table.grid(padding=(0, 2))
    table.add_column(style="dim", no_wrap=True)
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for one in work:
        bar = "" if not one.size else ProgressBar(total=one.size, completed=one.written or 0, width=_BAR)
        far = "" if one.size is None or one.written is None else _("{written} of {size}")
        far = far and far.format(written=bytes_words(one.written or 0), size=bytes_words(one.size or 0))
        table.add_row(plain(work_words(one)), bar, Text.assemble(plain(far), _failure(one)))
    return table


def work_words(one: Work) -> str:
    return _({**SHOWN, **_LATE}.get(one.activity, one.activity))


def failure_line(one: Work) -> str | None:
    """Why it is not done, in one line: it is paused, or the last attempt failed; `None` where neither is so."""
    if one.paused:
        return f"{work_words(one)}: {_(_PAUSED)}"
    if not one.failure:
        return None
    said = _("{work}, attempt {attempt} after: {failure}")
    return said.format(work=work_words(one), attempt=one.attempt, failure=told(one.failure))


def _failure(one: Work) -> Text:
    before = "  " if one.size is not None else ""
    if one.paused:
        return Text.assemble(before, _(_PAUSED), style="yellow")
    if not one.failure:
        return Text()
    said = _("attempt {attempt}; the last one failed: {failure}")
    return Text.assemble(before, plain(said.format(attempt=one.attempt, failure=told(one.failure))), style="yellow")


_PROGRESS: Final = re.compile(r"(\d+) of (\d+) bytes")


async def pending_work(client: Client, description: WorkflowExecutionDescription) -> tuple[Work, ...]:
    """The activities under way, or waiting for their next attempt, that make material or look at it.

    So is a question to the ledger that is asked again. And whichever is paused in Temporal: what it is a step of stands
    still, and cannot say so.
    """
    pending = description.raw_description.pending_activities
    return tuple([await _work(client, one) for one in pending if one.paused or _is_shown(one)])


def _is_shown(pending: Any) -> bool:
    name = pending.activity_type.name
    return name in SHOWN or (name in _LATE and pending.attempt > 1)


async def _work(client: Client, pending: Any) -> Work:
    written, size = await _progress(client, pending)
    failure = None
    if pending.attempt > 1 and pending.HasField("last_failure"):
        error = await client.data_converter.decode_failure(pending.last_failure)
        failure = error.message if isinstance(error, exceptions.FailureError) else str(error)
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
