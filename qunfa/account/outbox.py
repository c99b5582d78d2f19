"""What an account has to say, and whether it was heard. All of it follows from the state, so nothing is said twice.

| in this order | to | is said until |
|---|---|---|
| the lease | the run that has it | it was delivered, or came back |
| first answers to wishes | the run that wished | it was delivered |
| the switch was turned | all runs that wait | it was delivered, or turned again |
| pushes | the workflow id of the send | it was delivered |

A run that is gone is not found: its lease comes back unused, and its place goes. What is neither delivered nor not
found was not sent: it stays to be said, and is carried on.
"""

from collections.abc import Iterator
from datetime import datetime
from functools import partial
from itertools import chain
from typing import Final, Literal, NamedTuple

from qunfa.account.budget import with_record
from qunfa.account.leases import unheard
from qunfa.account.people import with_doubt
from qunfa.account.queue import place_of, waits, without_place
from qunfa.account.routing import word_on
from qunfa.account.state import AccountState, Note, Place
from qunfa.contract.facts import Known
from qunfa.contract.grants import Granted, Waits
from qunfa.contract.result import JobFinished
from qunfa.rules.quota_view import counted_until

OUTSTANDING_MAX: Final = 20
"""How many signals an account has outstanding: on a slow machine a lease waits until all of them have come through."""
BYTES_MAX: Final = 1024 * 1024
"""Of all of them: a workflow task that does more than four megabytes is refused."""


class Outgoing(NamedTuple):
    """A signal to be sent. ``serial``: of the note, forward or lease, or where the switch stands."""

    kind: Literal["lease", "note", "place", "push"]
    serial: int
    key: str
    workflow_id: str
    run_id: str | None
    payload: Granted | JobFinished

    @property
    def signal(self) -> Literal["granted", "job_finished"]:
        return "granted" if isinstance(self.payload, Granted) else "job_finished"


def outgoing(state: AccountState, now: datetime) -> tuple[Outgoing, ...]:
    """What is to be sent next: at most 20 signals. Each is to be confirmed before the next are asked for."""
    said = chain(
        _lease(state, now),
        _first_answers(state),
        (_of_place(state, *one) for one in _placed(state, first=False)),
        _pushes(state),
    )
    return tuple(_bounded(said))


def delivered(state: AccountState, said: Outgoing) -> AccountState:
    """The state once a signal was taken by whom it was for."""
    match said.kind:
        case "lease":
            return _announced(state, said) if _is_of_lease(state, said) else state
        case "note":
            return state.changed(notes=tuple(one for one in state.notes if one.serial != said.serial))
        case "push":
            return state.changed(forwards=tuple(one for one in state.forwards if one.serial != said.serial))
        case "place":
            return _told(state, said)


def _announced(state: AccountState, said: Outgoing) -> AccountState:
    """The holder knows how the key has ended before: until it tells its own end, nobody knows that."""
    record = state.records[said.key]
    return with_record(state.changed(announced=True), record.changed(ended=None))


def not_found(state: AccountState, said: Outgoing, now: datetime) -> AccountState:
    """The state once a signal found nobody: that run, or that send, is over."""
    place = place_of(state, said.key)
    if place is not None and place.run_id == said.run_id:
        state = without_place(state, said.key)
    if said.kind == "lease":
        return unheard(state, now) if _is_of_lease(state, said) else state
    return delivered(state, said)


def _bounded(said: Iterator[Outgoing]) -> Iterator[Outgoing]:
    room = BYTES_MAX
    for number, one in enumerate(said):
        room -= len(one.payload.model_dump_json())
        if number and (number >= OUTSTANDING_MAX or room < 0):
            return
        yield one


def _lease(state: AccountState, now: datetime) -> Iterator[Outgoing]:
    lease = state.lease
    if lease is None or state.announced:
        return
    record = state.records[lease.key]
    counted = counted_until(state.book, state.since, now)
    granted = Granted(
        wish=lease.wish, answer="lease", known=record.known, ended=record.ended, lease=lease, counted=counted
    )
    yield Outgoing("lease", lease.number, lease.key, record.workflow_id, lease.holder, granted)


def _first_answers(state: AccountState) -> Iterator[Outgoing]:
    """The answers to wishes that have none yet, as they came."""
    answers = {place.number: partial(_of_place, state, before, place) for before, place in _placed(state, first=True)}
    answers |= {note.serial: partial(_of_note, state, note) for note in state.notes}
    for number in sorted(answers):
        yield answers[number]()


def _placed(state: AccountState, *, first: bool) -> Iterator[tuple[int, Place]]:
    """The places whose runs have no answer yet, or whose last one is not true any more; how many are before each."""
    for before, place in enumerate(state.queue):
        if place.told is None if first else place.told not in {None, state.switched}:
            yield before, place


def _of_place(state: AccountState, before: int, place: Place) -> Outgoing:
    record = state.records[place.key]
    granted = Granted(
        wish=place.wish, answer="known", known=record.known, ended=record.ended, waits=waits(state, before)
    )
    return Outgoing("place", state.switched, place.key, record.workflow_id, place.run_id, granted)


def _of_note(state: AccountState, note: Note) -> Outgoing:
    record = state.records.get(note.key) if note.answer == "known" else None
    known = record.known if record else Known()
    granted = Granted(
        wish=note.wish,
        answer=note.answer,
        known=with_doubt(state, known, note.doubt) if note.doubt else known,
        ended=record.ended if record else note.ended,
        waits=Waits(why="full", until=note.until, frozen=state.frozen) if note.until else None,
    )
    return Outgoing("note", note.serial, note.key, note.workflow_id, note.run_id, granted)


def _pushes(state: AccountState) -> Iterator[Outgoing]:
    for forward in state.forwards:
        record = state.records[forward.key]
        if (event := word_on(record, forward.msg_id)) is not None:
            yield Outgoing("push", forward.serial, forward.key, record.workflow_id, None, event)


def _told(state: AccountState, said: Outgoing) -> AccountState:
    place = place_of(state, said.key)
    if place is None or not isinstance(said.payload, Granted):
        return state
    if (place.run_id, place.wish) != (said.run_id, said.payload.wish):
        return state
    at = state.queue.index(place)
    told = place._replace(told=said.serial)
    return state.changed(queue=(*state.queue[:at], told, *state.queue[at + 1 :]))


def _is_of_lease(state: AccountState, said: Outgoing) -> bool:
    lease = state.lease
    mine = (said.key, said.serial, said.run_id)
    return lease is not None and (lease.key, lease.number, lease.holder) == mine
