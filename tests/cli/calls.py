"""How the tests call `qunfa`, and read what it prints."""

import asyncio
import json
import os
from asyncio.subprocess import Process
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from datetime import UTC, datetime
from typing import Any

from temporalio.client import Client, WorkflowHandle
from typer.testing import Result

from qunfa.contract.ledger import LedgerView
from tests.looking import PATIENCE, until

Qunfa = Callable[..., Awaitable[Result]]
Scripted = Callable[..., Awaitable[WorkflowHandle[Any, Any]]]
InBatches = Callable[..., Awaitable[WorkflowHandle[Any, Any]]]
Start = Callable[..., Coroutine[Any, Any, Process]]
Pondering = Callable[[Callable[[], Awaitable[Any]]], list[str]]

QUEUE = "cli-tests"
DESERTED_QUEUE = "nobody-polls-this"
UNREACHABLE = {"TEMPORAL_ADDRESS": "127.0.0.1:1"}


def having(appids: Mapping[str, str]) -> dict[str, str]:
    """A configuration with these accounts, by the variables of a shell, without an AppSecret."""
    fields = {f"{name}__APPID": appid for name, appid in appids.items()}
    fields |= {f"{name}__KIND": "service" for name in appids}
    return {f"QUNFA_ACCOUNTS__{name.upper()}": value for name, value in fields.items()}


def parsed(result: Result) -> Any:
    """The one JSON value on stdout."""
    assert result.stdout, result.output
    return json.loads(result.stdout)


async def ledger_of(qunfa: Qunfa, appid: str, *more: str) -> LedgerView:
    """As `qunfa ledger` has it."""
    return LedgerView.model_validate(parsed(await qunfa("ledger", appid, *more, "--json")))


async def until_listed(client: Client, workflow_id: str, query: str | None = None) -> None:
    """Until Temporal's list knows the workflow, and that it fits the query; the list follows a moment later."""
    asked = f"WorkflowId = '{workflow_id}'" + (f" AND ({query})" if query else "")
    await until(lambda: client.count_workflows(asked), lambda found: found.count)


async def said(process: Process, *words: str) -> str:
    """What stdout holds up to the next line with all these words."""
    assert process.stdout is not None
    seen = ""
    async with asyncio.timeout(PATIENCE):
        while line := (await process.stdout.readline()).decode():
            seen += line
            if all(word in line for word in words):
                return seen
    raise AssertionError(f"{words} were never said: {seen}")


async def screen(master: int, word: str, seen: bytes = b"") -> bytes:
    """What a terminal has been sent, up to this word."""
    async with asyncio.timeout(PATIENCE):
        while word.encode() not in seen:
            seen += await asyncio.to_thread(os.read, master, 65536)
    return seen


def log_line(event: str, **fields: object) -> str:
    """A line of a log, as `QUNFA_LOG=json` writes it."""
    return json.dumps({"event": event, "level": "info", "timestamp": datetime.now(UTC).isoformat()} | fields)
