"""Many sends that wait for tomorrow: what they cost a worker, and how a new one takes all of them at once."""

import asyncio
import statistics
import sys
import tempfile
import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

from temporalio.client import WorkflowHandle
from temporalio.common import SearchAttributeKey

from qunfa.contract.ids import MASS_SEND, TASK_QUEUE, mass_send_id
from qunfa.contract.result import JobFinished
from tests.bench.machinery import Machinery, machinery
from tests.bench.sends import BUSY, through
from tests.bench.table import Told, told
from tests.looking import until

STARTS_AT_ONCE: Final = 40
_PHASE: Final = SearchAttributeKey.for_keyword("MassSendPhase")
_TOMORROW: Final = timedelta(days=1)
_NOBODYS: Final = JobFinished(msg_id=1, status="send success")
_DEADLOCK: Final = "Potential deadlock"
_QUIET_SECONDS: Final = 20.0
_WITHIN_SECONDS: Final = 3600.0


@dataclass(frozen=True)
class Waiting:
    """What was seen. Memory is the worker's in megabytes: before, with all sends waiting, and after the restart.

    `quiet_ms`: of the processor a second, of all processes, while nothing happens. `woken`: seconds until a new worker
    had replayed all sends, each of which had got a signal. `meanwhile`: seconds that a new send took in the midst.
    """

    sends: int
    memory: tuple[float, float, float]
    started_per_second: float
    events: float
    events_later: float
    quiet_ms: float
    woken: float
    meanwhile: float
    deadlocks: int


def measured(sends: int) -> Waiting:
    """So many of them.

    Raises:
        BenchError: something does not start.
    """
    with tempfile.TemporaryDirectory() as folder:
        return asyncio.run(_measured(sends, Path(folder)))


async def _measured(sends: int, folder: Path) -> Waiting:
    async with machinery("qunfa", "file", folder, for_many=True) as running:
        await through(running, "qunfa", "text", "warm", len(BUSY))
        before, began = _megabytes(running), time.monotonic()
        sys.stderr.write(f"{sends} sends for tomorrow\n")
        handles = await _started(running, sends)
        started = sends / (time.monotonic() - began)
        waiting, events = _megabytes(running), await _events(handles)
        quiet = await _quiet(running)
        later = await _events(handles)
        sys.stderr.write("a new worker, which all of them need at once\n")
        running.restart("worker")
        began = time.monotonic()
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(_signalled(handles))
            new = tasks.create_task(through(running, "qunfa", "text", "meanwhile", 1))
            new.add_done_callback(lambda _: ended.append(time.monotonic() - began))
            ended: list[float] = []
        await until(lambda: _asleep(running), within=_WITHIN_SECONDS)
        woken = time.monotonic() - began
        deadlocks = sum(one.said().count(_DEADLOCK) for one in running.processes)
        memory = (before, waiting, _megabytes(running))
        return Waiting(sends, memory, started, events, later, quiet, woken, ended[0], deadlocks)


async def _started(running: Machinery, sends: int) -> list[WorkflowHandle[Any, Any]]:
    room, at = asyncio.Semaphore(STARTS_AT_ONCE), (datetime.now(UTC) + _TOMORROW).isoformat()

    async def one(number: int) -> WorkflowHandle[Any, Any]:
        account, key = BUSY[number % len(BUSY)], f"tomorrow-{number}"
        request = {
            "account": account,
            "key": key,
            "audience": {"kind": "all"},
            "message": {"msgtype": "text", "content": f"{key}: 你好"},
            "send_at": at,
        }
        async with room:
            handle = await running.client.start_workflow(
                MASS_SEND, request, id=mass_send_id(account, key), task_queue=TASK_QUEUE
            )
            await until(lambda: _phase(handle), lambda phase: phase == "scheduled", within=_WITHIN_SECONDS)
            return handle

    return await running.unless_it_ends(asyncio.gather(*map(one, range(sends))))


async def _phase(handle: WorkflowHandle[Any, Any]) -> str | None:
    """As the list of workflows has it: unlike a query, that costs the worker nothing."""
    return (await handle.describe()).typed_search_attributes.get(_PHASE)


async def _events(handles: list[WorkflowHandle[Any, Any]]) -> float:
    return statistics.median([(await one.describe()).history_length for one in handles[: len(BUSY)]])


async def _quiet(running: Machinery) -> float:
    began = [one.processor_seconds() for one in running.processes]
    await asyncio.sleep(_QUIET_SECONDS)
    took = (one.processor_seconds() - before for one, before in zip(running.processes, began, strict=True))
    return 1000 * sum(took) / _QUIET_SECONDS


async def _signalled(handles: list[WorkflowHandle[Any, Any]]) -> None:
    room = asyncio.Semaphore(STARTS_AT_ONCE)

    async def one(handle: WorkflowHandle[Any, Any]) -> None:
        async with room:
            await handle.signal("job_finished", _NOBODYS)

    await asyncio.gather(*map(one, handles))


async def _asleep(running: Machinery) -> bool:
    """Whether the worker has nothing to do: a second of it costs next to nothing."""
    worker = running.process("worker")
    before = worker.processor_seconds()
    await asyncio.sleep(1)
    return worker.processor_seconds() - before < 0.05


def _megabytes(running: Machinery) -> float:
    return running.process("worker").memory() / 1e6


def table(found: Waiting) -> Told:
    """What the sends cost that wait."""
    goals = [
        (f"no event while they wait ({found.events_later - found.events:g})", found.events_later == found.events),
        (f'no "{_DEADLOCK}" ({found.deadlocks})', not found.deadlocks),
    ]
    figures = {
        "sends that wait": found.sends,
        "worker's memory without them, MB": round(found.memory[0]),
        "worker's memory with them, MB": round(found.memory[1]),
        "worker's memory after a restart, MB": round(found.memory[2]),
        "started a second": round(found.started_per_second, 1),
        "events of each": found.events,
        "processor while they wait, ms a second": round(found.quiet_ms, 1),
        "all replayed by a new worker, s": round(found.woken, 1),
        "a new send meanwhile, s": round(found.meanwhile, 1),
    }
    return told({name: {"measured": figure} for name, figure in figures.items()}, goals)
