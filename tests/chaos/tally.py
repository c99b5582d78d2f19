"""What a run counts, how it shows that it is alive, and its last line."""

import asyncio
import sys
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from tests.chaos.judge import KINDS, Violation, count

LINE_EVERY_SECONDS: Final = 10.0


@dataclass
class Tally:
    """The figures of a run, also of one that was broken off."""

    seed: int
    wanted: int
    started: int = 0
    over: int = 0
    faults: int = 0
    kills: Counter[str] = field(default_factory=Counter)
    ends: Counter[str] = field(default_factory=Counter)
    """The last words on the sends: how many of each."""
    batches: int = 0
    lists: Counter[str] = field(default_factory=Counter)
    """The last words on the lists, and how many openids are in which state by their reports."""
    openids: Counter[str] = field(default_factory=Counter)
    judged: bool = False
    """Whether the judge has looked at it: where not, that no violation was found says nothing."""
    violations: list[Violation] = field(default_factory=list)

    def line(self) -> str:
        """The last line of every run."""
        kills = " ".join(f"{kind}_kills={self.kills[kind]}" for kind in ("worker", "receiver", "temporal"))
        counted = count(self.violations)
        broken = " ".join(f"{kind}={counted[kind]}" for kind in KINDS)
        return f"chaos: sends={self.started} {kills} faults={self.faults} {broken}"

    def endings(self) -> str:
        """How many sends ended how, the most frequent first."""
        return "ends: " + " ".join(f"{end}={times}" for end, times in self.ends.most_common())

    def of_lists(self) -> str:
        """How many lists ended how, and what their reports say."""
        ends, states = (
            " ".join(f"{what}={times}" for what, times in counted.most_common())
            for counted in (self.lists, self.openids)
        )
        return f"lists: {ends}; jobs: {self.batches}; openids: {states}"

    def progress(self, seconds: float) -> str:
        """How far it is."""
        kills = self.kills.total()
        return (
            f"{seconds:5.0f} s  {self.started} of {self.wanted} sends started, {self.over} over, {kills} kills, "
            f"{self.faults} faults, {self.batches} jobs of lists over"
        )


async def show(tally: Tally, refresh: Callable[[], None]) -> None:
    """A line of ``tally`` now and then, brought up to date by ``refresh``, until cancelled."""
    began = time.monotonic()
    while True:
        await asyncio.sleep(LINE_EVERY_SECONDS)
        refresh()
        say(tally.progress(time.monotonic() - began))


def say(line: str) -> None:
    """One line, at once."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()
