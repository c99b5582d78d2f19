"""Ctrl-C while a command waits for an answer: it ends at once, and says what it leaves behind."""

import asyncio
import os
import pty
import secrets
import signal
from functools import partial

import pytest
from temporalio.client import Client
from temporalio.worker import UnsandboxedWorkflowRunner, Worker

from qunfa.cli import connection
from qunfa.contract import account_id
from tests.cli.calls import Qunfa, Scripted, Start, parsed, screen
from tests.cli.stub import ScriptedCheck, status
from tests.e2e.processes import waits
from tests.looking import until
from tests.temporal import is_polled, is_there

TAKEN = ("--taken", "2026-01-12T03:00:00+08:00")
WHY = ("--reason", "disk lost")


async def test_after_ctrl_c_no_more_sends_are_answered(start: Start, scripted: Scripted, key: str) -> None:
    """Exit 130. What was answered before is told, and so is each that was not asked."""
    handles = [await scripted(status("scheduled"), more=f"-{one}") for one in "abc"]
    await handles[1].signal("hold", True)
    names = [f"demo/{key}-{one}" for one in "abc"]
    process = await start("pause", *names, "--yes")
    await until(lambda: handles[1].query("received"), lambda received: len(received) == 1)
    process.send_signal(signal.SIGINT)
    stdout, _ = await process.communicate()
    assert (process.returncode, stdout.decode().splitlines()) == (
        130,
        [
            f"{names[0]}  done, now paused",
            f"{names[1]}  NOT KNOWN: Interrupted, and it may still be carried out.",
            f"{names[2]}  NOT done: Not asked, since this was interrupted before.",
        ],
    )
    assert await handles[2].query("received") == []
    await handles[1].signal("hold", False)


async def test_ctrl_c_at_one_answer_is_no_missing_worker(start: Start, scripted: Scripted, key: str) -> None:
    """Exit 130, and one line: it may still be carried out."""
    handle = await scripted(status("scheduled"))
    await handle.signal("hold", True)
    process = await start("pause", f"demo/{key}")
    await until(lambda: handle.query("received"), lambda received: len(received) == 1)
    process.send_signal(signal.SIGINT)
    stdout, notes = await process.communicate()
    said = f"Interrupted: the workflow {handle.id} may still carry this out. Look before you repeat it.\n"
    assert (process.returncode, stdout, notes.decode()) == (130, b"", said)
    await handle.signal("hold", False)


async def test_ctrl_c_ends_a_freeze_that_nobody_answers(start: Start, server: Client, key: str) -> None:
    """The worker there knows no accounts. Each account is named that may still be frozen, and nothing else is said."""
    runner, accounts = UnsandboxedWorkflowRunner(), [f"wx{secrets.token_hex(8)}" for _ in range(2)]
    handles = [server.get_workflow_handle(account_id(one)) for one in accounts]
    async with Worker(server, task_queue=key, workflows=[ScriptedCheck], workflow_runner=runner):
        await until(lambda: is_polled(server, key))
        process = await start("freeze", *accounts, "--reason", "wrong text", "--task-queue", key, "--yes")
        for handle in handles:
            await until(partial(is_there, server, handle.id))
        process.send_signal(signal.SIGINT)
        stdout, notes = await process.communicate()
        for handle in handles:
            await handle.terminate()
    named = [one for one in accounts if f"the workflow {account_id(one)} may still carry this out" in notes.decode()]
    assert (process.returncode, stdout, named) == (130, b"", accounts)
    assert "never retrieved" not in notes.decode()


async def test_what_ends_something_at_ctrl_c_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """Others beside it are over sooner. It may be ending in Temporal what nobody would wait for any more."""
    monkeypatch.setattr(connection, "_SETTLE_SECONDS", 0)
    ended = list[str]()

    async def ends() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            for _ in range(10):
                await asyncio.sleep(0)
            ended.append("it")

    async def command() -> None:
        task = asyncio.current_task()
        assert task is not None
        both = asyncio.gather(asyncio.Event().wait(), ends())
        asyncio.get_running_loop().call_soon(task.cancel)
        await both

    with pytest.raises(asyncio.CancelledError):
        await asyncio.to_thread(connection.run, command())
    assert ended == ["it"]


async def test_ctrl_c_at_a_question_does_nothing(qunfa: Qunfa, start: Start, client: Client, appid: str) -> None:
    """Exit 130 at the first one; no word is that of a send which was ended."""
    assert (await qunfa("restored", appid, *TAKEN, *WHY, "--yes")).exit_code == 0
    before = parsed(await qunfa("ledger", appid, "--json"))["restored"]
    master, slave = pty.openpty()
    process = await start("restored", appid, "--done", stdin=slave, stderr=slave)
    os.close(slave)
    seen = await screen(master, "[y/N]")
    # A signal in the moment before it reads would be heard only once it has read.
    await until(partial(asyncio.to_thread, waits, process.pid))
    process.send_signal(signal.SIGINT)
    seen = await screen(master, "Nothing was done.", seen)
    stdout, _ = await process.communicate()
    os.close(master)
    assert (process.returncode, stdout.strip(), b"borted" in seen) == (130, b"", False)
    assert parsed(await qunfa("ledger", appid, "--json"))["restored"] == before
    await client.get_workflow_handle(account_id(appid)).terminate()


@pytest.mark.usefixtures("terminal")
async def test_an_end_of_what_is_typed_does_nothing(qunfa: Qunfa, scripted: Scripted, key: str) -> None:
    """Ctrl-D at a question ends a command as Ctrl-C does."""
    handles = [await scripted(status("scheduled"), more=f"-{one}") for one in "ab"]
    answer = await qunfa("abort", *(f"demo/{key}-{one}" for one in "ab"), "--reason", "r", stdin="")
    assert (answer.exit_code, answer.stdout.strip()) == (130, "")
    assert answer.stderr.endswith("[y/N]:\nNothing was done.\n")
    assert [await one.query("received") for one in handles] == [[], []]
