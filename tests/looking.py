"""How a test awaits a condition: it looks again and again, and not so often that it takes the processor from it."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final, TypeVar

PATIENCE: Final = 180.0
"""Seconds after which a test says that what it awaits does not come. It is far more than a crowded machine needs."""
_APART_SECONDS: Final = 0.01
_APART_MAX_SECONDS: Final = 0.25
_GROWTH: Final = 1.25

SeenT = TypeVar("SeenT")


async def until(
    look: Callable[[], Awaitable[SeenT]], fits: Callable[[SeenT], object] = bool, within: float = PATIENCE
) -> SeenT:
    """What is seen, once it fits.

    Raises:
        AssertionError: it did not fit within so many seconds; tells what was seen last.
    """
    seen: list[SeenT] = []
    looks = Looks()
    try:
        async with asyncio.timeout(within):
            while not fits(now := await look()):
                seen[:] = [now]
                await looks.again()
            return now
    except TimeoutError:
        raise AssertionError(f"not within {within:.0f} s; seen last: {seen}") from None


async def look_again() -> None:
    """Between two looks."""
    await asyncio.sleep(_APART_SECONDS)


class Looks:
    """Looks that come ever less often: one wait that takes long is not to cost as much as all else."""

    def __init__(self) -> None:
        self._apart = _APART_SECONDS

    async def again(self) -> None:
        """Until the next look."""
        await asyncio.sleep(self._apart)
        self._apart = min(self._apart * _GROWTH, _APART_MAX_SECONDS)
