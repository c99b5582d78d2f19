"""What a command prints: results to stdout, for people or as JSON, and notes to stderr."""

import json
import sys
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final, NoReturn, TypeVar

from pydantic import BaseModel
from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment
from rich.text import Text

from qunfa.cli.wrapping import wrapping
from qunfa.printable import printable

_PLAIN_WIDTH: Final = 1_000

Json = BaseModel | Sequence[BaseModel] | dict[str, Any]
Result = TypeVar("Result", bound=Json)


class _Console(Console):
    """Lets no text steer the terminal, whoever has made it. Says so when nobody reads any more."""

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        """What is printed, in pieces; those that steer are rich's own."""
        for text, style, control in super().render(renderable, options):
            yield Segment(text if control else clean(text), style, control)

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
    sys.stdout.write(printable(json.dumps(_plain(value), ensure_ascii=False, indent=2), keep="\n") + "\n")


def show_json_line(value: BaseModel) -> None:
    """Print one JSON value on a line of its own, at once: there are more to come."""
    sys.stdout.write(printable(json.dumps(_plain(value), ensure_ascii=False)) + "\n")
    sys.stdout.flush()


def unbroken(text: str, style: str = "") -> Text:
    """A line that may be longer than the screen is wide, such as an address: a break in it would be copied along.

    It is only for :func:`show`; a display that is redrawn must know how many lines it has.
    """
    return Text(clean(text), style=style, no_wrap=True, overflow="ignore")


def note(sentence: str) -> None:
    """Say something on stderr."""
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
