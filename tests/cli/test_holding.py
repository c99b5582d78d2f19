"""`qunfa approve`, `reject`, `pause`, `resume` and `reschedule`."""

from datetime import UTC, datetime
from typing import Any

import pytest

from qunfa.cli.view import SendView
from tests.cli.calls import Qunfa, Scripted, parsed
from tests.cli.stub import status

AT = "2026-12-01T09:00:00+08:00"


@pytest.mark.parametrize(
    ("command", "phase"),
    [("approve", "submitting"), ("reject", "needs_operator"), ("pause", "paused"), ("resume", "scheduled")],
)
async def test_an_answer_says_who_and_perhaps_why(
    qunfa: Qunfa, scripted: Scripted, *, key: str, command: str, phase: str
) -> None:
    """The login name unless --by names another; a reason is no must; the send is printed as it is then."""
    handle = await scripted(status("awaiting_approval"))
    answer = await qunfa(command, f"demo/{key}", "--json")
    assert (answer.exit_code, SendView.model_validate(parsed(answer)).phase) == (0, phase)
    await handle.signal("become", status("awaiting_approval"))
    assert (await qunfa(command, f"demo/{key}", "--by", "wang", "--reason", "seen")).exit_code == 0
    assert await handle.query("received") == [{"by": "li", "reason": None}, {"by": "wang", "reason": "seen"}]


async def test_a_refused_approval_is_the_workflows_sentence(qunfa: Qunfa, scripted: Scripted, key: str) -> None:
    """Exit 1."""
    await scripted(status("submitting"))
    answer = await qunfa("approve", f"demo/{key}")
    assert (answer.exit_code, answer.stdout, answer.stderr.strip()) == (1, "", "approve does not fit now.")


async def test_another_time_is_given_with_its_offset(qunfa: Qunfa, scripted: Scripted, key: str) -> None:
    """--send-at as it was typed; --now is the time of the command."""
    handle = await scripted(status("scheduled"))
    assert (await qunfa("reschedule", f"demo/{key}", "--send-at", AT)).exit_code == 0
    before = datetime.now(UTC)
    assert (await qunfa("reschedule", key, "--account", "demo", "--now")).exit_code == 0
    [later, now] = [datetime.fromisoformat(said["send_at"]) for said in await handle.query("received")]
    assert later == datetime.fromisoformat(AT)
    assert before <= now <= datetime.now(UTC)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["reschedule", "demo/k"], "by --send-at TIME, or by --now"),
        (["reschedule", "demo/k", "--now", "--send-at", AT], "not by both"),
        (["reschedule", "demo/k", "--send-at", "2026-12-01T09:00:00"], "send_at"),
        (["reschedule", "--now"], "Say which sends"),
        (["approve"], "Say which sends"),
        (["approve", "demo/k", "--query", "MassSendAccount = 'demo'", "--yes"], "not by both"),
        (["approve", "--query", "MassSendAccount = 'demo'"], "add --yes"),
        (["pause", "--query", "MassSendAccount = 'demo'", "--account", "demo", "--yes"], "--account goes with SEND"),
        (["pause", "--query", "Nonsense ===", "--yes"], "does not take this query"),
    ],
)
async def test_what_is_not_clear_is_wrong_use(qunfa: Qunfa, client: Any, words: list[str], said: str) -> None:
    """Exit 2 with what to say instead; nobody is answered."""
    answer = await qunfa(*words)
    assert (answer.exit_code, answer.stdout) == (2, "")
    assert said in " ".join(answer.stderr.split())
