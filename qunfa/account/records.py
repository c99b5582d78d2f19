"""Records: how facts that somebody brings are added to what the ledger knows of a key. None is ever taken back."""

from datetime import datetime

from qunfa.account.budget import fitting, with_record
from qunfa.account.routing import added, matched, named, without_pretenders
from qunfa.account.state import AccountState, Record
from qunfa.contract.facts import Known
from qunfa.contract.grants import Lease
from qunfa.contract.ids import key_of_whole
from qunfa.contract.result import Answer
from qunfa.rules.memory import union


def grown(record: Record, known: Known, now: datetime) -> Record:
    """The record with the facts of ``known``, too."""
    after = added(record.known, known)
    return record if after == record.known else record.changed(known=after, touched_at=now)


def unused(record: Record, lease: Lease, now: datetime) -> Record:
    """The record once it is known that nobody has heard of the lease; a try that is lost stays so."""
    given_back = lease.tried(Answer(kind="unused", at=now))
    return record.changed(known=union(record.known, Known(tries=(given_back,))))


def noted(state: AccountState, record: Record, now: datetime) -> AccountState:
    """The state with the record, as far as there is room; with what follows for other keys and for kept pushes."""
    fits = fitting(state, named(state, record))
    if fits is None:
        return state
    state = without_pretenders(with_record(_with_whole(state, fits.key, now), fits), fits)
    return matched(state, fits, now)


def _with_whole(state: AccountState, key: str, now: datetime) -> AccountState:
    """The state where a send in batches was touched with its batch: the ledger forgets it no sooner."""
    whole = state.records.get(key_of_whole(key) or "")
    if whole is None:
        return state
    return state.changed(records={**state.records, whole.key: whole.changed(touched_at=now)})


def unsearched(state: AccountState) -> AccountState:
    """The state of a ledger that was reset and may have forgotten something: of every key earlier runs know more."""
    return state.changed(records={key: one.changed(unsearched=True) for key, one in state.records.items()})
