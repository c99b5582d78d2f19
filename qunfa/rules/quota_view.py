"""What is left of an account's mass sends and previews, by its quota book and WeChat's count; and how long it lasts.

| limit | for | used, as far as is known |
|---|---|---|
| 1 send a day, to all or to a tag | subscription accounts | the book's submissions of today that have not failed |
| 4 sends to all a month | service accounts | the same, to all, of this month |
| 100 calls of ``sendall`` and ``send`` a day | service accounts | WeChat's count where it tells, else the book's |
| 100 previews a day | both | the book's, or WeChat's count where that is more |

Sends that were not ours may have used any of the first two: the book does not know to whom they went. Nor does anybody
know whether one that failed has. Where WeChat tells another limit than the table, its word counts.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Final, Literal

from qunfa.contract.checks import CALLS
from qunfa.contract.ledger import Day, SendsCounted
from qunfa.contract.limits import Allowance, AllowanceName, Book, CallsLeft, Counted
from qunfa.rules.calendar import SendHours, closing, next_day, next_month, next_opening, shanghai_clock, shanghai_day

PREVIEWS_A_DAY: Final = 100
"""Calls that WeChat takes in a day, whoever makes them."""
SENDS_A_DAY: Final = 1
TO_ALL_A_MONTH: Final = 4
A_FOLLOWER_A_MONTH: Final = 4
"""Messages of a service account that each follower gets."""
CALLS_A_DAY: Final = 100
NEWS_A_DAY: Final = 10
"""Calls of ``media/uploadnews`` that WeChat takes in a day."""

_PREVIEW: Final = "/cgi-bin/message/mass/preview"
_MONTH: Final = len("2026-12")
_DAYS_MAX = 400


def counted(days: Mapping[str, Day], prefix: str) -> Counted:
    """The book's days that begin with ``prefix``, added up."""
    chosen = [day for date, day in days.items() if date.startswith(prefix)]
    return Counted(**{name: sum(getattr(day, name) for day in chosen) for name in Day.model_fields})


def today(book: Book, now: datetime) -> Counted:
    """What the book has of this Shanghai day."""
    return counted(book.days, shanghai_day(now))


def this_month(book: Book, now: datetime) -> Counted:
    """What the book has of this Shanghai month."""
    return counted(book.days, shanghai_day(now)[:_MONTH])


def counted_until(days: Mapping[str, Day], since: datetime, now: datetime) -> SendsCounted:
    """What the book's ``days`` have of this Shanghai day and month."""
    day = shanghai_day(now)
    of_day, of_month = counted(days, day), counted(days, day[:_MONTH])
    return SendsCounted.model_validate({"today": of_day.model_dump(), "month": of_month.model_dump(), "since": since})


def sends_counted(known: SendsCounted) -> str:
    """The same as a sentence: WeChat itself does not tell how many sends are left."""
    today, month = known.today, known.month
    elsewhere = f", and {month.others} more made elsewhere that month" if month.others else ""
    return (
        f"Counted here before it: {today.total} accepted that day ({today.to_all} to all), {month.total} that month "
        f"({month.to_all} to all){elsewhere}; counted since {shanghai_clock(known.since)}."
    )


def had_by_all(month: Day) -> str | None:
    """What the month's sends to all leave of the messages that WeChat lets each follower have; nothing where none is.

    Whoever had them all is left out by WeChat, and no call fails by that.
    """
    number = month.went_to_all
    if number >= A_FOLLOWER_A_MONTH:
        return "all 4 messages that each follower gets this month went to all"
    return f"{number} of the 4 messages that each follower gets this month went to all" if number else None


def allowances(
    kind: Literal["service", "subscription"], book: Book, calls: Sequence[CallsLeft], now: datetime
) -> tuple[Allowance, ...]:
    """Each limit of an account of this kind, what of it is used, and when there is more."""
    of_day, of_month = today(book, now), this_month(book, now)
    day = _Period("day", next_day(now, None), _whole(book, shanghai_day(now)))
    month = _Period("month", next_month(now, None), _whole(book, f"{shanghai_day(now)[:_MONTH]}-01"))
    previews = _called("previews", day, _told(calls, (_PREVIEW,)), PREVIEWS_A_DAY, of_day.previews)
    if kind == "subscription":
        return (_row("sends", day, SENDS_A_DAY, of_day.went, others=of_day.others, failed=of_day.failed), previews)
    doubtful = {"others": of_month.others, "failed": of_month.failed_to_all}
    to_all = _row("sends_to_all", month, TO_ALL_A_MONTH, of_month.went_to_all, **doubtful)
    return (to_all, _called("mass_calls", day, _told(calls, CALLS), CALLS_A_DAY, of_day.total), previews)


@dataclass(frozen=True, slots=True)
class _Period:
    """A day or month: when the next one begins, and whether the book has all of it."""

    name: Literal["day", "month"]
    ends: datetime
    whole: bool


def _whole(book: Book, first_day: str) -> bool:
    """Whether the book was begun before that day."""
    return book.since is not None and shanghai_day(book.since) < first_day


def _row(name: AllowanceName, period: _Period, limit: int, used: int, **doubtful: int) -> Allowance:
    return Allowance(
        name=name,
        period=period.name,
        limit=limit,
        used=used,
        left=max(0, limit - used),
        whole=period.whole,
        renewed_at=period.ends,
        **doubtful,
    )


def _called(name: AllowanceName, period: _Period, told: Sequence[CallsLeft], limit: int, ours: int) -> Allowance:
    """A limit of calls. It is not known whether ``sendall`` and ``send`` share one count: the one with less is told."""
    counts = [(one.daily_limit or limit, one.used or 0) for one in told]
    limit, used = min(counts, key=lambda one: one[0] - one[1], default=(limit, 0))
    return _row(name, replace(period, whole=period.whole or bool(told)), limit, max(ours, used))


def _told(calls: Sequence[CallsLeft], paths: tuple[str, ...]) -> list[CallsLeft]:
    """What WeChat counts of these."""
    return [one for one in calls if one.cgi_path in paths and one.used is not None]


@dataclass(frozen=True, slots=True)
class Remaining:
    """What is left: so many ``batches``, each taking ``each``. ``used``: calls that are gone, by Shanghai day.

    ``news``: where each batch calls ``media/uploadnews`` as well, the calls of it that are gone, by Shanghai day.
    """

    batches: int
    each: timedelta
    used: Mapping[str, int] = field(default_factory=dict)
    news: Mapping[str, int] | None = None

    def room(self, day: str) -> int:
        """How many batches WeChat takes on that day."""
        room = CALLS_A_DAY - self.used.get(day, 0)
        return max(0, room if self.news is None else min(room, NEWS_A_DAY - self.news.get(day, 0)))


def through(left: Remaining, starts: datetime, hours: SendHours | None) -> datetime | None:
    """When the last one will be through; ``None`` where that is more than a year ahead.

    | limits | how |
    |---|---|
    | WeChat's calls of a day | 100 of ``mass/send`` and ``mass/sendall`` together, less those that are used |
    | the same, where each batch makes its articles by ``media/uploadnews`` | 10 of that, less those that are used |
    | the account's ``send_hours`` | nothing is submitted outside of them |
    | the time that each takes | one after the other |
    """
    at, batches = next_opening(starts, hours), left.batches
    for _ in range(_DAYS_MAX):
        closes = closing(at, hours) or next_day(at, None)
        fit = min(left.room(shanghai_day(at)), batches, _in(closes - at, left.each))
        if fit == batches:
            return at + batches * left.each
        batches -= fit
        at = next_day(at, hours)
    return None


def _in(span: timedelta, each: timedelta) -> int:
    """How many are begun in this time: one that is under way when it ends goes on."""
    return CALLS_A_DAY if each <= timedelta(0) else -(-span // each)
