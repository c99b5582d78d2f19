"""A place where whoever comes has to wait."""

import asyncio

from tests.faults.place import Place


class Gate:
    """Holds whoever comes to a place from the n-th time on, until it is opened; the process itself goes on."""

    def __init__(self, place: Place, passing: int = 1) -> None:
        self.reached = asyncio.Event()
        self._open = asyncio.Event()
        self._place = place
        self._left = passing

    def open(self) -> None:
        """Let it pass."""
        self._open.set()

    async def passes(self, place: Place | None) -> None:
        """Returns when that is not the place, or the gate is open."""
        if place is not self._place:
            return
        self._left -= 1
        if self._left <= 0:
            self.reached.set()
            await self._open.wait()
