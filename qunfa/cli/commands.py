"""A command as the list of all shows it, and the command itself, which is imported when somebody asks for it.

The list, a shell's completion and `--help` are there at once so: no command loads what another one needs.
"""

from collections.abc import Mapping
from importlib import import_module
from inspect import cleandoc
from types import MappingProxyType
from typing import Any, Final, NamedTuple

import typer
from typer.core import TyperCommand, TyperGroup
from typer.main import get_command

from qunfa.cli.help import EXAMPLE, Helped, InWords, translate
from qunfa.language import speak

SEVERAL: Final = frozenset({"--image"})


class TakesSeveral(InWords, TyperCommand):
    """A command in which every word after such an option belongs to it, up to the next option."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Parse the words with each value after an option of its own, which is what the parser knows."""
        return super().parse_args(ctx, spread(args))

    def invoke(self, ctx: Any) -> Any:
        """Run the command; what it prints for a program is English, whoever has started it."""
        if ctx.params.get("as_json"):
            speak("en")
        return super().invoke(ctx)


def spread(args: list[str]) -> list[str]:
    """`--image a b` as `--image a --image b`; what follows `--` stays as it is."""
    words: list[str] = []
    option: str | None = None
    for number, word in enumerate(args):
        if word == "--":
            return [*words, *args[number:]]
        if word.startswith("-") and word != "-":
            option = word if word in SEVERAL else None
        elif option is not None and words[-1] != option:
            words.append(option)
        words.append(word)
    return words


class Group(InWords, TyperGroup):
    """A command that has commands of its own."""


class Listed(NamedTuple):
    """A command: its module in this package with its function, its line in the list, and an example.

    A command with others `below` it shows its help when it is called alone, unless it does something `alone`.
    """

    place: str
    line: str
    example: str
    below: Mapping[str, "Listed"] = MappingProxyType({})
    usage: str | None = None
    alone: bool = False

    def load(self) -> Helped:
        """The command, which is imported for that."""
        command = self.called()
        made = typer.Typer(add_completion=False)
        if self.below:
            group: dict[str, Any] = {
                "cls": Group,
                "invoke_without_command": self.alone,
                "no_args_is_help": not self.alone,
            }
            made.callback(**group, subcommand_metavar=self.usage, **_told(command, self.example))(command)
            for name, one in self.below.items():
                below = one.called()
                made.command(name, cls=TakesSeveral, **_told(below, one.example))(below)
        else:
            made.command(cls=TakesSeveral, **_told(command, self.example))(command)
        loaded: Any = get_command(made)
        translate(loaded)
        return loaded  # type: ignore[no-any-return]  # one of the classes above

    def called(self) -> Any:
        """The function itself."""
        module, _, name = self.place.partition(":")
        return getattr(import_module(f"qunfa.cli.{module}"), name)


def _told(command: Any, example: str) -> dict[str, Any]:
    """The help of a command: its docstring, in paragraphs that fill their lines; then the example."""
    paragraphs = (" ".join(one.split()) for one in cleandoc(command.__doc__ or "").split("\n\n"))
    return {"help": "\n\n".join(paragraphs), "epilog": f"{EXAMPLE}{example}"}


class Later(TyperCommand):
    """A command in the list of all, until it is asked for."""

    def __init__(self, name: str, panel: str, listed: Listed) -> None:
        super().__init__(name, help=listed.line, rich_help_panel=panel)
        self.listed = listed
