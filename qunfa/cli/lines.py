"""A send as it goes on, line by line: what is new, and what a person has to do."""

from collections.abc import Iterator
from typing import Final

from rich.console import Console
from rich.text import Text

from qunfa.cli.batches import batches_line
from qunfa.cli.output import in_a_line
from qunfa.cli.previews import preview_line
from qunfa.cli.status import headline, named_state, state_word
from qunfa.cli.times import short
from qunfa.cli.view import NEEDS_A_PERSON, RequestView, SendView
from qunfa.cli.workers import failure_line, work_words
from qunfa.language import _
from qunfa.language.phrases import told, told_whole

_DECISIONS: Final = frozenset({"retry", "mark_sent", "abort", "approve", "reject", "resume"})
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
        """Print what is new in the view."""
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
        state = (state_word(view),) if self._phases_only else (state_word(view), _said(view), _batches(view))
        if state != self._last:
            yield progress_line(view)
            if view.state == "running" and view.phase in NEEDS_A_PERSON and view.status:
                yield _("to do: {to_do}; see qunfa status {account}/{key}").format(
                    to_do=to_do(view), account=view.account, key=view.key
                )
        self._last = state


def progress_line(view: SendView) -> str:
    """One change of a send in one line."""
    said = _said(view)
    if view.in_batches and view.state == "running" and view.status is not None:
        said = f"{said}  {batches_line(view.status.progress)}"
    return in_a_line(_("{state}: {said}").format(state=named_state(state_word(view)), said=said))


def _batches(view: SendView) -> str:
    """How many batches have ended; empty for any other send."""
    return f"{view.status.progress.done}" if view.in_batches and view.status else ""


def request_line(request: RequestView) -> str:
    """What goes to whom, and who asked."""
    by = _(", asked for by {requested_by}").format(requested_by=request.requested_by) if request.requested_by else ""
    return _("{message} to {audience}{by}").format(
        message=told_whole(request.message), audience=told(request.audience), by=by
    )


def _time(view: SendView) -> str:
    return short(view.closed_at or (view.status.updated_at if view.status else view.started_at), seconds=True)


def _said(view: SendView) -> str:
    return told(view.note) if view.note and view.status is None and view.result is None else headline(view)


def to_do(view: SendView) -> str:
    """What a person has to decide; where nobody has to do anything, what the send waits for."""
    status = view.status
    if status is not None and view.phase in NEEDS_A_PERSON:
        fitting = ", ".join(one.replace("_", "-") for one in status.answers if one in _DECISIONS)
        return f"{status.problem.name}: {fitting}" if status.problem else fitting
    work = ", ".join(failure_line(one) or work_words(one) for one in view.work)
    return work or _said(view)
