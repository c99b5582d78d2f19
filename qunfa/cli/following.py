"""Following a mass send until it has closed."""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Final

from rich.console import Console
from rich.live import Live
from rich.text import Text
from temporalio.client import Client, WorkflowFailureError, WorkflowHandle
from temporalio.service import RPCError

from qunfa.cli.console import clean
from qunfa.cli.reading import read_send
from qunfa.cli.rendering.send import headline, render_send, state_word
from qunfa.cli.rendering.words import moment
from qunfa.cli.view import SendView
from qunfa.contract.ids import MassSendId, mass_send_id

Watcher = Callable[[SendView], None]

_LOOK_EVERY: Final = 0.5
_LOOK_EVERY_AT_MOST: Final = 5.0
"""Seconds between two looks: a send that rests for hours is not asked twice a second all the while."""


async def follow(client: Client, send: MassSendId, watcher: Watcher) -> SendView:
    """Tell `watcher` every change of a send, the last one being its end; answers with the end.

    Raises:
        Refused: Temporal does not know it.
        RPCError: Temporal does not answer any more.
    """
    closing = _watch_closing(client, send)
    try:
        seen, pause = None, _LOOK_EVERY
        while True:
            view = await read_send(client, send)
            changed = seen is None or _essence(view) != _essence(seen)
            if changed:
                watcher(view)
            if view.state != "running":
                return view
            if closing.done():  # that run has closed, and this is the next one
                closing = _watch_closing(client, send)
            seen, pause = view, _LOOK_EVERY if changed else min(pause * 1.2, _LOOK_EVERY_AT_MOST)
            await asyncio.wait({closing}, timeout=pause)
    finally:
        closing.cancel()
        with suppress(asyncio.CancelledError):
            await closing


async def follow_on(console: Console, client: Client, send: MassSendId) -> SendView:
    """Show a send's changes until its end: live on a terminal, line by line elsewhere."""
    if not console.is_terminal:
        return await follow(client, send, lambda view: console.print(Text(progress_line(view)), soft_wrap=True))
    with Live(console=console, auto_refresh=False, transient=True) as live:
        return await follow(client, send, lambda view: live.update(render_send(view, brief=True), refresh=True))


def progress_line(view: SendView) -> str:
    """One change of a send in one line."""
    at = view.closed_at or (view.status.updated_at if view.status else view.started_at)
    said = view.note if view.note and view.status is None and view.result is None else headline(view)
    return clean(f"{moment(at)}  {state_word(view)}: {said}").replace("\n", " ")


def _watch_closing(client: Client, send: MassSendId) -> "asyncio.Task[None]":
    return asyncio.create_task(_closed(client.get_workflow_handle(mass_send_id(*send))))


async def _closed(handle: WorkflowHandle[Any, Any]) -> None:
    with suppress(WorkflowFailureError, RPCError):
        await handle.result()


def _essence(view: SendView) -> dict[str, Any]:
    return view.model_dump(exclude={"status": {"updated_at"}})
