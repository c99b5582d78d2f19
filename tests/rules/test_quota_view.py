"""What is left of an account's mass sends, by its book and by WeChat's count of calls."""

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qunfa.contract.ledger import Day, SendsCounted
from qunfa.contract.limits import Allowance, Book, CallsLeft, Counted
from qunfa.rules.calendar import SendHours
from qunfa.rules.quota_view import Remaining, allowances, counted_until, sends_counted, this_month, through, today
from tests.rules.sentences import is_well_written

NOW = datetime(2026, 12, 5, 15, 0, tzinfo=UTC)
"""23:00 on December 5th in Shanghai."""
LONG_AGO = NOW - timedelta(days=60)
SENDALL = "/cgi-bin/message/mass/sendall"
SEND = "/cgi-bin/message/mass/send"
PREVIEW = "/cgi-bin/message/mass/preview"


def book(since: datetime | None = LONG_AGO, **days: Any) -> Book:
    """A book; `d05` is December 5th, `n30` November 30th."""
    months = {"d": "2026-12", "n": "2026-11"}
    return Book(since=since, days={f"{months[name[0]]}-{name[1:]}": Day(**day) for name, day in days.items()})


def called(path: str, used: int, limit: int = 100) -> CallsLeft:
    """WeChat's count."""
    return CallsLeft(cgi_path=path, daily_limit=limit, used=used, remain=limit - used)


def rows(kind: Any = "service", counted: Book | None = None, *calls: CallsLeft) -> dict[str, Allowance]:
    """The allowances by name."""
    return {row.name: row for row in allowances(kind, counted or book(), calls, NOW)}


def test_calls_are_wechats_count_where_it_tells() -> None:
    """It has counted those of others and refused ones, too; without its word, ours are a least count."""
    counted = book(d05={"total": 3, "previews": 7})
    row = rows("service", counted, called(SENDALL, 10), called(SEND, 12, limit=50), called(PREVIEW, 2))
    assert (row["mass_calls"].used, row["mass_calls"].limit, row["mass_calls"].left) == (12, 50, 38)
    assert (row["previews"].used, row["previews"].left) == (7, 93)
    raised = rows("service", counted, called(SENDALL, 1, limit=100), called(SEND, 150, limit=5000))["mass_calls"]
    assert (raised.used, raised.limit, raised.left) == (3, 100, 97)
    alone = rows("service", counted, CallsLeft(cgi_path=SENDALL, errcode=48001))
    assert (alone["mass_calls"].used, alone["mass_calls"].left) == (3, 97)


def test_a_book_that_was_begun_later_does_not_have_it_all() -> None:
    """A month is whole if it was begun before; a book of today has not even the day, and no book nothing."""
    yesterday, this_morning = NOW - timedelta(days=1), NOW - timedelta(hours=10)
    for since, month, day in ((LONG_AGO, True, True), (yesterday, False, True), (this_morning, False, False)):
        found = rows("service", book(since))
        assert (found["sends_to_all"].whole, found["mass_calls"].whole) == (month, day)
    assert not rows("service", Book())["sends_to_all"].whole
    assert rows("service", book(this_morning), called(SENDALL, 1))["mass_calls"].whole


@given(st.dictionaries(st.dates(date(2026, 10, 1), date(2027, 1, 31)), st.integers(0, 9)))
def test_nothing_is_left_out_and_nothing_is_below_zero(days: Any) -> None:
    """The month is the sum of its days."""
    counted = Book(
        since=LONG_AGO, days={day.isoformat(): Day(total=total, to_all=total) for day, total in days.items()}
    )
    expected = sum(total for day, total in days.items() if (day.year, day.month) == (2026, 12))
    assert this_month(counted, NOW).total == expected
    for row in allowances("service", counted, (), NOW):
        assert row.left == max(0, row.limit - row.used)


FULL = {"total": 1, "to_all": 2, "others": 3, "previews": 4, "failed": 5, "failed_to_all": 6}
TWICE = {name: 2 * count for name, count in FULL.items()}


def test_a_prefix_adds_up_its_days() -> None:
    """Each count for itself."""
    counted = book(n30=FULL, d01=FULL, d05=FULL)
    assert this_month(counted, NOW) == Counted(**TWICE)
    assert today(counted, NOW) == Counted(**FULL)
    known = counted_until(counted.days, LONG_AGO, NOW)
    assert (known.today, known.month) == (Day(**FULL), Day(**TWICE))
    assert known.since == LONG_AGO


@pytest.mark.parametrize(("others", "said"), [(0, []), (8, ["8 more"])])
def test_what_was_counted_is_said_with_where_it_was_made(others: int, said: list[str]) -> None:
    """And since when; of sends made elsewhere only where there are some."""
    counted = SendsCounted(today=Day(total=1, to_all=2), month=Day(total=3, to_all=4, others=others), since=NOW)
    sentence = sends_counted(counted)
    for words in ("1 accepted that day (2 to all)", "3 that month (4 to all)", "2026-12-05 23:00:00+08:00", *said):
        assert words in sentence
    assert ("elsewhere" in sentence) is bool(said)
    assert is_well_written(sentence)


def test_what_failed_uses_up_calls_and_perhaps_a_send() -> None:
    """One that succeeds is allowed a day, or four to all a month. WeChat does not say of what the others are."""
    counted = book(d05={"total": 5, "failed": 2, "to_all": 4, "failed_to_all": 1})
    service, subscription = rows("service", counted), rows("subscription", counted)
    assert (service["sends_to_all"].used, service["mass_calls"].used) == (3, 5)
    assert subscription["sends"].used == 3
    doubtful = service["sends_to_all"], service["mass_calls"], subscription["sends"]
    assert [(row.failed, row.may_be_less) for row in doubtful] == [(1, True), (0, False), (2, True)]


def test_the_quota_of_a_subscription_account_is_one_a_day() -> None:
    """To all or to a tag."""
    counted = book(d04={"total": 1}, d05={"total": 1, "to_all": 0, "others": 2})
    found = rows("subscription", counted)
    row = found["sends"]
    assert (row.period, row.limit, row.used, row.left, row.others) == ("day", 1, 1, 0, 2)
    assert row.renewed_at == datetime(2026, 12, 5, 16, tzinfo=UTC)
    assert set(found) == {"sends", "previews"}


DAYTIME = ("08:00", "22:00")
MINUTE = timedelta(minutes=1)


@pytest.mark.parametrize(
    ("left", "starts", "hours", "ends"),
    [
        (Remaining(3, MINUTE), "05 09:00", None, "05 09:03"),
        (Remaining(100, MINUTE), "05 09:00", None, "05 10:40"),
        (Remaining(101, MINUTE), "05 09:00", None, "06 00:01"),
        (Remaining(250, MINUTE), "05 09:00", DAYTIME, "07 08:50"),
        (Remaining(41, MINUTE, {"2026-12-05": 60}), "05 09:00", None, "06 00:01"),
        (Remaining(1, MINUTE, {"2026-12-05": 150}), "05 09:00", None, "06 00:01"),
        (Remaining(1, MINUTE, {"2026-12-05": 150, "2026-12-04": 150}), "06 09:00", None, "06 09:01"),
        (Remaining(1, MINUTE, {"2026-12-05": 150}), "05 22:00", DAYTIME, "06 08:01"),
        (Remaining(5, 30 * MINUTE), "05 21:00", DAYTIME, "06 09:30"),
        (Remaining(2, 20 * MINUTE), "05 21:50", DAYTIME, "06 08:20"),
        (Remaining(1, MINUTE), "05 22:00", DAYTIME, "06 08:01"),
        (Remaining(1, MINUTE), "05 07:00", DAYTIME, "05 08:01"),
        (Remaining(3, 20 * MINUTE), "05 23:30", None, "06 00:20"),
        (Remaining(3, 20 * MINUTE), "05 23:30", ("00:00", "24:00"), "06 00:20"),
        (Remaining(250, timedelta(0)), "05 09:00", None, "07 00:00"),
        (Remaining(25, MINUTE, news={}), "05 09:00", None, "07 00:05"),
        (Remaining(10, MINUTE, news={"2026-12-05": 1}), "05 09:00", None, "06 00:01"),
        (Remaining(10, MINUTE, {"2026-12-05": 95}, {}), "05 09:00", None, "06 00:05"),
    ],
)
def test_when_the_last_batch_is_through(left: Remaining, starts: str, hours: SendHours | None, ends: str) -> None:
    """A hundred a day, one after the other, none begun outside the hours; one that is under way goes on."""
    first, last = (datetime.fromisoformat(f"2026-12-{one}+08:00") for one in (starts, ends))
    assert through(left, first, hours) == last


def test_nobody_says_when_more_than_a_year_of_batches_ends() -> None:
    """WeChat's limit may be another one by then."""
    assert through(Remaining(366 * 100, MINUTE), NOW, None) is not None
    assert through(Remaining(401 * 100, MINUTE), NOW, None) is None
