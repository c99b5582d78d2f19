"""How often an account may call: in a calendar day in China, and in a minute."""

from __future__ import annotations

from collections import Counter, deque
from datetime import date

from qunfa.simulator.config import AccountConfig, QuotaName
from qunfa.simulator.errors import Refusal

_CLEARED_PER_MONTH = 10
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
    "draft/delete": 1_000,
    "draft/count": 1_000,
    "other": 100_000,
}
_PER_DAY_TEST: dict[QuotaName, int] = _PER_DAY | {"token": 200, "user/get": 100, "media/upload": 500}


class DailyCalls:
    """Counts calls by quota name and calendar day."""

    def __init__(self, config: AccountConfig) -> None:
        defaults = _PER_DAY_TEST if config.kind == "test" else _PER_DAY
        self._limits: dict[QuotaName, int] = defaults | config.limits.calls_per_day
        self._used: Counter[str] = Counter()
        self._cleared: Counter[str] = Counter()
        self._day: date | None = None

    def add(self, quota: str, day: date) -> None:
        """Count a call."""
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

    def clear(self, month: str) -> None:
        """Forget the calls of today.

        Raises:
            Refusal: 48006, that was done ten times this month.
        """
        if self._cleared[month] >= _CLEARED_PER_MONTH:
            raise Refusal(48006)
        self._cleared[month] += 1
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
