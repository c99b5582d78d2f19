"""How the account's state stays small: as one JSON it must fit Temporal's payload for ever, whatever is sent to it.

| part | bytes at most | beyond |
|---|---|---|
| ``records`` | 196 KiB | settled ones are shortened, then go, the oldest first |
| ``queue`` | 72 KiB | a wish is answered ``full`` |
| ``queue`` and ``notes`` | 96 KiB | a wish gets no answer: its run asks again |
| the same, with answers to those that waited and are sent away | 128 KiB | they are left out |
| ``kept`` | 24 KiB, 200 | the oldest lose their articles, then go |
| the inbox that is carried on | 24 KiB | it is applied first |
| all together | 384 KiB | |

A push waits to be sent on for a moment. Until then its record keeps its articles beside these bytes, at most a MiB of
them. It is shortened as the others are before the state is carried on.

What stays: an unsettled record, and one that waits or has the lease. An ended one goes as a settled one does where
WeChat named other keys' jobs, and nothing else is in doubt: see :attr:`qunfa.account.state.Record.stays`. The more of
the records' room it takes, the less is let in, so that what is under way can always be told:

| what stays takes | is refused |
|---|---|
| a half, shortened | new keys: ``full`` |
| what of it is unsettled, five eighths | a lease for a key with nothing unsettled |
| with all tries to come of what is in doubt, seven eighths | both |
| seven eighths | a lease for a try that would stay in short |
| all but one try | any lease |
| all | facts: whoever brings them has them, and brings them again |

A key in doubt is tried until WeChat says what became of it. In short it keeps a few tries, however many there were.
Room for these is set aside before its first lease, so that the leases that settle doubts are not refused.

By age, 35 days after they were last heard of: settled records, and unsettled ones whose send has ended.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime
from functools import lru_cache
from operator import attrgetter
from typing import Any, Final, TypeVar

from pydantic import BaseModel, TypeAdapter

from qunfa.account.state import AccountState, Note, Place, Record
from qunfa.contract.ledger import LIFE, KeptPush
from qunfa.rules.bounds import TRIES_IN_SHORT, tries_to_come

BYTES_MAX: Final = 384 * 1024
RECORDS_BYTES: Final = 196 * 1024
RECORD_BYTES: Final = 16 * 1024
"""Of one record: beyond, it is shortened."""
QUEUE_BYTES: Final = 72 * 1024
WAITING_BYTES: Final = 96 * 1024
TELLING_BYTES: Final = 128 * 1024
KEPT_BYTES: Final = 24 * 1024
KEPT_MAX: Final = 200
INBOX_BYTES: Final = 24 * 1024

_NEW_KEYS: Final = RECORDS_BYTES // 2
_FIRST_LEASES: Final = RECORDS_BYTES * 5 // 8
_LEASES: Final = RECORDS_BYTES * 7 // 8
_TRY: Final = 384
"""Of one try, shortened, with ids of usual length."""
_TRY_MAX: Final = 1024
"""Of the longest one."""
_SHORTENED: Final = RECORDS_BYTES * 7 // 16
_SQUEEZED: Final = RECORDS_BYTES * 15 // 16
"""How far they are shortened and squeezed, so that it is not done for each message."""
_UNSAID: Final = 1024 * 1024
"""Of records whose pushes wait to be sent on, beside the others."""
_ROW_BYTES: Final = 640
"""Of the longest place."""

_ANYTHING: Final = TypeAdapter(Any)
ModelT = TypeVar("ModelT", bound=BaseModel)


def with_record(state: AccountState, record: Record) -> AccountState:
    """The state with this record, within the records' bytes."""
    state = state.changed(records={**state.records, record.key: record})
    if staying(state) > _NEW_KEYS:
        busy = _busy(state)
        state = _shortened(state, [one for one in _oldest(state) if _stays(one, busy)], _SHORTENED)
    unsaid = _newest(state.forwards, _UNSAID, lambda one: state.records[one.key].size)
    return _fitted(state, frozenset(one.key for one in unsaid))


def without(state: AccountState, gone: Iterable[str]) -> AccountState:
    """The state without the records of these keys, and without what was to be sent on of them."""
    keys = set(gone)
    if not keys:
        return state
    return state.changed(
        records={key: record for key, record in state.records.items() if key not in keys},
        forwards=tuple(one for one in state.forwards if one.key not in keys),
    )


def fitting(state: AccountState, record: Record) -> Record | None:
    """The record as there is room for it: as it is, shortened, or not at all."""
    known = state.records.get(record.key)
    grown = record if record.size <= RECORD_BYTES else record.short
    if grown.size > RECORD_BYTES:
        return None
    if not _stays(grown, _busy(state)) or (known is not None and grown.size <= known.size):
        return grown
    others = staying(state, but=record.key)
    if others + grown.size > RECORDS_BYTES:
        grown = grown.short
    return grown if others + grown.size <= RECORDS_BYTES else None


def staying(state: AccountState, but: str | None = None) -> int:
    """How many bytes of the records cannot go."""
    return sum([one.size for one in _records_that_stay(state) if one.key != but])


def is_full(state: AccountState) -> bool:
    """Whether there is no room for a new key."""
    return _leaves_no_room(_records_that_stay(state))


def is_full_of_doubts(state: AccountState) -> bool:
    """Whether there is no room for a new key, and will be none when those that wait have had their turn."""
    return _leaves_no_room([one for one in state.records.values() if one.stays])


def has_place(state: AccountState) -> bool:
    """Whether there is room for one more that waits."""
    has_row = _rows_size(state.queue) + _ROW_BYTES <= QUEUE_BYTES
    return has_row and _rows_size(_rows(state)) + _ROW_BYTES <= WAITING_BYTES


def may_send_away(state: AccountState) -> bool:
    """Whether there is room for the answer to one that waits, and for the one that gets its place."""
    return _rows_size(_rows(state)) + 2 * _ROW_BYTES <= WAITING_BYTES


def next_place(state: AccountState) -> Place | None:
    """The first in the queue for whose try there is room."""
    if not state.queue:
        return None
    records = _records_that_stay(state)
    takes = sum(one.size for one in records)
    if takes + _TRY_MAX > RECORDS_BYTES:
        return None
    if sum(one.size for one in records if one.unsettled) <= _FIRST_LEASES and _can_be_tried(records, TRIES_IN_SHORT):
        return state.queue[0]
    unsettled = (one for one in state.queue if (record := state.records.get(one.key)) and record.unsettled)
    if takes <= _LEASES:
        return next(unsettled, None)
    vain = (one for one in unsettled if not tries_to_come(state.records[one.key].known, one.clientmsgid))
    return next(vain, None)


def with_note(state: AccountState, note: Note, *, waited: bool) -> AccountState:
    """The state with this answer, if there is room beside the queue.

    A run that has no answer asks again within a minute. One that ``waited`` was told so, and would ask again only after
    days. Its answer has the room that its place had.
    """
    room = TELLING_BYTES if waited else WAITING_BYTES
    if _rows_size(_rows(state)) + row_size(note) > room:
        return state
    return state.changed(notes=(*state.notes, note))


def with_kept(state: AccountState, kept: tuple[KeptPush, ...]) -> AccountState:
    """The state with these pushes of nobody's, as far as there is room; the oldest lose their articles first."""
    pushes = list(kept[-KEPT_MAX:])
    excess = sum(one.size for one in pushes) - KEPT_BYTES
    for number, one in enumerate(pushes):
        if excess <= 0:
            break
        pushes[number] = one.without_articles
        excess -= one.size - pushes[number].size
    return state.changed(kept=_newest(tuple(pushes), KEPT_BYTES, attrgetter("size")))


def trimmed(state: AccountState, now: datetime) -> AccountState:
    """The state without what is too old, and within its bytes; to be called before it is carried on."""
    busy = _busy(state)
    old = [one for one in state.records.values() if now - one.touched_at >= LIFE and one.key not in busy]
    state = without(state, [one.key for one in old if not one.unsettled or one.ended is not None])
    return _fitted(state.changed(kept=tuple(push for push in state.kept if now - push.at < LIFE)))


def may_be_carried(inbox: Sequence[Any]) -> bool:
    """Whether messages that are not applied yet are few enough to be carried on with the state."""
    return json_size(list(inbox)) <= INBOX_BYTES


def json_size(anything: Any) -> int:
    """Bytes that it takes as JSON; more than there is room for where it cannot be JSON, such as bytes."""
    try:
        return len(_ANYTHING.dump_json(anything))
    except ValueError:
        return BYTES_MAX


def newest_within(models: tuple[ModelT, ...], room: int) -> tuple[ModelT, ...]:
    """As many of the newest as fit into ``room`` bytes."""
    return _newest(models, room, model_size)


@lru_cache(maxsize=4096)
def row_size(row: Place | Note) -> int:
    """Bytes that a row takes in the state."""
    return len(_ANYTHING.dump_json(row)) + 1


def model_size(model: BaseModel) -> int:
    """Bytes that a model takes in the state, at most."""
    return len(model.model_dump_json(exclude_none=True).encode()) + 1


def _rows(state: AccountState) -> tuple[Place | Note, ...]:
    return (*state.queue, *state.notes)


def _rows_size(rows: Iterable[Place | Note]) -> int:
    return sum(map(row_size, rows))


def _busy(state: AccountState) -> set[str]:
    """The keys that wait or have the lease."""
    waiting = {place.key for place in state.queue}
    return waiting | {state.lease.key} if state.lease else waiting


def _records_that_stay(state: AccountState) -> list[Record]:
    busy = _busy(state)
    return [one for one in state.records.values() if _stays(one, busy)]


def _leaves_no_room(records: list[Record]) -> bool:
    """Whether these, which stay, leave no room for a new key."""
    return sum([one.size for one in records]) > _NEW_KEYS or not _can_be_tried(records)


def _can_be_tried(records: list[Record], more: int = 0) -> bool:
    """Whether there is room, in short, for all tries to come of these, and for some more."""
    room = _LEASES - (sum([one.to_come for one in records]) + more) * _TRY
    return sum([one.size for one in records]) <= room or sum([one.short.size for one in records]) <= room


def _stays(record: Record, busy: set[str]) -> bool:
    return record.key in busy or record.stays


def _oldest(state: AccountState) -> list[Record]:
    return sorted(state.records.values(), key=lambda one: one.touched_at)


def _shortened(state: AccountState, oldest: list[Record], room: int) -> AccountState:
    """The state with as many of these short, the oldest first, as it takes for all of them to fit into ``room``."""
    records, takes = dict(state.records), sum(one.size for one in oldest)
    for one in oldest:
        if takes <= room:
            break
        records[one.key] = one.short
        takes -= one.size - one.short.size
    return state.changed(records=records)


def _fitted(state: AccountState, unsaid: frozenset[str] = frozenset()) -> AccountState:
    """The state with its records within their bytes; those of ``unsaid`` count as short, and stay whole."""
    if sum([one.size for one in state.records.values()]) <= RECORDS_BYTES:
        return state
    busy = _busy(state)
    short = state.changed(records={key: one.short if key in unsaid else one for key, one in state.records.items()})
    left = _squeezed(short, [one for one in _oldest(short) if not _stays(one, busy)])
    return left.changed(
        records={key: state.records[key] if key in unsaid else one for key, one in left.records.items()}
    )


def _squeezed(state: AccountState, settled: list[Record]) -> AccountState:
    """The state with its settled records short, or gone, until there is room; given are these, the oldest first."""
    room = _SQUEEZED - sum(one.size for one in state.records.values()) + sum(one.size for one in settled)
    state = _shortened(state, settled, room)
    takes, gone = sum(state.records[one.key].size for one in settled), []
    for one in settled:
        if takes <= room:
            break
        gone.append(one.key)
        takes -= state.records[one.key].size
    return without(state, gone)


def _newest(items: tuple[Any, ...], room: int, size: Any) -> tuple[Any, ...]:
    kept = 0
    for one in reversed(items):
        room -= size(one)
        if room < 0:
            break
        kept += 1
    return items[len(items) - kept :]
