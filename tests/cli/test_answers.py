"""`qunfa retry`, `abort` and `mark-sent`."""

from typing import Any

import pytest
from temporalio.client import WorkflowUpdateFailedError
from temporalio.exceptions import ApplicationError

from qunfa.cli.errors import explain
from qunfa.cli.view import SendView
from tests.cli.calls import DESERTED_QUEUE, Qunfa, Scripted, parsed
from tests.cli.stub import result, status


async def test_retry_sends_who_why_and_how(qunfa: Qunfa, scripted: Scripted, key: str) -> None:
    """The update holds what the options say; the new status is printed."""
    handle = await scripted(status("needs_operator"))
    answer = await qunfa("retry", f"demo/{key}", "--reason", "checked", "--send-ignore-reprint", "--json")
    assert SendView.model_validate(parsed(answer)).phase == "submitting"
    assert await handle.query("received") == [
        {"by": "li", "reason": "checked", "send_ignore_reprint": True, "confirm_not_delivered": False}
    ]


async def test_by_names_somebody_else(qunfa: Qunfa, scripted: Scripted, key: str) -> None:
    """--by wins over the login name."""
    handle = await scripted(status("needs_operator"))
    answer = await qunfa("retry", f"demo/{key}", "--reason", "r", "--by", "wang", "--confirm-not-delivered", "--yes")
    assert answer.exit_code == 0
    assert [(said["by"], said["confirm_not_delivered"]) for said in await handle.query("received")] == [("wang", True)]


async def test_a_refused_answer_is_the_workflows_sentence(qunfa: Qunfa, scripted: Scripted, key: str) -> None:
    """Exit 1, and nothing else than what the workflow says."""
    await scripted(status("submitting"))
    answer = await qunfa("retry", f"demo/{key}", "--reason", "r")
    assert (answer.exit_code, answer.stdout) == (1, "")
    assert answer.stderr.strip() == "It does not wait for an operator: there is nothing to retry."


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
)
def test_what_temporal_itself_refuses_is_said_plainly(kind: str | None, said: str) -> None:
    """Its own words for it speak of updates that workers do not support."""
    assert explain(WorkflowUpdateFailedError(ApplicationError("Temporal's words", type=kind))).lines == (said,)


async def test_mark_sent_takes_the_msg_id(qunfa: Qunfa, scripted: Scripted, key: str) -> None:
    """The msg_id goes out as a number."""
    handle = await scripted(status("needs_operator"))
    answer = await qunfa("mark-sent", f"demo/{key}", "--msg-id", "3147483650", "--reason", "console")
    assert answer.exit_code == 0
    assert await handle.query("received") == [{"by": "li", "reason": "console", "msg_id": 3147483650}]


async def test_abort_shows_the_end(qunfa: Qunfa, scripted: Scripted, key: str) -> None:
    """Done is done: exit 0, although the send has ended without being sent."""
    handle = await scripted(status("needs_operator"))
    answer = await qunfa("abort", f"demo/{key}", "--reason", "mistake")
    assert answer.exit_code == 0
    assert (await handle.query("received"))[0]["reason"] == "mistake"


async def test_a_closed_send_takes_no_answer(qunfa: Qunfa, scripted: Scripted, key: str) -> None:
    """Exit 1, with how it ended."""
    handle = await scripted()
    await handle.signal("end", {"as": "completed", "result": result("sent", key)})
    await handle.result()
    answer = await qunfa("abort", f"demo/{key}", "--reason", "late")
    assert answer.exit_code == 1
    assert f"demo/{key} has ended, so there is nothing to answer. Delivered." in answer.stderr


async def test_without_a_worker_nothing_is_left_to_chance(qunfa: Qunfa, scripted: Scripted, key: str) -> None:
    """An update that nobody takes now is not left behind for later."""
    await scripted(queue=DESERTED_QUEUE)
    answer = await qunfa("retry", f"demo/{key}", "--reason", "r")
    assert answer.exit_code == 1
    assert "No worker polls" in answer.stderr
    assert "Nothing was changed" in answer.stderr


async def test_a_reason_is_required(qunfa: Qunfa) -> None:
    """An answer without a reason is wrong use, and so is an empty one."""
    assert (await qunfa("abort", "demo/k")).exit_code == 2
    blank = await qunfa("abort", "demo/k", "--reason", " ")
    assert blank.exit_code == 2
    assert "reason: must not be blank" in blank.stderr


async def test_who_does_it_must_be_known(qunfa: Qunfa, scripted: Scripted, key: str, monkeypatch: Any) -> None:
    """In a container without login names --by is asked for; a send needs none."""
    await scripted()
    monkeypatch.setattr("getpass.getuser", _nobody)
    answer = await qunfa("abort", f"demo/{key}", "--reason", "r")
    assert answer.exit_code == 2
    assert "--by" in answer.stderr
    assert (await qunfa("abort", f"demo/{key}", "--reason", "r", "--by", "li")).exit_code == 0
    sent = await qunfa("send", "--account", "demo", "--key", f"{key}-2", "--to-all", "--text", "hi", "--yes")
    assert sent.exit_code == 0


def _nobody() -> str:
    raise OSError("no such user")
