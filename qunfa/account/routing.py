"""Pushes: whose job each is about, and what goes on to a ``MassSend``.

| a push | does |
|---|---|
| whose status no rule understands | nothing |
| msg_id of a record, with the word that is known | nothing |
| msg_id of a record, with a new word | it is noted, and goes on |
| a test push | nothing |
| msg_id of nobody | it is kept, and counted as sent elsewhere, until it turns out to be somebody's |
"""

from datetime import datetime
from typing import Final

from qunfa.account.budget import fitting, with_kept, with_record
from qunfa.account.owners import owner_of
from qunfa.account.quota import counted_elsewhere
from qunfa.account.state import AccountState, Forward, Record
from qunfa.contract.checks import is_test
from qunfa.contract.facts import Known, Said
from qunfa.contract.ledger import KeptPush
from qunfa.contract.result import JobFinished
from qunfa.rules.memory import union
from qunfa.rules.verdict import judge, verdict_of_push

FORWARDS_MAX: Final = 200
ONE_KEPT_BYTES: Final = 8 * 1024
"""Of one push of nobody's: beyond, its articles go."""


def pushed(state: AccountState, event: JobFinished, now: datetime) -> AccountState:
    """The state after a push that the receiver hands in."""
    if judge(verdict_of_push(event)) is None:
        return state
    owner = owner_of(state, event.msg_id)
    if owner is None:
        return state if is_test(event.msg_id) else _kept(state, event, now)
    record = owner[0]
    said = Said(msg_id=event.msg_id, verdict=verdict_of_push(event), at=now)
    known = union(record.known, Known(said=(said,)))
    if known == record.known:
        return state
    grown = fitting(state, record.changed(known=known, touched_at=now))
    if grown is None:
        return state
    return forwarding(with_record(state, grown), record.key, event.msg_id)


def matched(state: AccountState, record: Record, now: datetime) -> AccountState:
    """The state where kept pushes that turn out to be this record's are noted and go on."""
    matching = [kept for kept in state.kept if kept.event.msg_id in record.claims]
    if not matching:
        return state
    rest = tuple(kept for kept in state.kept if kept.event.msg_id not in record.claims)
    state = state.changed(kept=rest)
    counted = {kept.event.msg_id: kept.at for kept in reversed(matching)}
    for at in counted.values():
        state = counted_elsewhere(state, at, -1, now)
    for kept in matching:
        state = pushed(state, kept.event, now)
    return state


def forwarding(state: AccountState, key: str, msg_id: int) -> AccountState:
    """The state that has the newest push on ``msg_id`` to send on."""
    others = tuple(one for one in state.forwards if one.msg_id != msg_id)
    serial = state.serial + 1
    return state.changed(serial=serial, forwards=(*others, Forward(serial, key, msg_id))[-FORWARDS_MAX:])


def word_on(record: Record, msg_id: int) -> JobFinished | None:
    """The push on ``msg_id`` as the record has noted it."""
    for one in record.known.said:
        if one.msg_id == msg_id and one.verdict.observed_by == "push":
            verdict = one.verdict
            return JobFinished(
                msg_id=msg_id,
                status=verdict.status,
                counts=verdict.counts,
                check_state=verdict.check_state,
                articles=verdict.articles,
            )
    return None


def _kept(state: AccountState, event: JobFinished, now: datetime) -> AccountState:
    others = [kept for kept in state.kept if kept.event.msg_id == event.msg_id]
    if any(kept.event == event for kept in others):
        return state
    push = KeptPush(event=event, at=now)
    if push.size > ONE_KEPT_BYTES:
        push = push.without_articles
    state = with_kept(state, (*state.kept, push))
    return state if others else counted_elsewhere(state, now, 1, now)
