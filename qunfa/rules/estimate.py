"""When so many submissions will be through: an estimate, by what limits them.

| limits | how |
|---|---|
| WeChat's calls of a day | 100 of ``mass/send`` and ``mass/sendall`` together, less those of today |
| the account's ``send_hours`` | nothing is submitted outside of them |
| the time that each has taken so far | one after the other |
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from qunfa.rules.calendar import SendHours, closing, next_day, next_opening
from qunfa.rules.quota_view import CALLS_A_DAY

_DAYS_MAX = 400


@dataclass(frozen=True, slots=True)
class Remaining:
    """What is left: so many ``batches``, each taking ``each``; ``used_today`` calls of today are gone already."""

    batches: int
    each: timedelta
    used_today: int = 0


def through(left: Remaining, starts: datetime, hours: SendHours | None) -> datetime | None:
    """When the last one will be through; ``None`` where that is more than a year ahead."""
    at, batches, room = next_opening(starts, hours), left.batches, max(0, CALLS_A_DAY - left.used_today)
    for _ in range(_DAYS_MAX):
        closes = closing(at, hours) or next_day(at, None)
        fit = min(room, batches, _in(closes - at, left.each))
        if fit == batches:
            return at + batches * left.each
        batches -= fit
        at, room = next_day(at, hours), CALLS_A_DAY
    return None


def _in(span: timedelta, each: timedelta) -> int:
    """How many are begun in this time: one that is under way when it ends goes on."""
    return CALLS_A_DAY if each <= timedelta(0) else -(-span // each)
