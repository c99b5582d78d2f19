"""What the receiver remembers: for a while, and never more than its memory has room for."""

import asyncio
import time
from collections.abc import AsyncIterator, Hashable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from hashlib import blake2b
from typing import Final, Generic, TypeVar

REMEMBERED_MAX: Final = 50_000
"""Entries of one memory, of some 250 bytes each. Beyond, the oldest one is forgotten before its time."""
_V = TypeVar("_V")


class Recent(Generic[_V]):
    """What was noted last, under its keys. Nothing in it is older than `span`."""

    def __init__(self, span: timedelta, most: int = REMEMBERED_MAX) -> None:
        self._span = span.total_seconds()
        self._most = most
        self._noted: dict[Hashable, tuple[float, _V]] = {}

    def get(self, key: Hashable) -> _V | None:
        """What was noted under the key; None where nothing was, or where it is forgotten."""
        found = self._noted.get(key)
        return found[1] if found is not None and found[0] > time.monotonic() else None

    def note(self, key: Hashable, value: _V) -> None:
        """Remembers the value from now on."""
        now = time.monotonic()
        self._noted.pop(key, None)
        while self._noted and (len(self._noted) >= self._most or self._first() <= now):
            del self._noted[next(iter(self._noted))]
        self._noted[key] = (now + self._span, value)

    def __len__(self) -> int:
        return len(self._noted)

    def _first(self) -> float:
        return next(iter(self._noted.values()))[0]


@dataclass(slots=True)
class _Turn:
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    wanted: int = 0


class Turns:
    """Lets those with the same key do their work one after the other."""

    def __init__(self) -> None:
        self._turns: dict[Hashable, _Turn] = {}

    @asynccontextmanager
    async def taking(self, key: Hashable) -> AsyncIterator[None]:
        """Waits until nobody with this key is in the block."""
        turn = self._turns.setdefault(key, _Turn())
        turn.wanted += 1
        try:
            async with turn.lock:
                yield
        finally:
            turn.wanted -= 1
            if not turn.wanted:
                del self._turns[key]


def digest(*parts: bytes) -> bytes:
    """16 bytes that stand for the parts, in their order; only the last one may have a zero byte in it."""
    return blake2b(b"\0".join(parts), digest_size=16).digest()
