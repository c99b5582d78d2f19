"""What operators answer to one send: who and why go to the workflow, and its word comes back."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any
from unittest.mock import AsyncMock

import pytest
from temporalio.client import WorkflowUpdateFailedError
from temporalio.exceptions import ApplicationError

from qunfa.cli.errors import explain
from qunfa.cli.view import SendView
from tests.cli.calls import DESERTED_QUEUE, Pondering, Qunfa, Scripted, parsed
from tests.cli.stub import status

AT = "2099-12-01T09:00:00+08:00"


@pytest.mark.parametrize(
    ("words", "waits", "then", "received"),
    [
        ("approve", "awaiting_approval", "submitting", {"by": "li"}),
        ("reject", "awaiting_approval", "needs_operator", {"by": "li"}),
        ("pause", "scheduled", "paused", {"by": "li"}),
        ("resume --by wang --reason seen", "paused", "scheduled", {"by": "wang", "reason": "seen"}),
        (
            "retry --reason checked --send-ignore-reprint",
            "needs_operator",
            "submitting",
            {"by": "li", "reason": "checked", "send_ignore_reprint": True},
        ),
        (
            "retry --reason r --confirm-not-delivered --yes",
            "needs_operator",
            "submitting",
            {"by": "li", "reason": "r", "confirm_not_delivered": True},
        ),
        (
            "mark-sent --msg-id 3147483650 --reason console",
            "needs_operator",
            "awaiting_result",
            {"by": "li", "reason": "console", "msg_id": 3147483650},
        ),
        ("choose --winner b", "needs_operator", "submitting", {"by": "li", "winner": "b"}),
    ],
    ids=lambda part: part if isinstance(part, str) else "",
)
async def test_an_answer_says_who_how_and_perhaps_why(
    qunfa: Qunfa, scripted: Scripted, *, key: str, words: str, waits: str, then: str, received: dict[str, Any]
) -> None:
    """The login name unless --by names another; the send is printed as it is then."""
    handle = await scripted(status(waits))
    command, *more = words.split()
    answer = await qunfa(command, f"demo/{key}", *more, "--json")
    assert (answer.exit_code, SendView.model_validate(parsed(answer)).phase) == (0, then)
    assert await handle.query("received") == [received]


async def test_another_time_is_given_with_its_offset(qunfa: Qunfa, scripted: Scripted, key: str) -> None:
    """--send-at as it was typed; --now is a time that has passed, also by a server's clock that is behind."""
    handle = await scripted(status("scheduled"))
    assert (await qunfa("reschedule", f"demo/{key}", "--send-at", AT)).exit_code == 0
    assert (await qunfa("reschedule", key, "--account", "demo", "--now")).exit_code == 0
    [later, now] = [datetime.fromisoformat(said["send_at"]) for said in await handle.query("received")]
    assert later == datetime.fromisoformat(AT)
    assert timedelta(hours=23) < datetime.now(UTC) - now < timedelta(hours=25)


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ("retry --reason r", "It does not wait for an operator: there is nothing to retry."),
        ("approve", "approve does not fit now."),
    ],
)
async def test_a_refused_answer_is_the_workflows_sentence(
    qunfa: Qunfa, scripted: Scripted, *, key: str, words: str, sentence: str
) -> None:
    """Exit 1, and nothing else than what the workflow says."""
    await scripted(status("submitting"))
    command, *more = words.split()
    answer = await qunfa(command, f"demo/{key}", *more)
    assert (answer.exit_code, answer.stdout, answer.stderr.strip()) == (1, "", sentence)


async def test_an_answer_follows_a_send_into_its_next_run(qunfa: Qunfa, scripted: Scripted, key: str) -> None:
    """A list that has just been started goes on as another run: that one is given the same."""
    handle = await scripted(status("scheduled"))
    assert (await qunfa("pause", f"demo/{key}", "--reason", "too soon")).exit_code == 0
    assert [said["reason"] for said in await handle.query("received")] == ["too soon", "too soon"]


@pytest.mark.parametrize(
    ("kind", "said"),
    [
        (
            "UnprocessedUpdate",
            "The worker never saw this, and nothing was changed: look at the status, then give it again.",
        ),
        ("AcceptedUpdateCompletedWorkflow", "The workflow ended before it had carried this out: look at its status."),
        ("Refused", "Temporal's words."),
        (None, "Temporal's words."),
    ],
    ids=["unprocessed", "ended", "refused", "other"],
)
def test_what_temporal_itself_refuses_is_said_plainly(kind: str | None, said: str) -> None:
    """Its own words for it speak of updates that workers do not support."""
    assert explain(WorkflowUpdateFailedError(ApplicationError("Temporal's words", type=kind))).lines == (said,)


async def test_a_send_told_to_end_is_not_shown_as_waiting(qunfa: Qunfa, scripted: Scripted, key: str) -> None:
    """It is in its old phase until it has ended, which takes a moment. Once it has, there is nothing to answer."""
    handle = await scripted(status("awaiting_approval"))
    answer = await qunfa("reject", f"demo/{key}", "--reason", "wrong text")
    assert "the send ends, unless something may have been delivered" in answer.stderr
    assert (await qunfa("abort", f"demo/{key}", "--reason", "mistake")).exit_code == 0
    assert [said["reason"] for said in await handle.query("received")] == ["wrong text", "mistake"]
    again = await qunfa("abort", f"demo/{key}", "--reason", "late")
    assert again.exit_code == 1
    assert f"demo/{key} has ended, so there is nothing to answer. Aborted" in again.stderr


@pytest.mark.parametrize("then", ["the same", "another submission", "another problem"])
async def test_not_delivered_is_said_of_what_was_asked(
    qunfa: Qunfa, scripted: Scripted, pondering: Pondering, *, key: str, then: str
) -> None:
    """A submission or a problem that came while a person was being asked is another matter: nothing is done."""
    job = {"index": 0, "generation": 0, "clientmsgid": "c", "state": "unknown"}
    problem = {"name": "unknown_outcome", "sentence": "It may have been delivered.", "todo": "Look it up."}
    story = [{"at": AT, "what": "needs an operator: unknown_outcome"}]
    before = status("needs_operator", jobs=[job], problem=problem, history=story)
    changes: dict[str, dict[str, Any]] = {
        "the same": {},
        "another submission": {"jobs": [job, {**job, "generation": 1}]},
        "another problem": {"problem": {**problem, "name": "no_verdict"}},
    }
    handle = await scripted(before)
    pondering(lambda: handle.signal("become", {**before, **changes[then]}))
    answer = await qunfa("retry", f"demo/{key}", "--reason", "r", "--confirm-not-delivered")
    assert "It may have been delivered.\n  2099-12-01 09:00  needs an operator: unknown_outcome\n" in answer.stderr
    assert len(await handle.query("received")) == (then == "the same")
    refused = f"demo/{key} has changed meanwhile, so nothing was done. Look again: qunfa status demo/{key}"
    assert (answer.exit_code, refused in answer.stderr) == ((0, False) if then == "the same" else (1, True))


async def test_ctrl_c_after_an_answer_says_that_it_is_done(
    qunfa: Qunfa, scripted: Scripted, key: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The send alone is not shown any more."""
    handle, notes = await scripted(status("scheduled")), list[str]()

    monkeypatch.setattr("qunfa.cli.answers.read_send", AsyncMock(side_effect=asyncio.CancelledError))
    monkeypatch.setattr("qunfa.cli.answers.note", notes.append)
    with pytest.raises(asyncio.CancelledError):
        await qunfa("pause", f"demo/{key}")
    assert (notes, len(await handle.query("received"))) == (["This was carried out."], 1)


async def test_without_a_worker_nothing_is_left_to_chance(qunfa: Qunfa, scripted: Scripted, key: str) -> None:
    """An update that nobody takes now is not left behind for later."""
    await scripted(queue=DESERTED_QUEUE)
    answer = await qunfa("retry", f"demo/{key}", "--reason", "r")
    assert answer.exit_code == 1
    assert "No worker polls" in answer.stderr
    assert "Nothing was changed" in answer.stderr


async def test_who_does_it_must_be_known(qunfa: Qunfa, scripted: Scripted, key: str, monkeypatch: Any) -> None:
    """In a container without login names --by is asked for; a send needs none."""

    def nobody() -> str:
        raise OSError("no such user")

    await scripted()
    monkeypatch.setattr("getpass.getuser", nobody)
    answer = await qunfa("abort", f"demo/{key}", "--reason", "r")
    assert (answer.exit_code, "--by" in answer.stderr) == (2, True)
    assert (await qunfa("abort", f"demo/{key}", "--reason", "r", "--by", "li")).exit_code == 0
    sent = await qunfa("send", "--account", "demo", "--key", f"{key}-2", "--to-all", "--text", "hi", "--yes")
    assert sent.exit_code == 0
