"""An Official Account while the simulator runs, how often it may call, and its followers.

A follower is a number from 0, from which the openid is computed. So ten million of them need no memory.
What each received is counted in one byte. A long list that is scattered over millions costs four bytes a member.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from array import array
from base64 import urlsafe_b64encode
from bisect import bisect_left
from collections import Counter, deque
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date
from functools import lru_cache
from hashlib import blake2b
from itertools import compress, count

from qunfa.simulator.clock import Clock
from qunfa.simulator.config import AccountConfig, QuotaName, SimulatorConfig
from qunfa.simulator.content import Library
from qunfa.simulator.errors import Refusal

_PER_DAY: dict[QuotaName, int] = {
    "token": 2000,
    "stable_token": 500_000,
    "mass": 100,
    "user/get": 500,
    "mass/preview": 100,
    "mass/delete": 10,
    "media/upload": 100_000,
    "media/uploadnews": 10,
    "draft/add": 1_000,
    "draft/get": 500,
    "other": 100_000,
}
_PER_DAY_TEST: dict[QuotaName, int] = _PER_DAY | {"token": 200, "user/get": 100, "media/upload": 500}


class DailyCalls:
    """Counts calls by quota name and calendar day."""

    def __init__(self, config: AccountConfig) -> None:
        defaults = _PER_DAY_TEST if config.kind == "test" else _PER_DAY
        self._limits: dict[QuotaName, int] = defaults | config.limits.calls_per_day
        self._used: Counter[str] = Counter()
        self._day: date | None = None

    def add(self, quota: str, day: date) -> None:
        if day != self._day:
            self._day = day
            self._used.clear()
        self._used[quota] += 1

    def check(self, quota: QuotaName, day: date) -> None:
        """Let a call that was counted pass.

        Raises:
            Refusal: 45009, it is one too many.
        """
        if self.used(quota, day) > self.limit(quota):
            raise Refusal(45009)

    def clear(self) -> None:
        self._used.clear()

    def used(self, quota: str, day: date) -> int:
        """How many calls were counted on that day."""
        return self._used[quota] if day == self._day else 0

    def limit(self, quota: QuotaName) -> int:
        """How many calls a day may have."""
        return self._limits.get(quota, self._limits["other"])


class RateWindow:
    """At most `most` calls in any `span` seconds; refused ones do not count."""

    def __init__(self, most: int, span: float) -> None:
        self._most = most
        self._span = span
        self._times: deque[float] = deque()

    def take(self, now: float) -> None:
        """Let a call pass and count it.

        Raises:
            Refusal: 45011, there were too many in the last span.
        """
        while self._times and not 0 <= now - self._times[0] < self._span:
            self._times.popleft()
        if len(self._times) >= self._most:
            raise Refusal(45011)
        self._times.append(now)


OPENID_LENGTH = 28
_ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
_DIGITS = {letter: value for value, letter in enumerate(_ALPHABET)}
_NUMBERS = 2**30
_FACTOR = 0x2C9277B5
_INVERSE = pow(_FACTOR, -1, _NUMBERS)


def openid(appid: str, n: int) -> str:
    """The openid of follower `n` of the account `appid`: 28 characters, the first an "o"; the same in every run."""
    prefix, salt = _appid_parts(appid)
    scrambled = (n * _FACTOR + salt) % _NUMBERS
    number = "".join(_ALPHABET[scrambled >> shift & 63] for shift in (24, 18, 12, 6, 0))
    tail = urlsafe_b64encode(blake2b(f"{appid}:{n}".encode(), digest_size=13).digest())[:17].decode()
    return f"o{prefix}{number}{tail}"


def follower_number(appid: str, text: str) -> int | None:
    """The `n` of which `text` is the openid, or None if it is no openid of that account."""
    prefix, salt = _appid_parts(appid)
    if len(text) != OPENID_LENGTH or not text.startswith("o" + prefix):
        return None
    scrambled = 0
    for letter in text[6:11]:
        scrambled = scrambled << 6 | _DIGITS.get(letter, 0)
    n = (scrambled - salt) * _INVERSE % _NUMBERS
    return n if openid(appid, n) == text else None


@lru_cache(maxsize=1024)
def _appid_parts(appid: str) -> tuple[str, int]:
    digest = blake2b(appid.encode(), digest_size=8).digest()
    return urlsafe_b64encode(digest)[:5].decode(), int.from_bytes(digest[4:], "big") % _NUMBERS


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


@dataclass
class Token:
    """An access token; times in seconds since the epoch."""

    value: str
    expires_at: float
    replaced_at: float = float("inf")


@dataclass
class Tokens:
    """The access tokens of an account: all by their text, the newest of each kind, and when one was forced last."""

    issued: dict[str, Token] = field(default_factory=dict)
    classic: Token | None = None
    stable: Token | None = None
    forced_at: float = float("-inf")


@dataclass(eq=False)
class Account:
    """The configuration of an account, and what it has: tokens, counters and materials."""

    name: str
    config: AccountConfig
    calls: DailyCalls
    mass_rate: RateWindow
    stable_token_rate: RateWindow
    library: Library
    tokens: Tokens = field(default_factory=Tokens)
    speed: int = 0

    @classmethod
    def create(cls, name: str, simulator: SimulatorConfig, clock: Clock) -> Account:
        """The account of that name in the configuration, with nothing used yet."""
        config, timing = simulator.accounts[name], simulator.timing
        minute = clock.span(timing.rate_window)
        return cls(
            name=name,
            config=config,
            calls=DailyCalls(config),
            mass_rate=RateWindow(config.limits.mass_per_minute, minute),
            stable_token_rate=RateWindow(config.limits.stable_tokens_per_minute, minute),
            library=Library(clock.span(timing.media_lifetime)),
        )

    def everybody(self) -> range:
        """The numbers of all followers."""
        return range(self.config.followers)

    def tagged(self, tag_id: object) -> Sequence[int] | None:
        """The numbers of the followers with a tag, in order, or None if there is no such tag."""
        return next((tag.members() for tag in self.config.all_tags if tag.id == tag_id), None)

    def number_of(self, text: str) -> int | None:
        """Which follower has that openid, or None."""
        n = follower_number(self.config.appid, text)
        return n if n is not None and n < self.config.followers else None

    def openids(self, numbers: Iterable[int]) -> list[str]:
        return [openid(self.config.appid, n) for n in numbers]
