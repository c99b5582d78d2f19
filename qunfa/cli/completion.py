"""What a shell completes: accounts, sends, keys, problems and more.

What is not found within a moment is not completed: a shell that waits, or shows errors, is worse than one that does not
help.
"""

from collections.abc import Iterable
from contextlib import suppress
from typing import TYPE_CHECKING, Final, get_args

import typer

from qunfa.config_file import SettingsError
from qunfa.states import ReportState

if TYPE_CHECKING:
    from temporalio.client import Client

    from qunfa.contract.ids import MassSendId

# What one kind of word needs is imported when such a word is completed: `temporalio` alone takes half a second.

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
    from qunfa.cli.demo.folder import ALL, LEFT  # noqa: PLC0415 - see above

    return _distinct((*LEFT, ALL), incomplete)


def complete_state(incomplete: str) -> list[str]:
    """The states of a report."""
    return _distinct(get_args(ReportState), incomplete)


def complete_schema(incomplete: str) -> list[str]:
    """The messages that have a schema."""
    from qunfa.contract.schema import SCHEMAS  # noqa: PLC0415 - see above

    return _distinct(sorted(SCHEMAS), incomplete)


def _distinct(names: Iterable[str], incomplete: str) -> list[str]:
    return [name for name in dict.fromkeys(names) if name.startswith(incomplete)]


def _found(beginning: str) -> list["MassSendId"]:
    """The newest sends whose workflow ids go on like this behind their prefix."""
    from temporalio.service import RPCError  # noqa: PLC0415 - see above

    from qunfa.cli.connection import run  # noqa: PLC0415
    from qunfa.temporal.connection import TemporalError  # noqa: PLC0415

    with suppress(TemporalError, SettingsError, RPCError, TimeoutError):
        return run(_look(beginning))
    return []


async def _look(beginning: str) -> list["MassSendId"]:
    import asyncio  # noqa: PLC0415 - see above

    from qunfa.cli.connection import temporal_client  # noqa: PLC0415

    async with asyncio.timeout(_WITHIN):
        return await _sends(await temporal_client(), beginning)


async def _sends(client: "Client", beginning: str) -> list["MassSendId"]:
    from qunfa.cli.connection import (  # noqa: PLC0415
        NO_CLOSED_BATCH,
        RPC_TIMEOUT,
        SENDS,
    )
    from qunfa.contract.ids import parse_mass_send_id  # noqa: PLC0415

    like = "mass-send:" + beginning.replace("\\", "").replace("'", "")
    query = f"{SENDS} AND {NO_CLOSED_BATCH} AND WorkflowId STARTS_WITH '{like}'"
    found = client.list_workflows(query, limit=_LOOKED_AT, rpc_timeout=RPC_TIMEOUT)
    return [send async for one in found if (send := parse_mass_send_id(one.id)) is not None]
