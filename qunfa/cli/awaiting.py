"""Waiting for a workflow that answers with its result alone, while showing what workers make for it."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager, suppress
from datetime import timedelta
from typing import Any, Final

from rich.live import Live
from rich.text import Text
from temporalio.client import Client, WorkflowFailureError, WorkflowHandle
from temporalio.exceptions import (
    ApplicationError,
    CancelledError,
    FailureError,
    TerminatedError,
    WorkflowAlreadyStartedError,
)
from temporalio.exceptions import TimeoutError as TimedOut
from temporalio.service import RPCError

from qunfa.cli.console import clean, stderr
from qunfa.cli.errors import Refused
from qunfa.cli.pending import pending_work
from qunfa.cli.queue import has_worker, no_worker
from qunfa.cli.reading import RPC_TIMEOUT
from qunfa.cli.rendering.work import failure_line, render_work, work_words
from qunfa.cli.view import Work
from qunfa.contract import INVALID_REQUEST

AT_MOST: Final = timedelta(hours=1)
"""Such a workflow ends after this time, whoever still waits for it."""
_LOOK_EVERY: Final = 0.5

Handle = WorkflowHandle[Any, Any]
End = Callable[[Handle], Awaitable[None]]
Show = Callable[[tuple[Work, ...]], None]


class InvalidError(Exception):
    """The workflow has refused its request; `problems` has one sentence for each thing that is wrong."""

    def __init__(self, message: str, problems: list[str]) -> None:
        super().__init__(message)
        self.problems = problems


async def demand_worker(client: Client, queue: str) -> None:
    """See that somebody would carry it out now: a preview that comes days later surprises everybody.

    Raises:
        Refused: No worker polls the queue.
    """
    if not await has_worker(client, queue):
        raise Refused(f"{no_worker(queue)} Nothing was started.")


async def result_of(client: Client, starting: Coroutine[Any, Any, Handle], end: End, *, quietly: bool = False) -> Any:
    """The result of the workflow that is being started; meanwhile, but `quietly`, stderr shows what is made for it.

    When this is cancelled, as by Ctrl-C, `end` is called with the workflow's handle: nobody waits for it any more.

    Raises:
        InvalidError: It has refused its request.
        Refused: It failed, or was ended, for another reason.
        RPCError: Temporal does not answer any more.
    """
    begun = asyncio.ensure_future(starting)
    try:
        handle = await asyncio.shield(begun)
        return await (handle.result() if quietly else _awaited(client, handle))
    except WorkflowFailureError as error:
        raise _explained(error) from None
    except asyncio.CancelledError:
        with suppress(RPCError, WorkflowAlreadyStartedError):
            await end(await begun)
        raise


async def _awaited(client: Client, handle: Handle) -> Any:
    waiting = asyncio.create_task(handle.result())
    this_run = client.get_workflow_handle(handle.id, run_id=handle.result_run_id)
    try:
        async with _shown() as show:
            while not waiting.done():
                show(await pending_work(client, await this_run.describe(rpc_timeout=RPC_TIMEOUT)))
                await asyncio.wait({waiting}, timeout=_LOOK_EVERY)
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
                console.print(Text(clean(line).replace("\n", " ")), soft_wrap=True)
            said.add(line)

    yield show


def _explained(error: WorkflowFailureError) -> Exception:
    match error.cause:
        case ApplicationError(type=kind, details=details) as cause if kind == INVALID_REQUEST:
            problems = details[0] if details and isinstance(details[0], list) else [cause.message]
            return InvalidError(cause.message, [str(one) for one in problems])
        case ApplicationError(message=message):
            return Refused(message)
        case TerminatedError():
            return Refused("It was ended in Temporal before it had an answer; another one of the same key does that.")
        case CancelledError():
            return Refused("It was cancelled in Temporal before it had an answer.")
        case TimedOut():
            return Refused(f"It had no answer within {AT_MOST}, and was given up: look at its workflow in Temporal.")
        case FailureError(message=message):
            return Refused(message)
        case cause:
            return Refused(str(cause))
