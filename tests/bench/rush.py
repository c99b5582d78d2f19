"""Sends of many accounts that are all due in one second: how long they take, and that each is delivered once."""

import asyncio
import statistics
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Final

from tests.bench.machinery import ACCOUNTS, FOLLOWERS, Machinery, few_at_once, machinery
from tests.bench.scale import STARTS_AT_ONCE
from tests.bench.table import Told, told

_START_SECONDS: Final = 0.1
"""How long one start takes on a slow machine, with its wish. So all wait for their turn before they are due."""
_AWAITED_AT_ONCE: Final = 200
"""Temporal lets a namespace poll so many times at once, and awaiting a result is a poll."""
_LOOKED_AT: Final = 200
"""So many histories tell how long they are."""


@dataclass(frozen=True)
class Rushed:
    """What was seen. `per_second` and `seconds`: from when they were due until the last one had ended.

    `meanwhile`: seconds that a send of another account took. `events`: of the histories that were looked at.
    """

    accounts: int
    each: int
    workers: int
    seconds: float
    meanwhile: float
    events: tuple[int, ...]
    outcomes: dict[str, int]
    processor_ms: dict[str, float]
    memory: float
    wrongly_received: int

    @property
    def sends(self) -> int:
        """Of all accounts."""
        return self.accounts * self.each

    @property
    def per_second(self) -> float:
        """How many ended a second."""
        return self.sends / self.seconds


def measured(accounts: int, each: int, workers: int, pace: float | None = None) -> Rushed:
    """So many sends of so many accounts, and one of another account meanwhile.

    Raises:
        BenchError: something does not start.
    """
    with tempfile.TemporaryDirectory() as folder:
        return asyncio.run(_measured(accounts, each, workers, pace, Path(folder)))


async def _measured(number: int, each: int, workers: int, pace: float | None, folder: Path) -> Rushed:
    accounts, other = ACCOUNTS[:number], ACCOUNTS[number]
    async with machinery("qunfa", "file", folder, workers, for_many=True, pace=pace) as running:
        due = datetime.now(UTC) + timedelta(seconds=30 + len(accounts) * each * _START_SECONDS)
        sys.stderr.write(f"{len(accounts) * each} sends, due at {due:%H:%M:%S}\n")
        keys = [(name, f"rush-{number}") for number in range(each) for name in accounts]
        starts = [partial(running.send, name, key, send_at=due.isoformat()) for name, key in keys]
        handles = await running.unless_it_ends(few_at_once(STARTS_AT_ONCE, starts))
        await asyncio.sleep((due - datetime.now(UTC)).total_seconds())
        before, began = [one.processor_seconds() for one in running.processes], time.monotonic()
        meanwhile = asyncio.ensure_future(_meanwhile(running, other))
        ends = few_at_once(_AWAITED_AT_ONCE, (one.result for one in handles))
        results = await running.unless_it_ends(ends)
        seconds = time.monotonic() - began
        took: Counter[str] = Counter()
        for one, so_far in zip(running.processes, before, strict=True):
            took[one.name] += round(1000 * (one.processor_seconds() - so_far))
        world = running.sim.world
        counts = [count for name in accounts for count in world.ledger.counts(world.accounts[name])]
        return Rushed(
            accounts=len(accounts),
            each=each,
            workers=workers,
            seconds=seconds,
            meanwhile=await running.unless_it_ends(meanwhile),
            events=tuple([(await one.describe()).history_length for one in handles[:_LOOKED_AT]]),
            outcomes=dict(Counter(result["outcome"] for result in results)),
            processor_ms={name: took[name] / len(handles) for name in took},
            memory=max(one.memory() for one in running.processes if one.name == "worker") / 1e6,
            wrongly_received=sum(count != each for count in counts) + abs(len(counts) - FOLLOWERS * len(accounts)),
        )


async def _meanwhile(running: Machinery, account: str) -> float:
    began = time.monotonic()
    await (await running.send(account, "meanwhile")).result()
    return time.monotonic() - began


def table(found: Rushed) -> Told:
    """What was seen of the rush."""
    goals = [
        (f"all are sent ({found.outcomes})", found.outcomes == {"sent": found.sends}),
        (f"each follower has each message once ({found.wrongly_received} have not)", not found.wrongly_received),
    ]
    figures = {
        "accounts": found.accounts,
        "sends of each": found.each,
        "workers": found.workers,
        "from when they were due until all had ended, s": round(found.seconds, 1),
        "sends a second": round(found.per_second, 1),
        "a send of another account meanwhile, s": round(found.meanwhile, 1),
        "events of a send": statistics.median(found.events),
        "events of the longest one": max(found.events),
        **{f"processor of the {name}, ms a send": round(ms, 1) for name, ms in found.processor_ms.items()},
        "memory of a worker, MB": round(found.memory),
    }
    return told({name: {"measured": figure} for name, figure in figures.items()}, goals)
