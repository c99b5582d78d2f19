"""The calendar by which WeChat counts: days and months of Asia/Shanghai (UTC+8, no summer time since 1991).

| question | answer |
|---|---|
| may it be sent now? | yes, inside ``send_hours``; unset or 00:00 to 24:00 is always |
| when next, outside them? | today's opening, or tomorrow's |
| when is a used-up day over? | at the next midnight in Shanghai, or the first opening after it |
| when is a used-up month over? | at the first of the next month in Shanghai, likewise |
"""

from datetime import UTC, datetime, time, timedelta, timezone
from typing import Final

SHANGHAI: Final = timezone(timedelta(hours=8), "Asia/Shanghai")
SendHours = tuple[str, str]
_DAY: Final = timedelta(days=1)


def shanghai_day(moment: datetime) -> str:
    """The day on which WeChat counts ``moment``: ``2026-12-01``."""
    return moment.astimezone(SHANGHAI).date().isoformat()


def shanghai_clock(moment: datetime) -> str:
    """``moment`` for people: ``2026-12-01 09:00:00+08:00``."""
    return moment.astimezone(SHANGHAI).isoformat(sep=" ", timespec="seconds")


def next_opening(moment: datetime, hours: SendHours | None) -> datetime:
    """The first time from ``moment`` on that lies inside ``hours``: ``moment`` itself where it does."""
    if hours is None:
        return moment
    midnight = _midnight(moment)
    opens, closes = (midnight + _of_day(text) for text in hours)
    return max(moment, opens.astimezone(UTC)) if moment < closes else (opens + _DAY).astimezone(UTC)


def closing(moment: datetime, hours: SendHours | None) -> datetime | None:
    """When the ``hours`` that hold ``moment`` end; ``None`` where they never do, ``moment`` where none hold it."""
    if hours is None or hours == ("00:00", "24:00"):
        return None
    if next_opening(moment, hours) > moment:
        return moment
    return (_midnight(moment) + _of_day(hours[1])).astimezone(UTC)


def last_open(moment: datetime, hours: SendHours | None) -> datetime:
    """``moment`` where the ``hours`` hold what comes before it, or else when they ended last."""
    if hours is None:
        return moment
    opens, closes = (_midnight(moment) + _of_day(text) for text in hours)
    if opens < moment < closes:
        return moment
    return (closes if closes <= moment else closes - _DAY).astimezone(UTC)


def next_day(moment: datetime, hours: SendHours | None) -> datetime:
    """The first opening on the next Shanghai day."""
    return next_opening((_midnight(moment) + _DAY).astimezone(UTC), hours)


def next_month(moment: datetime, hours: SendHours | None) -> datetime:
    """The first opening in the next Shanghai month."""
    first = _midnight(moment).replace(day=1)
    following = (first + 32 * _DAY).replace(day=1)
    return next_opening(following.astimezone(UTC), hours)


def _midnight(moment: datetime) -> datetime:
    return datetime.combine(moment.astimezone(SHANGHAI).date(), time(), SHANGHAI)


def _of_day(text: str) -> timedelta:
    hours, minutes = text.split(":")
    return timedelta(hours=int(hours), minutes=int(minutes))
