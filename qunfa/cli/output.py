"""What a command prints: results to stdout, for people or as JSON, notes to stderr; tables that fit the screen."""

import json
import sys
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby
from types import MappingProxyType
from typing import Any, Final, NoReturn, TypeVar, TypeVarTuple
from zoneinfo import ZoneInfo

from pydantic import BaseModel
from rich.cells import cell_len, set_cell_size
from rich.console import Console, ConsoleOptions, Group, OverflowMethod, RenderableType, RenderResult
from rich.containers import Lines
from rich.segment import Segment
from rich.table import Table
from rich.text import Text

from qunfa.cli.commands import Wrapping, wrapping
from qunfa.language import N_, _
from qunfa.printable import printable

_PLAIN_WIDTH: Final = 1_000

Json = BaseModel | Sequence[BaseModel] | dict[str, Any]
Result = TypeVar("Result", bound=Json)
Said = TypeVarTuple("Said")


class OutputLost(OSError):
    """What a command prints could not be written, as on a full disk. What it does is another matter."""


@contextmanager
def writing() -> Iterator[None]:
    """For what writes to stdout.

    Raises:
        OutputLost: It cannot be written.
        BrokenPipeError: Nobody reads any more.
    """
    try:
        yield
    except (BrokenPipeError, OutputLost):
        raise
    except OSError as error:
        raise OutputLost(*error.args) from None


@contextmanager
def to_the_end(say: Callable[[*Said], None], instead: Callable[[*Said], None]) -> Iterator[Callable[[*Said], None]]:
    """`say` for work that goes on where it fails: `instead` says the rest, and the error is raised at the end."""
    lost: list[OSError] = []

    def said(*words: *Said) -> None:
        if not lost:
            try:
                return say(*words)
            except OSError as error:
                lost.append(error)
        return instead(*words)

    yield said
    if lost:
        raise lost[0]


class _Console(Console):
    """Lets no text steer the terminal, whoever has made it. Says so when nobody reads any more."""

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        """What is printed, in pieces; those that steer are rich's own."""
        for text, style, control in super().render(renderable, options):
            yield Segment(text if control else clean(text), style, control)

    def print(self, *objects: Any, **how: Any) -> None:
        """Print; an error of writing is one of :func:`writing`."""
        with writing():
            super().print(*objects, **how)

    def on_broken_pipe(self) -> NoReturn:
        raise BrokenPipeError


def stdout() -> Console:
    """The console for results; a pipe or a file gets lines as long as they are."""
    return _Console(width=None if sys.stdout.isatty() else _PLAIN_WIDTH, highlight=False)


def stderr() -> Console:
    """The console for notes."""
    return _Console(stderr=True, highlight=False)


def show(*renderables: RenderableType) -> None:
    """Print results for people; into a pipe or a file without the blanks that fill up a terminal's lines."""
    console = stdout()
    parts = [Text(clean(part)) if isinstance(part, str) else part for part in renderables]
    if console.is_terminal:
        console.print(*parts, sep="\n", crop=False)
        return
    with writing():
        with console.capture() as captured:
            console.print(*parts, sep="\n")
        sys.stdout.write("\n".join(line.rstrip() for line in captured.get().split("\n")))
        sys.stdout.flush()


def show_result(result: Result, render: Callable[[Result], RenderableType], *, as_json: bool) -> None:
    """Print a result: as JSON, or for people as `render` draws it."""
    if as_json:
        show_json(result)
    else:
        show(render(result))


def show_json(value: Json) -> None:
    """Print one JSON value, and nothing else, on stdout."""
    with writing():
        sys.stdout.write(printable(json.dumps(_plain(value), ensure_ascii=False, indent=2), keep="\n") + "\n")


def show_json_line(value: BaseModel) -> None:
    """Print one JSON value on a line of its own, at once: there are more to come."""
    with writing():
        sys.stdout.write(printable(json.dumps(_plain(value), ensure_ascii=False)) + "\n")
        sys.stdout.flush()


def unbroken(text: str, style: str = "") -> Text:
    """A line that may be longer than the screen is wide, such as an address: a break in it would be copied along.

    It is only for :func:`show`; a display that is redrawn must know how many lines it has.
    """
    return Text(clean(text), style=style, no_wrap=True, overflow="ignore")


def note(sentence: str) -> None:
    """Say something on stderr. That nobody reads it stops nothing."""
    with suppress(OSError):
        stderr().print(Text(clean(sentence)), soft_wrap=True)


def clean(text: str) -> str:
    """Text from elsewhere, with its lines, and without the characters that steer a terminal."""
    return printable(text, keep="\n")


def in_a_line(text: str) -> str:
    """Text from elsewhere, without its breaks."""
    return clean(text).replace("\n", " ")


def _plain(value: Json) -> Any:
    if isinstance(value, BaseModel):
        return value.model_dump(mode="json")
    return value if isinstance(value, dict) else [one.model_dump(mode="json") for one in value]


def plain(text: object) -> Text:
    """Text from elsewhere: no markup in it is obeyed, and no character that steers a terminal is kept."""
    return wrapping(Text(clean("–" if text is None else str(text))))


class _Hanging(Wrapping):
    """A text of which every line but the first one begins further in."""

    def wrap(self, console: Console, width: int, **how: Any) -> Lines:
        """Its lines, none wider than `width`; one that fits is whole."""
        if len(whole := super().wrap(console, width, **how)) == 1:
            return whole
        first, *others = super().wrap(console, max(width - len(_FURTHER_IN), 1), **how)
        return Lines([first, *(Text(_FURTHER_IN).append_text(line) for line in others)])


def hanging(text: str) -> Text:
    """Text from elsewhere, of which nothing can pass for the beginning of a text of its own, wherever it breaks."""
    return _Hanging(clean(text))


_FURTHER_IN: Final = "    "
STATES: Final = {N_("ok"): "bold green", N_("warning"): "bold yellow", N_("failed"): "bold red", N_("skipped"): "dim"}
"""The states of a check, and their styles."""
_GAP: Final = 2
_NARROWEST: Final = 6
_NOTHING: Final[Mapping[str, int]] = MappingProxyType({})


def table(
    headings: Sequence[str],
    rows: Iterable[Sequence[object]],
    title: str | None = None,
    *,
    wrapped: Collection[str] = (),
    cut: Mapping[str, int] = _NOTHING,
) -> RenderableType:
    """A table with these headings, each another; a cell of `None` is a dash.

    Where the screen is too narrow, columns give way: those that are `wrapped` take several lines. Those that are `cut`
    lose their ends, down to so many characters, and then go altogether, the last one first. All others never break.
    """
    cells = [[cell if isinstance(cell, Text) else plain(cell) for cell in row] for row in rows]
    return _Fitted(headings, cells, title, wrapped, cut)


@dataclass(frozen=True)
class _Fitted:
    headings: Sequence[str]
    rows: list[list[Text]]
    title: str | None
    wrapped: Collection[str]
    cut: Mapping[str, int]

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        widths = self._widths(options.max_width)
        drawn = Table(title=self.title, title_justify="left", box=None, padding=(0, _GAP, 0, 0), pad_edge=False)
        for heading, width in widths.items():
            breaks = heading in self.wrapped
            overflow: OverflowMethod = "fold" if breaks else "ellipsis"
            drawn.add_column(heading, header_style="dim", width=width, no_wrap=not breaks, overflow=overflow)
        for row in self.rows:
            drawn.add_row(*(cell for heading, cell in zip(self.headings, row, strict=True) if heading in widths))
        drawn.width = _whole(widths)
        yield drawn

    def _widths(self, available: int) -> dict[str, int]:
        natural = {heading: cell_len(heading) for heading in self.headings}
        for row in self.rows:
            for heading, cell in zip(self.headings, row, strict=True):
                natural[heading] = max(natural[heading], *map(cell_len, cell.plain.split("\n")))
        narrowest = {**dict.fromkeys(self.wrapped, _NARROWEST), **self.cut}
        left = [heading for heading in self.cut if heading in natural]
        while _whole(widths := _narrowed(natural, narrowest, available)) > available and left:
            natural.pop(left.pop())
        return widths


def _narrowed(natural: Mapping[str, int], narrowest: Mapping[str, int], available: int) -> dict[str, int]:
    """The widths with the widest columns narrowed, as far as they may be."""
    widths = dict(natural)
    while _whole(widths) > available:
        giving = [heading for heading, width in widths.items() if width > narrowest.get(heading, width)]
        if not giving:
            break
        widths[max(giving, key=widths.__getitem__)] -= 1
    return widths


def _whole(widths: Mapping[str, int]) -> int:
    return sum(widths.values()) + _GAP * (len(widths) - 1)


def facts(rows: Iterable[tuple[str, object]]) -> RenderableType:
    """One line a fact: its label, and what is to be said. That takes several lines, unless it is :func:`unbroken`."""
    found = [(label, value if isinstance(value, Text) else plain(value)) for label, value in rows]
    width = max((cell_len(label) for label, _value in found), default=0)
    parts: list[RenderableType] = []
    for whole, several in groupby(found, key=lambda fact: fact[1].no_wrap):
        if whole:
            parts += [_fact(set_cell_size(label, width), value) for label, value in several]
            continue
        drawn = Table.grid(padding=(0, _GAP))
        drawn.add_column(style="dim", no_wrap=True, min_width=width)
        drawn.add_column(overflow="fold")
        for fact in several:
            drawn.add_row(*fact)
        parts.append(drawn)
    return Group(*parts)


def _fact(label: str, value: Text) -> Text:
    return Text.assemble((label, "dim"), " " * _GAP, value, no_wrap=True, overflow="ignore")


def checks(rows: Iterable[tuple[str, str, str, str | None]]) -> Table:
    """One line a check: its state, its name and what was seen; below it what to do."""
    drawn = Table.grid(padding=(0, 2))
    drawn.add_column(no_wrap=True)
    drawn.add_column(style="dim", no_wrap=True)
    drawn.add_column(overflow="fold")
    for state, name, said, todo in rows:
        drawn.add_row(Text(_(state), style=STATES[state]), plain(name), plain(said))
        if todo is not None:
            drawn.add_row("", "", plain(f"→ {todo}"))
    return drawn


SHANGHAI: Final = ZoneInfo("Asia/Shanghai")
"""WeChat's quotas and an account's send hours are Shanghai's, so every time is shown there."""


def moment(at: datetime | None) -> str:
    """A time in Shanghai, to the second, with its offset."""
    return f"{at.astimezone(SHANGHAI):%Y-%m-%d %H:%M:%S} +08:00" if at else "–"


def short(at: datetime | None, now: datetime | None = None, *, seconds: bool = False) -> str:
    """A time in Shanghai, as short as can be: `12:30`, with its date where that is another day than `now`'s."""
    if at is None:
        return "–"
    there, today = at.astimezone(SHANGHAI), (now or datetime.now(SHANGHAI)).astimezone(SHANGHAI)
    date = "" if there.date() == today.date() else "%m-%d " if there.year == today.year else "%Y-%m-%d "
    return f"{there:{date}%H:%M{':%S' if seconds else ''}}"
