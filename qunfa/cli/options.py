"""Options that several commands share."""

import getpass
import sys
from collections.abc import Iterable
from typing import Annotated

import typer

from qunfa.cli.console import note
from qunfa.cli.errors import Refused, WrongUse


def login_name() -> str:
    """Who is logged in, for `--by`.

    Raises:
        WrongUse: The system does not know.
    """
    try:
        return getpass.getuser()
    except (OSError, KeyError):
        raise WrongUse("The system does not know who is logged in: say it with --by.") from None


By = Annotated[str | None, typer.Option("--by", help="Who does this.", show_default="login name")]
Reason = Annotated[str, typer.Option("--reason", help="Why; it stays in the history.")]
Account = Annotated[str | None, typer.Option("--account", help="The account, where SEND is a key alone.")]
SendId = Annotated[
    str, typer.Argument(metavar="SEND", help="account/key, a workflow id, or a key together with --account.")
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON on stdout and nothing else there.")]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask for confirmation.")]
TaskQueue = Annotated[
    str | None,
    typer.Option("--task-queue", help="Temporal's task queue.", show_default="QUNFA_TASK_QUEUE, qunfa.toml or qunfa"),
]


def confirm(question: str, *, yes: bool, about: Iterable[str] = ()) -> None:
    """Ask on a terminal, after the lines of `about`; without one, or with `--yes`, go on.

    Raises:
        Refused: The answer was no.
    """
    if yes or not sys.stdin.isatty():
        return
    for line in about:
        note(line)
    if not typer.confirm(question, err=True):
        raise Refused("Nothing was done.")
