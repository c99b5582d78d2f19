"""Whose job a msg_id is. WeChat names one with an acceptance, and with a 45065, which may name another key's.

| who claims the msg_id of a 45065 | whose it is |
|---|---|
| any key, by an acceptance or a ``mark_sent`` | that key's, for good |
| another key by a 45065 that was told before | the other key's |
| nobody else | this key's own |

An acceptance that is told later takes the msg_id from a key that had it by a 45065 alone, and WeChat's word with it.
"""

from qunfa.account.budget import fitting, with_record
from qunfa.account.state import AccountState, Claim, Record
from qunfa.contract.facts import Known, Owned
from qunfa.rules.memory import union
from qunfa.send.doubt import of_unknown_owner


def owner_of(state: AccountState, msg_id: int) -> tuple[Record, Claim] | None:
    """The record whose job it is, and how it came by it."""
    found: tuple[Record, Claim] | None = None
    for record in state.records.values():
        claim = record.claims.get(msg_id)
        if claim and claim.accepted:
            return record, claim
        if claim and found is None:
            found = record, claim
    return found


def owned(state: AccountState, msg_id: int) -> Known:
    """The fact of whose it is, for whoever asks; none where it is nobody's."""
    owner = owner_of(state, msg_id)
    if owner is None:
        return Known()
    record, claim = owner
    fact = Owned(msg_id=msg_id, key=record.key, generation=claim.generation, accepted=claim.accepted)
    return Known(owned=(fact,))


def added(ours: Known, theirs: Known) -> Known:
    """The union of what the ledger knows of a key and what somebody brings: of two owners an accepted one stands."""
    known = {one.msg_id: one for one in ours.owned}
    for one in theirs.owned:
        before = known.get(one.msg_id)
        if before is None or (one.accepted and not before.accepted):
            known[one.msg_id] = one
    facts = tuple(known[msg_id] for msg_id in sorted(known))
    return union(ours, theirs).model_copy(update={"owned": facts})


def named(state: AccountState, record: Record) -> Record:
    """The record with the owners of the msg_ids that its 45065 answers name."""
    facts = {one.msg_id: one for one in record.known.owned}
    for msg_id in {*of_unknown_owner(record.known), *(one.msg_id for one in record.known.owned if not one.accepted)}:
        facts[msg_id] = _owner_for(state, record, msg_id, facts.get(msg_id))
    after = tuple(facts[msg_id] for msg_id in sorted(facts))
    return record if after == record.known.owned else _with_owned(record, after)


def without_pretenders(state: AccountState, record: Record) -> AccountState:
    """The state where no other key keeps, by a 45065 alone, what WeChat has accepted as this record's."""
    accepted = {msg_id: claim for msg_id, claim in record.claims.items() if claim.accepted}
    for msg_id, claim in accepted.items():
        fact = Owned(msg_id=msg_id, key=record.key, generation=claim.generation, accepted=True)
        for other in state.records.values():
            if other.key != record.key and msg_id in other.claims and not other.claims[msg_id].accepted:
                state = _moved(state, other, fact)
    return state


def _owner_for(state: AccountState, record: Record, msg_id: int, known: Owned | None) -> Owned:
    own = record.claims.get(msg_id)
    if own and own.accepted:
        return Owned(msg_id=msg_id, key=record.key, generation=own.generation, accepted=True)
    other = owner_of(state, msg_id)
    if other and (known is None or other[1].accepted):
        return Owned(msg_id=msg_id, key=other[0].key, generation=other[1].generation, accepted=other[1].accepted)
    return known or Owned(msg_id=msg_id, key=record.key, generation=record.claims[msg_id].generation)


def _with_owned(record: Record, facts: tuple[Owned, ...]) -> Record:
    return record.changed(known=record.known.model_copy(update={"owned": facts}))


def _moved(state: AccountState, pretender: Record, fact: Owned) -> AccountState:
    """The state once the msg_id is the owner's: what WeChat has said of it is known there, too."""
    others = tuple(one for one in pretender.known.owned if one.msg_id != fact.msg_id)
    corrected = tuple(sorted((*others, fact), key=lambda one: one.msg_id))
    state = with_record(state, _with_owned(pretender, corrected))
    owner = state.records.get(fact.key)
    if owner is None:  # it went at once, since it was settled and there was no room
        return state
    said = tuple(one for one in pretender.known.said if one.msg_id == fact.msg_id)
    grown = fitting(state, owner.changed(known=union(owner.known, Known(said=said))))
    return with_record(state, grown) if grown else state
