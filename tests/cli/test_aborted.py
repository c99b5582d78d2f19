"""How long an abort lasts: whoever starts the key again, or has an aborted batch retried, sends it all the same."""

from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any

import pytest
from temporalio.client import Client, WorkflowFailureError, WorkflowHandle

from qunfa.cli.errors import NEWER
from qunfa.cli.view import SendView, read_send
from qunfa.contract.ids import MassSendId
from qunfa.contract.result import MassSendResult
from tests.cli.calls import InBatches, Pondering, Qunfa, Scripted
from tests.cli.stub import result, status
from tests.looking import until

ABORT = {"at": "2026-12-01T01:00:00Z", "what": "abort", "by": "Bo", "reason": "wrong\npeople"}
ENDED = {"at": "2026-12-01T01:00:00Z", "what": "ended as aborted"}
SHOWN = "Batch 2 was aborted by Bo: wrong people\n"
PROBLEM = {"name": "batch_failed", "sentence": "Batch 2 has ended badly.", "todo": "Resume, retry or abort."}
Asking = Callable[..., Awaitable[WorkflowHandle[Any, Any]]]


@pytest.fixture
def asking(in_batches: InBatches, scripted: Scripted, key: str) -> Asking:
    """A list that asks about its second batch, which has ended so, with these lines in its story."""

    async def ended(outcome: str, *story: dict[str, Any]) -> WorkflowHandle[Any, Any]:
        batch = await scripted(status("done", history=story), more=".2")
        await batch.signal("end", {"as": "failed", "result": result(outcome, f"{key}.2")})
        with suppress(WorkflowFailureError):
            await batch.result()
        return await in_batches(status("needs_operator", batch=2, problem=PROBLEM, answers=["retry"]))

    return ended


def unread(key: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The send of this key tells nothing that this version can read."""

    async def read(client: Client, send: MassSendId, **more: Any) -> SendView:
        view = await read_send(client, send, **more)
        untold = {"status": None, "result": None, "note": NEWER}
        return view.model_copy(update=untold) if send.key == key else view

    monkeypatch.setattr("qunfa.cli.targets.read_send", read)


@pytest.mark.usefixtures("terminal")
async def test_who_retries_an_aborted_batch_is_asked(qunfa: Qunfa, asking: Asking, key: str) -> None:
    """By whom it was aborted, and why; a no does nothing."""
    handle = await asking("aborted", ABORT, ENDED)
    no = await qunfa("retry", f"demo/{key}", "--reason", "r", stdin="n\n")
    assert (no.exit_code, no.stderr.startswith(f"{SHOWN}Send it all the same?")) == (1, True)
    assert await handle.query("received") == []
    yes = await qunfa("retry", f"demo/{key}", "--reason", "r", stdin="y\n")
    assert (yes.exit_code, len(await handle.query("received"))) == (0, 1)


async def test_a_list_that_asks_something_else_is_not_retried(
    qunfa: Qunfa, asking: Asking, pondering: Pondering, key: str
) -> None:
    """Somebody was faster than the yes, and it asks about another batch. Exit 1, and nothing was done."""
    handle = await asking("aborted", ABORT, ENDED)
    other = status("needs_operator", batch=3, problem=PROBLEM, answers=["retry"])
    pondering(lambda: handle.signal("become", other))
    answer = await qunfa("retry", f"demo/{key}", "--reason", "r")
    assert (answer.exit_code, f"demo/{key} has changed meanwhile" in answer.stderr) == (1, True)
    assert await handle.query("received") == []


@pytest.mark.usefixtures("terminal")
async def test_an_aborted_batch_is_told_without_its_story(qunfa: Qunfa, asking: Asking, key: str) -> None:
    """No worker may have it."""
    await asking("aborted")
    no = await qunfa("retry", f"demo/{key}", "--reason", "r", stdin="n\n")
    assert "Batch 2 was aborted.\n" in no.stderr


async def test_an_aborted_batch_takes_a_terminal_or_a_yes(qunfa: Qunfa, asking: Asking, key: str) -> None:
    """Else nothing is done. With --yes nobody is asked."""
    handle = await asking("aborted", ABORT, ENDED)
    retry = ("retry", f"demo/{key}", "--reason", "r", "--json")
    answer = await qunfa(*retry)
    assert (answer.exit_code, "no terminal to confirm this on" in answer.stderr) == (2, True)
    assert await handle.query("received") == []
    assert (await qunfa(*retry, "--yes")).exit_code == 0


@pytest.mark.usefixtures("terminal")
async def test_a_batch_that_failed_is_retried_unasked(qunfa: Qunfa, asking: Asking, key: str) -> None:
    """Nobody has given it up."""
    handle = await asking("failed")
    assert (await qunfa("retry", f"demo/{key}", "--reason", "r")).exit_code == 0
    assert len(await handle.query("received")) == 1


@pytest.mark.parametrize("silent", ["", ".2"], ids=["the list", "its batch"])
@pytest.mark.usefixtures("terminal")
async def test_a_list_that_does_not_tell_is_not_retried_unasked(
    qunfa: Qunfa, asking: Asking, key: str, silent: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A query that takes too long, or a newer form: the batch may be one that a person has aborted."""
    handle = await asking("aborted", ABORT, ENDED)
    unread(f"{key}{silent}", monkeypatch)
    answer = await qunfa("retry", f"demo/{key}", "--reason", "r")
    assert (answer.exit_code, answer.stderr.split(".")[0] in NEWER) == (1, True)
    assert await handle.query("received") == []
    assert (await qunfa("retry", f"demo/{key}", "--reason", "r", "--yes")).exit_code == 0


@pytest.mark.usefixtures("terminal")
async def test_of_several_each_aborted_batch_is_shown(
    qunfa: Qunfa, asking: Asking, scripted: Scripted, key: str
) -> None:
    """Beside its list, before the yes that all of them wait for."""
    await asking("aborted", ABORT, ENDED)
    await scripted(status("needs_operator"), more="-a")
    no = await qunfa("retry", f"demo/{key}", f"demo/{key}-a", "--reason", "r", stdin="n\n")
    assert no.stderr.startswith(f"demo/{key}  needs_operator  batch_failed\n  {SHOWN}demo/{key}-a  needs_operator\n")


@pytest.mark.usefixtures("terminal")
async def test_of_several_one_that_does_not_tell_is_left_out(
    qunfa: Qunfa, asking: Asking, scripted: Scripted, key: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Beside its name stands why, and the others go."""
    handle, other = await asking("aborted", ABORT, ENDED), await scripted(status("needs_operator"), more="-a")
    unread(f"{key}.2", monkeypatch)
    answer = await qunfa("retry", f"demo/{key}", f"demo/{key}-a", "--reason", "r", stdin="y\n")
    assert answer.stderr.startswith(f"demo/{key}  needs_operator  batch_failed\n  {NEWER}\ndemo/{key}-a")
    assert "You were shown nothing of it" in answer.stdout
    assert [len(await one.query("received")) for one in (handle, other)] == [0, 1]


async def test_of_several_none_goes_that_was_aborted_since(
    qunfa: Qunfa, asking: Asking, scripted: Scripted, pondering: Pondering, *, key: str
) -> None:
    """The list asks of the same batch again, which somebody has aborted before the yes."""
    handle = await asking("failed")
    await scripted(status("needs_operator"), more="-a")

    async def meanwhile() -> None:
        batch = await scripted(status("done", history=[ABORT, ENDED]), more=".2")
        await batch.signal("end", {"as": "failed", "result": result("aborted", f"{key}.2")})
        with suppress(WorkflowFailureError):
            await batch.result()

    pondering(meanwhile)
    answer = await qunfa("retry", f"demo/{key}", f"demo/{key}-a", "--reason", "r")
    assert (answer.exit_code, answer.stdout.count("has changed meanwhile")) == (1, 1)
    assert await handle.query("received") == []


LASTS = "Where nothing was delivered, whoever starts the key again sends it.\n"


async def test_who_aborts_a_key_is_told_how_long_that_lasts(
    qunfa: Qunfa, in_batches: InBatches, scripted: Scripted, key: str
) -> None:
    """Of a list, and of several sends as well. A batch stays aborted."""
    await in_batches(status("submitting"), "hi")
    await until(lambda: qunfa("status", f"demo/{key}.1"), lambda shown: shown.exit_code == 0)
    batch = await qunfa("abort", f"demo/{key}.1", "--reason", "r")
    assert (batch.exit_code, LASTS in batch.stderr) == (0, False)
    for more in "ab":
        await scripted(status("scheduled"), more=f"-{more}")
    several = [f"demo/{key}-{more}" for more in "ab"]
    for answer in (
        await qunfa("abort", f"demo/{key}", "--reason", "r"),
        await qunfa("abort", *several, "--reason", "r", "--yes"),
    ):
        assert (answer.exit_code, answer.stderr.endswith(LASTS)) == (0, True)


async def test_what_may_have_been_delivered_is_not_sent_anew(
    qunfa: Qunfa, scripted: Scripted, key: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It has ended as unknown: its key asks a person. A pause says nothing of a start either."""

    async def read(*asked: Any) -> SendView:
        view = await read_send(*asked)
        unknown = MassSendResult.model_validate(result("unknown", key, may_have_been_delivered=True))
        return view.model_copy(update={"result": unknown})

    await scripted(status("scheduled"))
    paused = await qunfa("pause", f"demo/{key}")
    monkeypatch.setattr("qunfa.cli.answers.read_send", read)
    aborted = await qunfa("abort", f"demo/{key}", "--reason", "r")
    assert (paused.exit_code, aborted.exit_code, LASTS in paused.stderr + aborted.stderr) == (0, 0, False)
