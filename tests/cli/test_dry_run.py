"""`qunfa send --dry-run`, against a scripted `CheckMassSend`."""

import json
from pathlib import Path
from typing import Any

import pytest
from temporalio.client import Client, WorkflowExecutionStatus
from temporalio.service import RPCError

from qunfa.contract import mass_send_id
from qunfa.contract.checks import CheckResult
from qunfa.contract.ids import CHECK_MASS_SEND, check_id
from tests.cli.calls import DESERTED_QUEUE, QUEUE, Qunfa, parsed
from tests.cli.stub import request

SOURCE = {
    "place": "message.articles[0].thumb",
    "uri": "file:///srv/media/%E5%B0%81.jpg",
    "use": "cover",
    "sha256": "0" * 64,
    "size": 3 * 1024 * 1024,
    "kind": "jpeg",
    "fit": True,
}
FINE: dict[str, Any] = {"audience": "tag 2 (VIP)", "followers": 1234, "problems": []}


def _asks(key: str, said: dict[str, Any] | list[str], kind: str = "answer") -> list[str]:
    text = f"{kind}: {json.dumps(said)}"
    return ["send", "--account", "demo", "--key", key, "--to-all", "--text", text, "--dry-run"]


async def _no_send(client: Client, key: str) -> bool:
    try:
        await client.get_workflow_handle(mass_send_id("demo", key)).describe()
    except RPCError as error:
        return "not found" in error.message
    return False


async def test_what_stands_against_nothing_is_exit_0(qunfa: Qunfa, client: Client, key: str) -> None:
    """To how many, in words; no send is started."""
    answer = await qunfa(*_asks(key, FINE))
    assert answer.exit_code == 0
    assert f"demo/{key}  ready" in answer.stdout
    assert "tag 2 (VIP): 1,234 followers, by WeChat's count" in answer.stdout
    assert "nothing was sent, and nothing was uploaded" in answer.stdout
    assert await _no_send(client, key)


async def test_each_problem_is_a_line_and_exit_1(qunfa: Qunfa, client: Client, key: str) -> None:
    """With the files that were found, and what was taken out of articles."""
    problems = ["message.articles[0].content: is too long", "a frozen account"]
    found = {**FINE, "problems": problems, "sources": [SOURCE], "removed": ["message.articles[0].content: a script"]}
    answer = await qunfa(*_asks(key, found))
    assert answer.exit_code == 1
    assert all(f"- {problem}\n" in answer.stdout for problem in problems)
    assert "a script" in answer.stdout
    [row] = [line for line in answer.stdout.splitlines() if line.startswith("cover")]
    assert all(word in row for word in ("jpeg", "3.0 MB", "is re-encoded to fit", "/srv/media/封.jpg"))
    assert await _no_send(client, key)


async def test_json_is_the_result(qunfa: Qunfa, client: Client, key: str) -> None:
    """And nothing else on stdout, whatever stands against it."""
    answer = await qunfa(*_asks(key, {**FINE, "problems": ["p"]}), "--json")
    found = CheckResult.model_validate(parsed(answer))
    assert (answer.exit_code, found.followers, found.problems) == (1, 1234, ("p",))


async def test_a_request_that_workers_refuse_has_its_problems(qunfa: Qunfa, client: Client, key: str) -> None:
    """Such as an account that they do not know."""
    answer = await qunfa(*_asks(key, ["account: nobody knows it"], "refuse"), "--json")
    assert (answer.exit_code, parsed(answer)["problems"]) == (1, ["account: nobody knows it"])


async def test_a_dry_run_explains_a_file_that_workers_do_not_find(qunfa: Qunfa, client: Client, key: str) -> None:
    """It is their machine, their path and their configuration that count."""
    problem = "message.media: source file:///a.mp3: there is no such file."
    answer = await qunfa(*_asks(key, {**FINE, "problems": [problem]}))
    assert "It is the workers that read files" in answer.stderr
    fine = await qunfa(*_asks(key, {**FINE, "problems": ["message.media: is longer than 60 s"]}))
    assert "workers" not in fine.stderr


async def test_an_older_look_is_never_taken_for_this_one(qunfa: Qunfa, client: Client, key: str) -> None:
    """One that still runs under the key may look at other content: it is ended."""
    older = await client.start_workflow(CHECK_MASS_SEND, request(key), id=check_id("demo", key), task_queue=QUEUE)
    answer = await qunfa(*_asks(key, FINE))
    assert answer.exit_code == 0
    run = client.get_workflow_handle(older.id, run_id=older.first_execution_run_id)
    assert (await run.describe()).status is WorkflowExecutionStatus.TERMINATED


async def test_without_a_worker_no_dry_run_is_started(qunfa: Qunfa, client: Client, key: str) -> None:
    """Nobody would look."""
    answer = await qunfa(*_asks(key, FINE), "--task-queue", DESERTED_QUEUE)
    assert answer.exit_code == 1
    assert f"No worker polls the task queue {DESERTED_QUEUE}" in answer.stderr
    with pytest.raises(RPCError, match="not found"):
        await client.get_workflow_handle(check_id("demo", key)).describe()


async def test_the_exit_codes_are_those_of_a_send(qunfa: Qunfa, tmp_path: Path) -> None:
    """2 for wrong use, 3 where Temporal cannot be reached."""
    wrong = await qunfa("send", "--account", "demo", "--key", "k", "--to-all", "--voice", "/nowhere", "--dry-run")
    assert (wrong.exit_code, "--voice /nowhere: there is no such file here" in wrong.stderr) == (2, True)
    assert (await qunfa(*_asks("k", FINE), TEMPORAL_ADDRESS="127.0.0.1:1")).exit_code == 3
