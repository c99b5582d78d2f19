"""`--help`, and the errors of a command line, in the language that is spoken.

The texts of commands and options stand in the source as typer reads them. They are translated here, in the tree of
commands that typer builds for one call, and so are typer's own.
"""

from collections.abc import Iterator
from typing import Any, Final

import typer
from rich.text import Text
from typer import rich_utils
from typer.core import TyperCommand, TyperGroup

from qunfa.cli.wrapping import wrapping
from qunfa.language import CHINESE, N_, _, spoken
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
Helped = TyperCommand | TyperGroup


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


def texts(command: Helped) -> Iterator[str]:
    """What the help of this command, and of all below it, is made of."""
    for one in _tree(command):
        yield from filter(None, (one.help, one.rich_help_panel, None if _is_example(one.epilog) else one.epilog))
        for parameter in one.params:
            yield from (text for text in _of(parameter).values() if isinstance(text, str) and " " in text.strip())


def _tree(command: Helped) -> Iterator[Helped]:
    yield command
    for one in command.commands.values() if isinstance(command, TyperGroup) else ():
        if isinstance(one, TyperCommand | TyperGroup):
            yield from _tree(one)


def _is_example(epilog: str | None) -> bool:
    return epilog is not None and epilog.startswith(EXAMPLE)


def _translate(command: Helped) -> None:
    command.help = _(command.help) if command.help else None
    command.rich_help_panel = _(command.rich_help_panel) if command.rich_help_panel else None
    if command.epilog:
        before, example, typed = command.epilog.partition(EXAMPLE)
        command.epilog = f"{_(example)}{typed}" if example and not before else _(command.epilog)
    for parameter in command.params:
        for name, text in _of(parameter).items():
            if isinstance(text, str):
                setattr(parameter, name, _(text))


def _of(parameter: Any) -> dict[str, Any]:
    """The texts of an option or argument."""
    return {name: getattr(parameter, name, None) for name in ("help", "show_default")}


class InWords:
    """What a command of typer's says by itself, in the language that is spoken."""

    def get_usage(self, ctx: Any) -> str:
        """How it is called."""
        usage: str = super().get_usage(ctx)  # type: ignore[misc]  # it stands before one of typer's classes
        return usage.replace(_USAGE, _(_USAGE), 1)

    def get_help_option(self, ctx: Any) -> Any:
        """Its `--help`."""
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
    """The error, told in the language that is spoken."""
    if spoken() == CHINESE:
        said = told(error.format_message())
        error.format_message = lambda: said  # type: ignore[method-assign]  # typer asks it for its words
    return error
