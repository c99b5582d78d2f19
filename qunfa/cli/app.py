"""The `qunfa` application: all its commands, with their examples, and what becomes of their errors."""

import os
import sys
from importlib.metadata import version
from typing import Annotated, Any, Final

import typer
from typer.core import TyperCommand, TyperGroup

from qunfa.cli.account import notices, quota, speed
from qunfa.cli.answers import abort, approve, mark_sent, pause, reject, reschedule, resume, retry
from qunfa.cli.callback import callback_check
from qunfa.cli.demo.command import demo
from qunfa.cli.doctor import doctor
from qunfa.cli.errors import EXPLAINED, ExitCode, explain
from qunfa.cli.freeze import freeze, unfreeze
from qunfa.cli.ledger import forget, ledger
from qunfa.cli.list import list_sends
from qunfa.cli.options import Command
from qunfa.cli.output import note
from qunfa.cli.preview import preview
from qunfa.cli.recall import recall
from qunfa.cli.send import send
from qunfa.cli.services import callback, schema, simulator, worker
from qunfa.cli.setup import setup
from qunfa.cli.status import status
from qunfa.cli.watch import watch

SEVERAL: Final = frozenset({"--image"})


class TakesSeveral(TyperCommand):
    """A command in which every word after such an option belongs to it, up to the next option."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Parse the words with each value after an option of its own, which is what the parser knows."""
        return super().parse_args(ctx, spread(args))


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


class Commands(TyperGroup):
    """All commands; the errors that :mod:`qunfa.cli.errors` knows never show a traceback."""

    def invoke(self, ctx: Any) -> Any:
        """Run the command that was asked for."""
        try:
            answer = super().invoke(ctx)
            sys.stdout.flush()
        except EXPLAINED as error:
            raise typer.Exit(_report(error)) from None
        else:
            return answer


def _report(error: BaseException) -> ExitCode:
    lines, code = explain(error)
    if code is ExitCode.BROKEN_PIPE:
        _close_stdout()
    for line in lines:
        note(line)
    return code


def _close_stdout() -> None:
    """Nobody reads any more: what is still buffered goes nowhere, or Python complains about it at the end."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())


app = typer.Typer(
    cls=Commands,
    no_args_is_help=True,
    pretty_exceptions_show_locals=False,
    help="WeChat Official Account mass sends on Temporal: at most one delivery, visible, repairable.",
    epilog="Exit codes: 0 done, 1 refused or ended badly, 2 wrong use, 3 Temporal unreachable.",
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"qunfa {version('qunfa')}")
        raise typer.Exit


@app.callback()
def _all(
    version_: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    pass


_callback = typer.Typer(
    invoke_without_command=True, subcommand_metavar="[check ACCOUNT]", callback=callback, no_args_is_help=False
)
_callback.command("check")(callback_check)

_PANELS: Final[dict[str, dict[str, Command | typer.Typer]]] = {
    "Mass sends": {
        "send": send,
        "preview": preview,
        "status": status,
        "list": list_sends,
        "watch": watch,
        "approve": approve,
        "reject": reject,
        "pause": pause,
        "resume": resume,
        "reschedule": reschedule,
        "retry": retry,
        "abort": abort,
        "mark-sent": mark_sent,
        "recall": recall,
    },
    "Accounts": {
        "freeze": freeze,
        "unfreeze": unfreeze,
        "ledger": ledger,
        "forget": forget,
        "quota": quota,
        "speed": speed,
        "notices": notices,
    },
    "Services": {
        "demo": demo,
        "setup": setup,
        "doctor": doctor,
        "worker": worker,
        "callback": _callback,
        "simulator": simulator,
        "schema": schema,
    },
}


def _add(panel: str, name: str, command: Command | typer.Typer) -> None:
    if isinstance(command, typer.Typer):
        app.add_typer(command, name=name, rich_help_panel=panel)
    else:
        app.command(name, cls=TakesSeveral, rich_help_panel=panel)(command)


for _panel, _commands in _PANELS.items():
    for _name, _command in _commands.items():
        _add(_panel, _name, _command)


def main() -> None:
    """Entry point of the `qunfa` command."""
    app()
