"""`qunfa watch`: sends as they go on, until they end."""

import asyncio
from collections.abc import Callable, Iterable
from contextlib import nullcontext, suppress
from typing import Annotated, Any, Final

import typer
from rich.console import Console
from rich.live import Live
from rich.table import Table
from rich.text import Text
from temporalio.client import Client, WorkflowFailureError, WorkflowHandle
from temporalio.service import RPCError

from qunfa.cli.connection import run, temporal_client
from qunfa.cli.errors import ExitCode, Refused
from qunfa.cli.list import Filters, SendRow, find_rows, visibility_query
from qunfa.cli.options import send_id
from qunfa.cli.output import clean, note, stdout, table
from qunfa.cli.preview import preview_line
from qunfa.cli.status import headline, progress_words, render_send, state_word
from qunfa.cli.times import moment
from qunfa.cli.view import SendView, read_send
from qunfa.cli.workers import failure_line, work_words
from qunfa.contract.ids import MassSendId, mass_send_id

WATCHED_MAX: Final = 100
"""Each is asked for its status again and again, which is work for Temporal and for the workers."""
_LIST_EVERY: Final = 1.0
"""Seconds between two looks for sends that have started."""


def watch(
    sends: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="SEND…",
            help="account/key, a workflow id, or a key together with --account; without any, all that run.",
            show_default=False,
        ),
    ] = None,
    *,
    account: Annotated[
        str | None, typer.Option(help="The account, where SEND is a key alone; without SEND, only its sends.")
    ] = None,
) -> None:
    """Watch sends: their phases and how far they are, live on a terminal, otherwise a line for each change.

    Sends that are named are watched until all have ended, and it exits by how they did; without names, those that
    run and those that start, until Ctrl-C.
    """
    named = list(dict.fromkeys(send_id(text, account) for text in sends or ()))
    if not run(_watch(stdout(), named, account)):
        raise typer.Exit(ExitCode.REFUSED)


async def _watch(console: Console, named: list[MassSendId], account: str | None) -> bool:
    client = await temporal_client()
    live = Live(console=console, auto_refresh=False, transient=True) if console.is_terminal else None
    board = Board(console, live)
    with live or nullcontext():
        return await (_watch_named(client, board, named) if named else _watch_running(client, board, account))


class Board:
    """What is watched: on a terminal a table below a line for each end, otherwise a line for each change."""

    def __init__(self, console: Console, live: Live | None = None) -> None:
        self._console = console
        self._live = live
        self._running: dict[str, SendView] = {}
        self._said: dict[str, str] = {}

    def __call__(self, view: SendView) -> None:
        """Show a change of a send."""
        name = f"{view.account}/{view.key}"
        runs = view.state == "running"
        if runs:
            self._running[name] = view
        else:
            self._running.pop(name, None)
        if self._live is None or not runs:
            self._print(name, progress_line(view))
        if self._live is not None:
            self._live.update(render_board(self._running.values()), refresh=True)

    def _print(self, name: str, line: str) -> None:
        """One line, unless it says nothing else than the last of this send."""
        time, _, said = line.partition("  ")
        if self._said.get(name) != said:
            self._console.print(Text(f"{time}  {name}  {said}"), soft_wrap=True)
        self._said[name] = said


async def _watch_named(client: Client, board: Board, named: list[MassSendId]) -> bool:
    """Whether all have ended well."""
    tasks = [asyncio.create_task(_to_its_end(client, send, board)) for send in named]
    try:
        return all(await asyncio.gather(*tasks))
    finally:
        await _stopped(tasks)


async def _to_its_end(client: Client, send: MassSendId, board: Board) -> bool:
    try:
        return (await follow(client, send, board)).ended_well
    except Refused as error:
        note(str(error))
        return False


async def _watch_running(client: Client, board: Board, account: str | None) -> bool:
    """Those that run, and those that start meanwhile; without an end."""
    asked = visibility_query(Filters(account=account, running=True))
    following: dict[str, asyncio.Task[SendView]] = {}
    ended: set[str | None] = set()
    told: str | None = None
    try:
        while True:
            rows = await find_rows(client, asked, WATCHED_MAX + 1)
            told = _tell_once(rows, told)
            for row in rows[:WATCHED_MAX]:
                # The list learns of an end a moment later than whoever follows the send.
                if row.account and row.key and row.workflow_id not in following and row.run_id not in ended:
                    send = MassSendId(row.account, row.key)
                    following[row.workflow_id] = asyncio.create_task(follow(client, send, board))
            await asyncio.sleep(_LIST_EVERY)
            for workflow_id in [one for one, task in following.items() if task.done()]:
                ended.add(following.pop(workflow_id).result().run_id)
    finally:
        await _stopped(list(following.values()))


def _tell_once(rows: list[SendRow], told: str | None) -> str | None:
    sentence = None
    if not rows:
        sentence = "No send runs: waiting for one. Ctrl-C ends this."
    elif len(rows) > WATCHED_MAX:
        sentence = f"More than {WATCHED_MAX} sends run: the newest are watched. Name others, or an --account."
    if sentence is not None and sentence != told:
        note(sentence)
    return sentence


async def _stopped(tasks: "list[asyncio.Task[bool]] | list[asyncio.Task[SendView]]") -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


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


def render_board(views: Iterable[SendView]) -> Table:
    """One row per send, in the order of the names."""
    rows = map(_cells, sorted(views, key=lambda one: (one.account, one.key)))
    return table(("send", "phase", "progress", "what it waits for"), rows)


def _cells(view: SendView) -> tuple[object, ...]:
    progress = progress_words(view.status.progress) if view.status else None
    work = ", ".join(work_words(one) for one in view.work)
    said = view.note if view.note and view.status is None else headline(view)
    return f"{view.account}/{view.key}", view.phase, progress, f"{said} ({work})" if work else said
