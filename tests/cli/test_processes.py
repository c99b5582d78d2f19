"""`qunfa` as a real process: signals, pipes, terminals."""

import asyncio
import os
import pty
import signal
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import Callable, Coroutine
from typing import Any

import pytest
from temporalio.client import Client, WorkflowExecutionStatus
from temporalio.service import RPCError

from qunfa.contract import mass_send_id
from tests.cli.calls import Scripted
from tests.cli.stub import result, status

Start = Callable[..., Coroutine[Any, Any, Process]]
TEXT = ("--account", "demo", "--text", "hi", "--to-all")


@pytest.fixture
def start(environment: dict[str, str]) -> Start:
    """Start `python -m qunfa.cli` with these arguments."""

    async def start(*args: str, **streams: Any) -> Process:
        streams = {"stdin": PIPE, "stdout": PIPE, "stderr": PIPE, **streams}
        return await asyncio.create_subprocess_exec(
            sys.executable, "-m", "qunfa.cli", *args, env={**os.environ, **environment, "COLUMNS": "200"}, **streams
        )

    return start


async def _said(process: Process, word: str) -> str:
    """What stdout holds up to the line with `word`."""
    seen = ""
    while process.stdout and word not in seen:
        line = await process.stdout.readline()
        assert line, f"{word} was never said: {seen}"
        seen += line.decode()
    return seen


async def test_ctrl_c_ends_the_watching_only(start: Start, client: Client, key: str) -> None:
    """Exit 130, no traceback, and the send goes on."""
    process = await start("send", *TEXT, "--key", key, "--wait")
    await _said(process, "preparing")
    process.send_signal(signal.SIGINT)
    _, notes = await process.communicate()
    assert process.returncode == 130
    assert notes.decode().strip() == f"demo/{key} goes on without this command: qunfa status demo/{key}"
    described = await client.get_workflow_handle(mass_send_id("demo", key)).describe()
    assert described.status is WorkflowExecutionStatus.RUNNING


async def test_a_running_send_of_the_same_content_is_followed(start: Start, scripted: Scripted, key: str) -> None:
    """With --wait, the second caller of a key sees the first one's changes and exits by its end."""
    handle = await scripted(status("submitting"))
    process = await start("send", *TEXT, "--key", key, "--wait")
    await _said(process, "submitting")
    await handle.signal("become", status("awaiting_result"))
    await _said(process, "awaiting_result")
    await handle.signal("end", {"as": "completed", "result": result("sent", key)})
    stdout, stderr = await process.communicate()
    assert process.returncode == 0
    assert "sent: Delivered." in stdout.decode()
    assert "runs already, with the same content: following it" in stderr.decode()


async def test_a_reader_that_leaves_is_no_error(start: Start) -> None:
    """As with `qunfa schema --all | head -1`: quiet, and the exit code of SIGPIPE."""
    reading, writing = os.pipe()
    os.close(reading)
    process = await start("schema", "--all", stdout=writing)
    os.close(writing)
    _, notes = await process.communicate()
    assert (process.returncode, notes) == (141, b"")


async def _answering(start: Start, key: str, typed: str) -> tuple[int | None, str]:
    master, slave = pty.openpty()
    process = await start("send", *TEXT, "--key", key, stdin=slave)
    os.write(master, typed.encode())
    _, notes = await process.communicate()
    os.close(master)
    os.close(slave)
    return process.returncode, notes.decode()


async def test_a_send_to_all_is_confirmed_on_a_terminal(start: Start, client: Client, key: str) -> None:
    """Yes starts it."""
    code, notes = await _answering(start, key, "y\n")
    assert (code, "Send to every follower of demo?" in notes) == (0, True)
    described = await client.get_workflow_handle(mass_send_id("demo", key)).describe()
    assert described.status is WorkflowExecutionStatus.RUNNING


async def test_a_send_to_all_that_is_not_confirmed_is_not_started(start: Start, client: Client, key: str) -> None:
    """No means that nothing is started."""
    code, notes = await _answering(start, key, "n\n")
    assert (code, "Nothing was done." in notes) == (1, True)
    with pytest.raises(RPCError, match="not found"):
        await client.get_workflow_handle(mass_send_id("demo", key)).describe()


async def test_a_terminal_shows_the_phases_live(start: Start, scripted: Scripted, key: str) -> None:
    """The panel is replaced in place, and the end stays on the screen."""
    handle = await scripted(status("submitting"))
    master, slave = pty.openpty()
    process = await start("send", *TEXT, "--key", key, "--wait", "--yes", stdout=slave, stderr=slave)
    os.close(slave)
    screen = await _screen(master, "submitting", b"")
    await handle.signal("end", {"as": "completed", "result": result("sent", key)})
    screen = await _screen(master, "Delivered.", screen)
    assert await process.wait() == 0
    os.close(master)
    assert b"Traceback" not in screen


async def _screen(master: int, word: str, seen: bytes) -> bytes:
    while word.encode() not in seen:
        seen += await asyncio.to_thread(os.read, master, 4096)
    return seen


@pytest.mark.parametrize(
    ("args", "code", "said"),
    [
        (("simulator", "--config", "/nowhere.toml"), 2, "Cannot read /nowhere.toml"),
        (("callback",), 1, "callback"),
        (("worker",), 1, "no account is configured"),
    ],
)
async def test_a_service_that_cannot_start_says_why(
    start: Start, *, args: tuple[str, ...], code: int, said: str
) -> None:
    """One sentence, no traceback."""
    process = await start(*args)
    _, notes = await process.communicate()
    assert (process.returncode, said in notes.decode()) == (code, True)
    assert b"Traceback" not in notes
