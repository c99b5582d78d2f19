"""The account's inbox: one message after the other is applied to its state.

    state = take(state, message, now)     # each message of a slice of some hundred
    state = settle(state, now)            # once for the slice
    outgoing(state, now)                  # and what is to be said

A wish, a report and a push do no harm when they come twice, late or in another order, whoever sent them.

| the report | does |
|---|---|
| for other content than the key stands for | nothing |
| for an unknown key | a record that counts as unsearched; nothing where there is no room |
| with an answer to the try of the lease | the lease comes back |
| with an answer to another try | a late answer is a fact, too |
| with what forbids the turn that its key waits for | the run that waits is told what is known now |
| with a newly accepted job, or one that has failed | the quota book counts it, once |
| with the end of the send, or a recall | noted; a recall changes nothing about the delivery |
"""

from datetime import datetime, timedelta
from typing import Final

from qunfa.account.budget import is_full, with_record
from qunfa.account.leases import expired, forbidden, with_answered_lease_back, without_vain_place
from qunfa.account.people import doubted, had_come_up, is_doubted, may_hide_more, with_freeze_of
from qunfa.account.queue import answered, left, place_of, placed, room_at, with_room
from qunfa.account.records import grown, noted, unused
from qunfa.account.routing import added, booked, owned, pushed
from qunfa.account.state import AccountState, Record
from qunfa.contract.grants import Report, Turn, Wish
from qunfa.contract.result import JobFinished
from qunfa.rules.bounds import cut, is_plain
from qunfa.rules.memory import given_up
from qunfa.send.doubt import is_doubt, jobs_of

Message = Wish | Report | JobFinished
RECALLS_MAX: Final = 10
SOON: Final = timedelta(hours=1)
"""How long before its time a turn may have a place."""


def take(state: AccountState, message: Message, now: datetime) -> AccountState:
    """The state after one message. Total: nothing that is sent raises here."""
    state = expired(state, now)
    match message:
        case Wish():
            return wished(state, cut(message), now)
        case Report():
            return reported(state, cut(message), now)
        case JobFinished():
            return pushed(state, cut(message), now)


def reported(state: AccountState, report: Report, now: datetime) -> AccountState:
    """The state after a report, which brings facts of a key, also of one that the ledger does not know."""
    record = state.records.get(report.key)
    if not is_plain(report.workflow_id, report.digest) or (record and record.digest != report.digest):
        return state
    if record is None:
        if is_full(state):
            return state
        record = Record(
            key=report.key, digest=report.digest, workflow_id=report.workflow_id, touched_at=now, unsearched=True
        )
    state = noted(state, _with_facts(record, report, now), now)
    state = with_answered_lease_back(_counted(state, report.key, now), report.known.tries)
    return without_vain_place(state, report.key)


def _with_facts(record: Record, report: Report, now: datetime) -> Record:
    record = grown(record.changed(to_all=record.to_all or report.to_all or None), report.known, now)
    if report.ended is not None and report.ended != record.ended:
        record = record.changed(ended=report.ended, touched_at=now)
    if report.recalled is not None and report.recalled not in record.recalled:
        record = record.changed(recalled=(*record.recalled, report.recalled)[-RECALLS_MAX:], touched_at=now)
    return record


def _counted(state: AccountState, key: str, now: datetime) -> AccountState:
    record = state.records.get(key)
    return with_record(*booked(state, record, now)) if record else state


def wished(state: AccountState, wish: Wish, now: datetime) -> AccountState:
    """The state after a wish.

    | the wish | answer |
    |---|---|
    | is closed already, or has ids that nothing can have | none |
    | was sent before another one of the same run | none |
    | is for other content than the key stands for, now or in an earlier run | ``reused`` |
    | is not searched, and the key is unknown or unsearched | ``search`` |
    | is of a key with nothing unsettled, the ledger is full | ``known``, waits: ``full``, unless others come later |
    | waits already, or has the lease | none again |
    | has no turn | ``known``; the key's earlier place is gone |
    | is of a send that ends or asks, and a restored database may have forgotten it | ``known``, with that doubt |
    | has a turn that is over, or that the facts forbid | ``known``, without ``waits`` |
    | has a turn, and a database that was restored may have forgotten one of its key | ``known``, with that doubt |
    | has a turn that is due in more than an hour | ``known``, waits until then: no place is kept so long |
    | has a turn | ``known``, waits; or its lease |

    Whatever is answered to a searched wish, its facts are added. A try that another run of the key still has under
    way is lost. A lease that was granted to an earlier wish of the same run comes back unused where the run does not
    know of it: the run hears no answer to that wish any more.
    """
    record = state.records.get(wish.key)
    if wish.wish in state.closed or not _is_possible(wish) or _is_late(record, wish):
        return state
    if _is_for_other_content(record, wish):
        return answered(state, wish, "reused")
    state = with_freeze_of(state, wish.frozen)
    if (record is None or record.unsearched) and not wish.searched:
        return answered(_without_place(state, wish), wish, "search")
    if wish.turn is not None:
        state = with_room(state, wish.key, wish.turn, now)
    if record is None and is_full(state):
        return _without_room(state, wish, now)
    state = with_answered_lease_back(noted(state, _with_wish(state, record, wish, now), now))
    if _is_copy(state, wish):
        return state
    record = state.records.get(wish.key)
    if record is None or (wish.job and not is_doubted(state, record)):
        return _without_room(state, wish, now)
    if wish.turn is None or _is_vain(record, wish, wish.turn, now):
        return answered(left(state, wish), wish, "known")
    return _in_the_queue(state, wish, wish.turn, now)


def _without_room(state: AccountState, wish: Wish, now: datetime) -> AccountState:
    """The state with an answer to a wish of which nothing can be kept. Who ends, or asks, hears of its doubt."""
    hidden = wish.ending is not None and may_hide_more(state, wish.key, wish.started_at, wish.known)
    return answered(state, wish, "known", until=room_at(state, now), doubt=wish.ending if hidden else None)


def _in_the_queue(state: AccountState, wish: Wish, turn: Turn, now: datetime) -> AccountState:
    """The state with a place for the turn. Records that wait cannot go, so that they need room as new ones do."""
    if turn.due > now + SOON:
        return answered(left(state, wish), wish, "known", until=turn.due)
    if place_of(state, wish.key) is None and not state.records[wish.key].stays and is_full(state):
        return answered(state, wish, "known", until=room_at(state, now))
    return placed(state, wish, turn, now, knew=_knew(wish, turn))


def _is_late(record: Record | None, wish: Wish) -> bool:
    """Whether the run has made another wish since."""
    last = record.wished if record else None
    return last is not None and last[0] == wish.run_id and wish.number < last[1]


def _is_possible(wish: Wish) -> bool:
    """Whether a run of a send can have sent it."""
    if not is_plain(wish.wish, wish.run_id, wish.workflow_id, wish.digest):
        return False
    return all(is_plain(job.clientmsgid) for job in (wish.turn, wish.ending) if job is not None)


def _is_for_other_content(record: Record | None, wish: Wish) -> bool:
    return (record is not None and record.digest != wish.digest) or any(one != wish.digest for one in wish.digests)


def _without_place(state: AccountState, wish: Wish) -> AccountState:
    """The state where nothing of the key waits. The wish itself is not over: it comes again, searched."""
    place = place_of(state, wish.key)
    if place is None or place.wish != wish.wish:
        return left(state, wish)
    return state.changed(queue=tuple(one for one in state.queue if one is not place))


def _with_wish(state: AccountState, record: Record | None, wish: Wish, now: datetime) -> Record:
    if record is None:
        record = Record(key=wish.key, digest=wish.digest, workflow_id=wish.workflow_id, touched_at=now)
    record = record.changed(
        lapsed=record.lapsed or had_come_up(state, wish.started_at),
        workflow_id=wish.workflow_id,
        ended=record.ended or wish.ended,
        unsearched=record.unsearched and not wish.searched,
        wished=(wish.run_id, wish.number),
        touched_at=now,
    )
    known = wish.known if wish.whose is None else added(wish.known, owned(state, wish.whose))
    record = grown(record, known, now)
    record = record.changed(known=given_up(record.known, now, holder=wish.run_id))
    if (job := wish.job) is not None:
        record = doubted(state, record, job.generation, job.clientmsgid)
    lease = state.lease
    if lease is None or (lease.key, lease.holder) != (wish.key, wish.run_id):
        return record
    if lease.wish == wish.wish or lease.identity in {one.identity for one in wish.known.tries}:
        return record
    return unused(record, lease, now)


def _is_copy(state: AccountState, wish: Wish) -> bool:
    """Whether the wish waits already, or has the lease."""
    place, lease = place_of(state, wish.key), state.lease
    mine = (wish.wish, wish.run_id)
    waits = place is not None and (place.wish, place.run_id) == mine
    return waits or (lease is not None and (lease.wish, lease.holder) == mine)


def _is_vain(record: Record, wish: Wish, turn: Turn, now: datetime) -> bool:
    """Whether no lease can follow."""
    over = turn.until is not None and turn.until <= now
    doubts = {one.identity for one in record.known.tries if is_doubt(one)}
    untold = not doubts <= {one.identity for one in wish.known.tries}
    return over or untold or forbidden(record, turn.generation, knew=_knew(wish, turn))


def _knew(wish: Wish, turn: Turn) -> bool:
    """Whether the run knows that its generation may have been accepted."""
    return any(job.ever_unknown for job in jobs_of(wish.known, wish.key) if job.generation == turn.generation)
