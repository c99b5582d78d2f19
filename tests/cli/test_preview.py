"""`qunfa preview`, against a scripted `PreviewMassSend`."""

import json
from pathlib import Path
from typing import Any

import pytest
from temporalio.client import Client
from temporalio.service import RPCError

from qunfa.contract.ids import PREVIEW_MASS_SEND, preview_id
from qunfa.contract.request import PreviewResult
from tests.cli.calls import DESERTED_QUEUE, QUEUE, Qunfa, parsed
from tests.cli.stub import request

SENT = {"to": "oA", "sent": True, "msg_id": 34182}
REFUSED = {"to": "WeChat id li", "sent": False, "errcode": 43004, "errmsg": "require subscribe", "rid": "r1"}
TO = ("--to", "oA", "--to-wxname", "li")


def _asks(*previews: dict[str, Any]) -> list[str]:
    return ["preview", "--account", "demo", "--text", f"answer: {json.dumps({'previews': previews})}", *TO]


async def _input(client: Client, key: str) -> Any:
    handle = client.get_workflow_handle(preview_id("demo", key))
    async for event in handle.fetch_history_events(page_size=1):
        return json.loads(event.workflow_execution_started_event_attributes.input.payloads[0].data)
    raise AssertionError("a workflow has a first event")


async def test_each_recipient_is_a_row(qunfa: Qunfa, client: Client) -> None:
    """Sent, or WeChat's words; exit 1 where one was not sent."""
    answer = await qunfa(*_asks(SENT, REFUSED))
    rows = [line.split() for line in answer.stdout.splitlines()]
    assert answer.exit_code == 1
    assert ["oA", "sent", "34182", "–"] in rows
    assert "WeChat id li  NOT sent  –       errcode 43004, errmsg require subscribe, rid r1" in answer.stdout


async def test_all_sent_is_exit_0(qunfa: Qunfa, client: Client) -> None:
    """With --json the result alone is on stdout."""
    answer = await qunfa(*_asks(SENT), "--json")
    result = PreviewResult.model_validate(parsed(answer))
    assert (answer.exit_code, result.account, [one.to for one in result.previews]) == (0, "demo", ["oA"])


async def test_a_preview_can_be_repeated(qunfa: Qunfa, client: Client, key: str) -> None:
    """Each has a key of its own, unless one is given, which may be used again."""
    keys = {parsed(await qunfa(*_asks(SENT), "--json"))["key"] for _ in range(2)}
    assert len(keys) == 2
    for _ in range(2):
        assert parsed(await qunfa(*_asks(SENT), "--key", key, "--json"))["key"] == key


async def test_the_options_are_those_of_a_send(qunfa: Qunfa, client: Client, key: str) -> None:
    """With recipients in place of an audience."""
    await qunfa(*_asks(SENT), "--key", key, "--fit-images")
    sent = await _input(client, key)
    assert (sent["to"], sent["fit_images"]) == ([{"openid": "oA"}, {"wxname": "li"}], True)
    assert sent["message"]["msgtype"] == "text"


async def test_a_mass_sends_file_can_be_previewed(qunfa: Qunfa, client: Client, key: str, tmp_path: Path) -> None:
    """Its message to those whom it names; its key and its audience have no part in it."""
    said = f"answer: {json.dumps({'previews': [SENT]})}"
    file = tmp_path / "send.json"
    file.write_text(
        json.dumps(
            {
                **request(key, said),
                "send_at": "2099-12-01T09:00:00+08:00",
                "fit_images": True,
                "preview": {"to": [{"openid": "oB"}]},
            }
        )
    )
    result = parsed(await qunfa("preview", str(file), "--json"))
    assert result["key"] != key
    assert await _input(client, result["key"]) == {
        "account": "demo",
        "key": result["key"],
        "message": {"msgtype": "text", "content": said},
        "to": [{"openid": "oB"}],
        "fit_images": True,
    }


async def test_why_nothing_was_previewed(qunfa: Qunfa, client: Client) -> None:
    """The workflow's sentences, and what to do about a file that workers do not find."""
    problem = "message.media: source file:///a.mp3: there is no such file."
    refused = ("preview", "--account", "demo", "--text", f"refuse: {json.dumps([problem])}", *TO)
    answer = await qunfa(*refused)
    assert (answer.exit_code, answer.stdout) == (1, "")
    assert f"Nothing was previewed: {problem}" in answer.stderr
    assert "It is the workers that read files" in answer.stderr
    failed = await qunfa("preview", "--account", "demo", "--text", "fail: WeChat refused the material", *TO)
    assert (failed.exit_code, failed.stderr.strip()) == (1, "WeChat refused the material.")


async def test_one_at_a_time_under_a_key(qunfa: Qunfa, client: Client, key: str) -> None:
    """The result of another one is never shown as this one's."""
    raw = {"account": "demo", "key": key, "message": {"msgtype": "text", "content": "hi"}}
    other = await client.start_workflow(PREVIEW_MASS_SEND, raw, id=preview_id("demo", key), task_queue=QUEUE)
    answer = await qunfa(*_asks(SENT), "--key", key)
    assert (answer.exit_code, f"{other.id} runs already" in answer.stderr) == (1, True)
    await other.terminate()


async def test_without_a_worker_no_preview_is_started(qunfa: Qunfa, client: Client, key: str) -> None:
    """A preview that comes days later would surprise whoever sees it."""
    answer = await qunfa(*_asks(SENT), "--key", key, "--task-queue", DESERTED_QUEUE)
    assert (answer.exit_code, "No worker polls" in answer.stderr) == (1, True)
    with pytest.raises(RPCError, match="not found"):
        await client.get_workflow_handle(preview_id("demo", key)).describe()


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (("--account", "demo", "--text", "hi"), "to: is missing: say --to OPENID or --to-wxname NAME"),
        (("--account", "demo", "--to", "oA"), "message: is missing: say --text"),
        (("--text", "hi", "--to", "oA"), "account: is missing: say --account NAME"),
        (("--account", "demo", "--text", "hi", "--to", "o A"), "to[0].openid: must not hold white space"),
        (("--account", "demo", "--voice", "/nowhere", "--to", "oA"), "--voice /nowhere: there is no such file here"),
    ],
)
async def test_wrong_use_of_preview_is_said_before_temporal_is_asked(
    qunfa: Qunfa, args: tuple[str, ...], said: str
) -> None:
    """Exit 2."""
    answer = await qunfa("preview", *args, TEMPORAL_ADDRESS="127.0.0.1:1")
    assert (answer.exit_code, said in answer.stderr, "Traceback" in answer.output) == (2, True, False)
