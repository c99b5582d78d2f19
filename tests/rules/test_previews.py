"""A hundred previews a day and account."""

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from qunfa.contract.ledger import AccountState
from qunfa.rules.previews import A_DAY, take

BEFORE_MIDNIGHT = datetime(2026, 12, 1, 15, 59, tzinfo=UTC)
"""23:59 in Shanghai."""


@given(st.lists(st.integers(min_value=0, max_value=150), max_size=300))
def test_each_call_takes_one_of_a_hundred(calls: list[int]) -> None:
    """Whoever asks again for the same call gets the same answer, and it costs nothing."""
    state, granted = AccountState(appid="wx", since=BEFORE_MIDNIGHT), set[int]()
    for call in calls:
        state, answer = take(state, f"call-{call}", BEFORE_MIDNIGHT)
        assert answer.granted is (call in granted or len(granted) < A_DAY)
        granted |= {call} if answer.granted else set()
        assert answer.left == A_DAY - len(granted)
    assert state.book == {} if not calls else state.book["2026-12-01"].previews == len(granted)


def test_the_day_is_shanghais() -> None:
    """A minute later there are a hundred again, and the day's names are forgotten."""
    state = AccountState(appid="wx", since=BEFORE_MIDNIGHT)
    for number in range(A_DAY):
        state, _ = take(state, f"call-{number}", BEFORE_MIDNIGHT)
    state, refused = take(state, "one more", BEFORE_MIDNIGHT)
    assert (refused.granted, refused.left) == (False, 0)
    assert refused.opens == BEFORE_MIDNIGHT + timedelta(minutes=1)
    state, answer = take(state, "one more", refused.opens)
    assert (answer.granted, answer.left, len(state.previewing)) == (True, 99, 1)
