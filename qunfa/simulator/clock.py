"""The one clock that every rule of the simulator reads.

The time is the real time plus an offset that `advance` and `set` change. It never runs faster. A `scale` shortens the
spans that rules work with:

- the minute of the rate limits, the 24 hours of clientmsgid, the 60 seconds of 45066
- delivery times, and the time in which mass/get answers 40059
- the spacing and the planned delay of pushes
- the administrator's 30 minutes

Calendar days and months, the push deadline and the seconds of a fault are not scaled. Nor are token lifetimes, which
clients are told in `expires_in`.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from datetime import date, datetime, timedelta, timezone

SHANGHAI = timezone(timedelta(hours=8), "Asia/Shanghai")


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


class Clock:
    """Simulated time, in seconds since the epoch.

    Args:
        scale: divides every span; 60 makes a minute last a second.
        start: the time it is now, instead of the real one.
    """

    def __init__(self, scale: float = 1.0, start: datetime | None = None) -> None:
        self._scale = scale
        self._offset = 0.0
        self._changes = Changes()
        if start is not None:
            self.set(start)

    @property
    def scale(self) -> float:
        """What spans are divided by."""
        return self._scale

    def now(self) -> float:
        return time.time() + self._offset

    def span(self, seconds: float) -> float:
        """How long a span of `seconds` lasts on this clock."""
        return seconds / self._scale

    def day(self) -> date:
        """Today in China."""
        return shanghai_day(self.now())

    def month(self) -> str:
        """This calendar month in China, as `2026-12`."""
        return shanghai_month(self.now())

    def advance(self, seconds: float) -> None:
        """Let `seconds` pass at once; whatever was due in them happens now."""
        self._offset += seconds
        self._changes.notify()

    def set(self, moment: datetime) -> None:
        self._offset = moment.timestamp() - time.time()
        self._changes.notify()

    async def wait_until(self, due: float) -> None:
        """Return when the clock shows `due`, by itself or because it was advanced."""
        while (left := due - self.now()) > 0:
            await self._changes.next(within=left)


def shanghai_day(moment: float) -> date:
    """The calendar day in China at `moment`, a time in seconds since the epoch."""
    return datetime.fromtimestamp(moment, SHANGHAI).date()


def shanghai_month(moment: float) -> str:
    """The calendar month in China at `moment`, as `2026-12`."""
    return shanghai_day(moment).strftime("%Y-%m")


def rfc3339(moment: float) -> str:
    """`moment` in China's time, with milliseconds."""
    return datetime.fromtimestamp(moment, SHANGHAI).isoformat(timespec="milliseconds")
