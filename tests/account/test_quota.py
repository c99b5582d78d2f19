from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from qunfa.account.quota import previewed
from qunfa.contract.ledger import Recalled
from qunfa.rules.calendar import shanghai_day
from qunfa.rules.quota_view import PREVIEWS_A_DAY
from tests.account.driving import BEGAN, DAY, EMPTY, MINUTE, answer, attempt, done, look, report, yes
from tests.rules.arbitrary import NOON

LATE = datetime(2026, 12, 1, 15, 59, tzinfo=UTC)
"""23:59 in Shanghai."""
ACCEPTED = attempt(answer())


def test_an_accepted_submission_is_counted_once() -> None:
    """By its msg_id, however often it is told, by whom, and whatever is told with it later."""
    state = done(
        EMPTY, look(known={"tries": (ACCEPTED,)}), report(ACCEPTED, to_all=True), report(ACCEPTED, to_all=True)
    )
    state = done(state, report(ACCEPTED, known={"tries": (ACCEPTED,), "said": (yes(),)}, to_all=True), now=NOON + DAY)
    assert {day: (one.total, one.to_all) for day, one in state.book.items()} == {shanghai_day(NOON): (1, 1)}


def test_it_is_counted_on_the_day_on_which_wechat_counts() -> None:
    """Midnight is in Shanghai."""
    state = done(EMPTY, report(attempt(answer(at=LATE))), now=LATE + 5 * MINUTE)
    state = done(state, report(attempt(answer(at=LATE + MINUTE, msg_id=8)), key="b"), now=LATE + 5 * MINUTE)
    assert {day: one.total for day, one in state.book.items()} == {"2026-12-01": 1, "2026-12-02": 1}


def test_the_book_holds_two_months() -> None:
    """Also where answers are of any day."""
    state = EMPTY
    for number in range(200):
        at = BEGAN - number * DAY
        state = done(state, report(attempt(answer(at=at, msg_id=number + 1)), key=f"k{number}"))
    future = report(attempt(answer(at=NOON + 900 * DAY, msg_id=999)), key="future")
    state = done(state, future)
    assert len(state.book) <= 63
    assert max(state.book) == shanghai_day(NOON)
    assert len(done(state, report(attempt(answer(msg_id=998)), key="z"), now=NOON + 40 * DAY).book) <= 63


def test_a_recall_changes_nothing_about_the_delivery() -> None:
    """It is noted once, and the newest ten are kept."""
    state = done(EMPTY, report(ACCEPTED, known={"tries": (ACCEPTED,), "said": (yes(),)}))
    recalls = [Recalled(at=NOON, msg_id=7, article_idx=n, by="li", reason="wrong price") for n in range(12)]
    after = done(state, *(report(recalled=one) for one in [*recalls, recalls[-1]]))
    assert after.records["k"].recalled == tuple(recalls[2:])
    assert (after.records["k"].known, after.book) == (state.records["k"].known, state.book)


@given(st.lists(st.integers(min_value=0, max_value=150), max_size=300))
def test_each_call_takes_one_of_a_hundred_previews(calls: list[int]) -> None:
    """Whoever asks again for the same call gets the same answer, and it costs nothing."""
    state, granted = EMPTY, set[int]()
    for call in calls:
        state, left = previewed(state, f"call-{call}" * 50, LATE)
        assert left.granted is (call in granted or len(granted) < PREVIEWS_A_DAY)
        granted |= {call} if left.granted else set()
        assert left.left == PREVIEWS_A_DAY - len(granted)


def test_a_day_of_previews_is_shanghais() -> None:
    """A minute later there are a hundred again, and the day's names are forgotten."""
    state = EMPTY
    for number in range(PREVIEWS_A_DAY):
        state, _ = previewed(state, f"call-{number}", LATE)
    state, refused = previewed(state, "one more", LATE)
    assert (refused.granted, refused.left, refused.opens) == (False, 0, LATE + timedelta(minutes=1))
    state, left = previewed(state, "one more", refused.opens)
    assert (left.granted, left.left, len(state.previewing)) == (True, 99, 1)
