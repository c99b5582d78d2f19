"""The sign of life of a running activity."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Final

from temporalio import activity

_BEATS: Final = 6
"""Heartbeats in the time after which Temporal takes a silent worker for lost."""
_UNASKED: Final = timedelta(seconds=30)


class Beat:
    """What the heartbeats of an activity tell."""

    def __init__(self) -> None:
        self.details: tuple[str, ...] = ()

    def tell(self, progress: str) -> None:
        """Heartbeat, and tell how far the activity is: Temporal's UI shows it."""
        self.details = (progress,)
        activity.heartbeat(*self.details)


@asynccontextmanager
async def heartbeats() -> AsyncIterator[Beat]:
    """Heartbeat at once and then regularly, until the block ends: Temporal notices when the worker is lost."""
    beat = Beat()
    every = (activity.info().heartbeat_timeout or _UNASKED) / _BEATS
    beating = asyncio.create_task(_beat(beat, every), name="heartbeats")
    try:
        yield beat
    finally:
        beating.cancel()
        await asyncio.wait({beating})


async def _beat(beat: Beat, every: timedelta) -> None:
    while True:
        activity.heartbeat(*beat.details)
        await asyncio.sleep(every.total_seconds())
