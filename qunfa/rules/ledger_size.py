"""How the ledger stays small: its whole state must fit Temporal's payload for ever.

| what | bound |
|---|---|
| an unsettled record, or one with a try in flight | never evicted |
| a settled record | evicted after 35 days, or the oldest first while the state is over 384 KiB |
| a kept push | likewise; the newest 200 |
| the quota book | 62 days |
| new keys | refused while unsettled records alone take over 384 KiB |
"""

from datetime import datetime, timedelta
from typing import Final

from pydantic import BaseModel

from qunfa.contract.ledger import AccountState, Record
from qunfa.rules.calendar import shanghai_day
from qunfa.rules.stragglers import is_open

BYTES_MAX: Final = 384 * 1024
RECORD_LIFE: Final = timedelta(days=35)
BOOK_LIFE: Final = timedelta(days=62)
_UNSETTLED_ROUGHLY_BYTES: Final = 740


def trim(state: AccountState, now: datetime) -> AccountState:
    """The state within its bounds."""
    records = {
        key: record
        for key, record in state.records.items()
        if _stays(state, record) or now - record.touched_at < RECORD_LIFE
    }
    oldest_day = shanghai_day(now - BOOK_LIFE)
    book = {day: entry for day, entry in state.book.items() if day >= oldest_day}
    kept = tuple(push for push in state.kept if now - push.at < RECORD_LIFE)
    state = state.model_copy(update={"records": records, "book": book, "kept": kept})
    return _within_bytes(state)


def too_full(state: AccountState) -> bool:
    """Whether unsettled records alone fill the ledger."""
    return sum(_in_doubt(record) for record in state.records.values()) * _UNSETTLED_ROUGHLY_BYTES > BYTES_MAX


def _within_bytes(state: AccountState) -> AccountState:
    excess = _bytes(state) - BYTES_MAX
    if excess <= 0:
        return state
    settled = [(record.touched_at, record) for record in state.records.values() if not _stays(state, record)]
    old = sorted([*settled, *((push.at, push) for push in state.kept)], key=lambda dated: dated[0])
    records, gone = dict(state.records), 0
    for _, one in old:
        if excess <= 0:
            break
        excess -= _bytes(one)
        if isinstance(one, Record):
            del records[one.key]
        else:
            gone += 1
    return state.model_copy(update={"records": records, "kept": state.kept[gone:]})


def _bytes(model: BaseModel) -> int:
    return len(model.model_dump_json().encode())


def _stays(state: AccountState, record: Record) -> bool:
    return _in_doubt(record) or (state.lease is not None and state.lease.key == record.key)


def _in_doubt(record: Record) -> bool:
    return any(is_open(job, record.jobs) for job in record.jobs)
