"""The wall clock, as activities see it."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Protocol


class Clock(Protocol):
    """Now, and how to get later."""

    def now(self) -> datetime:
        """The time, with an offset."""

    async def sleep(self, span: timedelta) -> None:
        """Return when `span` has passed."""


class SystemClock:
    """The clock of this machine. Leases rely on it, so it must be kept right (NTP)."""

    def now(self) -> datetime:
        """The time in UTC."""
        return datetime.now(UTC)

    async def sleep(self, span: timedelta) -> None:
        """Return when `span` has passed."""
        await asyncio.sleep(span.total_seconds())
