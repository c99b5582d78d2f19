"""The queue of those that wait for a lease, and the answers to those that do not.

| a wish | its place |
|---|---|
| of a key that has none | behind all whose turn is earlier: the later of ``due`` and of when it was asked |
| that replaces one of the same run, for the same try | where that one was |
| that replaces any other one | anew; a run that had another place is told |
| whose turn is before that of the last one, where there is no room | as ever; the last one is told to ask again |
| whose ``until`` has come | gone |

The id of a wish that is over is closed: a late copy of its signal does nothing.
"""

from bisect import insort
from datetime import datetime, timedelta
from typing import Final, Literal

from qunfa.account.budget import has_place, is_full, is_full_of_doubts, may_send_away, next_place, with_note
from qunfa.account.state import AccountState, Note, Place
from qunfa.contract.grants import Ending, Turn, Waits, Wish

CLOSED_MAX: Final = 200
ROOM_AGAIN: Final = timedelta(minutes=10)
"""When an account that is full of unsettled sends is to be asked again."""
_AT_LEAST: Final = timedelta(seconds=10)

Answer = Literal["known", "search", "reused"]


def place_of(state: AccountState, key: str) -> Place | None:
    return next((place for place in state.queue if place.key == key), None)


def placed(state: AccountState, wish: Wish, turn: Turn, now: datetime, *, knew: bool) -> AccountState:
    """The state with a place for the wish, in place of the key's earlier one; ``full`` where there is no room."""
    before = place_of(state, wish.key)
    state = left(state, wish)
    if not has_place(state):
        return answered(state, wish, "known", until=room_at(state, now))
    again = before if before and _same_try(before, wish, turn) else None
    serial = state.serial + 1
    place = Place(
        key=wish.key,
        wish=wish.wish,
        run_id=wish.run_id,
        number=again.number if again else serial,
        asked_at=again.asked_at if again else now,
        due=turn.due,
        until=turn.until,
        generation=turn.generation,
        clientmsgid=turn.clientmsgid,
        pace=turn.pace,
        http_timeout=turn.http_timeout,
        knew=knew,
        told=None,
    )
    queue = list(state.queue)
    insort(queue, place, key=lambda one: one.turn)
    return state.changed(queue=tuple(queue), serial=serial)


def with_room(state: AccountState, key: str, turn: Turn, now: datetime) -> AccountState:
    """The state with room for such a place, if need be without the last ones, whose turn is later.

    These are told to ask again. So nobody is sent away where there is no room for the answer.
    """
    at = max(turn.due, now)
    while state.queue and not _has_room(state, key) and not is_full_of_doubts(state):
        last = state.queue[-1]
        if last.turn[0] <= at or not may_send_away(state):
            break
        state = turned_away(state, last, "known", until=room_at(state, now))
    return state


def left(state: AccountState, wish: Wish) -> AccountState:
    """The state without the place of the wish's key. Another run that had it is told, so that it asks again."""
    place = place_of(state, wish.key)
    state = without_place(state, wish.key)
    if place is None or place.run_id == wish.run_id:
        return state
    return informed(state, place.key, place.run_id, place.wish)


def without_place(state: AccountState, key: str) -> AccountState:
    """The state without the place of the key, whose wish is over."""
    place = place_of(state, key)
    if place is None:
        return state
    rest = tuple(one for one in state.queue if one is not place)
    return closing(state.changed(queue=rest), place.wish)


def turned_away(state: AccountState, place: Place, answer: Answer, until: datetime | None = None) -> AccountState:
    """The state without the place, whose run is told what the ledger knows, to search first, or to ask again."""
    state = state.changed(queue=tuple(one for one in state.queue if one is not place))
    if answer != "search":
        state = closing(state, place.wish)
    workflow_id = state.records[place.key].workflow_id
    note = Note(state.serial + 1, answer, place.key, workflow_id, place.run_id, place.wish, until)
    return _noted(state, note, waited=True)


def informed(state: AccountState, key: str, run_id: str, wish: str) -> AccountState:
    """The state with what the ledger knows for a wish that waits no more, to be sent to its run."""
    note = Note(state.serial + 1, "known", key, state.records[key].workflow_id, run_id, wish, None)
    return _noted(state, note, waited=True)


def answered(
    state: AccountState, wish: Wish, answer: Answer, until: datetime | None = None, doubt: Ending | None = None
) -> AccountState:
    """The state with an answer to a wish that does not wait. One that is to be searched for comes again."""
    if answer != "search":
        state = closing(state, wish.wish)
    ids = (wish.key, wish.workflow_id, wish.run_id, wish.wish)
    return _noted(state, Note(state.serial + 1, answer, *ids, until, doubt, wish.ended), waited=False)


def closing(state: AccountState, wish: str) -> AccountState:
    """The state that takes no notice of this wish any more."""
    return state if wish in state.closed else state.changed(closed=(*state.closed, wish)[-CLOSED_MAX:])


def waits(state: AccountState, before: int) -> Waits:
    """Why it is not the turn yet of a place with ``before`` places before it."""
    others = before + int(state.lease is not None)
    if state.frozen is not None:
        return Waits(why="frozen", place=others, frozen=state.frozen)
    return Waits(why="queue" if next_place(state) else "full", place=others)


def overdue(state: AccountState, now: datetime) -> AccountState:
    """The state without the places whose time is over."""
    for place in state.queue:
        if place.until is not None and now >= place.until:
            state = turned_away(state, place, "known")
    return state


def room_at(state: AccountState, now: datetime) -> datetime:
    """When an account without room is to be asked again: about when half of those that wait have had their turn."""
    if is_full_of_doubts(state):
        return now + ROOM_AGAIN
    half = now
    for one in state.queue[: len(state.queue) // 2]:
        half = max(half, one.due) + one.pace
    return min(max(half, now + _AT_LEAST), now + ROOM_AGAIN)


def _has_room(state: AccountState, key: str) -> bool:
    record, others = state.records.get(key), tuple(one for one in state.queue if one.key != key)
    stays = len(others) < len(state.queue) or (record is not None and record.stays)
    return has_place(state.changed(queue=others)) and (stays or not is_full(state))


def _noted(state: AccountState, note: Note, *, waited: bool) -> AccountState:
    """The state with an answer, in place of an earlier one to the same run; a copy of a wish brings no second one."""
    if any(one[1:] == note[1:] for one in state.notes):
        return state
    others = tuple(one for one in state.notes if (one.key, one.run_id) != (note.key, note.run_id))
    return with_note(state.changed(serial=note.serial, notes=others), note, waited=waited)


def _same_try(before: Place, wish: Wish, turn: Turn) -> bool:
    mine = (wish.run_id, turn.generation, turn.clientmsgid)
    return (before.run_id, before.generation, before.clientmsgid) == mine
