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
from qunfa.cli.rendering.previews import preview_line
from qunfa.cli.rendering.send import headline, render_send, state_word
from qunfa.cli.rendering.words import moment
from qunfa.cli.rendering.work import failure_line
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
    """Show a send's changes until its end: line by line, and on a terminal a panel below with what goes on just now."""
    if not console.is_terminal:
        return await follow(client, send, Lines(console))
    with Live(console=console, auto_refresh=False, transient=True) as live:
        lines = Lines(console, phases_only=True)

        def watch(view: SendView) -> None:
            lines(view)
            live.update(render_send(view, brief=True), refresh=True)

        return await follow(client, send, watch)


class Lines:
    """Prints a line for each change: phases, what is waited for, previews, failed attempts. None is said twice.

    With `phases_only`, what is waited for makes no line of its own within a phase.
    """

    def __init__(self, console: Console, *, phases_only: bool = False) -> None:
        self._console = console
        self._phases_only = phases_only
        self._last: tuple[str, ...] | None = None
        self._previews = 0
        self._failures: frozenset[str] = frozenset()

    def __call__(self, view: SendView) -> None:
        """Print what is new in the view."""
        previews = view.status.previews if view.status else ()
        for one in previews[self._previews :]:
            self._print(f"{_time(view)}  {preview_line(one)}")
        self._previews = max(self._previews, len(previews))
        failures = {line for line in map(failure_line, view.work) if line}
        for line in sorted(failures - self._failures):
            self._print(f"{_time(view)}  {line}")
        self._failures = frozenset(failures)
        state = (state_word(view),) if self._phases_only else (state_word(view), _said(view))
        if state != self._last:
            self._print(progress_line(view))
        self._last = state

    def _print(self, line: str) -> None:
        self._console.print(Text(clean(line).replace("\n", " ")), soft_wrap=True)


def progress_line(view: SendView) -> str:
    """One change of a send in one line."""
    return clean(f"{_time(view)}  {state_word(view)}: {_said(view)}").replace("\n", " ")


def _time(view: SendView) -> str:
    return moment(view.closed_at or (view.status.updated_at if view.status else view.started_at))


def _said(view: SendView) -> str:
    return view.note if view.note and view.status is None and view.result is None else headline(view)


def _watch_closing(client: Client, send: MassSendId) -> "asyncio.Task[None]":
    return asyncio.create_task(_closed(client.get_workflow_handle(mass_send_id(*send))))


async def _closed(handle: WorkflowHandle[Any, Any]) -> None:
    with suppress(WorkflowFailureError, RPCError):
        await handle.result()


def _essence(view: SendView) -> dict[str, Any]:
    return view.model_dump(exclude={"status": {"updated_at"}})
