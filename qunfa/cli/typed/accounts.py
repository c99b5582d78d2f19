"""What is asked and said about accounts, as it is typed."""

from pathlib import Path
from typing import Annotated, Literal, NamedTuple

import typer

from qunfa.cli.completion import complete_account, complete_key
from qunfa.cli.typed.options import By, Json, Name, Reason, TaskQueue, Why, Yes

Appid = Annotated[str | None, typer.Option("--appid", help="The appid, where the name does not lead to it.")]
NameOrAppid = Annotated[
    str, typer.Argument(metavar="ACCOUNT", help="The account's name, or its appid.", autocompletion=complete_account)
]
Names = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="ACCOUNT…",
        help="The accounts' names, or their appids.",
        show_default=False,
        autocompletion=complete_account,
    ),
]
All = Annotated[
    bool, typer.Option("--all", help="Every account that the configuration has; it asks first, or needs --yes.")
]


class Switch(NamedTuple):
    """The options that `freeze` and `unfreeze` have."""

    appid: Annotated[
        str | None, typer.Option("--appid", help="The appid, where the one ACCOUNT does not lead to it.")
    ] = None
    by: By = None
    yes: Yes = False
    queue: TaskQueue = None
    as_json: Json = False


class Freeze(NamedTuple):
    """Submit nothing more of these accounts, whoever asks; shows what is in flight all the same."""

    reason: Reason
    accounts: Names = None
    everything: All = False
    given: Switch = Switch()


class Unfreeze(NamedTuple):
    """Let the submissions of frozen accounts go on."""

    accounts: Names = None
    everything: All = False
    reason: Annotated[str | None, typer.Option("--reason", help="Why.")] = None
    given: Switch = Switch()


class Restored(NamedTuple):
    """Keep a restored Temporal from sending again what it has forgotten. Give it before the workers start.

    Each account is frozen. It doubts each key once before it lets it be submitted, so that a person looks into WeChat's
    console first. The command says which sends run, what they wait for, and which jobs of the logs no account knows.
    Then give it with --done. It does no harm to give it again, also after an interruption.
    """

    accounts: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="ACCOUNT…",
            help="Their names, or their appids.",
            show_default="all that Temporal or the configuration has",
            autocompletion=complete_account,
        ),
    ] = None
    taken: Annotated[
        str | None,
        typer.Option(metavar="TIME", help="When the snapshot was begun, such as 2026-12-01T03:00:00+08:00."),
    ] = None
    reason: Why = None
    untouched: Annotated[
        bool,
        typer.Option(
            "--untouched",
            help="Since then nobody has retried, aborted, rejected, paused or rescheduled a send: WeChat may be asked "
            "by the same clientmsgid for 23 hours.",
        ),
    ] = False
    log: Annotated[
        list[Path] | None,
        typer.Option("--log", metavar="FILE", help="A log of a worker or receiver, - for stdin; several times."),
    ] = None
    done: Annotated[
        bool, typer.Option("--done", help="All was started again: a key first started from now on is new. Unfreezes.")
    ] = False
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be done, and change nothing.")] = False
    by: By = None
    yes: Yes = False
    queue: TaskQueue = None
    as_json: Json = False


class Ledger(NamedTuple):
    """Show what an account's own workflow knows: keys, who waits, pace, freeze, sends by day, what was forgotten."""

    account: NameOrAppid
    key: Annotated[str | None, typer.Option(help="Only this key.", autocompletion=complete_key)] = None
    msg_id: Annotated[int | None, typer.Option(min=1, help="Only the send with this msg_id.")] = None
    appid: Appid = None
    as_json: Json = False


class Forget(NamedTuple):
    """Have an account's ledger forget what it knows of a key; it asks first, or needs --yes."""

    account: NameOrAppid
    key: Annotated[
        str, typer.Argument(metavar="KEY", help="The key that is to be forgotten.", autocompletion=complete_key)
    ]
    reason: Reason
    appid: Appid = None
    by: By = None
    yes: Yes = False
    as_json: Json = False


class Quota(NamedTuple):
    """Show API calls used and left by WeChat's count, and mass sends today and this month by the account's ledger."""

    account: Name
    queue: TaskQueue = None
    as_json: Json = False


class Speed(NamedTuple):
    """Show how fast an account's mass sends go, or set it, which holds for all of them until it is set again.

    0 is 800,000 followers a minute, 1 is 600,000, 2 is 450,000, 3 is 300,000, 4 is 100,000.
    """

    account: Name
    action: Annotated[Literal["get", "set"], typer.Argument(metavar="get|set", help="Look at it, or set it.")] = "get"
    level: Annotated[
        int | None,
        typer.Argument(metavar="[0..4]", min=0, max=4, help="With set: from 0, the fastest, to 4."),
    ] = None
    by: By = None
    reason: Why = None
    yes: Yes = False
    queue: TaskQueue = None
    as_json: Json = False


class Notices(NamedTuple):
    """Show the webhooks that are told of an account's sends, and what each is told; with --test, try them.

    A worker tells the test, as it tells all notices: nothing here knows where the webhooks are.
    """

    account: Name
    test: Annotated[bool, typer.Option("--test", help="Tell each of them a notice of the type `test`, once.")] = False
    queue: TaskQueue = None
    as_json: Json = False
