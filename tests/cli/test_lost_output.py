"""What a command does is done, also where what it prints cannot be written: a full disk, a pipe nobody reads."""

import json
import os
import secrets
from collections.abc import Iterator
from typing import Any

import pytest
from temporalio.client import Client

from qunfa.contract import account_id
from qunfa.contract.ledger import LedgerView
from tests.cli.calls import InBatches, Scripted, Start
from tests.cli.stub import RECALLS, completed, status

LOST = (
    "What was asked was carried out as far as it could be. "
    "Its output could not be written: No space left on device. Look with `qunfa status`."
)
STRANGE = "春季特卖 👍 é"


@pytest.fixture
def left() -> Iterator[int]:
    """A stdout that nobody reads."""
    reading, to = os.pipe()
    os.close(reading)
    yield to
    os.close(to)


@pytest.fixture
def full() -> Iterator[int]:
    """A stdout on a disk that is full."""
    to = os.open("/dev/full", os.O_WRONLY)
    yield to
    os.close(to)


async def test_answers_go_on_where_nothing_can_be_written(
    start: Start, scripted: Scripted, key: str, full: int
) -> None:
    """Stderr names each send with what became of it."""
    handles = [await scripted(status("scheduled"), more=f"-{one}") for one in "abc"]
    process = await start("pause", *(f"demo/{key}-{one}" for one in "abc"), "--yes", stdout=full)
    _, notes = await process.communicate()
    lines = [f"demo/{key}-{one}  done, now paused" for one in "abc"]
    assert (process.returncode, notes.decode().splitlines()) == (1, [*lines, LOST])
    assert [len(await one.query("received")) for one in handles] == [1, 1, 1]


async def test_answers_go_on_where_stderr_takes_nothing(start: Start, scripted: Scripted, key: str) -> None:
    """What it is told there stands on stdout as well."""
    handles = [await scripted(status("scheduled"), more=f"-{one}") for one in "ab"]
    reading, writing = os.pipe()
    os.close(reading)
    process = await start("pause", f"demo/{key}-a", f"demo/{key}-b", "--yes", "--json", stderr=writing)
    os.close(writing)
    stdout, _ = await process.communicate()
    assert (process.returncode, [one["refusal"] for one in json.loads(stdout)]) == (0, [None, None])
    assert [len(await one.query("received")) for one in handles] == [1, 1]


async def test_no_account_stays_unfrozen_for_want_of_a_reader(start: Start, client: Client, left: int) -> None:
    """Stderr names each."""
    appids = [f"wx{secrets.token_hex(8)}" for _ in range(3)]
    process = await start("freeze", *appids, "--reason", "a leak", "--yes", stdout=left)
    _, notes = await process.communicate()
    told = [line.split()[0] for line in notes.decode().splitlines() if line.endswith("nothing is in flight")]
    assert (process.returncode, sorted(told)) == (141, sorted(appids))
    views = [
        await client.get_workflow_handle(account_id(one)).query("ledger", result_type=LedgerView) for one in appids
    ]
    assert [view.frozen and view.frozen.reason for view in views] == ["a leak"] * 3


async def test_recalls_go_on_where_nothing_can_be_written(
    start: Start, in_batches: InBatches, key: str, left: int
) -> None:
    """Each is carried out, and stderr names it."""
    msg_ids = [5_000_000_000 + secrets.randbelow(1_000_000_000) for _ in range(2)]
    RECALLS.update(dict.fromkeys(msg_ids, "recalled"))
    jobs: list[dict[str, Any]] = [
        {"index": index, "generation": 0, "clientmsgid": "c", "msg_id": one, "state": "sent"}
        for index, one in enumerate(msg_ids)
    ]
    handle = await in_batches(status("done", jobs=jobs))
    await completed(handle, "sent", key, jobs=jobs)
    process = await start("recall", f"demo/{key}", "--reason", "wrong price", "--yes", stdout=left)
    _, notes = await process.communicate()
    lines = [f"demo/{key}: msg_id {one}, sent  recalled" for one in msg_ids]
    assert (process.returncode, notes.decode().splitlines()) == (141, lines)


async def test_a_terminal_shows_what_its_encoding_lacks(
    start: Start, scripted: Scripted, monkeypatch: pytest.MonkeyPatch, key: str
) -> None:
    """A character that it lacks is written as JSON does. So JSON stays JSON."""
    await scripted(status("scheduled", waiting_for={"reason": STRANGE}))
    monkeypatch.setenv("PYTHONIOENCODING", "gbk")
    process = await start("status", f"demo/{key}", stderr=None)
    stdout, _ = await process.communicate()
    assert (process.returncode, "春季特卖 \\ud83d\\udc4d é" in stdout.decode("gbk")) == (0, True)
    monkeypatch.setenv("PYTHONIOENCODING", "latin-1")
    process = await start("status", f"demo/{key}", "--json", stderr=None)
    stdout, _ = await process.communicate()
    assert json.loads(stdout.decode("latin-1"))["status"]["waiting_for"]["reason"] == STRANGE


async def test_a_command_needs_no_stdout(start: Start, scripted: Scripted, key: str) -> None:
    """As with `>&-` in a shell: it is carried out, and is no error."""
    handle = await scripted(status("scheduled"))
    process = await start("pause", f"demo/{key}", stdout=None, preexec_fn=lambda: os.close(1))
    _, notes = await process.communicate()
    assert (process.returncode, notes, len(await handle.query("received"))) == (0, b"", 1)
