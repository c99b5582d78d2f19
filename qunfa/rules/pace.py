"""How fast an account submits: WeChat takes 60 mass-send calls a minute and refuses parallel ones.

| rule | bound |
|---|---|
| between two submissions | ``spacing``: the ``pace`` that the first one's send has pinned, or wider |
| in any 60 spacings | 60 submissions, counted when they were *told*, which is after they were written |
| after 42010, 45011, 45061, 9500002 … | the spacing doubles for everybody, up to 300 times ``pace`` |
| after an accepted submission | the spacing halves, down to ``pace`` |
| where the next send has pinned another ``pace`` | the spacing stays, between that ``pace`` and 300 times it |
"""

from datetime import datetime, timedelta
from hashlib import sha256
from typing import Final

from qunfa.contract.ledger import Pace
from qunfa.contract.result import Answer
from qunfa.rules.submission import asks_to_slow_down

PER_MINUTE: Final = 60
_WIDEST: Final = 300
_GRANTED_MAX: Final = timedelta(hours=1)


def earliest(pace: Pace, now: datetime, configured: timedelta) -> datetime:
    """When the next submission may be written."""
    times = [now]
    if pace.next_at:
        times.append(pace.next_at)
    if len(pace.told_at) >= PER_MINUTE:
        times.append(pace.told_at[-PER_MINUTE] + PER_MINUTE * configured)
    return max(times)


def believed(pace: Pace, now: datetime) -> Pace:
    """The pace while no lease is out. It names no time that Temporal's clock has set while it was ahead.

    A lease is granted an hour before it begins, at most, and the spacing halves at most after it.
    """
    is_far = pace.next_at is not None and pace.next_at > now + 2 * pace.spacing + _GRANTED_MAX
    return pace.model_copy(update={"next_at": now + pace.spacing}) if is_far else pace


def leased(pace: Pace, not_before: datetime, configured: timedelta) -> Pace:
    return pace.model_copy(update={"next_at": not_before + _spacing(pace, configured)})


def told(pace: Pace, answer: Answer, now: datetime, configured: timedelta) -> Pace:
    """The pace when a lease came back with ``answer``."""
    spacing = _spacing(pace, configured)
    if asks_to_slow_down(answer):
        spacing = min(spacing * 2, configured * _WIDEST)
    elif answer.kind == "accepted":
        spacing = max(spacing / 2, configured)
    next_at = max(pace.next_at or now, now + spacing)
    written = (*pace.told_at, now) if answer.kind != "not_written" else pace.told_at
    return Pace(spacing=spacing, next_at=next_at, told_at=written[-PER_MINUTE:])


def _spacing(pace: Pace, configured: timedelta) -> timedelta:
    return max(min(pace.spacing, configured * _WIDEST), configured)


def spread(of: str, over: timedelta) -> timedelta:
    """A whole second within ``over``, always the same for the same text: so that not all do something at once."""
    return timedelta(seconds=int(sha256(of.encode()).hexdigest()[:8], 16) % int(over.total_seconds()))
