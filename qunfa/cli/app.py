"""The `qunfa` application: all its commands, with their examples, and what becomes of their errors."""

import os
import sys
from importlib.metadata import version
from inspect import cleandoc
from typing import Annotated, Any, Final

import typer
from typer.core import TyperCommand, TyperGroup

from qunfa.cli.account import notices, quota, speed
from qunfa.cli.answers import abort, approve, mark_sent, pause, reject, reschedule, resume, retry
from qunfa.cli.article.command import preview as article_preview
from qunfa.cli.callback import callback_check
from qunfa.cli.demo.command import demo
from qunfa.cli.doctor import doctor
from qunfa.cli.errors import EXPLAINED, ExitCode, explain
from qunfa.cli.freeze import freeze, unfreeze
from qunfa.cli.help import EXAMPLE, InWords, in_words, translate
from qunfa.cli.language import of_this_process, speak
from qunfa.cli.ledger import forget, ledger
from qunfa.cli.list import list_sends
from qunfa.cli.options import Command
from qunfa.cli.output import note
from qunfa.cli.preview import preview
from qunfa.cli.recall import recall
from qunfa.cli.report import report
from qunfa.cli.restored import restored
from qunfa.cli.send import send
from qunfa.cli.services import callback, schema, simulator, worker
from qunfa.cli.setup import setup
from qunfa.cli.status import status
from qunfa.cli.views import views
from qunfa.cli.watch import watch

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


class Commands(Group):
    """All commands; the errors that :mod:`qunfa.cli.errors` knows never show a traceback."""

    def main(self, *args: Any, **kwargs: Any) -> Any:
        """Parse the words and run, in the language of the settings or the environment."""
        speak(of_this_process())
        translate(self)
        return super().main(*args, **kwargs)

    def invoke(self, ctx: Any) -> Any:
        """Run the command that was asked for."""
        try:
            answer = super().invoke(ctx)
            sys.stdout.flush()
        except EXPLAINED as error:
            raise typer.Exit(_report(error)) from None
        except typer.TyperException as error:
            raise in_words(error) from None
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
    cls=Group,
    invoke_without_command=True,
    subcommand_metavar="[check ACCOUNT]",
    callback=callback,
    no_args_is_help=False,
)


def _article() -> None:
    """Show articles as their readers will see them."""


_GROUPS: Final[dict[str, Command]] = {"callback": callback, "article": _article}
"""What commands do that have others below them."""
_articles = typer.Typer(cls=Group, subcommand_metavar="preview REQUEST", callback=_article, no_args_is_help=True)

_SEND: Final = "demo/spring-sale"
_TIME: Final = "2026-12-01T09:00:00+08:00"
_PANELS: Final[dict[str, dict[str, tuple[Command | typer.Typer, str]]]] = {
    "Mass sends": {
        "send": (send, 'qunfa send --account demo --key sale --to-all --text "Hi" --dry-run'),
        "preview": (preview, "qunfa preview send.json --to oAbC1dEf2gH"),
        "article": (_articles, f"qunfa article preview {_SEND}"),
        "status": (status, f"qunfa status {_SEND}"),
        "list": (list_sends, "qunfa list --account demo --since 7d --outcome failed"),
        "watch": (watch, f"qunfa watch {_SEND}"),
        "approve": (approve, f"qunfa approve {_SEND}"),
        "reject": (reject, f'qunfa reject {_SEND} --reason "wrong price"'),
        "pause": (pause, "qunfa pause --query \"MassSendAccount = 'demo'\""),
        "resume": (resume, f"qunfa resume {_SEND}"),
        "reschedule": (reschedule, f"qunfa reschedule {_SEND} --send-at {_TIME}"),
        "retry": (retry, f'qunfa retry {_SEND} --reason "allowed now"'),
        "abort": (abort, f'qunfa abort {_SEND} --reason "wrong picture"'),
        "mark-sent": (mark_sent, f'qunfa mark-sent {_SEND} --msg-id 3147483650 --reason "seen"'),
        "report": (report, f"qunfa report {_SEND} --output spring-sale.csv.gz"),
        "recall": (recall, f'qunfa recall {_SEND} --reason "wrong price"'),
        "views": (views, "qunfa views --account demo"),
    },
    "Accounts": {
        "freeze": (freeze, 'qunfa freeze demo --reason "a leak"'),
        "unfreeze": (unfreeze, 'qunfa unfreeze demo --reason "all is well again"'),
        "restored": (restored, f'qunfa restored --taken {_TIME} --reason "disk lost"'),
        "ledger": (ledger, "qunfa ledger demo --key spring-sale-2026"),
        "forget": (forget, 'qunfa forget demo spring-sale-2026 --reason "a test"'),
        "quota": (quota, "qunfa quota demo"),
        "speed": (speed, 'qunfa speed demo set 4 --reason "the shop is slow"'),
        "notices": (notices, "qunfa notices demo --test"),
    },
    "Services": {
        "demo": (demo, "qunfa demo --problem unknown_outcome"),
        "setup": (setup, "qunfa setup --retention 35d"),
        "doctor": (doctor, "qunfa doctor demo"),
        "worker": (worker, "QUNFA_CONFIG=qunfa.toml qunfa worker"),
        "callback": (_callback, "qunfa callback --port 8088"),
        "simulator": (simulator, "qunfa simulator --config simulator.toml"),
        "schema": (schema, "qunfa schema MassSend"),
    },
}


def _help(command: Command) -> str:
    """The help of a command: its docstring, in paragraphs that fill their lines."""
    return "\n\n".join(" ".join(one.split()) for one in cleandoc(command.__doc__ or "").split("\n\n"))


def _add(panel: str, name: str, command: Command | typer.Typer, example: str) -> None:
    epilog = f"{EXAMPLE}{example}"
    if isinstance(command, typer.Typer):
        app.add_typer(command, name=name, rich_help_panel=panel, help=_help(_GROUPS[name]), epilog=epilog)
    else:
        app.command(name, cls=TakesSeveral, rich_help_panel=panel, help=_help(command), epilog=epilog)(command)


_articles.command(
    "preview", cls=TakesSeveral, help=_help(article_preview), epilog=f"Example: qunfa article preview {_SEND} --png"
)(article_preview)
_callback.command(
    "check",
    cls=TakesSeveral,
    help=_help(callback_check),
    epilog="Example: qunfa callback check demo --url https://your.host/wechat/demo",
)(callback_check)
for _panel, _commands in _PANELS.items():
    for _name, (_command, _example) in _commands.items():
        _add(_panel, _name, _command, _example)


def main() -> None:
    """Entry point of the `qunfa` command."""
    app()
