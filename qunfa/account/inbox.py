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
| with a newly accepted job | the quota book counts it, once |
| with the end of the send, or a recall | noted; a recall changes nothing about the delivery |
"""

from datetime import datetime
from typing import Final

from qunfa.account.budget import is_full, with_record
from qunfa.account.leases import expired, returned, without_vain_place
from qunfa.account.quota import booked
from qunfa.account.records import grown, noted
from qunfa.account.routing import pushed
from qunfa.account.state import AccountState, Record
from qunfa.account.wishes import wished
from qunfa.contract.grants import Report, Wish
from qunfa.contract.result import JobFinished
from qunfa.rules.bounds import cut, is_plain

Message = Wish | Report | JobFinished
RECALLS_MAX: Final = 10


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
    return without_vain_place(returned(_counted(state, report, now), now, report.known), report.key)


def _with_facts(record: Record, report: Report, now: datetime) -> Record:
    record = grown(record, report.known, now)
    if report.ended is not None and report.ended != record.ended:
        record = record.changed(ended=report.ended, touched_at=now)
    if report.recalled is not None and report.recalled not in record.recalled:
        record = record.changed(recalled=(*record.recalled, report.recalled)[-RECALLS_MAX:], touched_at=now)
    return record


def _counted(state: AccountState, report: Report, now: datetime) -> AccountState:
    record = state.records.get(report.key)
    if record is None:
        return state
    state, counted = booked(state, record, now, to_all=report.to_all)
    return with_record(state, counted)
