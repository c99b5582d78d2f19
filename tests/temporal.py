"""Temporal's own servers, as tests start them."""

import asyncio
import contextlib
import os
import shutil
import sys
import uuid
from asyncio.subprocess import DEVNULL
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

from temporalio.api.workflowservice.v1 import PauseWorkflowExecutionRequest
from temporalio.client import Client, WorkflowExecutionDescription, WorkflowHandle
from temporalio.runtime import Runtime
from temporalio.service import RPCError, RPCStatusCode
from temporalio.testing import WorkflowEnvironment
from temporalio.worker import Worker

from qunfa.cli.connection import has_worker
from qunfa.contract import SEARCH_ATTRIBUTES
from qunfa.temporal.connection import TemporalUnreachable
from qunfa.temporal.namespace import register_search_attributes
from qunfa.temporal.paused import TellsPaused
from qunfa.temporal.payloads import data_converter
from tests.looking import PATIENCE, Looks, look_again, until
from tests.ports import free_address
from tests.workflows.metronome import METRONOME, Metronome

FINE_TIMERS: Final = 'history.timerProcessorMaxTimeShift="10ms"'
"""Dynamic configuration: timers are good to 10 ms, and not to a second as usual."""
PAUSES: Final = "frontend.WorkflowPauseEnabled=true"
"""Dynamic configuration: workflows can be paused, which servers forbid as they come."""
OURS: Final = tuple(f"--search-attribute={name}={kind}" for name, kind in SEARCH_ATTRIBUTES.items())
"""Has the server's default namespace know Qunfa's search attributes from the start."""
BARE: Final = "bare"
"""A namespace without Qunfa's search attributes."""


def binary(name: str) -> str:
    """A Temporal binary beside this Python, or on the path."""
    beside = Path(sys.executable).with_name(name)
    found = str(beside) if beside.exists() else shutil.which(name)
    assert found, f"{name} is not installed"
    return found


def server_command(
    address: str,
    *more: str,
    file: Path | None = None,
    configured: Iterable[str] = (FINE_TIMERS,),
    ui_port: int | None = None,
) -> list[str]:
    """How a real server is started.

    Args:
        address: where it listens.
        more: further arguments.
        file: where it keeps its data; in memory when None.
        configured: `key=json` of Temporal's dynamic configuration.
        ui_port: where its UI is served; nowhere when None.
    """
    host, port = address.split(":")
    return [
        *(binary("temporal"), "server", "start-dev", "--ip", host, "--port", port, "--log-level", "error"),
        *(["--headless"] if ui_port is None else ["--ui-port", str(ui_port), "--ui-disable-news-fetch"]),
        *([] if file is None else ["--db-filename", str(file), "--sqlite-pragma", "journal_mode=wal"]),
        *(f"--dynamic-config-value={each}" for each in configured),
        *more,
    ]


def bare_environment(**ours: str) -> dict[str, str]:
    """A process's environment: nothing of Temporal's or Qunfa's but what is given."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("TEMPORAL_", "QUNFA_"))}
    return {**kept, "TEMPORAL_CONFIG_FILE": os.devnull, "NO_PROXY": "*", "no_proxy": "*", **ours}


async def is_polled(client: Client, queue: str) -> bool:
    """Whether Temporal knows of a worker. In a crowd its answer may take longer than a command waits: not known yet."""
    try:
        return await has_worker(client, queue)
    except RPCError as error:
        if error.status not in {RPCStatusCode.CANCELLED, RPCStatusCode.DEADLINE_EXCEEDED}:
            raise
        return False


async def connected(address: str, *, has_ended: Callable[[], object] = bool, runtime: Runtime | None = None) -> Client:
    """A client, as soon as the server answers; the SDK would give it five seconds for that, and a crowd more."""
    looks = Looks()
    async with asyncio.timeout(PATIENCE):
        while True:
            try:
                return await Client.connect(
                    address,
                    data_converter=data_converter,
                    interceptors=[TellsPaused()],
                    identity="tests",
                    runtime=runtime,
                )
            except RuntimeError:
                assert not has_ended(), "Temporal has ended by itself"
                await looks.again()


@contextlib.asynccontextmanager
async def development_server(
    *dynamic_config: str,
    namespaces: Sequence[str] = (),
    address: str | None = None,
    ui_port: int | None = None,
    as_it_comes: bool = False,
) -> AsyncIterator[Client]:
    """A real server, and a client of its default namespace; with `ui_port`, its UI is served there.

    Args:
        dynamic_config: `key=json` of Temporal's dynamic configuration, beside `FINE_TIMERS`.
        namespaces: more of them.
        address: where it listens; by default on a port of its own.
        ui_port: where the UI is served.
        as_it_comes: with the server's own timers, which may be a second late.
    """
    configured = dynamic_config if as_it_comes else (FINE_TIMERS, *dynamic_config)
    names = [f"--namespace={name}" for name in namespaces]
    address = address or free_address()
    command = server_command(address, *names, configured=configured, ui_port=ui_port)
    process = await asyncio.create_subprocess_exec(*command, stdin=DEVNULL, stdout=DEVNULL)
    try:
        client = await connected(address, has_ended=lambda: process.returncode is not None)
        await _prepared(client)
        yield client
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def in_namespace(client: Client, namespace: str) -> Client:
    """A client of another namespace of the same server, which has Qunfa's search attributes."""
    other = Client(
        client.service_client, namespace=namespace, data_converter=client.data_converter, interceptors=[TellsPaused()]
    )
    await _prepared(other)
    return other


async def paused(client: Client, workflow_id: str) -> None:
    """Have its newest run paused, where the server allows that (:data:`PAUSES`)."""
    request = PauseWorkflowExecutionRequest(
        namespace=client.namespace, workflow_id=workflow_id, reason="hold everything", request_id=str(uuid.uuid4())
    )
    await client.workflow_service.pause_workflow_execution(request)


async def is_there(client: Client, workflow_id: str) -> bool:
    """Whether there is, or was, such a workflow."""
    try:
        await client.get_workflow_handle(workflow_id).describe()
    except RPCError as error:
        if error.status != RPCStatusCode.NOT_FOUND:
            raise
        return False
    return True


async def run_at_rest(handle: WorkflowHandle[Any, Any]) -> str | None:
    """The newest run, once no workflow task of it is to come. A signal during the task of its end would undo that."""

    def is_at_rest(found: WorkflowExecutionDescription) -> bool:
        return not found.raw_description.HasField("pending_workflow_task")

    return (await until(handle.describe, is_at_rest)).run_id


async def _prepared(client: Client) -> None:
    """The namespace has Qunfa's search attributes, as soon as a server that has just begun takes them."""
    async with asyncio.timeout(PATIENCE):
        while True:
            try:
                await register_search_attributes(client)
            except TemporalUnreachable:
                await look_again()
            else:
                return


async def _time_skipping() -> WorkflowEnvironment:
    """A server that has begun. The SDK gives each five seconds for that; in a crowd another one is started then."""
    looks = Looks()
    async with asyncio.timeout(PATIENCE):
        while True:
            try:
                return await WorkflowEnvironment.start_time_skipping(
                    test_server_existing_path=binary("temporal-test-server"),
                    data_converter=data_converter,
                    identity="tests",
                )
            except RuntimeError:
                await looks.again()


@contextlib.asynccontextmanager
async def time_skipping_server() -> AsyncIterator[WorkflowEnvironment]:
    """A server whose time leaps to the next timer while nothing is at work. It begins at noon in Shanghai.

    So no leap comes between two things that a day counts.
    """
    async with await _time_skipping() as environment:
        await _prepared(environment.client)
        now = await environment.get_current_time()
        await environment.sleep((now.replace(hour=4, minute=0) - now) % timedelta(days=1))
        async with Worker(environment.client, task_queue=METRONOME, workflows=[Metronome]):
            await environment.client.start_workflow(METRONOME, id=METRONOME, task_queue=METRONOME)
            yield environment
