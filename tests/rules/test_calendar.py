"""When a send may go: by people's leave, by Shanghai's clock, and by the pace of its account."""

from datetime import UTC, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from qunfa.contract.ledger import Pace
from qunfa.contract.request import MassSendRequest
from qunfa.contract.result import Answer
from qunfa.rules import pace
from qunfa.rules.approval import Policy, is_demanded, is_required, is_same_person, problems
from qunfa.rules.calendar import (
    SendHours,
    closing,
    last_open,
    next_day,
    next_month,
    next_opening,
    shanghai_clock,
    shanghai_day,
)
from qunfa.rules.terms import AHEAD_MAX, too_far_ahead
from tests.rules import arbitrary
from tests.rules.arbitrary import NOON

SHANGHAI = ZoneInfo("Asia/Shanghai")
DAYTIME = ("08:00", "22:00")
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
anywhen = st.datetimes(datetime(2000, 1, 1), datetime(2900, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001  `timezones` adds it


def shanghai(text: str) -> datetime:
    """A time on Shanghai's clocks."""
    return datetime.fromisoformat(text).replace(tzinfo=SHANGHAI)


def inside(moment: datetime, hours: SendHours) -> bool:
    """Whether Shanghai's clock shows a time within ``hours``."""
    return hours[0] <= moment.astimezone(SHANGHAI).strftime("%H:%M") < hours[1]


@given(anywhen, arbitrary.send_hours)
@example(shanghai("2026-12-01T22:00:00"), DAYTIME)
def test_the_next_opening_is_the_first_moment_inside(moment: datetime, hours: SendHours) -> None:
    """Inside, not in the past, and no minute before it would do."""
    opening = next_opening(moment, hours)
    assert opening >= moment
    assert inside(opening, hours)
    assert opening - moment < timedelta(days=1)
    if opening > moment:
        assert opening.astimezone(SHANGHAI).strftime("%H:%M") == hours[0]
        assert not inside(moment, hours)
        assert not inside(opening - timedelta(minutes=1), hours) or opening - timedelta(minutes=1) < moment
    assert next_opening(opening, hours) == opening


@given(anywhen)
def test_without_hours_it_is_always_open(moment: datetime) -> None:
    """Unset, or the whole day."""
    assert next_opening(moment, None) == moment == next_opening(moment, ("00:00", "24:00"))
    assert closing(moment, None) is None
    assert closing(moment, ("00:00", "24:00")) is None


@given(anywhen, arbitrary.send_hours)
def test_nothing_is_open_from_the_closing_on(moment: datetime, hours: SendHours) -> None:
    """The closing ends the hours that hold the moment; where none do, it is closed at once."""
    closes = closing(moment, hours)
    if hours == ("00:00", "24:00"):
        return
    assert closes is not None
    if not inside(moment, hours):
        assert closes == moment
        return
    assert closes > moment
    assert inside(closes - timedelta(microseconds=1), hours)
    midnight = closes.astimezone(SHANGHAI).time() == time(0)
    assert not inside(closes, hours) or (midnight and hours[0] == "00:00")


@given(anywhen, arbitrary.send_hours)
@example(shanghai("2026-12-01T22:00:00"), DAYTIME)
@example(shanghai("2026-12-01T07:00:00"), DAYTIME)
@example(shanghai("2026-12-01T08:00:00"), DAYTIME)
@example(shanghai("2026-12-01T00:00:00"), ("00:00", "12:00"))
@example(shanghai("2026-12-01T00:00:00"), ("00:00", "24:00"))
@example(shanghai("2026-12-01T00:00:00"), ("09:00", "24:00"))
def test_the_last_open_time_is_now_or_at_the_last_closing(moment: datetime, hours: SendHours) -> None:
    """Just before it is inside, and nothing between it and the moment is; an opening is not open before itself."""
    last, just_before = last_open(moment, hours), timedelta(microseconds=1)
    assert last_open(moment, None) is moment
    assert moment - timedelta(days=1) < last <= moment
    assert inside(last - just_before, hours)
    assert last == moment or next_opening(last, hours) >= moment
    assert (last == moment) is inside(moment - just_before, hours)


@given(anywhen, st.timedeltas(-2 * DAY, 2 * DAY), arbitrary.send_hours | st.none())
@example(shanghai("2026-12-01T23:00:00"), -2 * HOUR, ("08:00", "21:00"))
@example(shanghai("2026-12-02T08:00:00"), -11 * HOUR, ("08:00", "21:00"))
@example(shanghai("2026-12-02T08:00:00"), -12 * HOUR, ("08:00", "21:00"))
def test_what_comes_before_the_last_open_time_can_still_go(
    end: datetime, apart: timedelta, hours: SendHours | None
) -> None:
    """It is the least upper bound of the times from which on the hours begin, or go on, before the end."""
    moment = end + apart
    assert (moment < last_open(end, hours)) is (next_opening(moment, hours) < end)
    assert last_open(last_open(end, hours), hours) == last_open(end, hours)


@pytest.mark.parametrize(
    ("moment", "day", "month"),
    [
        ("2026-12-01T00:00:00", "2026-12-02T00:00:00", "2027-01-01T00:00:00"),
        ("2026-12-31T23:59:59", "2027-01-01T00:00:00", "2027-01-01T00:00:00"),
        ("2027-01-31T12:00:00", "2027-02-01T00:00:00", "2027-02-01T00:00:00"),
        ("2028-02-29T12:00:00", "2028-03-01T00:00:00", "2028-03-01T00:00:00"),
        ("2026-04-30T23:00:00", "2026-05-01T00:00:00", "2026-05-01T00:00:00"),
    ],
)
def test_quota_windows(moment: str, day: str, month: str) -> None:
    """The next day and the next month begin at midnight in Shanghai, or at the first opening after it."""
    now = shanghai(moment)
    assert next_day(now, None) == shanghai(day)
    assert next_month(now, None) == shanghai(month)
    assert next_day(now, DAYTIME) == shanghai(day) + timedelta(hours=8)
    assert next_month(now, DAYTIME) == shanghai(month) + timedelta(hours=8)


@given(anywhen, st.none() | arbitrary.send_hours)
def test_a_quota_window_is_always_a_later_day(moment: datetime, hours: SendHours | None) -> None:
    """The next day is tomorrow, the next month's first day is in the next month."""
    today = moment.astimezone(SHANGHAI).date()
    assert next_day(moment, hours).astimezone(SHANGHAI).date() == today + timedelta(days=1)
    first = next_month(moment, hours).astimezone(SHANGHAI).date()
    assert first.day == 1
    assert (first.year * 12 + first.month) - (today.year * 12 + today.month) == 1


@given(anywhen, arbitrary.send_hours)
def test_what_is_worked_out_is_in_utc(moment: datetime, hours: SendHours) -> None:
    """On each machine the same, whatever its own time zone is; a time that fits stays as it was written."""
    here = moment.astimezone(SHANGHAI)
    opening = next_opening(here, hours)
    assert opening.tzinfo is (SHANGHAI if inside(here, hours) else UTC)
    for found in (next_day(here, hours), next_month(here, hours), closing(here, hours), last_open(here, hours)):
        assert found is None or found is here or found.tzinfo is UTC


@pytest.mark.parametrize(
    ("moment", "said"),
    [
        ("2026-12-01T15:59:59.999999+00:00", "2026-12-01 23:59:59+08:00"),
        ("2026-12-01T16:00:00+00:00", "2026-12-02 00:00:00+08:00"),
        ("2026-12-01T23:30:00.5-05:00", "2026-12-02 12:30:00+08:00"),
    ],
)
def test_people_are_told_days_and_times_of_shanghai(moment: str, said: str) -> None:
    """To the second, wherever the time was written."""
    at = datetime.fromisoformat(moment)
    assert (shanghai_clock(at), shanghai_day(at)) == (said, said[:10])


SECOND = timedelta(seconds=1)
seconds = st.integers(1, 30).map(lambda number: timedelta(seconds=number))


def answer(kind: str, errcode: int | None = None) -> Answer:
    """An answer at noon."""
    return Answer.model_validate({"kind": kind, "at": NOON, "errcode": errcode})


@pytest.mark.parametrize("errcode", [42010, 45011, 45061, 9500002])
def test_a_busy_wechat_widens_the_spacing(errcode: int) -> None:
    """Doubled each time, for everybody, up to 300 times the configured pace."""
    known, spacings = Pace(), []
    for _ in range(12):
        known = pace.told(known, answer("refused", errcode), NOON, SECOND)
        spacings.append(known.spacing)
    assert spacings[:3] == [2 * SECOND, 4 * SECOND, 8 * SECOND]
    assert spacings[-1] == 300 * SECOND
    assert pace.earliest(known, NOON, SECOND) >= NOON + 300 * SECOND


@settings(max_examples=20)
@given(
    st.lists(st.tuples(arbitrary.answers(), st.integers(0, 3000), st.integers(0, 3000)), min_size=100, max_size=150),
    seconds,
)
def test_never_more_than_sixty_in_any_sixty_spacings(
    tries: list[tuple[Answer, int, int]], configured: timedelta
) -> None:
    """WeChat's 60 a minute, whatever the answers and however fast they come."""
    known, now, written = Pace(), NOON, list[datetime]()
    for said, wait, took in tries:
        now += timedelta(milliseconds=wait)
        not_before = pace.earliest(known, now, configured)
        known = pace.leased(known, not_before, configured)
        now = not_before + timedelta(milliseconds=took)
        if said.kind != "not_written":
            written.append(now)
        known = pace.told(known, said, now, configured)
    for earlier, later in zip(written, written[60:], strict=False):
        assert later - earlier >= 60 * configured


@given(arbitrary.answers(), seconds, seconds)
def test_two_writes_are_a_spacing_apart(said: Answer, took: timedelta, configured: timedelta) -> None:
    """Counted from the lease and from its answer."""
    leased = pace.leased(Pace(), NOON, configured)
    told = pace.told(leased, said, NOON + took, configured)
    assert pace.earliest(leased, NOON, configured) >= NOON + configured
    assert pace.earliest(told, NOON + took, configured) >= NOON + took + configured
    assert len(told.told_at) <= pace.PER_MINUTE


@pytest.mark.parametrize(("told", "wait"), [(59, 0), (60, 60), (61, 61)])
def test_the_sixtieth_last_try_holds_the_next_one_back(told: int, wait: int) -> None:
    """Sixty spacings from when it was told; with fewer there is nothing to hold back."""
    known = Pace(told_at=tuple(NOON + number * SECOND for number in range(told)))
    assert pace.earliest(known, NOON, SECOND) == NOON + wait * SECOND


@pytest.mark.parametrize(
    ("known", "said", "after"),
    [
        (Pace(), answer("accepted"), Pace(spacing=SECOND, next_at=NOON + SECOND, told_at=(NOON,))),
        (Pace(), answer("not_written"), Pace(spacing=SECOND, next_at=NOON + SECOND)),
        (
            Pace(spacing=8 * SECOND, next_at=NOON + 99 * SECOND, told_at=(NOON,)),
            answer("refused", 48001),
            Pace(spacing=8 * SECOND, next_at=NOON + 99 * SECOND, told_at=(NOON, NOON)),
        ),
        (Pace(), answer("refused", 45011), Pace(spacing=2 * SECOND, next_at=NOON + 2 * SECOND, told_at=(NOON,))),
        (Pace(), answer("unknown", 45011), Pace(spacing=2 * SECOND, next_at=NOON + 2 * SECOND, told_at=(NOON,))),
        (
            Pace(spacing=8 * SECOND),
            answer("accepted", 45011),
            Pace(spacing=4 * SECOND, next_at=NOON + 4 * SECOND, told_at=(NOON,)),
        ),
    ],
)
def test_the_pace_after_an_answer(known: Pace, said: Answer, after: Pace) -> None:
    """How wide it is, when the next try may be written, and what counts for the minute."""
    assert pace.told(known, said, NOON, SECOND) == after


@pytest.mark.parametrize(("errcode", "first"), [(48001, HOUR), (45011, 2 * HOUR)])
def test_an_hour_of_pace_by_mistake_is_waited_for_once(errcode: int, first: timedelta) -> None:
    """Those after it have a second: of theirs 300 is the most, as where WeChat was busy, and ever fewer."""
    known, now, waited = pace.told(pace.leased(Pace(), NOON, HOUR), answer("refused", errcode), NOON, HOUR), NOON, []
    for _ in range(4):
        not_before = pace.earliest(known, now, SECOND)
        known = pace.told(pace.leased(known, not_before, SECOND), answer("accepted"), not_before, SECOND)
        waited.append(not_before - now)
        now = not_before
    assert waited == [first, 300 * SECOND, 150 * SECOND, 75 * SECOND]


ALL = {"kind": "all"}
TAG = {"kind": "tag", "tag_id": 2}
REST = {"kind": "report", "key": "k-1"}
BATCH = {"kind": "batch", "key": "k", "plan": "a" * 64, "number": 1, "of": 2, "openids": 2}
WHO = "requested_by: must be set where approval is needed: the approver has to be somebody else"


def asked(audience: dict[str, Any] = ALL, **more: Any) -> MassSendRequest:
    """A request to this audience."""
    message = {"msgtype": "text", "content": "hello"}
    usual = {"account": "demo", "key": "k", "audience": audience, "message": message}
    return MassSendRequest.model_validate({**usual, **more})


@pytest.mark.parametrize(
    ("policy", "audience", "demanded"),
    [
        ("never", ALL, False),
        ("never", TAG, False),
        ("all", ALL, True),
        ("all", TAG, False),
        ("all", {"kind": "several", "of": [TAG, ALL]}, True),
        ("all", {"kind": "several", "of": [TAG], "minus": [ALL]}, False),
        ("all", REST, True),
        ("all", {"kind": "several", "of": [TAG, REST]}, True),
        ("all", {"kind": "several", "of": [TAG], "minus": [REST]}, False),
        ("never", REST, False),
        ("always", ALL, True),
        ("always", TAG, True),
    ],
)
def test_a_request_tightens_the_policy_and_never_loosens_it(
    policy: Policy, audience: dict[str, Any], demanded: bool
) -> None:
    """Row by row of the table; where nothing is demanded, the request decides."""
    plain, tighter, looser = (asked(audience, **more) for more in ({}, required(True), required(False)))
    assert {is_demanded(policy, one) for one in (plain, tighter, looser)} == {demanded}
    assert (is_required(policy, plain), is_required(policy, tighter)) == (demanded, True)
    assert is_required(policy, looser) is demanded
    loosened = f"approval.required: must not be false: the account demands approval ({policy})"
    assert problems(policy, looser) == ([loosened, WHO] if demanded else [])
    assert problems(policy, plain) == ([WHO] if demanded else [])
    assert problems(policy, tighter) == [WHO]
    assert problems(policy, asked(audience, requested_by="wang", **required(True))) == []


@pytest.mark.parametrize("policy", ["never", "all", "always"])
def test_a_batch_needs_no_approval_of_its_own(policy: Policy) -> None:
    """It was approved with the whole, whatever the account demands and the request says."""
    for more in ({}, required(True), required(False)):
        batch = asked(BATCH, **more)
        assert (is_required(policy, batch), problems(policy, batch)) == (False, [])


def required(demand: bool) -> dict[str, Any]:
    """What a request says of it."""
    return {"approval": {"required": demand}}


def test_a_send_is_scheduled_for_a_year_at_most() -> None:
    """To the second."""
    assert not too_far_ahead(None, NOON)
    assert not too_far_ahead(NOON + AHEAD_MAX, NOON)
    assert too_far_ahead(NOON + AHEAD_MAX + timedelta(seconds=1), NOON)


@pytest.mark.parametrize(
    ("one", "other", "same"), [("li", " Li ", True), ("Straße", "STRASSE", True), ("li", "wang", False)]
)
def test_a_name_in_other_letters_is_the_same_person(one: str, other: str, same: bool) -> None:
    """Nobody approves their own send by writing their name otherwise."""
    assert is_same_person(one, other) is same
