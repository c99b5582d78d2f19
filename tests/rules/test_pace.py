from datetime import datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qunfa.contract.ledger import Pace
from qunfa.contract.result import Answer
from qunfa.rules import pace
from tests.rules import arbitrary
from tests.rules.arbitrary import NOON

SECOND = timedelta(seconds=1)
seconds = st.integers(1, 30).map(lambda number: timedelta(seconds=number))


def answer(kind: str, errcode: int | None = None) -> Answer:
    """An answer at noon."""
    return Answer.model_validate({"kind": kind, "at": NOON, "errcode": errcode})


@pytest.mark.parametrize("errcode", [42010, 45011, 45061, 9500002, 268487001, 268487002])
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
