"""How a run shows that it is alive: a bar in a terminal, elsewhere a line every ten seconds."""

import asyncio
import sys
import time
from collections.abc import Callable
from typing import Final

from rich.progress import BarColumn, Progress, TextColumn

from tests.chaos.tally import Tally

LINE_EVERY_SECONDS: Final = 10.0
BAR_EVERY_SECONDS: Final = 0.5


async def show(tally: Tally, refresh: Callable[[], None]) -> None:
    """Show `tally`, brought up to date by `refresh`, until cancelled."""
    began = time.monotonic()
    if not sys.stdout.isatty():
        while True:
            await asyncio.sleep(LINE_EVERY_SECONDS)
            refresh()
            say(tally.progress(time.monotonic() - began))
    with Progress(BarColumn(), TextColumn("{task.description}"), transient=True) as bar:
        task = bar.add_task("", total=tally.wanted)
        while True:
            refresh()
            bar.update(task, completed=tally.over, description=tally.progress(time.monotonic() - began))
            await asyncio.sleep(BAR_EVERY_SECONDS)


def say(line: str) -> None:
    """One line, at once."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()
