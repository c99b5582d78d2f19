"""When a send in batches will be through, and what of that who approves it has to have been told."""

from datetime import datetime
from statistics import median_low

from qunfa.batches.state import FROM_BEFORE, Case
from qunfa.rules.calendar import shanghai_clock, shanghai_day
from qunfa.rules.quota_view import Remaining, through
from qunfa.rules.terms import news_calls, not_by_itself, not_kept, not_through


def estimate(case: Case) -> datetime | None:
    """When the send will be through, as far as can be told; ``None`` while its audience is not known."""
    state = case.state
    if state.plan is None or state.pinned is None:
        return None
    done, pace, hours = len(state.rows), state.pinned.timing.pace, state.pinned.send_hours
    # Most batches wait for no night, pause or person: those that did are not what one takes.
    each = max(pace, median_low(state.took)) if state.took else pace
    used: dict[str, int] = {}
    if state.counted and state.counted_at and not done:
        used = {shanghai_day(state.counted_at): state.counted.today.total}
    news = news_calls(case.request, state.pinned, state.started_at or case.now)
    return through(Remaining(case.total - done, each, used, news), _starts(case), hours)


def _starts(case: Case) -> datetime:
    running = case.state.running
    return max(filter(None, (case.now, case.send_at, running.opens if running else None, case.quota_opens)))


def lines(case: Case) -> tuple[str, ...]:
    """When it will be through if it is approved now, for who approves. They may read it hours later."""
    ends_at = estimate(case)
    if ends_at is None:
        return ()
    return (f"begun at {shanghai_clock(_starts(case))}: through at about {shanghai_clock(ends_at)}",)


def late(case: Case) -> list[str]:
    """Warnings that it takes too long, by now: for ``not_after``, for the quota of its first day, or for given ids."""
    ends_at, facts = estimate(case), case.facts
    starts = max(filter(None, (case.now, case.send_at)))
    return [
        *not_through(case.request, facts, ends_at),
        *not_by_itself(case.request, facts, starts, ends_at),
        *not_kept(case.request, facts, case.now, ends_at),
    ]


def is_warned(case: Case) -> bool:
    """Whether who approves it now was shown all these warnings: at an earlier time there may have been time enough."""
    shown = {_about(line) for line in case.state.shows}
    return shown.issuperset(map(_about, late(case)))


def _about(line: str) -> str:
    """What a warning is about, whatever time it names."""
    return line.partition(":")[0]


def is_shown(case: Case) -> bool:
    """Whether what is to be approved was shown as it is by now: a reset may have come since, and time passes."""
    state, plan = case.state, case.state.plan
    is_told = plan is None or not plan.is_from_before or FROM_BEFORE in state.shows
    return state.shown_at is not None and is_told and is_warned(case)
