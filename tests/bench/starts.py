"""How long it takes to start: a command, a worker, and the replay of the longest recorded history."""

import asyncio
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

from temporalio.client import WorkflowHistory
from temporalio.worker import Replayer, UnsandboxedWorkflowRunner

from qunfa.temporal.payloads import data_converter
from tests.bench.machinery import machinery
from tests.bench.sends import through
from tests.bench.table import Told, told
from worker import WORKFLOWS

HISTORIES: Final = Path(__file__).parents[1] / "histories"
_IMPORTS: Final = (sys.executable, "-c", "import temporalio.worker, pydantic, httpx")

Seconds = dict[str, float]


def measured(rounds: int) -> Seconds:
    """Seconds for each, as the median of the rounds.

    Raises:
        BenchError: something does not start.
    """
    longest = _longest().read_text(encoding="utf-8")
    taken: dict[str, Callable[[], float]] = {
        "python with Temporal, pydantic and httpx": lambda: _run(*_IMPORTS),
        "qunfa --help": lambda: _run(sys.executable, "-m", "qunfa.cli", "--help"),
        "a worker takes its first send to its end": lambda: asyncio.run(_first_send()),
        f"replay of the longest history ({_events(_longest())} events)": lambda: asyncio.run(_replayed(longest)),
    }
    return {name: statistics.median(take() for _ in range(rounds)) for name, take in taken.items()}


def table(seconds: Seconds) -> Told:
    """There are no goals."""
    return told({name: {"seconds": round(one, 3)} for name, one in seconds.items()})


def _run(*command: str) -> float:
    began = time.monotonic()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return time.monotonic() - began


async def _first_send() -> float:
    """From the start of the worker's process on."""
    with tempfile.TemporaryDirectory() as folder:
        async with machinery("qunfa", "memory", Path(folder)) as running:
            began = running.began
            await through(running, "qunfa", "text", "first", 1)
            return time.monotonic() - began


def _longest() -> Path:
    return max(HISTORIES.rglob("*.json"), key=_events)


def _events(file: Path) -> int:
    return file.read_text(encoding="utf-8").count('"eventId"')


async def _replayed(recorded: str) -> float:
    replayer = Replayer(workflows=WORKFLOWS, data_converter=data_converter, workflow_runner=UnsandboxedWorkflowRunner())
    read = json.loads(recorded)
    history = WorkflowHistory.from_json(read["workflowId"], read["history"])
    began = time.monotonic()
    await replayer.replay_workflow(history)
    return time.monotonic() - began
