"""The quota book, by Shanghai day: what was accepted, what was sent elsewhere, what was previewed.

| counted | once for each | as |
|---|---|---|
| an accepted submission | msg_id of a record | ``total``, and ``to_all`` |
| a push of nobody's job | msg_id, until it turns out to be ours | ``others`` |
| a preview | call that asks for one | ``previews`` |
"""

from datetime import datetime, timedelta
from hashlib import sha256
from typing import Final

from qunfa.account.state import AccountState, Record
from qunfa.contract.ledger import Day, PreviewsLeft
from qunfa.rules.calendar import next_day, shanghai_day
from qunfa.rules.quota_view import PREVIEWS_A_DAY

BOOK_LIFE: Final = timedelta(days=62)


def booked(state: AccountState, record: Record, now: datetime, *, to_all: bool) -> tuple[AccountState, Record]:
    """The book with what is newly accepted of the record, and the record as counted."""
    new = [job for job in record.jobs if job.msg_id is not None and job.msg_id not in record.booked]
    for job in new:
        state = _counted(state, min(job.accepted_at or now, now), now, total=1, to_all=int(to_all))
    if not new:
        return state, record
    return state, record.changed(booked=(*record.booked, *(job.msg_id for job in new)))


def counted_elsewhere(state: AccountState, at: datetime, by: int, now: datetime) -> AccountState:
    """The book with ``by`` more (or fewer) sends that were not ours."""
    return _counted(state, at, now, others=by)


def previewed(state: AccountState, holder: str, now: datetime) -> tuple[AccountState, PreviewsLeft]:
    """One of today's previews for the call that ``holder`` names; asking again for the same call costs nothing."""
    day = shanghai_day(now)
    mine = f"{day} {sha256(holder.encode()).hexdigest()[:16]}"
    granted = mine in state.previewing
    if not granted and state.book.get(day, Day()).previews < PREVIEWS_A_DAY:
        granted = True
        today = tuple(one for one in state.previewing if one.startswith(day))
        state = _counted(state, now, now, previews=1).changed(previewing=(*today, mine))
    left = PREVIEWS_A_DAY - state.book[day].previews
    return state, PreviewsLeft(granted=granted, left=left, opens=next_day(now, None))


def _counted(state: AccountState, at: datetime, now: datetime, **more: int) -> AccountState:
    """The book of two months with ``more`` on the day of ``at``; an older day is not asked for."""
    oldest, day = shanghai_day(now - BOOK_LIFE), shanghai_day(at)
    if day < oldest:
        return state
    known = state.book.get(day, Day())
    entry = known.model_copy(update={name: max(0, getattr(known, name) + by) for name, by in more.items()})
    book = {name: one for name, one in state.book.items() if name >= oldest}
    return state.changed(book={**book, day: entry})
