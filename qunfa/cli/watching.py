"""`qunfa watch`: sends as they go on, until they end or nobody wants to look any more."""

import asyncio
from typing import Annotated, Final

import typer
from rich.console import Console
from rich.live import Live
from rich.text import Text
from temporalio.client import Client

from qunfa.cli.connection import temporal_client
from qunfa.cli.console import note, stdout
from qunfa.cli.errors import ExitCode, Refused
from qunfa.cli.filters import Filters, visibility_query
from qunfa.cli.following import follow, progress_line
from qunfa.cli.group import run
from qunfa.cli.naming import send_id
from qunfa.cli.rendering.board import render_board
from qunfa.cli.rows import find_rows
from qunfa.cli.view import SendRow, SendView
from qunfa.contract.ids import MassSendId

WATCHED_MAX: Final = 100
"""Each is asked for its status again and again, which is work for Temporal and for the workers."""
_LOOK_EVERY: Final = 1.0
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
    if not console.is_terminal:
        return await _watch_on(client, Board(console), named, account)
    with Live(console=console, auto_refresh=False, transient=True) as live:
        return await _watch_on(client, Board(console, live), named, account)


async def _watch_on(client: Client, board: "Board", named: list[MassSendId], account: str | None) -> bool:
    if named:
        return await _watch_named(client, board, named)
    return await _watch_running(client, board, account)


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
            self._live.update(render_board(list(self._running.values())), refresh=True)

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
            await asyncio.sleep(_LOOK_EVERY)
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
