"""How much the receiver takes in a second, and what it remembers within a fixed amount of memory."""

import asyncio
import time
from collections.abc import Hashable
from datetime import timedelta
from hashlib import blake2b
from typing import Final, Generic, TypeVar
from weakref import WeakValueDictionary

REMEMBERED_MAX: Final = 50_000
"""Entries of one memory, of some 150 bytes each."""
_V = TypeVar("_V", bytes, int)


class Rate:
    """Allows so many a second. What was left unused may come at once, up to `at_once`, which is one or more."""

    def __init__(self, per_second: float, at_once: float) -> None:
        self._per_second = per_second
        self._most = self._left = max(1.0, at_once)
        self._at = time.monotonic()

    def take(self) -> bool:
        """Takes one, if there is one left now."""
        now = time.monotonic()
        self._left = min(self._most, self._left + (now - self._at) * self._per_second)
        self._at = now
        if self._left < 1:
            return False
        self._left -= 1
        return True

    def give_back(self) -> None:
        """What was taken has not been used."""
        self._left = min(self._most, self._left + 1)


class Recent(Generic[_V]):
    """Values by key, each remembered for at least `span` and less than three times as long.

    There are never more than `most` entries, but always the latest half of as many. Whole halves are forgotten, which
    is quick. No entry has a time of its own. Texts and numbers alone cost Python's collector nothing.
    """

    def __init__(self, span: timedelta, most: int = REMEMBERED_MAX) -> None:
        self._span = span.total_seconds()
        self._half = most // 2
        self._later: dict[str | bytes, _V] = {}
        self._earlier: dict[str | bytes, _V] = {}
        self._since = time.monotonic()

    def get(self, key: str | bytes) -> _V | None:
        """What was noted under the key; None where nothing was, or where it is forgotten."""
        self._forget()
        found = self._later.get(key)
        return self._earlier.get(key) if found is None else found

    def note(self, key: str | bytes, value: _V) -> None:
        """Remembers the value from now on."""
        self._forget()
        self._later[key] = value

    def __len__(self) -> int:
        return len(self._later) + len(self._earlier)

    def _forget(self) -> None:
        passed = time.monotonic() - self._since
        if passed >= self._span or len(self._later) >= self._half:
            self._earlier = self._later if passed < 2 * self._span else {}
            self._later = {}
            self._since += passed


class Turns:
    """Lets those with the same key do their work one after the other."""

    def __init__(self) -> None:
        self._locks: WeakValueDictionary[Hashable, asyncio.Lock] = WeakValueDictionary()

    def of(self, key: Hashable) -> asyncio.Lock:
        """The lock of that key. It is there as long as somebody has it, or waits for it."""
        return self._locks.setdefault(key, asyncio.Lock())


def digest(*parts: bytes) -> bytes:
    """16 bytes that stand for the parts, in their order. Only the last part may have a zero byte in it."""
    return blake2b(b"\0".join(parts), digest_size=16).digest()
