"""`qunfa` as a real process: signals, pipes, terminals."""

import asyncio
import os
import pty
import signal
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import Callable, Coroutine, Sequence
from pathlib import Path
from typing import Any

import pytest
from temporalio.client import Client, WorkflowExecutionStatus, WorkflowFailureError, WorkflowHandle
from temporalio.exceptions import CancelledError
from temporalio.service import RPCError

from qunfa.contract import mass_send_id
from qunfa.contract.ids import check_id, preview_id
from tests.cli.calls import Scripted
from tests.cli.stub import result, status
from tests.looking import until

pytestmark = pytest.mark.long

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
    process = await start("send", *TEXT, "--key", key, "--wait", "--yes")
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
    process = await start("send", *TEXT, "--key", key, "--wait", "--yes")
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


async def _answering(start: Start, key: str, typed: str, message: Sequence[str] = TEXT) -> tuple[int | None, str]:
    master, slave = pty.openpty()
    process = await start("send", *message, "--key", key, stdin=slave)
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


async def test_what_goes_out_is_shown_before_it_is_confirmed(start: Start, key: str, tmp_path: Path) -> None:
    """Kind, title, number of pictures, files with their sizes."""
    (tmp_path / "cover.jpg").write_bytes(bytes(2048))
    (tmp_path / "a.png").write_bytes(bytes(3 * 2**20))
    (tmp_path / "article.html").write_text('<img src="a.png"><img src="a.png">', encoding="utf-8")
    files = ("--html", str(tmp_path / "article.html"), "--thumb", str(tmp_path / "cover.jpg"))
    message = ("--account", "demo", *files, "--title", "春季新品", "--to-all")
    code, notes = await _answering(start, key, "n\n", message)
    assert code == 1
    for said in (
        'Article "春季新品"',
        "1 picture",
        f"cover {tmp_path / 'cover.jpg'} (2.0 KB)",
        f"picture {tmp_path / 'a.png'} (3.0 MB)",
    ):
        assert said in notes


async def test_lines_tell_phases_previews_and_failures(start: Start, scripted: Scripted, key: str) -> None:
    """Where there is no terminal: each of them once, up to the verdict."""
    handle = await scripted(status("preparing", waiting_for={"reason": "the upload of 2 file(s) to WeChat, 1 done"}))
    await handle.signal("begin_upload", True)
    process = await start("send", *TEXT, "--key", key, "--wait", "--yes")
    said = await _said(process, "upload to WeChat, attempt 2 after: WeChat does not answer")
    previews = [{"to": "oA", "sent": True}, {"to": "oB", "sent": False, "errcode": 43004, "errmsg": "no"}]
    await handle.signal("become", status("previewing", previews=previews[:1]))
    said += await _said(process, "previewing: ")
    await handle.signal("become", status("submitting", previews=previews))
    said += await _said(process, "submitting: ")
    await handle.signal("end", {"as": "completed", "result": result("sent", key)})
    stdout, _ = await process.communicate()
    said += stdout.decode()
    for line in (
        "preparing: the upload of 2 file(s) to WeChat, 1 done",
        "previewed to oA",
        "no preview to oB: errcode 43004, errmsg no",
        "sent: Delivered.",
    ):
        assert said.count(f"  {line}") == 1


async def test_a_terminal_shows_uploads_with_a_bar(start: Start, scripted: Scripted, key: str) -> None:
    """Bytes so far and in all, in the panel that is replaced in place."""
    handle = await scripted(status("preparing"))
    await handle.signal("begin_upload", False)
    master, slave = pty.openpty()
    process = await start("send", *TEXT, "--key", key, "--wait", "--yes", stdout=slave, stderr=slave)
    os.close(slave)
    screen = await _screen(master, "512.0 KB of 1.0 MB", b"")
    assert "━━━".encode() in screen
    await handle.signal("end", {"as": "completed", "result": result("sent", key)})
    await _screen(master, "Delivered.", screen)
    assert await process.wait() == 0
    os.close(master)


async def test_ctrl_c_ends_a_dry_run(start: Start, client: Client, key: str) -> None:
    """Exit 130, and nobody goes on looking."""
    process = await start("send", *TEXT, "--key", key, "--dry-run")
    handle = client.get_workflow_handle(check_id("demo", key))
    await _running(handle)
    process.send_signal(signal.SIGINT)
    await process.communicate()
    assert process.returncode == 130
    assert (await handle.describe()).status is WorkflowExecutionStatus.TERMINATED


async def test_ctrl_c_cancels_a_preview(start: Start, client: Client, key: str) -> None:
    """Exit 130, and it is said that some may have been shown."""
    process = await start("preview", "--account", "demo", "--text", "hi", "--to", "oA", "--key", key)
    handle = client.get_workflow_handle(preview_id("demo", key))
    await _running(handle)
    process.send_signal(signal.SIGINT)
    _, notes = await process.communicate()
    assert (process.returncode, b"Cancelled." in notes) == (130, True)
    with pytest.raises(WorkflowFailureError) as ended:
        await handle.result()
    assert isinstance(ended.value.cause, CancelledError)


async def _running(handle: WorkflowHandle[Any, Any]) -> None:
    """Until the workflow is there, and waited for."""
    await until(lambda: _is_there(handle))


async def _is_there(handle: WorkflowHandle[Any, Any]) -> bool:
    try:
        await handle.describe()
    except RPCError:
        return False
    return True


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
