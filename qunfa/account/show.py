"""What people and activities see of an account. All of it follows from the state."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from qunfa.account.people import came_up_before, looked_back, may_hide_more, with_forgotten
from qunfa.account.queue import waits
from qunfa.account.routing import previewed
from qunfa.account.state import AccountState, Record
from qunfa.contract import ledger
from qunfa.contract.facts import Ended, Known, Said
from qunfa.contract.grants import Lease
from qunfa.contract.ids import is_later, key_of_whole
from qunfa.contract.ledger import FreezeAnswer, LedgerView, Waiting
from qunfa.contract.prospect import Past
from qunfa.contract.result import Outcome
from qunfa.contract.steps import LedgerAnswer, LedgerQuestion
from qunfa.rules.course import judgement_of, may_have_been_delivered, over
from qunfa.rules.memory import union
from qunfa.rules.verdict import verdict_of_push
from qunfa.send.doubt import accepted_of


def view(state: AccountState, wanted: Mapping[str, Any]) -> LedgerView:
    """The ledger; with a ``key`` or a ``msg_id`` in ``wanted`` only the records that hold it.

    Of a key that was asked for the facts are shown as well, and whether they may be too few: ``started_at`` in
    ``wanted`` is when a run of it began.
    """
    records = (_record(one, facts="key" in wanted) for one in state.records.values())
    return LedgerView(
        appid=state.appid,
        since=state.since,
        records=tuple(one for one in records if _is_chosen(one, wanted)),
        lease=_lease(state.lease) if state.lease else None,
        pace=state.pace,
        frozen=state.frozen,
        kept=state.kept,
        book=state.book,
        waiting=waiting(state),
        forgotten=state.forgotten,
        restored=state.restored,
        hides_more=_hides_more(state, wanted),
    )


def _hides_more(state: AccountState, wanted: Mapping[str, Any]) -> bool:
    key, began = wanted.get("key"), wanted.get("started_at")
    if not isinstance(key, str):
        return False
    record = state.records.get(key)
    started_at = datetime.fromisoformat(began) if isinstance(began, str) else None
    return may_hide_more(state, key, started_at, record.known if record else Known())


def past_of(seen: LedgerView, key: str, earlier: Past, came_up_at: datetime | None) -> Past:
    """What a run of the key that starts now would find, by the ledger and ``earlier`` runs, which may know more.

    ``came_up_at``: when the oldest of these was started.
    """
    record, past = next((one for one in seen.records if one.key == key), None), earlier
    if record is not None:
        ended = Ended(outcome=record.ended_as, problem=record.problem) if record.ended_as else earlier.ended
        past = Past(
            known=union(record.known or Known(), earlier.known),
            digests=tuple(dict.fromkeys((record.digest, *earlier.digests))),
            ended=ended,
            touched_at=record.touched_at,
        )
    past = past.model_copy(update={"known": _with_pushes(seen, key, past.known)})
    restored = seen.restored
    if restored is None or not (seen.hides_more or came_up_before(restored, came_up_at)):
        return past
    return past.model_copy(update={"known": with_forgotten(restored, past.known)})


def _with_pushes(seen: LedgerView, key: str, known: Known) -> Known:
    """With what came before the account knew whose job it was, or after it had lost that: a start has it matched."""
    ours = accepted_of(known, key, ())
    kept = [(one, verdict_of_push(one.event)) for one in seen.kept if one.event.msg_id in ours]
    said = tuple(Said(msg_id=one.event.msg_id, verdict=verdict, at=one.at) for one, verdict in kept)
    return union(known, Known(said=said))


def waiting(state: AccountState) -> tuple[Waiting, ...]:
    """Who waits for a lease, the next one first."""
    return tuple(
        Waiting(key=one.key, due=one.due, place=waits(state, before).place) for before, one in enumerate(state.queue)
    )


def switch(state: AccountState) -> FreezeAnswer:
    return FreezeAnswer(frozen=state.frozen, in_flight=(_lease(state.lease),) if state.lease else ())


def answer_of(state: AccountState, question: LedgerQuestion, now: datetime) -> tuple[AccountState, LedgerAnswer]:
    """The answer, and the state after it: a preview that is granted is counted.

    Of a key that the ledger may know less of than earlier runs it says nothing.
    """
    record = state.records.get(question.key) if question.key is not None else None
    known = record.known if record is not None and not record.unsearched else None
    known = looked_back(state, question.key, question.started_at, known) if question.key is not None else None
    if question.previewing is None:
        reaching = _reaching(state, question.key) if question.key is not None and question.with_batches else ()
        later = question.and_later and _has_later(state, question.key or "")
        return state, LedgerAnswer(known=known, reaching=reaching, later=later)
    state, left = previewed(state, question.previewing, now, question.asked_at)
    return state, LedgerAnswer(known=known, previews=left)


def _has_later(state: AccountState, batch: str) -> bool:
    """Whether it knows a batch of the same list after this one. Without that list, it is a send that looks like one."""
    return key_of_whole(batch) in state.records and any(is_later(one, batch) for one in state.records)


def _reaching(state: AccountState, whole: str) -> tuple[int, ...]:
    """The numbers of the batches of a list that may have been delivered."""
    batches = [record for key, record in state.records.items() if key_of_whole(key) == whole]
    reaching = [one.key for one in batches if may_have_been_delivered(one.jobs)]
    return tuple(sorted(int(key.rpartition(".")[2]) for key in reaching))


def _is_chosen(record: ledger.Record, wanted: Mapping[str, Any]) -> bool:
    if "key" in wanted and record.key != wanted["key"]:
        return False
    return "msg_id" not in wanted or any(job.msg_id == wanted["msg_id"] for job in record.jobs)


def _record(record: Record, *, facts: bool) -> ledger.Record:
    return ledger.Record(
        key=record.key,
        digest=record.digest,
        workflow_id=record.workflow_id,
        jobs=tuple(job for job in record.jobs if job.clientmsgid or job.msg_id is not None),
        ended_as=ended_as(record),
        problem=record.ended.problem if record.ended else None,
        touched_at=record.touched_at,
        unsearched=record.unsearched,
        recalled=record.recalled,
        known=record.known if facts else None,
    )


def ended_as(record: Record) -> Outcome | None:
    """How the key has ended: as WeChat's yes says, which no send tells again, or as its send has told."""
    yes = next((one for job in record.jobs if (one := judgement_of(job)) and one.delivered), None)
    if yes is not None:
        return over(yes).outcome
    return record.ended.outcome if record.ended else None


def _lease(lease: Lease) -> ledger.Lease:
    return ledger.Lease(
        key=lease.key,
        index=0,
        generation=lease.generation,
        attempt=lease.number,
        not_before=lease.not_before,
        valid_until=lease.valid_until,
        expires_at=lease.expires_at,
        pace=lease.pace,
        holder=lease.holder,
    )
