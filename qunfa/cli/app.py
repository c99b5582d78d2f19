"""The `qunfa` application: all its commands, with their examples, and what becomes of their errors."""

import codecs
import os
import sys
from importlib.metadata import version
from io import TextIOWrapper
from pathlib import Path
from typing import Annotated, Any, Final

import typer
from typer.core import TyperOption

from qunfa.cli.commands import Group, Later, Listed, in_words, translate
from qunfa.language import of_this_process, speak
from qunfa.printable import in_other_words

_SEND: Final = "demo/spring-sale"
_TIME: Final = "2026-12-01T09:00:00+08:00"
_PANELS: Final[dict[str, dict[str, Listed]]] = {
    "Mass sends": {
        "send": Listed(
            "request:Send",
            "send:send",
            "Start a mass send, from a file or from options.",
            'qunfa send --account demo --key sale --to-all --text "Hi" --dry-run',
        ),
        "preview": Listed(
            "request:Preview",
            "preview:preview",
            "Show a message to single people, and to nobody else.",
            "qunfa preview send.json --to oAbC1dEf2gH",
        ),
        "article": Listed(
            "request:Article",
            "article.command:article",
            "Show articles as their readers will see them.",
            f"qunfa article preview {_SEND}",
            {
                "preview": Listed(
                    "request:ArticlePreview", "article.command:preview", "", f"qunfa article preview {_SEND} --png"
                )
            },
            usage="preview REQUEST",
        ),
        "status": Listed(
            "sends:Status",
            "status:status",
            "Show where sends stand, and what a person can answer.",
            f"qunfa status {_SEND}",
        ),
        "list": Listed(
            "sends:List",
            "list:list_sends",
            "List sends: those that run, then those that ended last.",
            "qunfa list --account demo --since 7d --outcome failed",
        ),
        "watch": Listed(
            "sends:Watch", "watch:watch", "Watch sends: how far they are, and what to do.", f"qunfa watch {_SEND}"
        ),
        "approve": Listed(
            "answers:Approve", "answers:plain", "Let sends go out that wait for approval.", f"qunfa approve {_SEND}"
        ),
        "reject": Listed(
            "answers:Reject",
            "answers:plain",
            "End sends that wait for approval.",
            f'qunfa reject {_SEND} --reason "wrong price"',
        ),
        "pause": Listed(
            "answers:Pause",
            "answers:plain",
            "Submit nothing of these sends until they are resumed.",
            "qunfa pause --query \"MassSendAccount = 'demo'\"",
        ),
        "resume": Listed(
            "answers:Resume", "answers:plain", "Let paused sends go on where they stood.", f"qunfa resume {_SEND}"
        ),
        "reschedule": Listed(
            "answers:Reschedule",
            "answers:reschedule",
            "Give sends another time.",
            f"qunfa reschedule {_SEND} --send-at {_TIME}",
        ),
        "retry": Listed(
            "answers:Retry",
            "answers:retry",
            "Let sends that wait for a person try again.",
            f'qunfa retry {_SEND} --reason "allowed now"',
        ),
        "abort": Listed(
            "answers:Abort",
            "answers:abort",
            "End sends of which nothing may be on its way.",
            f'qunfa abort {_SEND} --reason "wrong picture"',
        ),
        "mark-sent": Listed(
            "answers:MarkSent",
            "answers:mark_sent",
            "Say that a send was found in WeChat's console.",
            f'qunfa mark-sent {_SEND} --msg-id 3147483650 --reason "seen"',
        ),
        "choose": Listed(
            "answers:Choose",
            "answers:choose",
            "Choose what the rest of a split test gets.",
            f"qunfa choose {_SEND} --winner a",
        ),
        "report": Listed(
            "sends:Report",
            "report:report",
            "Show what became of whom, after a send in batches.",
            f"qunfa report {_SEND} --output spring-sale.csv.gz",
        ),
        "recall": Listed(
            "sends:Recall",
            "recall:recall",
            "Delete the pages of articles or of a video that were sent.",
            f'qunfa recall {_SEND} --reason "wrong price"',
        ),
        "views": Listed(
            "sends:Views",
            "list:views",
            "Print links to lists of sends in Temporal's UI.",
            "qunfa views --account demo",
        ),
    },
    "Accounts": {
        "freeze": Listed(
            "accounts:Freeze",
            "freeze:switch",
            "Submit nothing more of these accounts.",
            'qunfa freeze demo --reason "a leak"',
        ),
        "unfreeze": Listed(
            "accounts:Unfreeze",
            "freeze:switch",
            "Let the submissions of frozen accounts go on.",
            'qunfa unfreeze demo --reason "all is well again"',
        ),
        "restored": Listed(
            "accounts:Restored",
            "restored:restored",
            "Keep a restored Temporal from sending again what it forgot.",
            f'qunfa restored --taken {_TIME} --reason "disk lost"',
        ),
        "ledger": Listed(
            "accounts:Ledger",
            "ledger:ledger",
            "Show what an account knows of its keys.",
            "qunfa ledger demo --key spring-sale-2026",
        ),
        "forget": Listed(
            "accounts:Forget",
            "ledger:forget",
            "Have an account forget what it knows of a key.",
            'qunfa forget demo spring-sale-2026 --reason "a test"',
        ),
        "quota": Listed(
            "accounts:Quota",
            "account:quota",
            "Show the API calls and mass sends that are used and left.",
            "qunfa quota demo",
        ),
        "speed": Listed(
            "accounts:Speed",
            "account:speed",
            "Show or set how fast an account's mass sends go.",
            'qunfa speed demo set 4 --reason "the shop is slow"',
        ),
        "notices": Listed(
            "accounts:Notices", "account:notices", "Show or try an account's webhooks.", "qunfa notices demo --test"
        ),
    },
    "Services": {
        "demo": Listed(
            "services:Demo",
            "demo.command:demo",
            "Run everything on this machine, with a simulated WeChat.",
            "qunfa demo --problem unknown_outcome",
        ),
        "setup": Listed(
            "services:Setup",
            "services:setup",
            "Make Temporal's namespace ready for Qunfa.",
            "qunfa setup --retention 35d",
        ),
        "doctor": Listed(
            "services:Doctor",
            "doctor:doctor",
            "Check Temporal, workers and accounts, and say what to do.",
            "qunfa doctor demo",
        ),
        "worker": Listed(
            "services:Worker",
            "services:worker",
            "Run a worker, which carries out mass sends.",
            "QUNFA_CONFIG=qunfa.toml qunfa worker",
        ),
        "callback": Listed(
            "services:Callback",
            "services:callback",
            "Run the receiver of WeChat's pushes, or check a callback.",
            "qunfa callback --port 8088",
            {
                "check": Listed(
                    "services:CallbackCheck",
                    "callback:callback_check",
                    "",
                    "qunfa callback check demo --url https://your.host/wechat/demo",
                )
            },
            usage="[check ACCOUNT]",
            alone=True,
        ),
        "simulator": Listed(
            "services:Simulator",
            "services:simulator",
            "Run a local WeChat for rehearsals.",
            "qunfa simulator --config simulator.toml",
        ),
        "schema": Listed(
            "services:Schema", "services:schema", "Print the JSON Schemas of all messages.", "qunfa schema MassSend"
        ),
    },
}


class Commands(Group):
    """All commands; the errors that :mod:`qunfa.cli.errors` knows never show a traceback."""

    def __init__(self, **attributes: Any) -> None:
        super().__init__(**attributes)
        for panel, commands in _PANELS.items():
            self.commands.update((name, Later(name, panel, one)) for name, one in commands.items())

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

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """The command that was asked for, and what it is given."""
        name, command, given = super().resolve_command(ctx, args)
        if isinstance(command, Later):
            command = command.listed.load()
            command.name = name
        return name, command, given

    def invoke(self, ctx: Any) -> Any:
        """Run the command that was asked for."""
        try:
            answer = super().invoke(ctx)
            sys.stdout.flush()
        except (BrokenPipeError, KeyboardInterrupt) as error:  # while help was shown
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


def main() -> None:
    """Entry point of the `qunfa` command."""
    app()
