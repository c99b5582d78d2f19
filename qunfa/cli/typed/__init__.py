"""What people type: each command with its arguments, its options and its help; here are those that several have.

Nothing here loads what a command works with: `--help`, completion and a wrong option are there at once so.
"""

from collections.abc import Callable
from typing import Annotated, Any

import typer

from qunfa.cli.completion import complete_account, complete_send

Text = str | None
Texts = list[str] | None
"""What was given; `None` where nothing was."""
Complete = Callable[..., list[str]] | None


def option(about: str, *names: str, complete: Complete = None, **more: Any) -> Any:
    """An option with its help. Without `names` it is called as its field is; what only says yes has a name."""
    return typer.Option(*names, help=about, autocompletion=complete, **more)


def argument(about: str, *, complete: Complete = None, show_default: bool | str = False, **more: Any) -> Any:
    """An argument with its help."""
    return typer.Argument(help=about, autocompletion=complete, show_default=show_default, **more)


By = Annotated[Text, option("Who does this.", show_default="login name")]
Reason = Annotated[str, option("Why; it stays in the history.")]
Why = Annotated[Text, option("Why; it stays in the history.")]
Account = Annotated[Text, option("The account, where SEND is a key alone.", complete=complete_account)]
SendId = Annotated[
    str,
    argument("account/key, a workflow id, or a key together with --account.", metavar="SEND", complete=complete_send),
]
Json = Annotated[bool, option("Print JSON on stdout and nothing else there.", "--json")]
Yes = Annotated[bool, option("Do not ask; needed where there is no terminal.", "--yes", "-y")]
Name = Annotated[str, argument("The account's name at the workers.", metavar="ACCOUNT", complete=complete_account)]
ToAccount = Annotated[Text, option("The account's name at the workers.", complete=complete_account)]
TaskQueue = Annotated[
    Text, option("Temporal's task queue.", "--task-queue", show_default="QUNFA_TASK_QUEUE, qunfa.toml or qunfa")
]
