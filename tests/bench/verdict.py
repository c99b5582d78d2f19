"""What was measured beside what is wanted."""

from dataclasses import dataclass, replace
from statistics import median_low
from typing import Final, Literal

from tests.bench.requests import Mode
from tests.bench.table import Goal, Told, told
from tests.bench.wrk import Measured

Part = Literal["hello", "noop", "temporal"]
HELLO_SHARE: Final = 0.5
TEMPORAL_RATE: Final = 150.0
TEMPORAL_P99_MS: Final = 500.0


@dataclass(frozen=True)
class Row:
    """One server in one round. `lost` counts everything but a result that was taken and answered with `success`."""

    part: Part
    mode: Mode
    measured: Measured
    lost: int
    of_hello: float
    """How much of what hello gives in the same round."""
    processor_ms: float | None = None
    """What one request costs the server, whoever else wants the processor; None where the system does not say."""

    @property
    def name(self) -> str:
        """How the table calls it."""
        return {"hello": "hello", "noop": f"receiver, {self.mode}", "temporal": f"with Temporal, {self.mode}"}[
            self.part
        ]


def medians(rounds: list[list[Row]]) -> list[Row]:
    """Of each server the round that is in the middle by its share of hello, with what was lost in all rounds.

    What else a machine does changes from round to round; within one it meets hello and the others alike.
    """
    return [_median(list(rows)) for rows in zip(*rounds, strict=True)]


def _median(rows: list[Row]) -> Row:
    middle = sorted(rows, key=lambda row: row.of_hello)[(len(rows) - 1) // 2]
    if middle.part == "hello":
        middle = sorted(rows, key=lambda row: row.measured.rate)[(len(rows) - 1) // 2]
    processor = [row.processor_ms for row in rows if row.processor_ms is not None]
    return replace(
        middle, lost=sum(row.lost for row in rows), processor_ms=median_low(processor) if processor else None
    )


def _goals(row: Row) -> list[Goal]:
    rate, p99 = row.measured.rate, row.measured.p99 / 1000
    found = [(f"{row.name}: nothing lost ({row.lost})", row.lost == 0)]
    if row.part == "noop":
        wanted, share = f"{row.name}: at least {HELLO_SHARE:g} of hello", row.of_hello
        found.append((f"{wanted} ({share:.2f})", share >= HELLO_SHARE))
    if row.part == "temporal":
        found += [
            (f"{row.name}: at least {TEMPORAL_RATE:g} pushes a second ({rate:.0f})", rate >= TEMPORAL_RATE),
            (f"{row.name}: p99 under {TEMPORAL_P99_MS:g} ms ({p99:.0f})", p99 < TEMPORAL_P99_MS),
        ]
    return found


def table(rows: list[Row]) -> Told:
    """What the servers took; times in milliseconds."""
    return told(
        {
            row.name: {
                "pushes/s": round(row.measured.rate, 1),
                "p50 ms": row.measured.p50 / 1000,
                "p99 ms": row.measured.p99 / 1000,
                "processor ms": None if row.processor_ms is None else round(row.processor_ms, 3),
                "lost": row.lost,
                "of hello": round(row.of_hello, 2),
            }
            for row in rows
        },
        [goal for row in rows for goal in _goals(row)],
    )
