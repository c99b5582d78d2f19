"""`qunfa watch`: sends as they go on, until they end, on a board or line by line."""

import asyncio
from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import nullcontext, suppress
from typing import Any, Final

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.text import Text
from temporalio.client import Client, WorkflowFailureError
from temporalio.service import RPCError, RPCStatusCode

from qunfa.cli.connection import with_client
from qunfa.cli.errors import ExitCode, Refused, WrongUse, done_if
from qunfa.cli.list import SendRow, find_rows, visibility_query, without_batches
from qunfa.cli.message import RequestView, request_cells, told_message
from qunfa.cli.options import send_id
from qunfa.cli.output import in_a_line, note, plain, short, show_json_line, stdout, table
from qunfa.cli.preview import preview_line
from qunfa.cli.status import bar, batches_line, headline, render_send
from qunfa.cli.typed import sends as typed
from qunfa.cli.view import NEEDS_A_PERSON, SendView, named_state, read_send, state_word
from qunfa.cli.workers import failure_line, work_words
from qunfa.contract.ids import MassSendId, mass_send_id
from qunfa.language import _, listed
from qunfa.language.phrases import told

_DECISIONS: Final = frozenset({"retry", "mark_sent", "abort", "approve", "reject", "resume", "choose"})
"""The answers that let a send go on, or end it."""


class Lines:
    """Prints a line for each change: phases, what is waited for, previews, failed attempts. None is said twice.

    With `phases_only`, what is waited for makes no line of its own within a phase. `named`: each line has the send's
    name, and the first one tells what goes to whom.
    """

    def __init__(self, console: Console, *, phases_only: bool = False, named: bool = False) -> None:
        self._console = console
        self._phases_only = phases_only
        self._named = named
        self._last: tuple[str, ...] | None = None
        self._previews = 0
        self._failures: frozenset[str] = frozenset()

    def __call__(self, view: SendView) -> None:
        name = f"{view.account}/{view.key}  " if self._named else ""
        for line in self._news(view):
            self._console.print(Text(in_a_line(f"{_time(view)}  {name}{line}")), soft_wrap=True)

    def _news(self, view: SendView) -> Iterator[str]:
        if self._named and self._last is None and view.request:
            yield request_line(view.request)
        previews = view.status.previews if view.status else ()
        yield from map(preview_line, previews[self._previews :])
        self._previews = max(self._previews, len(previews))
        failures = frozenset(filter(None, map(failure_line, view.work)))
        yield from sorted(failures - self._failures)
        self._failures = failures
        batches = f"{view.status.progress.done}" if view.in_batches and view.status else ""
        state = (state_word(view),) if self._phases_only else (state_word(view), _said(view), batches)
        if state != self._last:
            yield progress_line(view)
            if view.state == "running" and view.phase in NEEDS_A_PERSON and view.status:
                said = _("to do: {to_do}; see qunfa status {account}/{key}")
                yield said.format(to_do=to_do(view), account=view.account, key=view.key)
        self._last = state


def progress_line(view: SendView) -> str:
    said = _said(view)
    if view.in_batches and view.state == "running" and view.status is not None:
        said = f"{said}  {batches_line(view.status.progress)}"
    return in_a_line(_("{state}: {said}").format(state=named_state(view), said=said))


def request_line(request: RequestView) -> str:
    """What goes to whom, and who asked."""
    by = _(", asked for by {requested_by}").format(requested_by=request.requested_by) if request.requested_by else ""
    said = _("{message} to {audience}{by}")
    return said.format(message=told_message(request), audience=told(request.audience), by=by)


def _time(view: SendView) -> str:
    return short(view.closed_at or (view.status.updated_at if view.status else view.started_at), seconds=True)


def _said(view: SendView) -> str:
    return told(view.note) if view.note and view.status is None and view.result is None else headline(view)


def to_do(view: SendView) -> str:
    """What a person has to decide; where nobody has to do anything, what the send waits for."""
    status = view.status
    if status is not None and view.phase in NEEDS_A_PERSON:
        fitting = listed(one.replace("_", "-") for one in status.answers if one in _DECISIONS)
        return f"{status.problem.name}: {fitting}" if status.problem else fitting
    work = _("; ").join(failure_line(one) or work_words(one) for one in view.work)
    return work or _said(view)


WATCHED_MAX: Final = 100
"""Each is asked for its status again and again, which is work for Temporal and for the workers."""
SILENCES_MAX: Final = 6
"""How often in a row Temporal may answer too late, ten seconds each, before a watch ends."""
_SILENCE: Final = frozenset({RPCStatusCode.DEADLINE_EXCEEDED, RPCStatusCode.CANCELLED})
"""What a call ends with that took too long."""
_LIST_EVERY: Final = 1.0
"""Seconds between two looks for sends that have started."""


class Silences:
    """Answers in a row that came too late: a few are forgiven."""

    in_a_row = 0

    def forgives(self, error: RPCError) -> bool:
        """Whether to ask again after this one."""
        self.in_a_row += 1
        return error.status in _SILENCE and self.in_a_row < SILENCES_MAX


def watch(asked: typed.Watch) -> ExitCode:
    """Carry out `qunfa watch`."""
    if asked.sends and asked.query is not None:
        raise WrongUse(_("Say which sends: by SEND…, or by --query, and not by both."))
    named = list(dict.fromkeys(send_id(text, asked.account) for text in asked.sends or ()))
    found = visibility_query(typed.Filters(account=asked.account, query=asked.query), running=True)
    return done_if(with_client(_watch, stdout(), named, found, as_json=asked.as_json))


async def _watch(client: Client, console: Console, named: list[MassSendId], query: str, *, as_json: bool) -> bool:
    live = Live(console=console, auto_refresh=False, transient=True) if console.is_terminal and not as_json else None
    board = show_json_line if as_json else Board(console, live)
    with live or nullcontext():
        return await (_watch_named(client, board, named) if named else _watch_running(client, board, query))


Watcher = Callable[[SendView], None]


class Board:
    """What is watched: on a terminal a table below a line for each end, otherwise a line for each change."""

    def __init__(self, console: Console, live: Live | None = None) -> None:
        self._console = console
        self._live = live
        self._running: dict[str, SendView] = {}
        self._lines: dict[str, Lines] = {}

    def __call__(self, view: SendView) -> None:
        name = f"{view.account}/{view.key}"
        runs = view.state == "running"
        if runs:
            self._running[name] = view
        else:
            self._running.pop(name, None)
        if self._live is None or not runs:
            self._lines.setdefault(name, Lines(self._console, named=True))(view)
        if self._live is not None:
            self._live.update(render_board(self._running.values()), refresh=True)


async def _watch_named(client: Client, board: Watcher, named: list[MassSendId]) -> bool:
    """Whether all have ended well."""
    tasks = [asyncio.create_task(_to_its_end(client, send, board)) for send in named]
    try:
        return all(view is not None and view.ended_well for view in await asyncio.gather(*tasks))
    finally:
        await stopped(tasks)


async def _to_its_end(client: Client, send: MassSendId, board: Watcher) -> SendView | None:
    """Its end; `None` where Temporal holds it no more: that ends no other's watch."""
    try:
        return await follow(client, send, board)
    except Refused as error:
        note(str(error))
        return None


async def _watch_running(client: Client, board: Watcher, query: str) -> bool:
    """Those that run, and those that start meanwhile; without an end."""
    following: dict[str, tuple[asyncio.Task[SendView | None], str]] = {}
    ended: set[str | None] = set()
    told: str | None = None
    rows: list[SendRow] | None = None
    silences = Silences()
    try:
        while True:
            try:
                rows = without_batches(await find_rows(client, query, WATCHED_MAX + 1))
                silences.in_a_row = 0
            except RPCError as error:
                if rows is None or not silences.forgives(error):
                    raise
            told = _tell_once(rows, told)
            for row in rows[:WATCHED_MAX]:
                # The list learns of an end a moment later than whoever follows the send.
                if row.account and row.key and row.workflow_id not in following and row.run_id not in ended:
                    task = asyncio.create_task(_to_its_end(client, MassSendId(row.account, row.key), board))
                    following[row.workflow_id] = task, row.run_id
            await asyncio.sleep(_LIST_EVERY)
            for workflow_id, (task, run_id) in list(following.items()):
                if task.done():
                    ended.add(view.run_id if (view := task.result()) else run_id)
                    del following[workflow_id]
    finally:
        await stopped([task for task, _run_id in following.values()])


def _tell_once(rows: list[SendRow], told: str | None) -> str | None:
    sentence = None
    if not rows:
        sentence = _("No send runs: waiting for one. Ctrl-C ends this.")
    elif len(rows) > WATCHED_MAX:
        said = _("More than {watched_max} sends run: the newest are watched. Name others, or an --account.")
        sentence = said.format(watched_max=WATCHED_MAX)
    if sentence is not None and sentence != told:
        note(sentence)
    return sentence


async def stopped(tasks: Collection[asyncio.Task[Any]]) -> None:
    """End all of them."""
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


_LOOK_EVERY: Final = 0.5
_LOOK_EVERY_AT_MOST: Final = 5.0
"""Seconds between two looks: a send that rests for hours is not asked twice a second all the while."""


async def follow(client: Client, send: MassSendId, watcher: Watcher) -> SendView:
    """Tell `watcher` every change of a send, the last one being its end; answers with the end.

    Raises:
        Refused: Temporal does not know it.
        RPCError: Temporal does not answer any more, `SILENCES_MAX` times in a row.
    """
    closing = _watch_closing(client, send)
    silences = Silences()
    try:
        seen: SendView | None = None
        pause = _LOOK_EVERY
        while True:
            try:
                view = await read_send(client, send, seen)
            except RPCError as error:
                if seen is None or not silences.forgives(error):
                    raise
                continue
            silences.in_a_row = 0
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
        await stopped([closing])


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


def _watch_closing(client: Client, send: MassSendId) -> "asyncio.Task[None]":
    async def closed() -> None:
        with suppress(WorkflowFailureError, RPCError):
            await client.get_workflow_handle(mass_send_id(*send)).result()

    return asyncio.create_task(closed())


def _essence(view: SendView) -> dict[str, Any]:
    return view.model_dump(exclude={"status": {"updated_at": True, "progress": {"ends_at"}}})


def render_board(views: Iterable[SendView]) -> RenderableType:
    """One line a send, in the order of the names; the command below them tells more."""
    rows = map(_cells, sorted(views, key=lambda one: (one.account, one.key)))
    headings = (_("send"), _("phase"), _("progress"), _("what to do"), _("what"), _("to"))
    shown = table(headings, rows, cut={_("what to do"): 24, _("what"): 10, _("to"): 8})
    return Group(shown, plain(_("qunfa status SEND tells more. Ctrl-C ends this.")))


def _cells(view: SendView) -> tuple[object, ...]:
    name, phase = f"{view.account}/{view.key}", view.phase and _(view.phase)
    return (name, phase, _progress(view), in_a_line(to_do(view)), *request_cells(view.request)[:2])


def _progress(view: SendView) -> str | None:
    """How far it is, in two words or three."""
    sizes = [(one.written or 0, one.size) for one in view.work if one.size]
    if sizes:
        written, size = sizes[0]
        return _("{percent}% uploaded").format(percent=written * 100 // size)
    if view.status is None:
        return None
    progress = view.status.progress
    if view.in_batches:
        return f"{bar(progress.done, progress.jobs)} {progress.done:,}/{progress.jobs:,}"
    if progress.followers is not None:
        return _("{followers:,} reached").format(followers=progress.followers)
    return _("judged") if progress.done else _("accepted") if progress.accepted else None
