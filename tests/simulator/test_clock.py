from datetime import date, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qunfa.simulator.clock import SHANGHAI, rfc3339, shanghai_day, shanghai_month
from tests.simulator.api import NOON, Json, Start

MOMENTS = st.datetimes(min_value=datetime(2020, 1, 1), max_value=datetime(2040, 1, 1), timezones=st.just(SHANGHAI))  # noqa: DTZ001 - hypothesis wants bounds without a zone


async def test_the_clock_starts_where_the_configuration_says(start: Start) -> None:
    """`now` is the time at the start; it then runs like the real one."""
    api = await start()
    answer = await api.sim("clock")
    assert NOON[:17] == answer["now"][:17]
    assert answer["scale"] == 1.0


async def test_the_clock_can_be_advanced_and_set(start: Start) -> None:
    """Both answer the new time, in China's zone whatever zone it was given in."""
    api = await start()
    assert (await api.sim("clock", {"advance": 3600}))["now"].startswith("2026-12-15T13:00:0")
    answer = await api.sim("clock", {"set": "2027-01-01T00:00:00Z"})
    assert answer["now"].startswith("2027-01-01T08:00:00")


@pytest.mark.parametrize(
    "change", [{}, {"advance": -1}, {"advance": "soon"}, {"set": "2027-01-01T00:00:00"}, {"advance": 1, "set": NOON}]
)
async def test_a_wrong_change_of_the_clock_is_refused(start: Start, change: Json) -> None:
    """Either a span that is not negative or a time with an offset."""
    api = await start()
    assert (await api.sim("clock", change, expect=400))["error"]
    assert (await api.sim("clock"))["now"].startswith(NOON[:16])


@given(MOMENTS)
def test_days_and_months_are_chinas(moment: datetime) -> None:
    """The calendar is that of UTC+8, wherever the machine stands."""
    assert shanghai_day(moment.timestamp()) == moment.date()
    assert shanghai_month(moment.timestamp()) == f"{moment.year:04}-{moment.month:02}"
    assert datetime.fromisoformat(rfc3339(moment.timestamp())).date() == moment.date()


def test_a_day_ends_at_sixteen_hours_universal_time() -> None:
    """Midnight in China is 16:00 UTC."""
    midnight = datetime.fromisoformat("2026-12-31T16:00:00Z").timestamp()
    assert (shanghai_day(midnight - 1), shanghai_day(midnight)) == (date(2026, 12, 31), date(2027, 1, 1))
    assert (shanghai_month(midnight - 1), shanghai_month(midnight)) == ("2026-12", "2027-01")
