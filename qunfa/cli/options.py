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
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask; needed where there is no terminal.")]
TaskQueue = Annotated[
    str | None,
    typer.Option("--task-queue", help="Temporal's task queue.", show_default="QUNFA_TASK_QUEUE, qunfa.toml or qunfa"),
]


def demand_consent(*, yes: bool, first: str = "") -> None:
    """See that somebody can say yes, or has said it with `--yes`: no terminal is no consent.

    Raises:
        WrongUse: Nobody can; `first` is what to look at before `--yes` is added.
    """
    if not yes and not on_a_terminal():
        look = f"{first}, then add" if first else "add"
        raise WrongUse(f"There is no terminal to confirm this on, so nothing was done: {look} --yes.")


def on_a_terminal() -> bool:
    """Whether somebody is there to be asked; stdin may also be closed."""
    return sys.stdin is not None and sys.stdin.isatty()


def confirm(question: str, *, yes: bool, about: Iterable[str] = ()) -> None:
    """Ask, after the lines of `about`; with `--yes`, go on.

    Raises:
        WrongUse: There is no terminal to ask on.
        Refused: The answer was no.
    """
    demand_consent(yes=yes)
    if yes:
        return
    for line in about:
        note(line)
    if not typer.confirm(question, err=True):
        raise Refused("Nothing was done.")
