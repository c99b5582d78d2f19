"""A wake-up for whoever waits until the simulator's state has some property."""

from __future__ import annotations

import asyncio
from collections.abc import Callable


class Changes:
    """Told of every change; lets tasks wait for a condition without polling."""

    def __init__(self) -> None:
        self._event = asyncio.Event()

    def notify(self) -> None:
        """Wake everybody who waits, so that they look again."""
        self._event.set()
        self._event = asyncio.Event()

    async def next(self, within: float | None = None) -> None:
        """Return at the next change, or after `within` real seconds."""
        event = self._event
        try:
            async with asyncio.timeout(within):
                await event.wait()
        except TimeoutError:
            return

    async def until(self, condition: Callable[[], object], within: float | None = None) -> None:
        """Return as soon as `condition()` is true.

        Raises:
            TimeoutError: it was not true within `within` real seconds.
        """
        async with asyncio.timeout(within):
            while not condition():
                await self._event.wait()
