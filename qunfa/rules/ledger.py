"""The account's ledger: what is known of every key, and what each message does to it.

| message | does |
|---|---|
| ``claim``, key unknown or only noted | ``miss``, until the claimer has searched earlier runs; then a record |
| ``claim``, other digest | ``reused`` |
| ``claim`` that asks whose a msg_id is, or for a preview | no key is claimed |
| ``claim``, key known | the record, merged with what was found; a try of an earlier life in flight counts as unknown |
| ``reserve`` | see :mod:`qunfa.rules.leases` |
| ``told`` with an answer | the lease comes back; the job is as after the try; kept pushes that now match go on |
| ``told`` with a job or an end | merged; likewise |
| ``told`` with a recall | kept beside the verdicts, which stand: what was delivered stays delivered |
| ``push``, msg_id known | the verdict is noted; the push goes on to its ``MassSend`` |
| ``push``, msg_id unknown | kept (the newest 200) |
| ``push``, a test push | nothing |

Nothing here raises on what it is told, and no message does harm when it comes twice, late or in another order.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from qunfa.contract.callback_check import is_test
from qunfa.contract.event import JobFinished
from qunfa.contract.job import Answer, Job
from qunfa.contract.ledger import AccountState, Ask, Claim, ClaimAnswer, Day, KeptPush, Lease, Owner, Record, Told
from qunfa.rules import pace, previews
from qunfa.rules.calendar import shanghai_day
from qunfa.rules.course import merge, with_job, with_push
from qunfa.rules.ledger_size import too_full
from qunfa.rules.stragglers import is_open
from qunfa.rules.submission import after_try, collide, with_unanswered

KEPT_MAX: Final = 200
RECALLS_MAX: Final = 10


@dataclass(frozen=True, slots=True)
class Forward:
    """A push on its way to the ``MassSend`` whose job it is about."""

    workflow_id: str
    event: JobFinished


Told_ = tuple[AccountState, tuple[Forward, ...]]


def claim(state: AccountState, asked: Claim, now: datetime) -> tuple[AccountState, ClaimAnswer]:
    """Take the key for this content; or say whose a msg_id is, or take a preview, and take no key."""
    if asked.whose is not None:
        return state, ClaimAnswer(kind="owner", owner=_named(owner_of(state, asked.whose)))
    if asked.previewing is not None:
        state, left = previews.take(state, asked.previewing, now)
        return state, ClaimAnswer(kind="previews", previews=left)
    record = state.records.get(asked.key)
    if record and record.digest != asked.digest:
        return state, ClaimAnswer(kind="reused", record=record)
    if (record is None or record.unsearched) and not asked.searched:
        return state, ClaimAnswer(kind="miss")
    if record is None and too_full(state):
        return state, ClaimAnswer(kind="full")
    if record is None:
        record = Record(key=asked.key, digest=asked.digest, workflow_id=asked.workflow_id, touched_at=now)
    record = record.model_copy(
        update={
            "workflow_id": asked.workflow_id,
            "jobs": merge(record.jobs, asked.found),
            "touched_at": now,
            "unsearched": False,
        }
    )
    lease = state.lease
    its_own = lease is not None and lease.holder is not None and lease.holder == asked.holder
    if lease and lease.key == asked.key and not its_own:
        record = doubted(record, lease)
    return with_record(state, record), ClaimAnswer(kind="record", record=record)


def told(state: AccountState, note: Told, now: datetime) -> Told_:
    """What a submitting activity or a workflow reports."""
    state, began_at = _give_back(state, note, now)
    record = state.records.get(note.key) or Record(
        key=note.key, digest=note.digest, workflow_id=note.workflow_id, touched_at=now, unsearched=True
    )
    if record.digest != note.digest:
        return state, ()
    before = record.jobs
    if note.answer:
        record = _after_answer(state, record, note, note.answer, began_at)
    if note.job:
        record = record.model_copy(update={"jobs": merge(record.jobs, (note.job,))})
    if note.ended_as:
        record = record.model_copy(update={"ended_as": note.ended_as, "problem": note.problem})
    if note.recalled and note.recalled not in record.recalled:
        record = record.model_copy(update={"recalled": (*record.recalled, note.recalled)[-RECALLS_MAX:]})
    record = record.model_copy(update={"touched_at": now})
    state = _booked(state, before, record, note, now)
    state = _without_pretenders(state, before, record)
    return _match_kept(with_record(state, record), record, now)


def push(state: AccountState, event: JobFinished, now: datetime) -> Told_:
    """A push that the receiver hands in."""
    owner = owner_of(state, event.msg_id)
    if owner is None:
        return state if is_test(event.msg_id) else _keep(state, event, now), ()
    record, job = owner
    jobs = with_push(record.jobs, event) or record.jobs
    if jobs == record.jobs:
        known = job.verdict is not None and job.verdict.observed_by == "push"
        return state, () if known else (Forward(record.workflow_id, event),)
    record = record.model_copy(update={"jobs": jobs, "touched_at": now})
    return with_record(state, record), (Forward(record.workflow_id, event),)


def unsearched(state: AccountState) -> AccountState:
    """The state of a ledger that was reset and may have forgotten something: of every key earlier runs know more."""
    records = {key: record.model_copy(update={"unsearched": True}) for key, record in state.records.items()}
    return state.model_copy(update={"records": records})


def owner_of(state: AccountState, msg_id: int) -> tuple[Record, Job] | None:
    """The record and job whose msg_id it is."""
    return next(((record, job) for record, job in _jobs(state) if job.msg_id == msg_id), None)


def job_of(record: Record, index: int, generation: int) -> Job | None:
    """The job of this generation."""
    return next((job for job in record.jobs if (job.index, job.generation) == (index, generation)), None)


def same_holder(lease: Lease, ask: Ask) -> bool:
    """Whether the run that asks is the one that holds the lease, as far as both say who they are."""
    return lease.holder is None or ask.holder is None or lease.holder == ask.holder


def doubted(record: Record, lease: Lease) -> Record:
    """The record when whoever holds, or held, ``lease`` may have written, and has not said so."""
    job = job_of(record, lease.index, lease.generation)
    if job is None or job.msg_id is not None or job.unknown_lease == lease.attempt:
        return record
    window = job.window_started_at or lease.not_before
    only = None if job.ever_unknown else lease.attempt
    unanswered = with_unanswered(job, lease.attempt)
    doubt = {"ever_unknown": True, "unknown_lease": only, "window_started_at": window, "unanswered": unanswered}
    job = job.model_copy(update=doubt)
    return record.model_copy(update={"jobs": with_job(record.jobs, job)})


def with_record(state: AccountState, record: Record) -> AccountState:
    """The state with this record."""
    return state.model_copy(update={"records": {**state.records, record.key: record}})


def in_doubt(state: AccountState) -> int:
    """How many records are unsettled."""
    return sum(any(is_open(job, record.jobs) for job in record.jobs) for record in state.records.values())


def _jobs(state: AccountState) -> Iterator[tuple[Record, Job]]:
    return ((record, job) for record in state.records.values() for job in record.jobs)


def _give_back(state: AccountState, note: Told, now: datetime) -> tuple[AccountState, datetime]:
    """The lease comes back with the answer of its try; a late answer finds it gone."""
    lease = state.lease
    mine = lease and (lease.key, lease.index, lease.generation, lease.attempt) == (
        note.key,
        note.index,
        note.generation,
        note.attempt,
    )
    if not (lease and mine and note.answer):
        return state, note.answer.at if note.answer else now
    after = pace.told(state.pace, note.answer, now, lease.pace)
    return state.model_copy(update={"lease": None, "pace": after}), lease.not_before


def _after_answer(state: AccountState, record: Record, note: Told, answer: Answer, began_at: datetime) -> Record:
    known = job_of(record, note.index, note.generation) or _never_leased(note)
    if known is None:
        return record
    job = known
    if job.unknown_lease == note.attempt:
        began_at = min(began_at, job.window_started_at or began_at)
        job = job.model_copy(update={"ever_unknown": False, "unknown_lease": None, "window_started_at": None})
    job = after_try(job, note.attempt, answer, began_at)
    owner = _named(owner_of(state, job.msg_id)) if job.msg_id and job.deduplicated else Owner()
    if owner.key is not None and owner != Owner(key=note.key, index=note.index, generation=note.generation):
        job = collide(job)
    if job.msg_id is None and known.answer and answer.at <= known.answer.at:
        late = {"answer": known.answer, "repeats": known.repeats, "token_refusals": known.token_refusals}
        job = job.model_copy(update=late)
    return record.model_copy(update={"jobs": with_job(record.jobs, job)})


def _named(owner: tuple[Record, Job] | None) -> Owner:
    if owner is None:
        return Owner()
    record, job = owner
    return Owner(key=record.key, index=job.index, generation=job.generation)


def _never_leased(note: Told) -> Job | None:
    """The job of a try that another ledger leased, which was lost since."""
    if note.clientmsgid is None or note.attempt < 1:
        return None
    return Job(index=note.index, generation=note.generation, clientmsgid=note.clientmsgid, attempts=note.attempt)


def _without_pretenders(state: AccountState, before: tuple[Job, ...], record: Record) -> AccountState:
    """Jobs of other keys that a 45065 made look accepted by a msg_id that turns out to be this record's."""
    known = {job.msg_id for job in before}
    mine = {job.msg_id for job in record.jobs if not job.deduplicated} - known - {None}
    for other, job in list(_jobs(state)) if mine else ():
        if other.key != record.key and job.deduplicated and job.msg_id in mine:
            current = state.records[other.key]
            jobs = with_job(current.jobs, collide(job).model_copy(update={"verdict": None}))
            state = with_record(state, current.model_copy(update={"jobs": jobs}))
    return state


def _booked(state: AccountState, before: tuple[Job, ...], record: Record, note: Told, now: datetime) -> AccountState:
    """Newly accepted jobs, counted on their Shanghai day."""
    known = {job.msg_id for job in before}
    new = [job for job in record.jobs if job.msg_id is not None and job.msg_id not in known]
    for job in new:
        day = shanghai_day(job.accepted_at or now)
        entry = state.book.get(day, Day())
        entry = entry.model_copy(update={"total": entry.total + 1, "to_all": entry.to_all + int(note.to_all)})
        state = state.model_copy(update={"book": {**state.book, day: entry}})
    return state


def _match_kept(state: AccountState, record: Record, now: datetime) -> Told_:
    """Kept pushes that turn out to be this record's: their verdicts are noted, and they go on."""
    msg_ids = {job.msg_id for job in record.jobs if job.msg_id is not None}
    matching = [kept for kept in state.kept if kept.event.msg_id in msg_ids]
    if not matching:
        return state, ()
    rest = tuple(kept for kept in state.kept if kept.event.msg_id not in msg_ids)
    state = state.model_copy(update={"kept": rest})
    forwards: list[Forward] = []
    counted = {kept.event.msg_id: kept.at for kept in reversed(matching)}
    for at in counted.values():
        state = _count_other(state, at, -1)
    for kept in matching:
        state, more = push(state, kept.event, now)
        forwards.extend(more)
    return state, tuple(forwards)


def _keep(state: AccountState, event: JobFinished, now: datetime) -> AccountState:
    if any(kept.event == event for kept in state.kept):
        return state
    first = all(kept.event.msg_id != event.msg_id for kept in state.kept)
    kept = (*state.kept, KeptPush(event=event, at=now))[-KEPT_MAX:]
    state = state.model_copy(update={"kept": kept})
    return _count_other(state, now, 1) if first else state


def _count_other(state: AccountState, at: datetime, by: int) -> AccountState:
    day = shanghai_day(at)
    entry = state.book.get(day, Day())
    entry = entry.model_copy(update={"others": max(0, entry.others + by)})
    return state.model_copy(update={"book": {**state.book, day: entry}})
