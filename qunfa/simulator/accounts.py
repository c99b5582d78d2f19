"""An Official Account while the simulator runs, and its followers.

A follower is a number from 0. Openids are computed, and not stored. A set of followers counts itself into a
`bytearray`, which holds one count a follower. So a send to a million followers takes milliseconds and a megabyte.
"""

from __future__ import annotations

from array import array
from base64 import urlsafe_b64encode
from bisect import bisect_left
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from hashlib import blake2b
from typing import Protocol

from qunfa.simulator.clock import Clock
from qunfa.simulator.config import AccountConfig, SimulatorConfig
from qunfa.simulator.materials import Library
from qunfa.simulator.quota import DailyCalls, RateWindow

OPENID_LENGTH = 28
_ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
_DIGITS = {letter: value for value, letter in enumerate(_ALPHABET)}
_NUMBERS = 2**30
_FACTOR = 0x2C9277B5
_INVERSE = pow(_FACTOR, -1, _NUMBERS)
_MOST = 255
_INCREMENT = bytes(min(value + 1, _MOST) for value in range(256))


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


class FollowerSet(Protocol):
    """Some followers of one account."""

    def __len__(self) -> int: ...

    def __contains__(self, n: object) -> bool: ...

    def __iter__(self) -> Iterator[int]: ...

    def add_to(self, counts: bytearray) -> None:
        """Add one to the count of each member; 255 stays 255."""

    def below(self, counts: bytearray, limit: int) -> FollowerSet:
        """The members whose count is less than `limit`."""


@dataclass(frozen=True)
class Span:
    """The followers from `start` up to, but without, `stop`."""

    start: int
    stop: int

    def __len__(self) -> int:
        return self.stop - self.start

    def __contains__(self, n: object) -> bool:
        return isinstance(n, int) and self.start <= n < self.stop

    def __iter__(self) -> Iterator[int]:
        return iter(range(self.start, self.stop))

    def add_to(self, counts: bytearray) -> None:
        """Add one to the count of each member; 255 stays 255."""
        counts[self.start : self.stop] = counts[self.start : self.stop].translate(_INCREMENT)

    def below(self, counts: bytearray, limit: int) -> FollowerSet:
        """The members whose count is less than `limit`."""
        mask = bytes(counts[self.start : self.stop]).translate(bytes(value < limit for value in range(256)))
        return Masked(self.start, mask) if 0 in mask else self


@dataclass(frozen=True)
class Masked:
    """The followers `start + i` for which `mask[i]` is 1; the others are 0."""

    start: int
    mask: bytes

    def __len__(self) -> int:
        return self.mask.count(1)

    def __contains__(self, n: object) -> bool:
        return isinstance(n, int) and 0 <= n - self.start < len(self.mask) and self.mask[n - self.start] == 1

    def __iter__(self) -> Iterator[int]:
        return (self.start + i for i, member in enumerate(self.mask) if member)

    def add_to(self, counts: bytearray) -> None:
        """Add one to the count of each member; 255 stays 255."""
        stop = self.start + len(self.mask)
        segment = counts[self.start : stop]
        if _MOST in segment:
            counts[self.start : stop] = bytes(min(a + b, _MOST) for a, b in zip(segment, self.mask, strict=True))
            return
        # No byte can overflow into its neighbour: one addition of two long integers adds all counts.
        total = int.from_bytes(segment, "little") + int.from_bytes(self.mask, "little")
        counts[self.start : stop] = total.to_bytes(len(self.mask), "little")

    def below(self, counts: bytearray, limit: int) -> FollowerSet:
        """The members whose count is less than `limit`."""
        pairs = zip(self.mask, counts[self.start : self.start + len(self.mask)], strict=True)
        return Masked(self.start, bytes(member and count < limit for member, count in pairs))


class Chosen:
    """Followers listed one by one."""

    def __init__(self, numbers: Iterable[int]) -> None:
        self._numbers = array("I", sorted(set(numbers)))

    def __len__(self) -> int:
        return len(self._numbers)

    def __contains__(self, n: object) -> bool:
        if not isinstance(n, int):
            return False
        place = bisect_left(self._numbers, n)
        return place < len(self._numbers) and self._numbers[place] == n

    def __iter__(self) -> Iterator[int]:
        return iter(self._numbers)

    def add_to(self, counts: bytearray) -> None:
        """Add one to the count of each member; 255 stays 255."""
        for n in self._numbers:
            counts[n] = _INCREMENT[counts[n]]

    def below(self, counts: bytearray, limit: int) -> FollowerSet:
        """The members whose count is less than `limit`."""
        return Chosen(n for n in self._numbers if counts[n] < limit)


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

    def everybody(self) -> Span:
        """All followers."""
        return Span(0, self.config.followers)

    def tagged(self, tag_id: int) -> Span | None:
        """The followers with a tag, or None if there is no such tag."""
        for tag in self.config.tags:
            if tag.id == tag_id:
                return Span(tag.first, tag.first + tag.count)
        return None

    def number_of(self, text: str) -> int | None:
        """Which follower has that openid, or None."""
        n = follower_number(self.config.appid, text)
        return n if n is not None and n < self.config.followers else None

    def openids(self, numbers: Iterable[int]) -> list[str]:
        """The openids of followers."""
        return [openid(self.config.appid, n) for n in numbers]
