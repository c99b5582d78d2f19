"""Leases: who may write, and when. There is one at a time for the whole account.

The first in the queue gets it when

| of | from |
|---|---|
| its turn, the later of ``due`` and of when it was asked | a second before, with a ``not_before`` |
| the account's pace | 3 seconds, or two paces, before, with a ``not_before`` |
| the lease of another | the moment it comes back |
| a freeze | its end |

and not at all where the facts forbid it (:func:`forbidden`), or where its key is to be searched for first. A lease
comes back with any answer to its try. One of which nothing is heard is lost: whoever had it may have written.
"""

from datetime import datetime, timedelta
from typing import Final

from qunfa.account.budget import next_place, with_record
from qunfa.account.queue import closing, informed, overdue, place_of, turned_away
from qunfa.account.state import AccountState, Place, Record
from qunfa.contract.facts import Known, Try
from qunfa.contract.grants import Lease
from qunfa.contract.ledger import Pace
from qunfa.contract.result import Answer
from qunfa.rules import pace
from qunfa.rules.course import judgement_of
from qunfa.rules.memory import is_under_way, next_number, union

EARLY: Final = timedelta(seconds=3)
"""How long before the pace allows it a lease is granted: so long a hand-over may take in a crowd."""
PUNCTUAL: Final = timedelta(seconds=1)
"""How long before its time: the server's timers may be late by so much, and until then a person may hold it back."""
SLACK: Final = timedelta(seconds=5)
"""For a clock that is a little off and an answer on its way."""
UNHEARD: Final = "the run that it was for is gone"


def settle(state: AccountState, now: datetime) -> AccountState:
    """The state once all is done that time alone brings, and the next lease is granted."""
    state = overdue(expired(state, now), now)
    if state.lease is None:
        state = state.changed(pace=pace.believed(state.pace, now))
    while (place := _next(state)) is not None and now >= _opens(state, place):
        state = _turn(state, place, now)
    return state


def due(state: AccountState) -> datetime | None:
    """When :func:`settle` has something to do again, if nothing else happens."""
    times = [place.until for place in state.queue if place.until is not None]
    if state.lease is not None:
        times.append(state.lease.expires_at)
    if (place := _next(state)) is not None:
        times.append(_opens(state, place))
    return min(times, default=None)


def forbidden(record: Record, generation: int, *, knew: bool) -> bool:
    """Whether the ledger knows something that its wish does not, or that settles the generation."""
    jobs = record.jobs
    if any(job.generation > generation for job in jobs):
        return True
    if any((judgement := judgement_of(job)) and judgement.delivered for job in jobs):
        return True
    if any(job.msg_id is not None and job.verdict is None for job in jobs):
        return True
    job = next((one for one in jobs if one.generation == generation), None)
    if job is None:
        return False
    return job.verdict is not None or job.collides_with is not None or (job.ever_unknown and not knew)


def without_vain_place(state: AccountState, key: str) -> AccountState:
    """The state where a key waits for no turn that the facts forbid by now; its run hears of them at once."""
    place, record = place_of(state, key), state.records.get(key)
    if place is None or record is None or not _is_vain(record, place):
        return state
    return turned_away(state, place, "known")


def _is_vain(record: Record, place: Place) -> bool:
    """Whether the facts forbid the turn, or its wish has had its lease, and the try is over.

    An account that was reset is told of both again. Nobody would hear of another lease, nor give it back.
    """
    used = any(one.wish == place.wish and not is_under_way(one) for one in record.known.tries)
    return used or forbidden(record, place.generation, knew=place.knew)


def with_answered_lease_back(state: AccountState, more: tuple[Try, ...] = ()) -> AccountState:
    """The state without its lease where an answer to its try is known: to its record, or by ``more``.

    Call it once the record has what a message brings; ``more`` is for what that had no room for.
    """
    lease = state.lease
    if lease is None:
        return state
    tries = (*state.records[lease.key].known.tries, *more)
    answer = next((one.answer for one in tries if one.identity == lease.identity and one.answer), None)
    if answer is None:
        return state
    if answer.kind == "unused":
        return _unused(state, lease)
    # By its own time: a replay may hear of it in an earlier task than the worker that was new to the run then.
    at = min(max(answer.at, lease.not_before), lease.expires_at)
    return _back(state, lease, pace.told(state.pace, answer, at, lease.pace))


def unheard(state: AccountState, now: datetime) -> AccountState:
    """The state where a lease has come back that nobody has heard of."""
    lease = state.lease
    if lease is None:
        return state
    answer = Answer(kind="unused", at=now, detail=UNHEARD)
    return _unused(_with_try(state, lease.key, lease.tried(answer)), lease)


def expired(state: AccountState, now: datetime) -> AccountState:
    """The state without a lease that ran out untold. A run that was never told of it is told that it is lost."""
    lease = state.lease
    if lease is None or now < lease.expires_at:
        return state
    state = _with_try(state, lease.key, lease.tried(lost_at=lease.expires_at))
    if not state.announced:
        state = informed(state, lease.key, lease.holder, lease.wish)
    silence = Answer(kind="unknown", at=lease.expires_at)
    return _back(state, lease, pace.told(state.pace, silence, lease.expires_at, lease.pace))


def _unused(state: AccountState, lease: Lease) -> AccountState:
    return _back(state, lease, state.pace.model_copy(update={"next_at": lease.not_before}))


def _back(state: AccountState, lease: Lease, after: Pace) -> AccountState:
    return closing(state.changed(lease=None, announced=False, pace=after), lease.wish)


def _next(state: AccountState) -> Place | None:
    return next_place(state) if state.lease is None and state.frozen is None else None


def _opens(state: AccountState, place: Place) -> datetime:
    """From when on the place may be granted, early.

    Its try waits for its time then. It waits no longer than one call may take: Temporal would give it up.
    """
    may_write = pace.earliest(state.pace, place.asked_at, place.pace)
    early = min(max(2 * place.pace, EARLY), place.http_timeout)
    return max(max(place.due, place.asked_at) - PUNCTUAL, may_write - early)


def _turn(state: AccountState, place: Place, now: datetime) -> AccountState:
    record = state.records[place.key]
    if record.unsearched:
        return turned_away(state, place, "search")
    not_before = max(pace.earliest(state.pace, now, place.pace), place.due)
    late = place.until is not None and not_before >= place.until
    if late or _is_vain(record, place):
        return turned_away(state, place, "known")
    lease = _lease(record, place, not_before)
    state = state.changed(
        lease=lease,
        pace=pace.leased(state.pace, not_before, place.pace),
        queue=tuple(other for other in state.queue if other is not place),
    )
    known = union(record.known, Known(tries=(lease.tried(),)))
    return with_record(state, record.changed(known=known, touched_at=now))


def _lease(record: Record, place: Place, not_before: datetime) -> Lease:
    valid_until = not_before + place.http_timeout
    return Lease(
        key=place.key,
        generation=place.generation,
        number=next_number(record.known),
        wish=place.wish,
        clientmsgid=place.clientmsgid,
        holder=place.run_id,
        not_before=not_before,
        valid_until=min(valid_until, place.until) if place.until else valid_until,
        expires_at=valid_until + 3 * place.http_timeout + SLACK,
        pace=place.pace,
    )


def _with_try(state: AccountState, key: str, one: Try) -> AccountState:
    record = state.records[key]
    return with_record(state, record.changed(known=union(record.known, Known(tries=(one,)))))
