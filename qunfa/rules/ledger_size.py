"""How the ledger stays small: its whole state must fit Temporal's payload for ever.

| what | bound |
|---|---|
| an unsettled record | never evicted |
| a settled record | evicted after 35 days, or the oldest first while the state is over 384 KiB |
| kept pushes | the newest 200, the oldest first while the state is still over |
| the quota book | 62 days |
| new keys | refused while unsettled records alone take over 384 KiB |
"""

from datetime import datetime, timedelta
from typing import Final

from qunfa.contract.ledger import AccountState, Record
from qunfa.rules.calendar import shanghai_day
from qunfa.rules.submission import unsettled

BYTES_MAX: Final = 384 * 1024
RECORD_LIFE: Final = timedelta(days=35)
BOOK_LIFE: Final = timedelta(days=62)
_UNSETTLED_ROUGHLY_BYTES: Final = 700


def trim(state: AccountState, now: datetime) -> AccountState:
    """The state within its bounds."""
    records = {
        key: record
        for key, record in state.records.items()
        if _in_doubt(record) or now - record.touched_at < RECORD_LIFE
    }
    oldest_day = shanghai_day(now - BOOK_LIFE)
    book = {day: entry for day, entry in state.book.items() if day >= oldest_day}
    state = state.model_copy(update={"records": records, "book": book})
    return _within_bytes(state)


def too_full(state: AccountState) -> bool:
    """Whether unsettled records alone fill the ledger."""
    return sum(_in_doubt(record) for record in state.records.values()) * _UNSETTLED_ROUGHLY_BYTES > BYTES_MAX


def _within_bytes(state: AccountState) -> AccountState:
    excess = len(state.model_dump_json()) - BYTES_MAX
    if excess <= 0:
        return state
    records, kept = dict(state.records), list(state.kept)
    for record in sorted(state.records.values(), key=lambda record: record.touched_at):
        if excess > 0 and not _in_doubt(record):
            excess -= len(records.pop(record.key).model_dump_json())
    while excess > 0 and kept:
        excess -= len(kept.pop(0).model_dump_json())
    return state.model_copy(update={"records": records, "kept": tuple(kept)})


def _in_doubt(record: Record) -> bool:
    return any(unsettled(job) for job in record.jobs)
