"""Exit 2 with what to say instead, before anything is started: wrong use, and what nobody has consented to."""

import asyncio
import os
import shlex
import sys
from asyncio.subprocess import PIPE

import pytest
from temporalio.client import Client
from temporalio.service import RPCError

from qunfa.contract import mass_send_id
from tests.cli.calls import DESERTED_QUEUE, UNREACHABLE, Qunfa

SEND = ("send", "--account", "demo", "--text", "hi")
ASKED = (*SEND, "--yes")
SHOWN = ("preview", "--account", "demo", "--text", "hi")
WHY = ("--reason", "wrong price")
ALL = ("--query", "MassSendAccount = 'demo'")
AT = "2099-12-01T09:00:00+08:00"
PAST = "2026-01-11T09:00:00+08:00"
APPID = ("--appid", "wx0123456789abcdef")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ((*ASKED, "--to-all"), "key: is missing: choose a --key"),
        ((*ASKED, "--key", "k"), "audience: is missing: say --to-all"),
        ((*ASKED, "--key", "a b", "--to-all", "--send-at", "tomorrow"), "send_at: must be an RFC 3339 time"),
        ((*ASKED, "--key", "a b", "--to-all", "--send-at", "tomorrow"), "key: has characters that are not allowed"),
        ((*ASKED, "--key", "k", "--to-all", "--send-at", PAST), "2026-01-11 09:00 has passed"),
        ((*ASKED, "--key", "k", "--to-all", "--send-at", PAST), "to send now, leave it out"),
        ((*ASKED, "--key", "k", "--openids", "/nowhere"), "Cannot read /nowhere"),
        ((*ASKED, "--key", "k", "--to-all", "--voice", "a.mp3"), "--text and --voice exclude each other"),
        (
            (*SEND[:3], "--yes", "--key", "k", "--to-all", "--voice", "/nowhere", "--dry-run"),
            "there is no such file here",
        ),
        (SHOWN, "to: is missing: say --to OPENID or --to-wxname NAME"),
        ((*SHOWN[:3], "--to", "oA"), "message: is missing: say --text"),
        (("preview", "--text", "hi", "--to", "oA"), "account: is missing: say --account NAME"),
        ((*SHOWN, "--to", "o A"), "to[0].openid: must not hold white space"),
        (("status", "just-a-key"), "account/key"),
        (("list", "--phase", "flying"), "Invalid value for '--phase': 'flying' is not one of"),
        (("speed", "demo", "set", "9", *WHY), "Invalid value for 'LEVEL': should be less than or equal to 4"),
        (("list", "--outcome", "flying"), "flying"),
        (("list", "--since", "1h", "--until", "2h"), "no send started in between"),
        (("list", "--until", "soon"), "--until 'soon' is neither"),
        (("list", "--since", "P9999999D"), "--since 'P9999999D' is neither"),
        (("list", "--until", "P3000Y"), "--until 'P3000Y' is neither"),
        (("abort", "demo/k"), "--reason"),
        (("abort", "demo/k", "--reason", " "), "reason: must not be blank"),
        (("reschedule", "demo/k"), "by --send-at TIME, or by --now"),
        (("reschedule", "demo/k", "--now", "--send-at", AT), "not by both"),
        (("reschedule", "demo/k", "--send-at", "2026-12-01T09:00:00"), "send_at"),
        (("reschedule", "demo/k", "--send-at", PAST), "to send now, say --now"),
        (("reschedule", "--now"), "Say which sends"),
        (("approve",), "Say which sends"),
        (("approve", "demo/k", *ALL, "--yes"), "not by both"),
        (("pause", *ALL, "--account", "demo", "--yes"), "--account goes with SEND"),
        (("freeze", *WHY), "Say which accounts"),
        (("unfreeze", "shop", "--all"), "not by both"),
        (("freeze", "--all", "--yes", *APPID, *WHY), "--appid goes with one ACCOUNT"),
        (("unfreeze", "shop", "brand", *APPID), "--appid goes with one ACCOUNT"),
        (("freeze", "--all", "--yes", *WHY), "The configuration has no account"),
        (("recall", "demo/k", "--article", "9", *WHY, "--yes"), "less than or equal to 8"),
        (("recall", "nothing", *WHY, "--yes"), "'nothing' names no mass send"),
        (("recall", "demo/k", "--reason", " ", "--yes"), "reason: must not be blank"),
        (("recall", "0", *WHY, "--yes"), "msg_id: should be greater than or equal to 1"),
        (("recall", "7", "--account", "A", *WHY, "--yes"), "'A' is no name of an account"),
        (("recall", "https://mp.weixin.qq.com/s/1", "--article", "1", *WHY, "--yes"), "--article goes with a send"),
        (("recall", "demo/k", "--account", "other", *WHY, "--yes"), "leave --account out"),
        (("ledger", "Shop"), "'Shop' is no name of an account"),
        (("forget", "Shop", "k", *WHY, "--yes"), "'Shop' is no name of an account"),
        (("freeze", "Shop", *WHY), "'Shop' is no name of an account"),
        (("restored", "Shop", "--taken", AT, *WHY, "--dry-run"), "'Shop' is no name of an account"),
        (("list", "--account", "Shop"), "'Shop' is no name of an account"),
        (("watch", "--account", "Shop"), "'Shop' is no name of an account"),
        (("views", "--account", "Shop"), "'Shop' is no name of an account"),
        (("speed", "demo", "slow"), "slow"),
        (("speed", "demo", "get", "3"), "get"),
        (("speed", "demo", "set"), "set"),
        (("speed", "demo", "set", "5"), "less than or equal to 4"),
        (("speed", "demo", "set", "fast"), "integer"),
        (("setup", "--retention", "soon"), "35d"),
        (("setup", "--retention", "0d"), "35d"),
        (("setup", "--retention", "35"), "35d"),
        (("schema", "Nothing"), "Nothing"),
        (("doctor", "a", "b", "--callback-url", "https://one.example/wechat/a"), "--callback-url"),
        (("doctor", "a", "--callback-url", "nowhere"), "--callback-url must be the callback"),
        (("simulator", "--config", "/nowhere.toml"), "Cannot read /nowhere.toml"),
    ],
    ids=lambda part: " ".join(part) if isinstance(part, tuple) else "",
)
async def test_wrong_use_is_said_before_temporal_is_asked(qunfa: Qunfa, words: tuple[str, ...], said: str) -> None:
    """With the sentence, and no traceback: Temporal is not there."""
    answer = await qunfa(*words, **UNREACHABLE)
    assert (answer.exit_code, answer.stdout) == (2, ""), answer.output
    assert said in " ".join(answer.stderr.split())
    assert "Traceback" not in answer.stderr


@pytest.mark.parametrize(
    ("command", "variable"), [(("report", "demo/k"), "QUNFA_CONFIG"), (("list",), "TEMPORAL_CONFIG_FILE")]
)
async def test_a_configuration_that_cannot_be_read_is_wrong_use(
    qunfa: Qunfa, command: tuple[str, ...], variable: str
) -> None:
    """It is not taken for no configuration: neither Qunfa's own nor that of Temporal's client."""
    answer = await qunfa(*command, **{variable: "/nowhere/file"})
    assert (answer.exit_code, "Traceback" in answer.output) == (2, False)
    assert "/nowhere/file" in answer.stderr


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
        ("forget", "wx0123456789abcdef", "k", *WHY),
    ],
    ids=" ".join,
)
async def test_without_a_terminal_it_is_refused(qunfa: Qunfa, *, command: tuple[str, ...]) -> None:
    """What reaches people, or stops what does, needs somebody's yes: by a terminal, or by --yes."""
    answer = await qunfa(*command, stdin="o1\no2\n", **UNREACHABLE)
    assert (answer.exit_code, answer.stdout) == (2, "")
    assert "There is no terminal to confirm this on, so nothing was done" in answer.stderr
    assert answer.stderr.endswith("add --yes.\n")


@pytest.mark.parametrize("stdin", ["<&-", "yes |"])
async def test_nothing_is_sent_whatever_stdin_is(
    environment: dict[str, str], client: Client, key: str, stdin: str
) -> None:
    """Closed, or a pipe that says yes: no run of the send comes to be."""
    words = shlex.join([sys.executable, "-m", "qunfa.cli", *SEND, "--key", key, "--to-all"])
    line = f"yes | {words}" if stdin == "yes |" else f"{words} {stdin}"
    process = await asyncio.create_subprocess_shell(line, env={**os.environ, **environment}, stdout=PIPE, stderr=PIPE)
    _, notes = await process.communicate()
    assert (process.returncode, b"--yes" in notes) == (2, True), notes
    with pytest.raises(RPCError, match="not found"):
        await client.get_workflow_handle(mass_send_id("demo", key)).describe()


@pytest.mark.parametrize(
    "command",
    [(*SEND, "--key", "k", "--to-all"), (*SEND, "--key", "k", "--to-all", "--dry-run"), ("speed", "demo", "get")],
    ids=["send", "dry run", "speed"],
)
async def test_temporal_unreachable_is_exit_3(qunfa: Qunfa, command: tuple[str, ...]) -> None:
    """One sentence with the address, no traceback."""
    answer = await qunfa(*command, *(["--yes"] if command[-1] == "--to-all" else []), **UNREACHABLE)
    assert answer.exit_code == 3
    assert "cannot reach Temporal at 127.0.0.1:1" in answer.stderr


@pytest.mark.parametrize(
    "command",
    [
        (*SHOWN, "--to", "oA", "--key", "deserted"),
        (*SEND, "--key", "deserted", "--to-all", "--dry-run"),
        ("recall", "demo/deserted", "--yes", *WHY),
        ("freeze", "wx0123456789abcdef", *WHY),
    ],
    ids=lambda words: " ".join(words[:1]),
)
async def test_without_a_worker_nothing_is_left_behind(qunfa: Qunfa, client: Client, command: tuple[str, ...]) -> None:
    """Exit 1: what somebody would carry out days later, when nobody expects it, is not even started."""
    answer = await qunfa(*command, "--task-queue", DESERTED_QUEUE)
    assert answer.exit_code == 1
    assert f"No worker polls the task queue {DESERTED_QUEUE}" in answer.stderr
    for workflow_id in ("preview:demo:deserted", "check:demo:deserted", "account:wx0123456789abcdef"):
        with pytest.raises(RPCError, match="not found"):
            await client.get_workflow_handle(workflow_id).describe()


@pytest.mark.parametrize(
    ("words", "code"),
    [
        ((*SEND, "--key", "a b", "--to-all", "--send-at", "tomorrow", "--yes"), 2),
        ((*SEND, "--key", "k", "--yes"), 2),
        ((*SEND, "--key", "k", "--to-all"), 2),
        (("status", "demo/nothing-has-this-key"), 1),
        (("status", "demo/a b"), 2),
        (("list", "--query", "Nonsense ==="), 2),
        (("pause", "--query", "Nonsense ===", "--yes"), 2),
        (("recall", "3147483650", *WHY, "--yes", "--task-queue", DESERTED_QUEUE), 1),
        (("recall", "https://example.com/s/a", "--account", "demo", *WHY, "--yes"), 2),
        (("freeze", "nobody-has-this", *WHY), 2),
    ],
    ids=lambda part: " ".join(part) if isinstance(part, tuple) else None,
)
async def test_what_went_wrong_ends_with_one_full_stop(
    qunfa: Qunfa, client: Client, *, words: tuple[str, ...], code: int
) -> None:
    """Each sentence on its line, whether it is ours or Temporal's."""
    answer = await qunfa(*words)
    assert answer.exit_code == code, answer.output
    assert ("does not take this query" in answer.stderr) is ("Nonsense ===" in words)
    for line in answer.stderr.splitlines():
        assert line.endswith((".", ":")), line
        assert not line.endswith(".."), line
