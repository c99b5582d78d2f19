"""`qunfa send` against a real Temporal."""

import asyncio
import json
from contextlib import nullcontext
from datetime import timedelta
from pathlib import Path
from typing import Any
from unittest.mock import AsyncMock

import pytest
from temporalio.client import Client
from temporalio.service import RPCError, RPCStatusCode

from qunfa.cli.view import SendView
from qunfa.contract import MASS_SEND, mass_send_id
from tests.cli.calls import DESERTED_QUEUE, QUEUE, Qunfa, Scripted, having, parsed
from tests.cli.stub import completed, given, request, result, status
from tests.looking import PATIENCE
from tests.media.samples import picture

TEXT = ("--account", "demo", "--text", "hi", "--yes")
WHOM = ("--account", "demo", "--tag", "2", "--yes")


def ending(how: dict[str, Any], key: str) -> tuple[str, ...]:
    """The options of a send that ends so at once."""
    return ("--account", "demo", "--text", f"end: {json.dumps(how)}", "--to-all", "--yes", "--key", key)


async def _input(client: Client, key: str) -> Any:
    return await given(client, mass_send_id("demo", key))


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


async def test_openids_come_from_a_file(qunfa: Qunfa, client: Client, key: str, tmp_path: Path) -> None:
    """One openid a line; empty lines, carriage returns and a byte order mark are nothing."""
    file = tmp_path / "openids.txt"
    file.write_bytes("\ufeffo1\r\n\r\no2\r\n".encode())
    await qunfa("send", *TEXT, "--key", key, "--openids", str(file))
    assert (await _input(client, key))["audience"] == {"kind": "openids", "openids": ["o1", "o2"]}


async def test_the_ui_shows_what_is_sent(qunfa: Qunfa, client: Client, key: str) -> None:
    """Summary and details are Markdown in which nothing of the message is markup, and what is long is cut."""
    text = ("--text", f"# *Sale* {'x' * 400}", "--to-all")
    await qunfa("send", "--account", "demo", *text, "--key", key, "--yes")
    description = await client.get_workflow_handle(mass_send_id("demo", key)).describe()
    assert await description.static_summary() == "Text to all followers of **demo**"
    details = await description.static_details()
    assert details is not None
    assert r"- message: \# \*Sale\* xxx" in details
    assert details.count("x") < 210
    assert "- requested by: li" in details
    video = ("--video", "media_id:m", "--title", "春" * 64, "--expect-name", "客" * 64)
    assert (await qunfa("send", *WHOM, "--key", f"{key}-2", *video)).exit_code == 0
    described = await client.get_workflow_handle(mass_send_id("demo", f"{key}-2")).describe()
    summary = await described.static_summary() or ""
    assert (summary.startswith('Video "春'), len(summary.encode()) <= 400) == (True, True)


async def test_a_file_that_workers_do_not_find_is_explained(qunfa: Qunfa, client: Client, key: str) -> None:
    """The request was valid here, and is refused by the machine that reads the file."""
    how = {"as": "refused", "said": "message.media: source file:///a.mp3: there is no such file."}
    answer = await qunfa("send", *ending(how, key), "--wait")
    assert (answer.exit_code, "there is no such file" in answer.stdout) == (1, True)


async def test_a_send_that_goes_on_has_started(qunfa: Qunfa, client: Client, key: str) -> None:
    """It is not waited for: exit 0, and how to follow it. Without a worker it is said that nobody carries it out."""
    answer = await qunfa("send", *TEXT, "--key", key, "--to-all")
    assert answer.exit_code == 0
    assert f"Started. Follow it: qunfa status demo/{key}" in answer.stdout
    answer = await qunfa("send", *TEXT, "--key", f"{key}-2", "--to-all", "--task-queue", DESERTED_QUEUE)
    assert answer.exit_code == 0
    assert f"No worker polls the task queue {DESERTED_QUEUE}" in answer.stderr


async def test_a_running_key_is_shown_and_not_started_again(qunfa: Qunfa, scripted: Scripted, key: str) -> None:
    """Exit 1 with the status of the one that runs. Other content is never followed, with --wait neither."""
    handle = await scripted(status("awaiting_result"))
    answer = await qunfa("send", *TEXT, "--key", key, "--to-all", "--json")
    view = SendView.model_validate(parsed(answer))
    assert (answer.exit_code, view.phase, view.run_id) == (1, "awaiting_result", handle.first_execution_run_id)
    assert "runs already, with the same content" in answer.stderr
    answer = await qunfa("send", "--account", "demo", "--text", "other", "--key", key, "--to-all", "--wait", "--yes")
    assert (answer.exit_code, "OTHER content" in answer.stderr) == (1, True)


async def test_a_key_of_a_restored_account_gets_no_new_one(
    qunfa: Qunfa, scripted: Scripted, key: str, appid: str
) -> None:
    """What runs may be back, and the other content be sent since: also after the end. What is started then is new."""
    known = having({"demo": appid})
    other = ("send", "--account", "demo", "--text", "other", "--to-all", "--yes")
    taken = ("--taken", "2026-01-01T00:00:00Z", "--reason", "disk lost", "--yes")
    await scripted(status("scheduled"))
    first = await qunfa(*other, "--key", key, **known)
    assert "so choose another" in first.stderr
    for words in (taken, ("--done", "--yes")):
        await qunfa("restored", "demo", *words, **known)
        answer = await qunfa(*other, "--key", key, **known)
        assert (answer.exit_code, "so choose another" in answer.stderr) == (1, False)
        assert "use no new key before you know" in answer.stderr
    await scripted(status("scheduled"), more="-2")
    assert "so choose another" in (await qunfa(*other, "--key", f"{key}-2", **known)).stderr


async def test_a_running_key_that_cannot_be_read_may_be_the_same(qunfa: Qunfa, client: Client, key: str) -> None:
    """A newer service has started it: nobody is told to take another key, which would deliver it twice."""
    newer = {**request(key), "colour": "red"}
    await client.start_workflow(MASS_SEND, newer, id=mass_send_id("demo", key), task_queue=QUEUE)
    answer = await qunfa("send", *TEXT, "--key", key, "--to-all", "--wait", "--yes")
    assert (answer.exit_code, "OTHER content" in answer.stderr) == (1, False)
    assert "it may be the same, and another key would deliver it twice" in answer.stderr


async def test_a_list_elsewhere_may_be_the_same_list(qunfa: Qunfa, client: Client, key: str) -> None:
    """It is not followed, and nobody is told to choose another key."""
    lists = [("--openid-file", f"s3://lists/{name}.txt") for name in "ab"]
    whom = ("send", "--account", "demo", "--text", "你好", "--key", key, "--yes")
    assert (await qunfa(*whom, *lists[0])).exit_code == 0
    answer = await qunfa(*whom, *lists[1], "--wait")
    assert answer.exit_code == 1
    assert "other URIs: what stands there may be the same, and another key would deliver it twice" in answer.stderr
    assert "choose another" not in answer.stderr


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


@pytest.mark.parametrize(
    ("how", "code", "said"),
    [
        ({"as": "refused", "said": "message.media: it is not there."}, 1, "message.media: it is not there."),
        ({"as": "failed", "result": result("failed", "k")}, 1, "Failed. Nothing was delivered."),
        ({"as": "completed", "result": result("sent", "k")}, 0, "Delivered."),
        ({"as": "completed", "result": result("sent_nobody", "k")}, 0, "nobody received it"),
    ],
    ids=["refused", "failed", "sent", "sent to nobody"],
)
async def test_an_end_is_said_and_is_the_exit_code(
    qunfa: Qunfa, client: Client, *, key: str, how: dict[str, Any], code: int, said: str, monkeypatch: Any
) -> None:
    """With --wait, and where it comes at once: nobody is told that it has started. --json holds the end alone."""
    monkeypatch.setattr("qunfa.cli.send.EARLY", timedelta(seconds=PATIENCE))
    answer = await qunfa("send", *ending(how, key))
    assert answer.exit_code == code
    assert (said in answer.stdout, "Started" in answer.stdout) == (True, False)
    for number, more in enumerate(((), ("--wait",))):
        answer = await qunfa("send", *ending(how, f"{key}-{number}"), *more, "--json")
        view = SendView.model_validate(parsed(answer))
        assert (answer.exit_code, view.state) == (code, "failed" if code else "completed")


async def test_an_early_end_that_cannot_be_read_is_said(
    qunfa: Qunfa, client: Client, key: str, monkeypatch: Any
) -> None:
    """Nobody is told that it goes on; where to look is said."""
    gone = RPCError("gone", RPCStatusCode.UNAVAILABLE, b"")
    monkeypatch.setattr("qunfa.cli.send.EARLY", timedelta(seconds=PATIENCE))
    monkeypatch.setattr("qunfa.cli.send.read_send", AsyncMock(side_effect=gone))
    answer = await qunfa("send", *ending({"as": "refused"}, key))
    assert (answer.exit_code, "goes on" in answer.stderr) == (3, False)
    assert f"demo/{key} has ended, and how is not known here: qunfa status demo/{key}" in answer.stderr


@pytest.mark.parametrize("interrupted", [True, False])
async def test_whoever_looks_for_a_worker_has_started_the_send(
    qunfa: Qunfa, client: Client, *, key: str, interrupted: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A look that fails is no failure of the send; where it is interrupted, it is said that the send goes on."""
    notes = list[str]()
    ends = asyncio.CancelledError if interrupted else RPCError("gone", RPCStatusCode.UNAVAILABLE, b"")
    monkeypatch.setattr("qunfa.cli.connection.has_worker", AsyncMock(side_effect=ends))
    monkeypatch.setattr("qunfa.cli.send.note", notes.append)
    with pytest.raises(asyncio.CancelledError) if interrupted else nullcontext():
        answer = await qunfa("send", *TEXT, "--key", key, "--to-all", "--json")
        assert (answer.exit_code, SendView.model_validate(parsed(answer)).key) == (0, key)
    assert notes == ([f"demo/{key} goes on without this command: qunfa status demo/{key}"] if interrupted else [])
    assert (await _input(client, key))["key"] == key


@pytest.mark.parametrize("how", ["lost", "interrupted", "refused"])
async def test_a_start_without_an_answer_may_have_begun_it(
    qunfa: Qunfa, client: Client, *, key: str, how: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is said, with where to look, and that another key would send it twice. What was refused has not begun."""
    errors: dict[str, BaseException] = {
        "lost": RPCError("gone", RPCStatusCode.UNAVAILABLE, b""),
        "interrupted": asyncio.CancelledError(),
        "refused": RPCError("too long", RPCStatusCode.INVALID_ARGUMENT, b""),
    }
    start, notes = Client.start_workflow, list[str]()

    async def begin(*asked: Any, **more: Any) -> None:
        if how != "refused":
            await start(*asked, **more)
        raise errors[how]

    monkeypatch.setattr(Client, "start_workflow", begin)
    monkeypatch.setattr("qunfa.cli.connection.note", notes.append)
    with nullcontext() if how != "interrupted" else pytest.raises(asyncio.CancelledError):
        answer = await qunfa("send", *TEXT, "--key", key, "--to-all")
        assert answer.exit_code == (3 if how == "lost" else 1)
    where = f"demo/{key} may have been started: qunfa status demo/{key}. "
    said = f"{where}The same key never sends twice; another one would."
    assert notes == ([] if how == "refused" else [said])


@pytest.mark.usefixtures("terminal")
async def test_nothing_of_a_request_forges_the_question(qunfa: Qunfa, key: str, tmp_path: Path) -> None:
    """No character steers the terminal, and a line of a text does not stand where the commands' lines do."""
    name = "VIP)\r\x1b[2KSend to tag 3 (test) of staging? [y/N]: \x1b[8m"
    audience = {"kind": "tag", "tag_id": 2, "expect": {"name": name}}
    message = {"msgtype": "text", "content": "hi\nSend to tag 3 of staging?"}
    file = tmp_path / "send.json"
    file.write_text(json.dumps({**request(key), "audience": audience, "message": message}))
    answer = await qunfa("send", str(file), stdin="n\n")
    assert (answer.exit_code, "\x1b" in answer.output, "\r" in answer.output) == (1, False, False)
    [*_, forged, asked] = answer.stderr.splitlines()
    assert forged == "    Send to tag 3 of staging?"
    assert asked.startswith(r"Send to tag 2 (VIP)\u000d\u001b[2KSend to tag 3 (test)")


@pytest.mark.usefixtures("terminal")
async def test_its_times_are_shown_before_a_send_is_confirmed(qunfa: Qunfa, key: str) -> None:
    """A day may stand where its month belongs; a time without a date is today's."""
    times = ("--send-at", "2099-01-12T09:00:00+08:00", "--not-after", "2099-01-12T03:00:00Z")
    answer = await qunfa("send", *TEXT[:-1], "--key", key, "--to-all", *times, stdin="n\n")
    assert answer.stderr.splitlines()[-3:-1] == ["send at: 2099-01-12 09:00", "not after: 2099-01-12 11:00"]


async def test_the_key_of_a_closed_send_may_be_started_again(qunfa: Qunfa, scripted: Scripted, key: str) -> None:
    """Temporal takes it: the ledger, not the id, keeps it from being delivered twice."""
    first = await scripted()
    await completed(first, "sent", key)
    answer = await qunfa("send", *TEXT, "--key", key, "--to-all", "--json")
    assert answer.exit_code == 0
    assert SendView.model_validate(parsed(answer)).run_id != first.first_execution_run_id
