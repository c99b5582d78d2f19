"""`qunfa send` against a real Temporal."""

import json
import socket
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from temporalio.client import Client
from temporalio.service import RPCError, RPCStatusCode

from qunfa.cli.view import SendView
from qunfa.contract import mass_send_id
from tests.cli.calls import DESERTED_QUEUE, Qunfa, Scripted, parsed
from tests.cli.stub import request, result, status
from tests.looking import PATIENCE
from tests.media.samples import picture

TEXT = ("--account", "demo", "--text", "hi", "--yes")
WHOM = ("--account", "demo", "--tag", "2", "--yes")


async def _input(client: Client, key: str) -> Any:
    handle = client.get_workflow_handle(mass_send_id("demo", key))
    async for event in handle.fetch_history_events(page_size=1):
        payloads = event.workflow_execution_started_event_attributes.input.payloads
        return json.loads(payloads[0].data)
    raise AssertionError("a workflow has a first event")


async def test_options_make_a_request(qunfa: Qunfa, client: Client, key: str) -> None:
    """The workflow's input is what the options say, with the login name as the one who asks."""
    answer = await qunfa("send", *TEXT, "--key", key, "--tag", "2", "--expect-name", "VIP", "--json")
    assert answer.exit_code == 0
    assert SendView.model_validate(parsed(answer)).workflow_id == mass_send_id("demo", key)
    assert await _input(client, key) == {
        "account": "demo",
        "key": key,
        "audience": {"kind": "tag", "tag_id": 2, "expect": {"name": "VIP"}},
        "message": {"msgtype": "text", "content": "hi"},
        "requested_by": "li",
    }


async def test_an_option_wins_over_the_file(qunfa: Qunfa, client: Client, key: str, tmp_path: Path) -> None:
    """The file's fields stay where no option speaks of them."""
    file = tmp_path / "send.json"
    file.write_text(json.dumps({**request("of-the-file"), "requested_by": "crm"}))
    await qunfa("send", str(file), "--key", key, "--yes")
    sent = await _input(client, key)
    assert (sent["key"], sent["requested_by"], sent["audience"]) == (key, "crm", {"kind": "all"})


async def test_a_request_may_come_from_stdin(qunfa: Qunfa, client: Client, key: str) -> None:
    """`-` reads the request from stdin, in YAML as well; a time in it stays what was written."""
    yaml = f"account: demo\nkey: {key}\naudience: {{kind: all}}\nmessage: {{msgtype: text, content: hi}}\n"
    await qunfa("send", "-", "--yes", stdin=f"{yaml}send_at: 2099-12-01T09:00:00+08:00\n")
    assert (await _input(client, key))["send_at"] == "2099-12-01T09:00:00+08:00"


async def test_files_make_a_request(qunfa: Qunfa, client: Client, key: str, tmp_path: Path) -> None:
    """Pictures in a row, an option after them, and who sees them first."""
    files = [tmp_path / "a.png", tmp_path / "b.png"]
    for file in files:
        file.write_bytes(picture())
    more = ("--recommend", "看", "--fit-images", "--preview-to", "oA", "--preview-to", "wx:li")
    answer = await qunfa("send", *WHOM, "--key", key, "--image", *map(str, files), *more)
    assert answer.exit_code == 0
    sent = await _input(client, key)
    assert sent["message"] == {
        "msgtype": "image",
        "images": [{"uri": file.as_uri()} for file in files],
        "recommend": "看",
    }
    assert (sent["fit_images"], sent["preview"]) == (True, {"to": [{"openid": "oA"}, {"wxname": "li"}]})


async def test_long_titles_are_no_hindrance(qunfa: Qunfa, client: Client, key: str) -> None:
    """Temporal refuses a workflow with a long summary, so it is cut."""
    video = ("--video", "media_id:m", "--title", "春" * 64)
    whom = ("--tag", "2", "--expect-name", "客" * 64)
    answer = await qunfa("send", "--account", "demo", "--key", key, *whom, *video, "--yes")
    assert answer.exit_code == 0, answer.output
    described = await client.get_workflow_handle(mass_send_id("demo", key)).describe()
    summary = await described.static_summary()
    assert summary is not None
    assert summary.startswith('Video "春')
    assert len(summary.encode()) <= 400
    assert "- message: Video" in (await described.static_details() or "")


async def test_a_file_that_workers_do_not_find_is_explained(qunfa: Qunfa, client: Client, key: str) -> None:
    """The request was valid here, and is refused by the machine that reads the file."""
    how = {"as": "refused", "said": "message.media: source file:///a.mp3: there is no such file."}
    ending = ("--account", "demo", "--text", f"end: {json.dumps(how)}", "--key", key, "--to-all", "--yes")
    answer = await qunfa("send", *ending, "--wait")
    assert answer.exit_code == 1
    assert "It is the workers that read files" in answer.stderr


async def test_openids_come_from_a_file(qunfa: Qunfa, client: Client, key: str, tmp_path: Path) -> None:
    """One openid a line; empty lines, carriage returns and a byte order mark are nothing."""
    file = tmp_path / "openids.txt"
    file.write_bytes("\ufeffo1\r\n\r\no2\r\n".encode())
    await qunfa("send", *TEXT, "--key", key, "--openids", str(file))
    assert (await _input(client, key))["audience"] == {"kind": "openids", "openids": ["o1", "o2"]}


async def test_the_ui_shows_what_is_sent(qunfa: Qunfa, client: Client, key: str) -> None:
    """Summary and details are Markdown in which nothing of the message is markup, and a long one is cut."""
    await qunfa("send", "--account", "demo", "--text", f"# *Sale* {'x' * 400}", "--key", key, "--to-all", "--yes")
    description = await client.get_workflow_handle(mass_send_id("demo", key)).describe()
    assert await description.static_summary() == "Text to all followers of **demo**"
    details = await description.static_details()
    assert details is not None
    assert r"- message: \# \*Sale\* xxx" in details
    assert details.count("x") < 210
    assert "- requested by: li" in details


async def test_without_a_worker_a_note_says_so(qunfa: Qunfa, server: Client, key: str) -> None:
    """The send is started, and it is said that nobody carries it out yet."""
    answer = await qunfa("send", *TEXT, "--key", key, "--to-all", "--task-queue", DESERTED_QUEUE)
    assert answer.exit_code == 0
    assert f"No worker polls the task queue {DESERTED_QUEUE}" in answer.stderr


async def test_a_running_key_is_shown_and_not_started_again(qunfa: Qunfa, scripted: Scripted, key: str) -> None:
    """Exit 1 with the status of the one that runs, and no second run."""
    handle = await scripted(status("awaiting_result"))
    answer = await qunfa("send", *TEXT, "--key", key, "--to-all", "--json")
    view = SendView.model_validate(parsed(answer))
    assert (answer.exit_code, view.phase, view.run_id) == (1, "awaiting_result", handle.first_execution_run_id)
    assert "runs already, with the same content" in answer.stderr


async def test_a_running_send_has_its_files_as_they_were(
    qunfa: Qunfa, client: Client, key: str, tmp_path: Path
) -> None:
    """The same names are no proof of the same bytes, and it is the earlier ones that are sent."""
    (tmp_path / "a.mp3").write_bytes(b"1")
    voice = ("send", "--account", "demo", "--key", key, "--to-all", "--yes", "--voice", f"{tmp_path}/a.mp3")
    assert (await qunfa(*voice)).exit_code == 0
    (tmp_path / "a.mp3").write_bytes(b"2")
    answer = await qunfa(*voice)
    assert answer.exit_code == 1
    assert "with the same content, its files as they were when it started." in answer.stderr


async def test_other_content_under_a_running_key_is_never_followed(qunfa: Qunfa, scripted: Scripted, key: str) -> None:
    """With --wait, too: the end of the one that runs would be taken for the end of this one."""
    await scripted()
    answer = await qunfa("send", "--account", "demo", "--text", "other", "--key", key, "--to-all", "--wait", "--yes")
    assert answer.exit_code == 1
    assert "OTHER content" in answer.stderr


@pytest.mark.parametrize(
    ("how", "code"),
    [
        ({"as": "completed", "result": result("sent", "k")}, 0),
        ({"as": "completed", "result": result("sent_nobody", "k")}, 0),
        ({"as": "failed", "result": result("failed", "k")}, 1),
        ({"as": "refused"}, 1),
    ],
)
async def test_wait_exits_by_the_outcome(
    qunfa: Qunfa, client: Client, *, key: str, how: dict[str, Any], code: int
) -> None:
    """--wait follows to the end; with --json stdout holds the end alone."""
    ending = ("--account", "demo", "--text", f"end: {json.dumps(how)}", "--key", key, "--to-all", "--yes")
    answer = await qunfa("send", *ending, "--wait", "--json")
    view = SendView.model_validate(parsed(answer))
    assert (answer.exit_code, view.state) == (code, "completed" if code == 0 else "failed")


@pytest.mark.parametrize(
    ("how", "code", "said"),
    [
        (
            {"as": "refused", "said": "message.media: it is not there."},
            1,
            "message.media: it is not there.",
        ),
        ({"as": "failed", "result": result("failed", "k")}, 1, "Failed. Nothing was delivered."),
        ({"as": "completed", "result": result("sent", "k")}, 0, "Delivered."),
    ],
    ids=lambda part: part["as"] if isinstance(part, dict) else None,
)
async def test_an_early_end_is_said_without_wait(
    qunfa: Qunfa,
    client: Client,
    *,
    key: str,
    how: dict[str, Any],
    code: int,
    said: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Nobody is told that a send has started which was refused, or ended, at once; with --json neither."""
    monkeypatch.setattr("qunfa.cli.starting.EARLY", timedelta(seconds=PATIENCE))
    ending = ("--account", "demo", "--text", f"end: {json.dumps(how)}", "--to-all", "--yes")
    answer = await qunfa("send", *ending, "--key", key)
    assert answer.exit_code == code
    assert (said in answer.stdout, "Started" in answer.stdout) == (True, False)
    answer = await qunfa("send", *ending, "--key", f"{key}-2", "--json")
    view = SendView.model_validate(parsed(answer))
    assert (answer.exit_code, view.state) == (code, "failed" if code else "completed")


async def test_an_early_end_that_cannot_be_read_is_said(
    qunfa: Qunfa, client: Client, key: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody is told that it goes on; where to look is said."""

    async def read(*_: Any) -> None:
        raise RPCError("gone", RPCStatusCode.UNAVAILABLE, b"")

    monkeypatch.setattr("qunfa.cli.starting.EARLY", timedelta(seconds=PATIENCE))
    monkeypatch.setattr("qunfa.cli.sending.read_send", read)
    ending = ("--account", "demo", "--text", f"end: {json.dumps({'as': 'refused'})}", "--to-all", "--yes")
    answer = await qunfa("send", *ending, "--key", key)
    assert (answer.exit_code, "goes on" in answer.stderr) == (3, False)
    assert f"demo/{key} has ended, and how is not known here: qunfa status demo/{key}" in answer.stderr


async def test_a_send_that_goes_on_has_started(qunfa: Qunfa, client: Client, key: str) -> None:
    """It is not waited for: exit 0, and how to follow it."""
    answer = await qunfa("send", *TEXT, "--key", key, "--to-all")
    assert answer.exit_code == 0
    assert f"Started. Follow it: qunfa status demo/{key}" in answer.stdout


async def test_the_key_of_a_closed_send_may_be_started_again(qunfa: Qunfa, scripted: Scripted, key: str) -> None:
    """Temporal takes it: the ledger, not the id, keeps it from being delivered twice."""
    first = await scripted()
    await first.signal("end", {"as": "completed", "result": result("sent", key)})
    await first.result()
    answer = await qunfa("send", *TEXT, "--key", key, "--to-all", "--json")
    assert answer.exit_code == 0
    assert SendView.model_validate(parsed(answer)).run_id != first.first_execution_run_id


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (("--to-all",), "key: is missing: choose a --key"),
        (("--key", "k"), "audience: is missing: say --to-all"),
        (("--key", "k", "--to-all", "--tag", "1"), "--to-all and --tag exclude each other"),
        (("--key", "k", "--to-all", "--expect-max", "5"), "give --tag too"),
        (("--key", "a b", "--to-all", "--send-at", "tomorrow"), "send_at: must be an RFC 3339 time"),
        (("--key", "k", "--openids", "/nowhere"), "Cannot read /nowhere"),
        (("--key", "k", "--to-all", "--voice", "a.mp3"), "--text and --voice exclude each other"),
    ],
)
async def test_wrong_use_is_said_before_temporal_is_asked(qunfa: Qunfa, args: tuple[str, ...], said: str) -> None:
    """Exit 2 with every sentence, even where Temporal is not there."""
    answer = await qunfa("send", *TEXT, *args, TEMPORAL_ADDRESS="127.0.0.1:1")
    assert answer.exit_code == 2
    assert said in answer.stderr
    assert "Traceback" not in answer.output


async def test_every_wrong_field_is_named_at_once(qunfa: Qunfa) -> None:
    """One sentence a field."""
    answer = await qunfa("send", "--account", "Demo", "--key", "a b", "--tag", "1", "--text", " ")
    assert answer.exit_code == 2
    assert all(f"- {field}: " in answer.stderr for field in ("account", "key", "message.content"))


async def test_temporal_unreachable_is_exit_3(qunfa: Qunfa) -> None:
    """One sentence with the address, no traceback."""
    answer = await qunfa("send", *TEXT, "--key", "k", "--to-all", TEMPORAL_ADDRESS="127.0.0.1:1")
    assert answer.exit_code == 3
    assert "cannot reach Temporal at 127.0.0.1:1" in answer.stderr


async def test_a_configuration_that_cannot_be_read_is_wrong_use(qunfa: Qunfa) -> None:
    """Exit 2: it is not taken for no configuration."""
    environment = {"QUNFA_CONFIG": "/nowhere/qunfa.toml", "QUNFA_TASK_QUEUE": ""}
    answer = await qunfa("send", *TEXT, "--key", "k", "--to-all", **environment)
    assert answer.exit_code == 2
    assert "Traceback" not in answer.output


@pytest.mark.parametrize(
    ("args", "code"),
    [
        (("send", *TEXT, "--key", "a b", "--to-all", "--send-at", "tomorrow"), 2),
        (("send", *TEXT, "--key", "k"), 2),
        (("send", "--account", "demo", "--text", "hi", "--key", "k", "--to-all"), 2),
        (("status", "demo/nothing-has-this-key"), 1),
        (("status", "demo/a b"), 2),
        (("list", "--query", "Nonsense ==="), 2),
        (("recall", "3147483650", "--reason", "r", "--yes", "--task-queue", DESERTED_QUEUE), 1),
        (("freeze", "nobody-has-this", "--reason", "r"), 2),
        (("demo", "--ui-port", "1"), 1),
    ],
    ids=lambda part: " ".join(part) if isinstance(part, tuple) else None,
)
async def test_what_went_wrong_ends_with_one_full_stop(
    qunfa: Qunfa, client: Client, *, args: tuple[str, ...], code: int
) -> None:
    """Each sentence on its line, whether it is ours or Temporal's."""
    with socket.socket() as other:
        if "--ui-port" in args:
            other.bind(("127.0.0.1", 0))
            other.listen()
            args = (*args[:-1], str(other.getsockname()[1]))
        answer = await qunfa(*args)
    assert answer.exit_code == code, answer.output
    for line in answer.stderr.splitlines():
        assert line.endswith((".", ":")), line
        assert not line.endswith(".."), line
