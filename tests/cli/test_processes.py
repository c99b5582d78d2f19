"""`qunfa` as a real process: signals, pipes, terminals."""

import os
import pty
import signal
from pathlib import Path

import pytest
from temporalio.client import Client, WorkflowExecutionStatus, WorkflowFailureError
from temporalio.exceptions import CancelledError

from qunfa.contract import mass_send_id
from qunfa.contract.ids import check_id, preview_id
from tests.cli.calls import Qunfa, Scripted, Start, said, screen
from tests.cli.stub import result, status
from tests.looking import until
from tests.temporal import is_there

pytestmark = pytest.mark.long

TEXT = ("--account", "demo", "--text", "hi", "--to-all")


async def test_ctrl_c_ends_the_watching_only(start: Start, client: Client, key: str) -> None:
    """Exit 130, no traceback, and the send goes on."""
    process = await start("send", *TEXT, "--key", key, "--wait", "--yes")
    await said(process, "preparing")
    process.send_signal(signal.SIGINT)
    _, notes = await process.communicate()
    assert process.returncode == 130
    assert notes.decode().strip() == f"demo/{key} goes on without this command: qunfa status demo/{key}"
    described = await client.get_workflow_handle(mass_send_id("demo", key)).describe()
    assert described.status is WorkflowExecutionStatus.RUNNING


async def test_a_reader_that_leaves_is_no_error(start: Start) -> None:
    """As with `qunfa schema --all | head -1`: quiet, and the exit code of SIGPIPE."""
    reading, writing = os.pipe()
    os.close(reading)
    process = await start("schema", "--all", stdout=writing)
    os.close(writing)
    _, notes = await process.communicate()
    assert (process.returncode, notes) == (141, b"")


async def test_a_send_to_all_is_confirmed_on_a_terminal(start: Start, client: Client, key: str) -> None:
    """Yes starts it."""
    master, slave = pty.openpty()
    process = await start("send", *TEXT, "--key", key, stdin=slave)
    os.write(master, b"y\n")
    _, notes = await process.communicate()
    os.close(master)
    os.close(slave)
    assert (process.returncode, "Send to every follower of demo?" in notes.decode()) == (0, True)
    described = await client.get_workflow_handle(mass_send_id("demo", key)).describe()
    assert described.status is WorkflowExecutionStatus.RUNNING


@pytest.mark.usefixtures("terminal")
async def test_what_goes_out_is_shown_before_it_is_confirmed(
    qunfa: Qunfa, client: Client, key: str, tmp_path: Path
) -> None:
    """Kind, title, number of pictures, files with their sizes. No means that nothing is started."""
    (tmp_path / "cover.jpg").write_bytes(bytes(2048))
    (tmp_path / "a.png").write_bytes(bytes(3 * 2**20))
    (tmp_path / "article.html").write_text('<img src="a.png"><img src="a.png">', encoding="utf-8")
    files = ("--html", str(tmp_path / "article.html"), "--thumb", str(tmp_path / "cover.jpg"))
    answer = await qunfa(
        "send", "--account", "demo", "--key", key, *files, "--title", "春季新品", "--to-all", stdin="n\n"
    )
    assert answer.exit_code == 1
    cover, inside = f"cover {tmp_path / 'cover.jpg'} (2.0 KB)", f"picture {tmp_path / 'a.png'} (3.0 MB)"
    for word in ('Article "春季新品"', "1 picture", cover, inside, "Nothing was done."):
        assert word in answer.stderr
    assert not await is_there(client, mass_send_id("demo", key))


async def test_lines_tell_phases_previews_and_failures(start: Start, scripted: Scripted, key: str) -> None:
    """Where there is no terminal: each of them once, up to the verdict. Who comes second follows the first."""
    handle = await scripted(status("preparing", waiting_for={"reason": "the upload of 2 file(s) to WeChat, 1 done"}))
    await handle.signal("begin_upload", True)
    process = await start("send", *TEXT, "--key", key, "--wait", "--yes")
    seen = await said(process, "upload to WeChat, attempt 2 after: WeChat does not answer")
    previews = [{"to": "oA", "sent": True}, {"to": "oB", "sent": False, "errcode": 43004, "errmsg": "no"}]
    await handle.signal("become", status("previewing", previews=previews[:1]))
    seen += await said(process, "previewing: ")
    await handle.signal("become", status("submitting", previews=previews))
    seen += await said(process, "submitting: ")
    await handle.signal("end", {"as": "completed", "result": result("sent", key)})
    stdout, notes = await process.communicate()
    seen += stdout.decode()
    for line in (
        "preparing: the upload of 2 file(s) to WeChat, 1 done",
        "previewed to oA",
        "no preview to oB: errcode 43004, errmsg no",
        "sent: Delivered.",
    ):
        assert seen.count(f"  {line}") == 1
    assert (process.returncode, b"runs already, with the same content: following it" in notes) == (0, True)


async def test_a_terminal_shows_phases_and_uploads_in_place(start: Start, scripted: Scripted, key: str) -> None:
    """With a bar, and bytes so far and in all; the end stays on the screen."""
    handle = await scripted(status("preparing"))
    await handle.signal("begin_upload", False)
    master, slave = pty.openpty()
    process = await start("send", *TEXT, "--key", key, "--wait", "--yes", stdout=slave, stderr=slave)
    os.close(slave)
    seen = await screen(master, "512.0 KB of 1.0 MB")
    assert "━━━".encode() in seen
    await handle.signal("become", status("submitting"))
    seen = await screen(master, "submitting", seen)
    await handle.signal("end", {"as": "completed", "result": result("sent", key)})
    seen = await screen(master, "Delivered.", seen)
    assert await process.wait() == 0
    os.close(master)
    assert b"Traceback" not in seen


async def test_ctrl_c_ends_a_dry_run(start: Start, client: Client, key: str) -> None:
    """Exit 130, and nobody goes on looking."""
    process = await start("send", *TEXT, "--key", key, "--dry-run")
    await until(lambda: is_there(client, check_id("demo", key)))
    process.send_signal(signal.SIGINT)
    await process.communicate()
    described = await client.get_workflow_handle(check_id("demo", key)).describe()
    assert (process.returncode, described.status) == (130, WorkflowExecutionStatus.TERMINATED)


async def test_ctrl_c_cancels_a_preview(start: Start, client: Client, key: str) -> None:
    """Exit 130, and it is said that some may have been shown."""
    process = await start("preview", "--account", "demo", "--text", "hi", "--to", "oA", "--key", key)
    await until(lambda: is_there(client, preview_id("demo", key)))
    process.send_signal(signal.SIGINT)
    _, notes = await process.communicate()
    assert (process.returncode, b"Previews may have been shown" in notes) == (130, True)
    with pytest.raises(WorkflowFailureError) as ended:
        await client.get_workflow_handle(preview_id("demo", key)).result()
    assert isinstance(ended.value.cause, CancelledError)


@pytest.mark.parametrize(("service", "word"), [("callback", "callback"), ("worker", "no account is configured")])
async def test_a_service_that_cannot_start_says_why(start: Start, service: str, word: str) -> None:
    """One sentence, no traceback."""
    process = await start(service)
    _, notes = await process.communicate()
    assert (process.returncode, word in notes.decode()) == (2, True)
    assert b"Traceback" not in notes
