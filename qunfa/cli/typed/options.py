"""Arguments and options that several commands have."""

from typing import Annotated

import typer

from qunfa.cli.completion import complete_account, complete_send

By = Annotated[str | None, typer.Option("--by", help="Who does this.", show_default="login name")]
Reason = Annotated[str, typer.Option("--reason", help="Why; it stays in the history.")]
Why = Annotated[str | None, typer.Option("--reason", help="Why; it stays in the history.")]
Account = Annotated[
    str | None,
    typer.Option("--account", help="The account, where SEND is a key alone.", autocompletion=complete_account),
]
SendId = Annotated[
    str,
    typer.Argument(
        metavar="SEND",
        help="account/key, a workflow id, or a key together with --account.",
        autocompletion=complete_send,
    ),
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON on stdout and nothing else there.")]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask; needed where there is no terminal.")]
Name = Annotated[
    str, typer.Argument(metavar="ACCOUNT", help="The account's name at the workers.", autocompletion=complete_account)
]
ToAccount = Annotated[
    str | None, typer.Option("--account", help="The account's name at the workers.", autocompletion=complete_account)
]
TaskQueue = Annotated[
    str | None,
    typer.Option("--task-queue", help="Temporal's task queue.", show_default="QUNFA_TASK_QUEUE, qunfa.toml or qunfa"),
]
