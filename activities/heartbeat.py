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


@asynccontextmanager
async def heartbeats() -> AsyncIterator[None]:
    """Heartbeat at once and then regularly, until the block ends: Temporal notices when the worker is lost."""
    every = (activity.info().heartbeat_timeout or _UNASKED) / _BEATS
    beating = asyncio.create_task(_beat(every), name="heartbeats")
    try:
        yield
    finally:
        beating.cancel()
        await asyncio.wait({beating})


async def _beat(every: timedelta) -> None:
    while True:
        activity.heartbeat()
        await asyncio.sleep(every.total_seconds())
