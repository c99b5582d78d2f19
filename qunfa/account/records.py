"""Records: how facts that somebody brings are added to what the ledger knows of a key. None is ever taken back."""

from datetime import datetime

from qunfa.account import owners
from qunfa.account.budget import fitting, with_record
from qunfa.account.routing import forwarding, matched
from qunfa.account.state import AccountState, Record
from qunfa.contract.facts import Known, TryId
from qunfa.contract.result import Answer
from qunfa.rules.memory import given_up, is_under_way, union


def grown(record: Record, known: Known, now: datetime) -> Record:
    """The record with the facts of ``known``, too."""
    after = owners.added(record.known, known)
    return record if after == record.known else record.changed(known=after, touched_at=now)


def lost_to(record: Record, run_id: str, now: datetime) -> Record:
    """The record once ``run_id`` wishes: a try under way that another run holds is lost."""
    known = given_up(record.known, now, run_id)
    return record if known == record.known else record.changed(known=known, touched_at=now)


def unused(record: Record, try_id: TryId, now: datetime) -> Record:
    """The record once it is known that nobody has heard of the lease of a try."""
    answer = Answer(kind="unused", at=now)
    tries = (one for one in record.known.tries if one.identity == try_id and is_under_way(one))
    facts = Known(tries=tuple(one.model_copy(update={"answer": answer}) for one in tries))
    return record.changed(known=union(record.known, facts), touched_at=now)


def noted(state: AccountState, record: Record, now: datetime) -> AccountState:
    """The state with the record, as far as there is room; with what follows for other keys and for kept pushes."""
    before = state.records.get(record.key)
    fits = fitting(state, owners.named(state, record))
    if fits is None or fits == before:
        return state
    state = owners.without_pretenders(with_record(state, fits), before, fits)
    return matched(_with_moved(state, fits), fits, now)


def _with_moved(state: AccountState, record: Record) -> AccountState:
    """The state where a word goes on to the record's send that another key had by a 45065 alone."""
    owner = state.records[record.key]
    known = {one.msg_id for one in record.known.said}
    for one in owner.known.said:
        if one.msg_id not in known:
            state = forwarding(state, record.key, one.msg_id)
    return state


def unsearched(state: AccountState) -> AccountState:
    """The state of a ledger that was reset and may have forgotten something: of every key earlier runs know more."""
    return state.changed(records={key: one.changed(unsearched=True) for key, one in state.records.items()})
