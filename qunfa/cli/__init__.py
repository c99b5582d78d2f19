"""The `qunfa` command: what operators and platform engineers type, and what becomes of the errors of all commands."""

import codecs
import os
import sys
from contextlib import suppress
from importlib.metadata import version
from io import TextIOWrapper
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperOption

import qunfa.cli.typed.operations
import qunfa.cli.typed.sends  # noqa: F401 - they enter their commands
from qunfa.cli.commands import LISTED, PANELS, Group, add_all, in_words, translate
from qunfa.language import of_this_process, speak
from qunfa.printable import in_other_words


class Commands(Group):
    """All commands; the errors that :mod:`qunfa.cli.errors` knows never show a traceback."""

    def main(self, *args: Any, **kwargs: Any) -> Any:
        """Parse the words and run, in the language of the settings or the environment."""
        _take_any_text()
        speak(of_this_process())
        translate(self)
        return super().main(*args, **kwargs)

    def get_params(self, ctx: Any) -> Any:
        """The options of `qunfa` itself; for a flag without a default typer would load pydantic."""
        options = super().get_params(ctx)
        for flag in (one for one in options if isinstance(one, TyperOption) and one.is_flag and not one.expose_value):
            flag.default = False
        return options

    def list_commands(self, ctx: Any) -> list[str]:  # noqa: ARG002  typer's
        """Their names, panel by panel, in the order in which they stand in `typed`."""
        return [one.name for panel in PANELS for one in LISTED if one.above == panel]

    def invoke(self, ctx: Any) -> Any:
        try:
            answer = super().invoke(ctx)
            sys.stdout.flush()
        except BrokenPipeError as error:  # while help was shown
            from qunfa.cli.errors import report  # noqa: PLC0415 - help and completion need none of what it knows

            raise typer.Exit(report(error)) from None
        except typer.TyperException as error:
            raise in_words(error) from None
        else:
            return answer


def _take_any_text() -> None:
    """Have stdout take any text, where it is closed or its encoding lacks characters: the command has done its work."""
    codecs.register_error(in_other_words.__name__, in_other_words)
    if sys.stdout is None:
        sys.stdout = Path(os.devnull).open("w", encoding="utf-8")  # noqa: SIM115 - it is open for as long as the process
    elif isinstance(sys.stdout, TextIOWrapper):
        sys.stdout.reconfigure(errors=in_other_words.__name__)


app = typer.Typer(
    cls=Commands,
    no_args_is_help=True,
    pretty_exceptions_show_locals=False,
    help="WeChat Official Account mass sends on Temporal: at most one delivery, visible, repairable.",
    epilog="Exit codes: 0 done, 1 refused or ended badly, 2 wrong use, 3 Temporal unreachable.",
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _version(wanted: bool) -> None:  # noqa: FBT001  typer declares a flag as a boolean parameter
    if wanted:
        typer.echo(f"qunfa {version('qunfa')}")
        raise typer.Exit


@app.callback()
def _all(
    version_: Annotated[  # noqa: FBT002  see above
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    pass


add_all(app)


def main() -> None:
    """Entry point of the `qunfa` command.

    Temporal's threads may still call into Python when it ends, and then the process crashes, or stands for ever
    (temporalio/sdk-python issue 300). So it ends at once where they may run: all that was said has been written.
    """
    try:
        app()
    except SystemExit as end:
        if "temporalio" not in sys.modules or not isinstance(end.code, int | None):
            raise
        for stream in filter(None, (sys.stdout, sys.stderr)):
            with suppress(OSError, ValueError):
                stream.flush()
        os._exit(end.code or 0)
