"""What people type: each command with its arguments, its options and its help.

Nothing here loads what a command works with: `--help`, completion and a wrong option are there at once so. This file
has what several commands have: how an option is said, what a shell completes, and shared options.
"""

from collections.abc import Callable, Iterable
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any, Final, get_args

import typer

from qunfa.config_file import SettingsError
from qunfa.states import ReportState

if TYPE_CHECKING:
    from qunfa.contract.ids import MassSendId

Text = str | None
Texts = list[str] | None
Number = int | None
"""What was given; `None` where nothing was."""
Complete = Callable[..., list[str]] | None


def option(about: str, *names: str, complete: Complete = None, **more: Any) -> Any:
    """An option with its help. Without `names` it is called as its field is; what only says yes has a name."""
    return typer.Option(*names, help=about, autocompletion=complete, **more)


def argument(about: str, *, complete: Complete = None, show_default: bool | str = False, **more: Any) -> Any:
    return typer.Argument(help=about, autocompletion=complete, show_default=show_default, **more)


# What is not found within a moment is not completed: a shell that waits, or shows errors, is worse than one that does
# not help. What one kind of word needs is imported when such a word is completed: `temporalio` alone takes half a
# second.

_WITHIN: Final = 2.0
"""Seconds."""
_LOOKED_AT: Final = 200
"""So many sends, the newest: enough for a screen."""


def complete_account(incomplete: str) -> list[str]:
    """The accounts of the configuration, and those of the newest sends."""
    from qunfa.settings import load_settings  # noqa: PLC0415 - see above

    configured: Iterable[str] = ()
    with suppress(SettingsError):
        configured = load_settings("command").accounts
    return _distinct([*sorted(configured), *(send.account for send in _found(incomplete))], incomplete)


def complete_send(context: typer.Context, incomplete: str) -> list[str]:
    """The newest sends as account/key, or as keys where --account is given."""
    account = context.params.get("account")
    if isinstance(account, str):
        return complete_key(context, incomplete)
    before, slash, after = incomplete.partition("/")
    sends = _found(f"{before}:{after}" if slash else before)
    return _distinct((f"{send.account}/{send.key}" for send in sends), incomplete)


def complete_key(context: typer.Context, incomplete: str) -> list[str]:
    """The keys of an account's newest sends; of all where a shell does not know the account yet."""
    account = context.params.get("account")
    sends = _found(f"{account}:{incomplete}" if account else "")
    return _distinct((send.key for send in sends), incomplete)


def complete_problem(incomplete: str) -> list[str]:
    """The names of all problems, and of what else holds a send back."""
    from qunfa.contract.operators import Held  # noqa: PLC0415 - see above
    from qunfa.rules.problems import PROBLEMS  # noqa: PLC0415

    return _distinct((*PROBLEMS, *get_args(Held)), incomplete)


def complete_left(incomplete: str) -> list[str]:
    """What a demo can leave."""
    from qunfa.cli.demo_folder import ALL, LEFT  # noqa: PLC0415 - see above

    return _distinct((*LEFT, ALL), incomplete)


def complete_state(incomplete: str) -> list[str]:
    return _distinct(get_args(ReportState), incomplete)


def complete_schema(incomplete: str) -> list[str]:
    from qunfa.contract.schema import SCHEMAS  # noqa: PLC0415 - see above

    return _distinct(sorted(SCHEMAS), incomplete)


def _distinct(names: Iterable[str], incomplete: str) -> list[str]:
    return [name for name in dict.fromkeys(names) if name.startswith(incomplete)]


def _found(beginning: str) -> list["MassSendId"]:
    """The newest sends whose workflow ids go on like this behind their prefix."""
    import asyncio  # noqa: PLC0415 - see above

    from temporalio.service import RPCError  # noqa: PLC0415

    from qunfa.cli.connection import NO_CLOSED_BATCH, RPC_TIMEOUT, SENDS, run, temporal_client  # noqa: PLC0415
    from qunfa.contract.ids import parse_mass_send_id  # noqa: PLC0415
    from qunfa.temporal.connection import TemporalError  # noqa: PLC0415

    like = "mass-send:" + beginning.replace("\\", "").replace("'", "")
    query = f"{SENDS} AND {NO_CLOSED_BATCH} AND WorkflowId STARTS_WITH '{like}'"

    async def look() -> list["MassSendId"]:
        async with asyncio.timeout(_WITHIN):
            client = await temporal_client()
            found = client.list_workflows(query, limit=_LOOKED_AT, rpc_timeout=RPC_TIMEOUT)
            return [send async for one in found if (send := parse_mass_send_id(one.id)) is not None]

    with suppress(TemporalError, SettingsError, RPCError, TimeoutError):
        return run(look())
    return []


sends_arg = partial(argument, metavar="SEND…", complete=complete_send)
account_arg = partial(argument, metavar="ACCOUNT", complete=complete_account)
accounts_arg = partial(argument, metavar="ACCOUNT…", complete=complete_account)
account_option = partial(option, complete=complete_account)
By = Annotated[Text, option("Who does this.", show_default="login name")]
Reason = Annotated[str, option("Why; it stays in the history.")]
Why = Annotated[Text, option("Why; it stays in the history.")]
Account = Annotated[Text, account_option("The account, where SEND is a key alone.")]
SendId = Annotated[
    str,
    argument("account/key, a workflow id, or a key together with --account.", metavar="SEND", complete=complete_send),
]
Json = Annotated[bool, option("Print JSON on stdout and nothing else there.", "--json")]
Yes = Annotated[bool, option("Do not ask; needed where there is no terminal.", "--yes", "-y")]
Name = Annotated[str, account_arg("The account's name at the workers.")]
ToAccount = Annotated[Text, account_option("The account's name at the workers.")]
TaskQueue = Annotated[
    Text, option("Temporal's task queue.", "--task-queue", show_default="QUNFA_TASK_QUEUE, qunfa.toml or qunfa")
]
