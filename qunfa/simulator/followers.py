"""Some followers of one account, and counts of what each of them received: one byte for each follower of the account.

A follower is a number from 0. A long list that is scattered over millions costs four bytes for each of its members.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from array import array
from bisect import bisect_left
from collections.abc import Collection, Iterator, Sequence
from itertools import compress, count

_MOST = 255
_SPARSE = 8
_BELOW_MOST = bytes(value < _MOST for value in range(256))


class Followers(ABC):
    """Some followers of one account, by their numbers, in order."""

    @staticmethod
    def of(numbers: Collection[int]) -> Followers:
        start = min(numbers, default=0)
        span = max(numbers, default=start - 1) + 1 - start
        if span > _SPARSE * len(numbers):
            return Scattered(array("I", sorted(set(numbers))))
        mask = bytearray(span)
        for n in numbers:
            mask[n - start] = 1
        return Dense(start, bytes(mask))

    @abstractmethod
    def __len__(self) -> int: ...

    @abstractmethod
    def __contains__(self, n: object) -> bool: ...

    @abstractmethod
    def __iter__(self) -> Iterator[int]: ...

    @abstractmethod
    def below(self, counts: bytearray, limit: int) -> Followers:
        """The members whose count is less than `limit`."""

    @abstractmethod
    def add_to(self, counts: bytearray) -> None:
        """Add one to the count of each member; 255 stays 255."""


class Scattered(Followers):
    """Followers that are few among many, each by its number."""

    def __init__(self, numbers: Sequence[int]) -> None:
        self._numbers = numbers

    def __len__(self) -> int:
        return len(self._numbers)

    def __contains__(self, n: object) -> bool:
        if not isinstance(n, int):
            return False
        place = bisect_left(self._numbers, n)
        return place < len(self._numbers) and self._numbers[place] == n

    def __iter__(self) -> Iterator[int]:
        return iter(self._numbers)

    def below(self, counts: bytearray, limit: int) -> Followers:
        """The members whose count is less than `limit`."""
        left = array("I", (n for n in self._numbers if counts[n] < limit))
        return self if len(left) == len(self) else Scattered(left)

    def add_to(self, counts: bytearray) -> None:
        """Add one to the count of each member; 255 stays 255."""
        for n in self._numbers:
            if counts[n] < _MOST:
                counts[n] += 1


class Dense(Followers):
    """Followers that are many: number `start + i` is one of them where `mask[i]` is 1, and is none where it is 0.

    Long integers hold all counts at once, so a million followers take milliseconds.
    """

    def __init__(self, start: int, mask: bytes) -> None:
        self._start = start
        self._mask = mask

    def __len__(self) -> int:
        return self._mask.count(1)

    def __contains__(self, n: object) -> bool:
        return isinstance(n, int) and 0 <= n - self._start < len(self._mask) and self._mask[n - self._start] == 1

    def __iter__(self) -> Iterator[int]:
        return compress(count(self._start), self._mask)

    def below(self, counts: bytearray, limit: int) -> Followers:
        """The members whose count is less than `limit`."""
        return Dense(self._start, self._where(counts, bytes(value < limit for value in range(256))))

    def add_to(self, counts: bytearray) -> None:
        """Add one to the count of each member; 255 stays 255."""
        more = self._where(counts, _BELOW_MOST)
        sums = _bytes(_number(self._own(counts)) + _number(more), len(more))
        counts[self._start : self._start + len(more)] = sums

    def _where(self, counts: bytearray, room: bytes) -> bytes:
        """The mask of the members whose count has a 1 in `room`."""
        return _bytes(_number(self._mask) & _number(self._own(counts).translate(room)), len(self._mask))

    def _own(self, counts: bytearray) -> bytearray:
        return counts[self._start : self._start + len(self._mask)]


def _number(counts: bytes | bytearray) -> int:
    return int.from_bytes(counts, "little")


def _bytes(number: int, length: int) -> bytes:
    return number.to_bytes(length, "little")
