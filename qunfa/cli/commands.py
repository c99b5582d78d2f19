"""A command: how the list of all and its help show it, how it is typed, and what carries it out.

That is imported when it runs: the list, a shell's completion, `--help` and a wrong option are there at once so. The
texts stand in the source as typer reads them. They are translated here, and so are typer's own.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from importlib import import_module
from inspect import Parameter, Signature, cleandoc
from typing import Any, Final, NamedTuple, TypeVar, get_type_hints

import typer
from rich.cells import cell_len
from rich.console import Console, JustifyMethod, OverflowMethod
from rich.containers import Lines
from rich.text import Text
from typer import rich_utils
from typer.core import TyperCommand, TyperGroup

from qunfa.language import CHINESE, N_, _, speak, spoken
from qunfa.language.phrases import told

_FRAME: Final = {
    "ARGUMENTS_PANEL_TITLE": N_("Arguments"),
    "OPTIONS_PANEL_TITLE": N_("Options"),
    "COMMANDS_PANEL_TITLE": N_("Commands"),
    "ERRORS_PANEL_TITLE": N_("Error"),
    "ABORTED_TEXT": N_("Aborted."),
    "DEFAULT_STRING": N_("[default: {}]"),
    "REQUIRED_LONG_STRING": N_("[required]"),
    "RICH_HELP": N_("Try [blue]'{command_path} {help_option}'[/] for help."),
}
"""What typer has around the texts of commands, by its names for it."""
_USAGE: Final = N_("Usage: ")
_HELP_OPTION: Final = N_("Show this message and exit.")
EXAMPLE: Final = "Example: "
_COMPLETION: Final = (
    N_("Install completion for the current shell."),
    N_("Show completion for the current shell, to copy it or customize the installation."),
)
"""What typer says of its own options."""
TEXTS: Final = ("help", "show_default", "rich_help_panel")
"""Those of an option or argument, with the title of the frame in which it stands."""
Helped = TyperCommand | TyperGroup


_OPENING: Final = "“‘（《【「"
_CLOSING: Final = "，。；：、！？…”’）》】」"
"""No line begins with one of these."""
_CHARACTER: Final = rf"(?![{_CLOSING}{_OPENING}])[\u2e80-\u9fff]"
_WORD: Final = rf"[^\s{_CLOSING}{_OPENING}\u2e80-\u9fff]+"
_PIECE: Final = re.compile(rf"\s*(?:[{_OPENING}]*(?:{_CHARACTER}|{_WORD})[{_CLOSING}]*|\S)\s*")


class Wrapping(Text):
    """A text that breaks between Chinese characters as well."""

    def wrap(  # noqa: PLR0913  as rich has it
        self,
        console: Console,
        width: int,
        *,
        justify: JustifyMethod | None = None,
        overflow: OverflowMethod | None = None,
        tab_size: int = 8,
        no_wrap: bool | None = None,
    ) -> Lines:
        """Its lines, none wider than `width`, but for a word that is wider by itself."""
        if no_wrap or self.no_wrap or width < 1:
            return super().wrap(console, width, justify=justify, overflow=overflow, tab_size=tab_size, no_wrap=no_wrap)
        lines = Lines()
        for line in self.split(allow_blank=True):
            for piece in line.divide(breaks(line.plain, width)):
                piece.rstrip_end(width)
                whole = cell_len(piece.plain) <= width
                lines.extend([piece] if whole else Text.wrap(piece, console, width, overflow="fold"))
        return lines


def breaks(text: str, width: int) -> list[int]:
    """The places in a line at which the next one begins."""
    found: list[int] = []
    used = 0
    for piece in _PIECE.finditer(text):
        if used and used + cell_len(piece[0].rstrip()) > width:
            found.append(piece.start())
            used = 0
        used += cell_len(piece[0])
    return found


def wrapping(text: Text) -> Text:
    """The text, such that it breaks as the language that is spoken does."""
    if spoken() != CHINESE:
        return text
    made = Wrapping(text.plain, style=text.style, justify=text.justify, overflow=text.overflow, no_wrap=text.no_wrap)
    made.spans = text.spans
    return made


class _Highlighter(rich_utils.OptionHighlighter):
    """Typer's, which all texts of its help pass."""

    def __call__(self, text: str | Text) -> Text:
        return wrapping(super().__call__(text))


def translate(command: Helped) -> None:
    """Have this command, and all below it, speak Chinese in its help; typer's frame speaks what is spoken."""
    for name, text in _FRAME.items():
        setattr(rich_utils, name, _(text))
    rich_utils.highlighter = _Highlighter()
    if spoken() == CHINESE:
        for one in _tree(command):
            _translate(one)


def _tree(command: Helped) -> Iterator[Helped]:
    yield command
    for one in command.commands.values() if isinstance(command, TyperGroup) else ():
        if isinstance(one, TyperCommand | TyperGroup):
            yield from _tree(one)


def _translate(command: Helped) -> None:
    command.help = _(command.help) if command.help else None
    command.short_help = _(command.short_help) if command.short_help else None
    command.rich_help_panel = _(command.rich_help_panel) if command.rich_help_panel else None
    if command.epilog:
        before, example, typed = command.epilog.partition(EXAMPLE)
        command.epilog = f"{_(example)}{typed}" if example and not before else _(command.epilog)
    for parameter in command.params:
        for name in TEXTS:
            if isinstance(text := getattr(parameter, name, None), str):
                setattr(parameter, name, _(text))


class InWords:
    """What a command of typer's says by itself, in the language that is spoken."""

    def get_usage(self, ctx: Any) -> str:
        usage: str = super().get_usage(ctx)  # type: ignore[misc]  # it stands before one of typer's classes
        return usage.replace(_USAGE, _(_USAGE), 1)

    def get_params(self, ctx: Any) -> Any:
        """Its arguments and options. A flag takes no value, so that its help names none."""
        found = super().get_params(ctx)  # type: ignore[misc]
        for flag in (one for one in found if getattr(one, "is_bool_flag", False)):
            flag.metavar = ""
        return found

    def get_help_option(self, ctx: Any) -> Any:
        option = super().get_help_option(ctx)  # type: ignore[misc]
        if option is not None:
            option.help = _(_HELP_OPTION)
        return option

    def make_context(self, *args: Any, **kwargs: Any) -> Any:
        """What it was called with; an error of the command line is told in words."""
        try:
            return super().make_context(*args, **kwargs)  # type: ignore[misc]
        except typer.TyperException as error:
            raise in_words(error) from None


def in_words(error: typer.TyperException) -> typer.TyperException:
    """The error without pydantic's own words, told in the language that is spoken."""
    said = told(_PYDANTICS.sub(": ", error.format_message()))
    error.format_message = lambda: said  # type: ignore[method-assign]  # typer asks it for its words
    return error


_PYDANTICS: Final = re.compile(r": (?:Value error, |Input (?=should ))")
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
    """A command: its name, how it is typed, the panel or the command above it, what carries it out, an example.

    One with others below it shows its help when it is called alone, unless it does something `alone`.
    """

    name: str
    typed: Any
    above: str
    carried_out: str
    example: str
    usage: str | None = None
    alone: bool = False

    def called(self) -> Callable[..., None]:
        """What typer calls: a parameter for each option; those of a group of options stand among the others."""
        options = dict(_options(self.typed))

        def carry_out(**given: Any) -> None:
            _found("errors:reported")(_found(self.carried_out), _filled(self.typed, given))

        carry_out.__signature__ = Signature(list(options.values()))  # type: ignore[attr-defined]  # typer reads it
        carry_out.__annotations__ = {name: option.annotation for name, option in options.items()}
        return carry_out

    def told(self) -> dict[str, Any]:
        """The help: what is typed has it, in paragraphs that fill their lines; the list has its first sentence."""
        paragraphs = [" ".join(one.split()) for one in cleandoc(self.typed.__doc__).split("\n\n")]
        line = paragraphs[0].partition(". ")[0].removesuffix(".") + "."
        return {"help": "\n\n".join(paragraphs), "short_help": line, "epilog": f"{EXAMPLE}{self.example}"}


PANELS: Final = ("Mass sends", "Accounts", "Services")
LISTED: Final[list[Listed]] = []
Typed = TypeVar("Typed", bound=type)


def command(above: str, carried_out: str, example: str, **more: Any) -> Callable[[Typed], Typed]:
    """Enter a class that says how a command is typed into the list of all."""

    def enter(typed: Typed) -> Typed:
        name = re.sub(r"(?<!^)(?=[A-Z])", "-", typed.__name__).lower().removeprefix(f"{above}-")
        LISTED.append(Listed(name, typed, above, carried_out, example, **more))
        return typed

    return enter


def add_all(app: typer.Typer) -> None:
    """Have an application take every command; what carries one out is imported when it runs."""
    for one in LISTED:
        below = [inner for inner in LISTED if inner.above == one.name]
        if below:
            group = typer.Typer()
            called: dict[str, Any] = {"invoke_without_command": one.alone, "no_args_is_help": not one.alone}
            group.callback(cls=Group, subcommand_metavar=one.usage, **called, **one.told())(one.called())
            for inner in below:
                group.command(inner.name, cls=TakesSeveral, **inner.told())(inner.called())
            app.add_typer(group, name=one.name, rich_help_panel=one.above)
        elif one.above in PANELS:
            app.command(one.name, cls=TakesSeveral, rich_help_panel=one.above, **one.told())(one.called())


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
