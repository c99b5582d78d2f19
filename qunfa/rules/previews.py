"""How many previews an account may still make today: WeChat takes a hundred calls a day, whoever makes them."""

from datetime import datetime
from typing import Final

from qunfa.contract.ledger import AccountState, Day, PreviewsLeft
from qunfa.rules.calendar import next_day, shanghai_day

A_DAY: Final = 100


def take(state: AccountState, holder: str, now: datetime) -> tuple[AccountState, PreviewsLeft]:
    """One of today's previews for the call that ``holder`` names; asking again for the same call costs nothing."""
    day = shanghai_day(now)
    entry = state.book.get(day, Day())
    mine = f"{day} {holder}"
    granted = mine in state.previewing
    if not granted and entry.previews < A_DAY:
        granted = True
        entry = entry.model_copy(update={"previews": entry.previews + 1})
        today = tuple(one for one in state.previewing if one.startswith(day))
        state = state.model_copy(update={"book": {**state.book, day: entry}, "previewing": (*today, mine)})
    return state, PreviewsLeft(granted=granted, left=A_DAY - entry.previews, opens=next_day(now, None))
