"""`qunfa watch`, as a real process."""

import asyncio
import os
import pty
import signal
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator, Callable, Coroutine
from typing import Any

import pytest
from temporalio.client import Client, WorkflowHandle
from temporalio.common import SearchAttributeKey, SearchAttributePair, TypedSearchAttributes

from qunfa.contract import MASS_SEND, mass_send_id
from tests.cli.calls import QUEUE, Qunfa, Scripted
from tests.cli.stub import request, result, status
from tests.looking import PATIENCE

Watch = Callable[..., Coroutine[Any, Any, Process]]
OTHERS = TypedSearchAttributes([SearchAttributePair(SearchAttributeKey.for_keyword("MassSendAccount"), "watched")])


@pytest.fixture
async def watch(environment: dict[str, str]) -> AsyncIterator[Watch]:
    """Start `qunfa watch` with these arguments; it does not outlive the test."""
    started: list[Process] = []

    async def start(*args: str, **streams: Any) -> Process:
        streams = {"stdin": PIPE, "stdout": PIPE, "stderr": PIPE, **streams}
        given = {**os.environ, **environment, "COLUMNS": "160", "LINES": "40"}
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "qunfa.cli", "watch", *args, env=given, **streams
        )
        started.append(process)
        return process

    yield start
    for process in started:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def _line(process: Process, *words: str) -> str:
    """The next line that has all the words."""
    assert process.stdout is not None
    async with asyncio.timeout(PATIENCE):
        while line := (await process.stdout.readline()).decode():
            if all(word in line for word in words):
                return line
    raise AssertionError(f"{words} were never said")


async def _screen(master: int, word: str, seen: bytes = b"") -> bytes:
    async with asyncio.timeout(PATIENCE):
        while word.encode() not in seen:
            seen += await asyncio.to_thread(os.read, master, 4096)
    return seen


async def _other(client: Client, key: str) -> WorkflowHandle[Any, Any]:
    """A scripted send of an account that only these tests have."""
    handle = await client.start_workflow(
        MASS_SEND,
        {**request(key), "account": "watched"},
        id=mass_send_id("watched", key),
        task_queue=QUEUE,
        search_attributes=OTHERS,
    )
    await handle.signal("become", status("submitting"))
    return handle


async def test_named_sends_are_watched_to_their_ends(watch: Watch, scripted: Scripted, key: str) -> None:
    """A line for each change, with the send's name; exit 0 once all have ended well."""
    first, second = [await scripted(status("submitting"), more=f"-{one}") for one in "ab"]
    process = await watch(f"demo/{key}-a", f"demo/{key}-b")
    await _line(process, f"demo/{key}-", "submitting")
    await first.signal("become", status("awaiting_result"))
    await _line(process, f"demo/{key}-a", "awaiting_result")
    for one, handle in (("a", first), ("b", second)):
        await handle.signal("end", {"as": "completed", "result": result("sent", f"{key}-{one}")})
        await _line(process, f"demo/{key}-{one}", "sent: Delivered.")
    assert await process.wait() == 0


async def test_a_bad_end_is_exit_one(qunfa: Qunfa, scripted: Scripted, key: str) -> None:
    """One that nobody knows does not keep the others from being watched."""
    handle = await scripted(status("submitting"))
    await handle.signal("end", {"as": "failed", "result": result("expired", key)})
    answer = await qunfa("watch", "demo/never-started", f"demo/{key}")
    assert answer.exit_code == 1
    assert f"demo/{key}  expired: Expired. Nothing was delivered." in answer.stdout
    assert "holds no mass send demo/never-started" in answer.stderr


async def test_without_names_all_that_run_are_watched_until_ctrl_c(watch: Watch, client: Client, key: str) -> None:
    """Those that start later, too; exit 130, no traceback, and the sends go on."""
    first = await _other(client, f"{key}-a")
    process = await watch("--account", "watched")
    await _line(process, f"watched/{key}-a", "submitting")
    second = await _other(client, f"{key}-b")
    await _line(process, f"watched/{key}-b", "submitting")
    await first.signal("end", {"as": "completed", "result": result("sent", f"{key}-a")})
    await _line(process, f"watched/{key}-a", "sent")
    await second.signal("become", status("awaiting_result"))
    await _line(process, f"watched/{key}-b", "awaiting_result")
    process.send_signal(signal.SIGINT)
    rest, notes = await process.communicate()
    assert (process.returncode, rest, b"Traceback" in notes) == (130, b"", False)
    assert (await second.query("status"))["phase"] == "awaiting_result"


async def test_a_terminal_shows_a_table_in_place(watch: Watch, scripted: Scripted, key: str) -> None:
    """Phase, progress and what is waited for; an end stays on the screen, and Ctrl-C ends it with 130."""
    progress = {"jobs": 1, "accepted": 1, "followers": 1234}
    waiting = {"reason": "WeChat's push"}
    first = await scripted(status("awaiting_result", progress=progress, waiting_for=waiting), more="-a")
    await scripted(status("submitting"), more="-b")
    master, slave = pty.openpty()
    process = await watch(f"demo/{key}-a", f"demo/{key}-b", stdout=slave, stderr=slave)
    os.close(slave)
    screen = await _screen(master, "1,234 followers reached")
    assert "WeChat's push" in screen.decode()
    await first.signal("end", {"as": "completed", "result": result("sent", f"{key}-a")})
    screen = await _screen(master, "Delivered.", screen)
    process.send_signal(signal.SIGINT)
    assert await process.wait() == 130
    os.close(master)
    assert b"Traceback" not in screen
