import asyncio
import os
import secrets
import sys
import uuid
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from datetime import timedelta
from typing import Any, Final

import pytest
import pytest_asyncio
from temporalio.client import Client, WorkflowHandle
from temporalio.common import SearchAttributeKey, SearchAttributePair, TypedSearchAttributes
from temporalio.worker import UnsandboxedWorkflowRunner, Worker
from typer.testing import CliRunner, Result

from qunfa.cli import app
from qunfa.cli.view import PHASE
from qunfa.contract import MASS_SEND, mass_send_id
from qunfa.contract.ids import MASS_SEND_IN_BATCHES
from tests.cli.calls import QUEUE, InBatches, Pondering, Qunfa, Scripted, Start
from tests.cli.stub import (
    FILE,
    ScriptedCallbackCheck,
    ScriptedCheck,
    ScriptedInBatches,
    ScriptedMassSend,
    ScriptedPreview,
    ScriptedRecall,
    request,
    upload,
)
from tests.looking import PATIENCE, until
from tests.temporal import in_namespace, is_polled
from workflows.account import Account
from workflows.checks import CheckWorker

FOUND_BY: Final[Sequence[SearchAttributePair[Any]]] = (
    SearchAttributePair(SearchAttributeKey.for_keyword("MassSendAccount"), "demo"),
    SearchAttributePair(SearchAttributeKey.for_keyword("MassSendPhase"), "preparing"),
    SearchAttributePair(SearchAttributeKey.for_keyword("MassSendMsgType"), "text"),
    SearchAttributePair(SearchAttributeKey.for_keyword_list("MassSendMsgId"), ["3147483650"]),
)
"""What Temporal finds a scripted send by."""


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def server(temporal_server: Client) -> Client:
    """A real Temporal with Qunfa's search attributes."""
    return await in_namespace(temporal_server, "cli")


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def client(server: Client) -> AsyncIterator[Client]:
    """Its client, while a worker carries out the scripted workflows and the real `Account`."""
    async with Worker(
        server,
        task_queue=QUEUE,
        workflows=[
            *(ScriptedMassSend, ScriptedInBatches, ScriptedCheck, ScriptedPreview, ScriptedCallbackCheck),
            *(ScriptedRecall, Account, CheckWorker),
        ],
        activities=[upload],
        workflow_runner=UnsandboxedWorkflowRunner(),
    ):
        await until(lambda: is_polled(server, QUEUE))
        yield server


@pytest.fixture(autouse=True)
def starting_is_quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """A command that starts a send does not wait long for an early end, unless that is what a test is about."""
    monkeypatch.setattr("qunfa.cli.send.EARLY", timedelta(milliseconds=50))


@pytest.fixture
def environment(client: Client) -> dict[str, str]:
    """What a shell would have set: Temporal's address, and no configuration. A worker polls, whatever ran before."""
    return {
        "TEMPORAL_ADDRESS": client.service_client.config.target_host,
        "TEMPORAL_NAMESPACE": client.namespace,
        "QUNFA_TASK_QUEUE": QUEUE,
        "QUNFA_CONFIG": "",
        "LOGNAME": "li",
    }


@pytest.fixture
def qunfa(environment: dict[str, str]) -> Qunfa:
    """Run a command in this process, off the loop that the worker needs."""

    async def invoke(*args: str, stdin: str | None = None, name: str = "root", **more: str) -> Result:
        given = {**environment, **more}
        return await asyncio.to_thread(CliRunner().invoke, app, list(args), input=stdin, env=given, prog_name=name)

    return invoke


@pytest.fixture
async def start(environment: dict[str, str]) -> AsyncIterator[Start]:
    """Start `python -m qunfa.cli` with these arguments; it does not outlive the test."""
    started: list[Process] = []

    async def begin(*args: str, **streams: Any) -> Process:
        streams = {"stdin": PIPE, "stdout": PIPE, "stderr": PIPE, **streams}
        given = {**os.environ, **environment, "COLUMNS": "200", "LINES": "60", "TERM": "xterm"}
        process = await asyncio.create_subprocess_exec(sys.executable, "-m", "qunfa.cli", *args, env=given, **streams)
        started.append(process)
        return process

    yield begin
    for process in started:
        if process.returncode is None:
            process.kill()
            await process.wait()


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    """Somebody is there to be asked."""
    monkeypatch.setattr("qunfa.cli.options.on_a_terminal", lambda: True)


@pytest.fixture
def pondering(terminal: None, monkeypatch: pytest.MonkeyPatch) -> Pondering:
    """Have somebody say yes, and this happen while they think. Gives the questions that they were asked."""

    def begin(meanwhile: Callable[[], Awaitable[Any]]) -> list[str]:
        loop, questions = asyncio.get_running_loop(), list[str]()

        async def happens() -> None:
            await meanwhile()

        def yes(question: str, **_: Any) -> bool:
            questions.append(question)
            asyncio.run_coroutine_threadsafe(happens(), loop).result(PATIENCE)
            return True

        monkeypatch.setattr("qunfa.cli.options.typer.confirm", yes)
        return questions

    return begin


@pytest.fixture
def appid() -> str:
    """An appid as WeChat writes them."""
    return f"wx{secrets.token_hex(8)}"


@pytest.fixture
def key() -> str:
    """A key that no other test uses."""
    return f"k-{uuid.uuid4().hex[:12]}"


@pytest.fixture
def scripted(client: Client, key: str) -> Scripted:
    """Start a scripted send of the account demo, as an upstream service would, and tell it what to say.

    Its key is `key`, with `more` at its end.
    """

    async def start(
        status: dict[str, Any] | None = None,
        *,
        queue: str = QUEUE,
        more: str = "",
        attributes: Sequence[SearchAttributePair[Any]] = FOUND_BY,
    ) -> WorkflowHandle[Any, Any]:
        handle = await client.start_workflow(
            MASS_SEND,
            request(f"{key}{more}"),
            id=mass_send_id("demo", f"{key}{more}"),
            task_queue=queue,
            search_attributes=TypedSearchAttributes(attributes),
        )
        if status is not None:
            await handle.signal("become", status)
        return handle

    return start


@pytest.fixture
def in_batches(client: Client, key: str) -> InBatches:
    """Start a scripted send in batches of the account demo, with a batch for each text, and tell it what to say."""

    async def start(status: dict[str, Any], *texts: str) -> WorkflowHandle[Any, Any]:
        attributes = [
            SearchAttributePair(PHASE, status["phase"]),
            SearchAttributePair(SearchAttributeKey.for_keyword("MassSendProgress"), f"0/{len(texts)}"),
        ]
        handle = await client.start_workflow(
            MASS_SEND_IN_BATCHES,
            args=[{**request(key), "audience": FILE}, list(texts)],
            id=mass_send_id("demo", key),
            task_queue=QUEUE,
            search_attributes=TypedSearchAttributes(attributes),
        )
        await handle.signal("become", status)
        return handle

    return start
