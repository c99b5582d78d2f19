"""What reaches people, or stops what does, needs somebody's yes: by a terminal, or by --yes."""

import asyncio
import json
import os
import shlex
import sys
from asyncio.subprocess import PIPE
from pathlib import Path

import pytest
from temporalio.client import Client
from temporalio.service import RPCError

from qunfa.contract import mass_send_id
from tests.cli.calls import Qunfa
from tests.cli.stub import request

SEND = ("send", "--account", "demo", "--text", "hi")
WHY = ("--reason", "wrong price")
ALL = ("--query", "MassSendAccount = 'demo'")


@pytest.mark.parametrize(
    "command",
    [
        (*SEND, "--key", "k", "--to-all"),
        (*SEND, "--key", "k", "--to-all", "--wait", "--json"),
        (*SEND, "--key", "k", "--tag", "2", "--expect-max", "5"),
        (*SEND, "--key", "k", "--openids", "-"),
        ("recall", "3147483650", *WHY),
        ("recall", "demo/k", *WHY, "--article", "1", "--json"),
        ("freeze", "--all", *WHY),
        ("unfreeze", "--all"),
        ("freeze", "shop", "brand", *WHY),
        ("unfreeze", "shop", "brand"),
        ("approve", "demo/a", "demo/b"),
        ("abort", "demo/a", "demo/b", *WHY, "--json"),
        ("reschedule", "demo/a", "demo/b", "--now"),
        ("approve", *ALL),
        ("reject", *ALL),
        ("pause", *ALL),
        ("resume", *ALL),
        ("retry", *ALL, *WHY),
        ("abort", *ALL, *WHY),
        ("retry", "demo/k", *WHY, "--confirm-not-delivered"),
        ("abort", "demo/k", *WHY, "--confirm-not-delivered"),
        ("speed", "demo", "set", "0"),
    ],
    ids=" ".join,
)
async def test_without_a_terminal_it_is_refused(qunfa: Qunfa, *, command: tuple[str, ...]) -> None:
    """Exit 2 with the option that says yes, before Temporal is asked: it is not there."""
    answer = await qunfa(*command, stdin="o1\no2\n", TEMPORAL_ADDRESS="127.0.0.1:1")
    assert (answer.exit_code, answer.stdout) == (2, "")
    assert "There is no terminal to confirm this on, so nothing was done" in answer.stderr
    assert answer.stderr.endswith("add --yes.\n")


@pytest.mark.parametrize("stdin", ["</dev/null", "<&-", "<FILE", "yes |"])
async def test_nothing_is_sent_whatever_stdin_is(
    environment: dict[str, str], client: Client, key: str, tmp_path: Path, *, stdin: str
) -> None:
    """Empty, closed, a file, or a pipe: no run of the send comes to be."""
    file = tmp_path / "answers"
    words = shlex.join([sys.executable, "-m", "qunfa.cli", *SEND, "--key", key, "--to-all"])
    file.write_text("y\n")
    line = f"yes | {words}" if stdin == "yes |" else f"{words} {stdin.replace('FILE', shlex.quote(str(file)))}"
    process = await asyncio.create_subprocess_shell(line, env={**os.environ, **environment}, stdout=PIPE, stderr=PIPE)
    _, notes = await process.communicate()
    assert (process.returncode, b"--yes" in notes) == (2, True), notes
    with pytest.raises(RPCError, match="not found"):
        await client.get_workflow_handle(mass_send_id("demo", key)).describe()


async def test_yes_is_consent(qunfa: Qunfa, client: Client, key: str) -> None:
    """With --yes a request from a pipe is sent."""
    answer = await qunfa("send", "-", "--yes", stdin=json.dumps(request(key)))
    assert (answer.exit_code, "Started." in answer.stdout) == (0, True)
    await client.get_workflow_handle(mass_send_id("demo", key)).describe()


async def test_a_look_needs_none(qunfa: Qunfa, client: Client, key: str) -> None:
    """What only looks asks nobody."""
    assert (await qunfa("list", "--account", key)).exit_code == 0
    assert "--yes" not in (await qunfa("speed", "demo", "get", TEMPORAL_ADDRESS="127.0.0.1:1")).stderr
