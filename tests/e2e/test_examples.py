"""examples/, as a caller runs them, against a real worker and a simulated WeChat."""

import asyncio
import os
import runpy
import shutil
import subprocess
import sys
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any, Final, NamedTuple

import pytest
import pytest_asyncio
from temporalio.client import Client, WorkflowHandle
from temporalio.common import WorkflowIDConflictPolicy
from temporalio.service import RPCError, RPCStatusCode

from qunfa.client import Qunfa
from qunfa.contract import ACCOUNT
from tests.e2e.stage import Scene, working
from tests.e2e.staging import scene_of, staged
from tests.looking import PATIENCE, until

EXAMPLES: Final = Path(__file__).parents[2] / "examples"
PYTHON: Final = [sys.executable, str(EXAMPLES / "python" / "send.py")]
TYPESCRIPT: Final = EXAMPLES / "typescript"
GO: Final = EXAMPLES / "go"
NO_MODULES: Final = ("cannot find module providing package", "no required module provides", "missing go.sum entry")


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def demo(temporal_server: Client, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Scene]:
    """The account `demo`, with a worker on the usual task queue, as `make demo` has it."""
    async with (
        staged(tmp_path_factory.mktemp("media"), temporal_server, names=["demo"]) as stage,
        working(temporal_server, stage.settings.model_copy(update={"task_queue": "qunfa"})),
        scene_of(stage) as scene,
    ):
        yield scene


def typescript() -> list[str]:
    """The command of the example in TypeScript, where its packages are installed."""
    tsx = TYPESCRIPT / "node_modules" / ".bin" / "tsx"
    if not (shutil.which("node") and tsx.exists()):
        pytest.skip("node is not installed, or `npm install` was not run in examples/typescript")
    return [str(tsx), str(TYPESCRIPT / "send.ts")]


def go(folder: Path) -> list[str]:
    """The command of the example in Go, where Go is installed and has its modules."""
    if not shutil.which("go"):
        pytest.skip("go is not installed")
    built = subprocess.run(
        ["go", "build", "-o", str(folder / "send"), "."],
        cwd=GO,
        env=os.environ | {"GOFLAGS": "-mod=readonly", "GOPROXY": "off"},
        capture_output=True,
        text=True,
        check=False,
    )
    if any(missing in built.stderr for missing in NO_MODULES):
        pytest.skip("`go mod tidy` was not run in examples/go")
    assert built.returncode == 0, built.stderr
    return [str(folder / "send")]


class Example(NamedTuple):
    """Its language, and how it is run."""

    language: str
    command: list[str]


@pytest.fixture(scope="module", params=["python", "typescript", "go"])
def example(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Example:
    language: str = request.param
    if language == "python":
        return Example(language, PYTHON)
    return Example(language, typescript() if language == "typescript" else go(tmp_path_factory.mktemp("go")))


async def ran(demo: Scene, command: list[str], *given: str) -> tuple[int, str]:
    """The exit code of an example, and what it prints."""
    process = await asyncio.create_subprocess_exec(
        *command,
        *given,
        env=os.environ | {"TEMPORAL_ADDRESS": demo.stage.address, "PYTHONPATH": str(EXAMPLES.parent)},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    said, _ = await asyncio.wait_for(process.communicate(), PATIENCE)
    return process.returncode or 0, said.decode()


async def times_asked(run: WorkflowHandle[Any, Any]) -> int:
    """How often somebody has asked whether the send is accepted."""
    try:
        events = (await run.fetch_history()).events
    except RPCError as error:
        if error.status is not RPCStatusCode.NOT_FOUND:
            raise
        return 0  # it is not started yet
    return sum(one.HasField("workflow_execution_update_accepted_event_attributes") for one in events)


async def test_an_example_sends_and_tells_how_a_send_failed(demo: Scene, example: Example) -> None:
    """One that is delivered, one whose key stands for other content, and one that an operator gives up."""
    language, command = example
    code, said = await ran(demo, command, f"{language}-good")
    assert (code, f"mass-send:demo:{language}-good is" in said, "sent: 100 received it" in said) == (0, True, True), (
        said
    )
    qunfa = Qunfa(demo.client)
    await qunfa.send({**demo.request(f"{language}-used"), "account": "demo"}, wait="result")
    code, said = await ran(demo, command, f"{language}-used")
    assert code == 1
    assert "refused:" in said
    assert "stands for other content already" in said
    tries = len(demo.tries)
    demo.fault("errcode", errcode=48001)
    running = asyncio.create_task(ran(demo, command, f"{language}-bad"))
    handle = qunfa.handle("demo", f"{language}-bad")
    await demo.tried(tries + 1)
    await until(handle.status, lambda status: status.phase == "needs_operator")
    await handle.abort(by="li", reason="not worth it")
    code, said = await running
    assert code == 1
    assert "ended as aborted" in said


async def test_an_example_joins_only_a_send_of_its_own_content(demo: Scene, example: Example) -> None:
    """Of other content that runs under its key it hears at once, and that goes on. So it does of a list elsewhere.

    It cannot tell what is the same, only written otherwise: nobody is told to take a new key for it.
    """
    (language, command), qunfa = example, Qunfa(demo.client)
    await demo.simulate()
    held: dict[str, Any] = {"account": "demo", "approval": {"required": True}, "requested_by": "crm"}
    other = await qunfa.send({**demo.request(f"{language}-other"), **held})
    code, said = await ran(demo, command, f"{language}-other")
    assert (code, "refused:" in said, "runs under" in said) == (1, True, True), said
    assert ("use a new key" in said) == (language == "python"), said
    await other.abort(by="li", reason="a test")
    listed = {"kind": "openid_file", "uri": demo.file("a.txt", "\n".join(demo.openids(3)).encode())}
    text = {"msgtype": "text", "content": f"春季特卖今天开始 ({language}-moved)"}
    moved = await qunfa.send({**demo.request(f"{language}-moved", audience=listed, message=text), **held})
    code, said = await ran(demo, command, f"{language}-moved", "s3://lists/moved.txt")
    assert (code, "a new key would deliver it twice" in said, "use a new key" in said) == (1, True, False), said
    await moved.abort(by="li", reason="a test")
    message = {"msgtype": "text", "content": f"春季特卖今天开始 ({language}-same)"}
    same = await qunfa.send({**demo.request(f"{language}-same", message=message), **held})
    running = asyncio.create_task(ran(demo, command, f"{language}-same"))
    history = demo.client.get_workflow_handle(same.id)
    await until(lambda: times_asked(history), lambda times: times == 2)
    await same.approve(by="li")
    code, said = await running
    assert (code, "sent: 100 received it" in said) == (0, True), said


async def test_an_example_says_that_its_run_was_ended(demo: Scene, example: Example) -> None:
    """Temporal cuts the update off, and nobody knows what became of the send: the example does not say that it does."""
    language, command = example
    await demo.simulate()
    silent = await demo.client.start_workflow(
        ACCOUNT,
        id=demo.ledger_handle.id,
        task_queue="nobody-works-here",
        id_conflict_policy=WorkflowIDConflictPolicy.TERMINATE_EXISTING,
    )
    running = asyncio.create_task(ran(demo, command, f"{language}-ended"))
    run = demo.client.get_workflow_handle(f"mass-send:demo:{language}-ended")
    await until(lambda: times_asked(run), lambda times: times == 1)
    await run.terminate("a test")
    code, said = await running
    await silent.terminate("a test")
    assert (code, "ended as" in said, "TypeError" in said) == (1, False, False), said


async def test_the_example_says_that_nobody_has_answered(
    demo: Scene, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Exit 2 and no traceback: it may still go out, and the same key is the way to ask."""
    monkeypatch.setattr("qunfa.client.sending.ACCEPTED_WITHIN", timedelta())
    monkeypatch.setattr(sys, "argv", ["send.py", "python-unheard"])
    monkeypatch.setenv("TEMPORAL_ADDRESS", demo.stage.address)
    code = await runpy.run_path(PYTHON[1])["main"]()
    said = capsys.readouterr().out
    assert (code, said.startswith("not known: no answer in time")) == (2, True)
    assert "if it was started, it goes on" in said
    assert "send it again under the same key" in said


async def test_an_example_sends_to_a_list(demo: Scene, example: Example) -> None:
    """Nobody else gets it."""
    language, command = example
    await demo.simulate()
    listed = demo.file(f"{language}.txt", "\n".join(demo.openids(3)).encode())
    code, said = await ran(demo, command, f"{language}-list", listed)
    assert (code, "jobs done" in said, "sent: 3 received it" in said) == (0, True, True), said


def test_the_example_in_go_is_formatted() -> None:
    """As gofmt has it."""
    if not shutil.which("gofmt"):
        pytest.skip("go is not installed")
    done = subprocess.run(["gofmt", "-l", str(GO)], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
