"""The sign of life of a running activity."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Final

from temporalio import activity

EVERY: Final = timedelta(seconds=5)


@asynccontextmanager
async def heartbeats(every: timedelta = EVERY) -> AsyncIterator[None]:
    """Heartbeat at once and then `every` so often, until the block ends: Temporal notices when the worker is lost."""
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
