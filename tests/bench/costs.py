"""The table of what a send costs, and the goals for it."""

import asyncio
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tests.bench.machinery import Store, machinery
from tests.bench.sends import KINDS, Contender, Cost, Kind, cost_of
from tests.bench.table import Goal, Told, median_of, told

TIMES_NAIVE: Final = 2.1
"""What a send may cost, beside the naive one's."""
RATE_OF_NAIVE: Final = 0.45
"""How many sends a second there must be at least, beside the naive one's."""
EVENTS_MAX: Final = 32
"""Of the history of a text whose push comes."""
ACTIONS_MAX: Final = 15
"""That Temporal Cloud would bill for such a text, with its account's."""
_PROCESSES: Final = ("server", "worker", "receiver")
_BIG_SENDS: Final = 50
"""An article or a video takes longer than a text."""


@dataclass(frozen=True)
class Row:
    """What one kind of send has cost, as the median of the rounds."""

    contender: Contender
    kind: Kind
    store: Store
    cost: Cost

    @property
    def name(self) -> str:
        """How the table calls it."""
        what = f"{self.contender}, {self.kind}" if self.contender == "qunfa" else self.contender
        return f"{what}{' (file)' if self.store == 'file' else ''}"


_SENDS: Final[tuple[tuple[Contender, Kind, Store], ...]] = (
    *((contender, "text", store) for store in ("memory", "file") for contender in ("bare", "naive", "qunfa")),
    *(("qunfa", kind, "memory") for kind in KINDS if kind != "text"),
)


def measured(rounds: int, sends: int) -> list[Row]:
    """So many sends of each kind in each round.

    Raises:
        BenchError: something does not start.
    """
    costs: dict[tuple[Contender, Kind, Store], list[Cost]] = {one: [] for one in _SENDS}
    for number in range(1, rounds + 1):
        for contender, kind, store in _SENDS:
            sys.stderr.write(f"round {number}, {contender}, {kind}, Temporal's data in {store}\n")
            count = sends if kind == "text" else min(sends, _BIG_SENDS)
            costs[contender, kind, store].append(asyncio.run(_cost(contender, kind, store, count)))
    return [Row(*one, median_of(found)) for one, found in costs.items()]


async def _cost(contender: Contender, kind: Kind, store: Store, sends: int) -> Cost:
    with tempfile.TemporaryDirectory() as folder:
        async with machinery("qunfa" if contender == "qunfa" else "simple", store, Path(folder)) as running:
            return await cost_of(running, contender, sends, kind)


def _goals(rows: list[Row]) -> list[Goal]:
    """Each goal, and whether it is met; by what is kept in memory, where the disk does not matter."""
    of = {row.contender: row.cost for row in rows if row.kind == "text" and row.store == "memory"}
    naive, ours = of["naive"], of["qunfa"]
    times, rate = ours.total_ms / naive.total_ms, ours.per_second / naive.per_second
    return [
        (f"a send costs at most {TIMES_NAIVE:g} times a naive one ({times:.2f})", times <= TIMES_NAIVE),
        (f"at least {RATE_OF_NAIVE:g} of a naive one's sends a second ({rate:.2f})", rate >= RATE_OF_NAIVE),
        (f"at most {EVENTS_MAX} events ({ours.events:g})", ours.events <= EVENTS_MAX),
        (f"at most {ACTIONS_MAX} billed actions ({ours.actions:.1f})", ours.actions <= ACTIONS_MAX),
    ]


def table(rows: list[Row]) -> Told:
    """What each kind of send has cost."""
    return told(
        {
            row.name: {
                **{f"{name} ms": round(row.cost.processor_ms.get(name, 0), 1) for name in _PROCESSES},
                "ms a send": round(row.cost.total_ms, 1),
                "sends/s": round(row.cost.per_second, 1),
                "events": row.cost.events,
                "account's events": round(row.cost.account_events, 1),
                "actions": round(row.cost.actions, 1),
            }
            for row in rows
        },
        _goals(rows),
    )
