"""Many sends that wait for tomorrow: what they cost a worker, and how a new one takes all of them at once."""

import asyncio
import statistics
import sys
import tempfile
import time
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any, Final

from temporalio.client import WorkflowHandle
from temporalio.common import SearchAttributeKey

from qunfa.contract.result import JobFinished
from tests.bench.machinery import Machinery, few_at_once, machinery
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


def measured(sends: int) -> Told:
    """What so many cost, and whether they stay at rest.

    Raises:
        BenchError: something does not start.
    """
    with tempfile.TemporaryDirectory() as folder:
        return asyncio.run(_measured(sends, Path(folder)))


async def _measured(sends: int, folder: Path) -> Told:
    async with machinery("qunfa", "file", folder, for_many=True) as running:
        await through(running, "qunfa", "text", "warm", len(BUSY))
        without, began = _megabytes(running), time.monotonic()
        sys.stderr.write(f"{sends} sends for tomorrow\n")
        handles = await _started(running, sends)
        started = sends / (time.monotonic() - began)
        waiting, events = _megabytes(running), await _events(handles)
        quiet_ms = await _quiet(running)
        more = await _events(handles) - events
        sys.stderr.write("a new worker, which all of them need at once\n")
        running.restart("worker")
        began = time.monotonic()
        async with asyncio.TaskGroup() as tasks:
            signals = (partial(handle.signal, "job_finished", _NOBODYS) for handle in handles)
            tasks.create_task(few_at_once(STARTS_AT_ONCE, signals))
            new = tasks.create_task(through(running, "qunfa", "text", "meanwhile", 1))
            new.add_done_callback(lambda _: ended.append(time.monotonic() - began))
            ended: list[float] = []
        await until(lambda: _asleep(running), within=_WITHIN_SECONDS)
        woken = time.monotonic() - began
        deadlocks = sum(one.said().count(_DEADLOCK) for one in running.processes)
        goals = [(f"no event while they wait ({more:g})", not more), (f'no "{_DEADLOCK}" ({deadlocks})', not deadlocks)]
        figures = {
            "sends that wait": sends,
            "worker's memory without them, MB": round(without),
            "worker's memory with them, MB": round(waiting),
            "worker's memory after a restart, MB": round(_megabytes(running)),
            "started a second": round(started, 1),
            "events of each": events,
            "processor while they wait, ms a second": round(quiet_ms, 1),
            "all replayed by a new worker, s": round(woken, 1),
            "a new send meanwhile, s": round(ended[0], 1),
        }
        return told({name: {"measured": figure} for name, figure in figures.items()}, goals)


async def _started(running: Machinery, sends: int) -> list[WorkflowHandle[Any, Any]]:
    at = (datetime.now(UTC) + _TOMORROW).isoformat()

    async def one(number: int) -> WorkflowHandle[Any, Any]:
        handle = await running.send(BUSY[number % len(BUSY)], f"tomorrow-{number}", send_at=at)
        await until(lambda: _phase(handle), lambda phase: phase == "scheduled", within=_WITHIN_SECONDS)
        return handle

    calls = (partial(one, number) for number in range(sends))
    return await running.unless_it_ends(few_at_once(STARTS_AT_ONCE, calls))


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


async def _asleep(running: Machinery) -> bool:
    """Whether the worker has nothing to do: a second of it costs next to nothing."""
    worker = running.process("worker")
    before = worker.processor_seconds()
    await asyncio.sleep(1)
    return worker.processor_seconds() - before < 0.05


def _megabytes(running: Machinery) -> float:
    return running.process("worker").memory() / 1e6
