"""When a send in batches says that it will be through."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from qunfa.batches import outlook, show, steps
from qunfa.batches.apply import PACED_BY
from qunfa.batches.state import Case, Content
from qunfa.contract.batches import BatchSaid
from qunfa.contract.ledger import Day, SendsCounted
from qunfa.contract.message import NewsVia
from qunfa.contract.operators import Held, Reschedule
from qunfa.contract.result import Problem
from qunfa.rules.calendar import shanghai_day
from qunfa.rules.quota_view import CALLS_A_DAY
from tests.batches.driving import ASKS, FACTS, MINUTE, Drive, request, sent
from tests.rules.arbitrary import NOON

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
SPLIT: dict[str, Any] = {"split": {"a": 10, "b": 15}, "message_b": {"msgtype": "text", "content": "嗨"}}


def estimate(drive: Drive) -> datetime:
    """When it will be through."""
    drive.go()
    ends_at = outlook.estimate(Case(drive.request, drive.state, drive.now))
    assert ends_at is not None
    return ends_at


def ends(drive: Drive, number: int, took: timedelta) -> None:
    """Batch `number` ends so long after it was begun."""
    drive.go()
    drive.now += took
    drive.hear(steps.Ended(sent(number)))


def slept_through(drive: Drive) -> None:
    """The fourth batch has waited for the morning."""
    for number, took in enumerate((MINUTE, MINUTE, MINUTE, 10 * HOUR), start=1):
        ends(drive, number, took)


def waits_for_a_person(drive: Drive) -> None:
    """Both groups of a split test are sent. Nobody has chosen for two days."""
    for number in (1, 2):
        ends(drive, number, MINUTE)
    drive.now += 2 * DAY


def was_held(
    drive: Drive, problem: Problem | None = None, held: Held | None = None, opens: datetime | None = None
) -> None:
    """The first batch could not be submitted for two days."""
    drive.go()
    drive.hear(BatchSaid(number=1, problem=problem, held=held, opens=opens))
    drive.now += 2 * DAY
    drive.hear(BatchSaid(number=1))
    ends(drive, 1, MINUTE)


@pytest.mark.parametrize(
    "meets", [slept_through, waits_for_a_person, lambda drive: was_held(drive, ASKS),
              lambda drive: was_held(drive, held="account_frozen"), lambda drive: was_held(drive, opens=NOON + 2 * DAY)]
)  # fmt: skip
def test_an_estimate_takes_no_wait_for_work(meets: Any) -> None:
    """Ninety batches, of a minute each, are sent in an hour and a half."""
    drive = Drive(request(**SPLIT) if meets is waits_for_a_person else None, batches=90)
    drive.plan = drive.plan.model_copy(update={"batches": 90})
    meets(drive)
    assert timedelta(hours=1) < estimate(drive) - drive.now <= timedelta(minutes=90)


def test_an_estimate_goes_by_the_newest_batches() -> None:
    """WeChat has become slow. What the first ones took is no word on those that are left."""
    drive = Drive(batches=40)
    for number in range(1, 21):
        ends(drive, number, MINUTE if number <= PACED_BY else 10 * MINUTE)
    assert estimate(drive) - drive.now == 200 * MINUTE
    assert len(drive.state.took) == PACED_BY


def test_a_list_that_is_refused_today_goes_on_tomorrow() -> None:
    """Its batch waits for the next day's quota, and so do those after it."""
    drive, midnight = Drive(), datetime(2026, 12, 1, 16, tzinfo=UTC)
    drive.go()
    drive.hear(BatchSaid(number=1, held="quota_exhausted", opens=midnight + 9 * MINUTE))
    assert shanghai_day(estimate(drive)) == "2026-12-02"
    drive.now = midnight + MINUTE
    assert estimate(drive) - midnight < 10 * MINUTE


def test_a_list_whose_preview_waits_for_quota_counts_from_then() -> None:
    """The material of the preview takes the next day's calls."""
    drive = Drive(request(preview={"to": [{"openid": "o"}]}))
    drive.hear(steps.Pinned(FACTS), steps.Inspected("d", (Content(digest="d"),)), steps.Joined())
    drive.hear(steps.Planned(drive.plan))
    drive.hear(steps.Obstructed(Problem(name="quota_exhausted", sentence="s", todo="t", errcode=45009)))
    assert shanghai_day(estimate(drive)) == "2026-12-02"


def test_the_estimate_counts_a_hundred_a_day() -> None:
    """Of 250 batches, the last fifty go on the third day."""
    drive = Drive(batches=250)
    drive.go()
    ends_at = show.status(drive.request, drive.state, drive.step, drive.now).progress.ends_at
    assert ends_at is not None
    assert timedelta(days=1) < ends_at - NOON < timedelta(days=2)


ARTICLE = {"title": "t", "content": "<p>c</p>", "thumb": {"media_id": "T"}}
ARTICLES = {"msgtype": "mpnews", "articles": [ARTICLE]}


@pytest.mark.parametrize(
    ("news_via", "more", "day"),
    [
        ("uploadnews", {"message": ARTICLES}, "2026-12-02"),
        ("uploadnews", {"message": ARTICLES, "preview": {"to": [{"openid": "o"}]}}, "2026-12-03"),
        ("uploadnews", {}, "2026-12-01"),
        ("draft", {"message": ARTICLES}, "2026-12-01"),
    ],
)
def test_an_estimate_counts_ten_uploadnews_a_day(news_via: NewsVia, more: dict[str, Any], day: str) -> None:
    """Of twenty batches of articles, the last ten go on the next day; a preview takes one of the first day's calls."""
    drive = Drive(request(**more), batches=20, facts=FACTS.model_copy(update={"news_via": news_via}))
    drive.go()
    ends_at = outlook.estimate(Case(drive.request, drive.state, drive.now))
    assert ends_at is not None
    assert shanghai_day(ends_at) == day


@pytest.mark.parametrize(("day", "late"), [(0, True), (3, False)])
def test_sends_of_today_count_for_today_alone(day: int, *, late: bool) -> None:
    """A list that begins on another day has all calls of that day, and is not shown half a day late."""
    drive = Drive(request(send_at=NOON + timedelta(days=day)))
    used = Day(total=CALLS_A_DAY)
    drive.hear(steps.Pinned(FACTS), steps.Inspected("d", (Content(digest="d"),)))
    drive.hear(steps.Joined(SendsCounted(today=used, month=used, since=NOON)))
    drive.go()
    ends_at = outlook.estimate(Case(drive.request, drive.state, drive.now))
    assert ends_at is not None
    assert (ends_at - NOON > timedelta(days=day, hours=1)) is late


def test_now_is_the_time_at_which_it_is_said() -> None:
    """A time that has passed means now. The story says no day of the past."""
    drive = Drive(request(send_at=NOON + 5 * MINUTE))
    drive.waits()
    assert drive.answer(Reschedule(by="li", send_at=NOON - 1440 * MINUTE)) is None
    assert show.status(drive.request, drive.state, drive.step, drive.now).send_at == NOON
