"""A command as the list of all shows it, how it is typed, and what carries it out, which is imported when it runs.

The list, a shell's completion, `--help` and a wrong option are there at once so.
"""

from collections.abc import Callable, Iterator, Mapping
from importlib import import_module
from inspect import Parameter, Signature, cleandoc
from types import MappingProxyType
from typing import Any, Final, NamedTuple, get_type_hints

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
    """A command: how it is typed (a class in a module of `typed`), what carries it out, its line, and an example.

    A command with others `below` it shows its help when it is called alone, unless it does something `alone`.
    """

    typed: str
    carried_out: str
    line: str
    example: str
    below: Mapping[str, "Listed"] = MappingProxyType({})
    usage: str | None = None
    alone: bool = False

    def load(self) -> Helped:
        """The command; what carries it out is imported when it runs."""
        made = typer.Typer(add_completion=False)
        if self.below:
            group: dict[str, Any] = {
                "cls": Group,
                "invoke_without_command": self.alone,
                "no_args_is_help": not self.alone,
            }
            made.callback(**group, subcommand_metavar=self.usage, **self.told())(self.called())
            for name, one in self.below.items():
                made.command(name, cls=TakesSeveral, **one.told())(one.called())
        else:
            made.command(cls=TakesSeveral, **self.told())(self.called())
        loaded: Any = get_command(made)
        translate(loaded)
        return loaded  # type: ignore[no-any-return]  # one of the classes above

    def called(self) -> Callable[..., None]:
        """What typer calls: a parameter for each option; those of a group of options stand among the others."""
        typed = _found(f"typed.{self.typed}")
        options = dict(_options(typed))

        def carry_out(**given: Any) -> None:
            _found("errors:reported")(_found(self.carried_out), _filled(typed, given))

        carry_out.__signature__ = Signature(list(options.values()))  # type: ignore[attr-defined]  # typer reads it
        carry_out.__annotations__ = {name: option.annotation for name, option in options.items()}
        return carry_out

    def told(self) -> dict[str, Any]:
        """The help: what is typed has it, in paragraphs that fill their lines; then the example."""
        paragraphs = (" ".join(one.split()) for one in cleandoc(_found(f"typed.{self.typed}").__doc__).split("\n\n"))
        return {"help": "\n\n".join(paragraphs), "epilog": f"{EXAMPLE}{self.example}"}


def _found(place: str) -> Any:
    module, _, name = place.partition(":")
    return getattr(import_module(f"qunfa.cli.{module}"), name)


def _fields(typed: Any) -> Iterator[tuple[str, Any, Any]]:
    hints = get_type_hints(typed, include_extras=True)
    yield from ((name, hints[name], typed._field_defaults.get(name, Parameter.empty)) for name in typed._fields)


def _options(typed: Any) -> Iterator[tuple[str, Parameter]]:
    for name, kind, default in _fields(typed):
        if hasattr(kind, "_fields"):
            yield from _options(kind)
        else:
            yield name, Parameter(name, Parameter.KEYWORD_ONLY, annotation=kind, default=default)


def _filled(typed: Any, given: Mapping[str, Any]) -> Any:
    """What was typed, as an object of the class that says how."""
    fields = ((name, kind) for name, kind, _ in _fields(typed))
    return typed(**{name: _filled(kind, given) if hasattr(kind, "_fields") else given[name] for name, kind in fields})


class Later(TyperCommand):
    """A command in the list of all, until it is asked for."""

    def __init__(self, name: str, panel: str, listed: Listed) -> None:
        super().__init__(name, help=listed.line, rich_help_panel=panel)
        self.listed = listed
