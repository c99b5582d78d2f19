"""How many pushes a second the receiver takes, beside the least that its server could do."""

import asyncio
import sys
import tempfile
from pathlib import Path
from typing import Final

from temporalio.testing import WorkflowEnvironment

from tests.bench.requests import Mode, write_requests
from tests.bench.stand import pushes_taken, serving
from tests.bench.verdict import Part, Row, medians
from tests.bench.wrk import BenchError, Measured, find_wrk, run_wrk
from tests.temporal import binary

SECONDS_MAX: Final = 20
"""Temporal takes 10,000 signals for one workflow, and here nobody works them off."""
PER_SECOND: Final = 8000
"""Pushes to prepare; a server that takes more gets the first ones again."""
_WARM_UP: Final = 1
_SERVERS: Final[tuple[tuple[Part, Mode], ...]] = (
    ("hello", "plain"),
    ("noop", "plain"),
    ("noop", "safe"),
    ("temporal", "plain"),
    ("temporal", "safe"),
)


def measured(rounds: int, seconds: int) -> list[Row]:
    """Each server so many times.

    Raises:
        BenchError: nothing can be measured.
    """
    return asyncio.run(_measure(rounds, seconds))


async def _measure(rounds: int, seconds: int) -> list[Row]:
    wrk, temporal = find_wrk(), binary("temporal")
    with tempfile.TemporaryDirectory() as directory:
        bench = _Bench(wrk, temporal, seconds, Path(directory))
        return medians([await bench.round(number) for number in range(1, rounds + 1)])


class _Bench:
    def __init__(self, wrk: str, temporal: str, seconds: int, directory: Path) -> None:
        self._wrk = wrk
        self._temporal = temporal
        self._seconds = seconds
        self._directory = directory

    async def round(self, number: int) -> list[Row]:
        """Each server once, hello first."""
        rows: list[Row] = []
        for part, mode in _SERVERS:
            sys.stderr.write(f"round {number}, {part}, {mode}: {self._seconds} s\n")
            measured, lost, processor = await self._run(part, mode)
            hello = rows[0].measured.rate if rows else measured.rate
            rows.append(Row(part, mode, measured, lost, measured.rate / hello, processor))
        return rows

    async def _run(self, part: Part, mode: Mode) -> tuple[Measured, int, float | None]:
        """One server, which is gone afterwards, and Temporal's with it: none has the load of another."""
        if part != "temporal":
            return await asyncio.to_thread(self._measured, part, mode, None)
        async with await WorkflowEnvironment.start_local(
            dev_server_existing_path=self._temporal, dev_server_log_level="error"
        ) as server:
            address = server.client.service_client.config.target_host
            return await asyncio.to_thread(self._measured, part, mode, address)

    def _measured(self, part: Part, mode: Mode, address: str | None) -> tuple[Measured, int, float | None]:
        file, log = self._directory / "requests", self._directory / "log"
        per_run = self._seconds * PER_SECOND
        write_requests(file, mode, per_run + _WARM_UP * PER_SECOND)
        try:
            with serving(part, mode, log, address) as server:
                run_wrk(self._wrk, server.url, file, _WARM_UP, first=per_run + 1)
                before = server.processor_seconds()
                measured = run_wrk(self._wrk, server.url, file, self._seconds)
                after = server.processor_seconds()
                taken, others = (0, 0) if part == "hello" else pushes_taken(server.metrics)
        except BenchError:
            sys.stderr.write(log.read_text(errors="replace")[-2000:] if log.exists() else "")
            raise
        missing = 0 if part == "hello" else max(0, measured.requests - taken)
        processor = None if before is None or after is None else (after - before) * 1000 / max(1, measured.requests)
        return measured, max(measured.refused + measured.broken, others + missing), processor
