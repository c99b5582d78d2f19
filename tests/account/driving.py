"""An account without a server: messages, and what it says to whom."""

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

from qunfa.account.inbox import Message, take
from qunfa.account.leases import settle
from qunfa.account.outbox import Outgoing, delivered, not_found, outgoing
from qunfa.account.state import AccountState
from qunfa.contract.facts import Known, Said, Try
from qunfa.contract.grants import Granted, Lease, Report, Turn, Wish
from qunfa.contract.result import Answer, Observer, Verdict
from tests.rules.arbitrary import CLIENTMSGID, NOON

SECOND = timedelta(seconds=1)
MINUTE = timedelta(minutes=1)
DAY = timedelta(days=1)
BEGAN = NOON - DAY
FEW = 5
SAID_MAX = 1000
"""More than any test has an account say at once."""
EMPTY = AccountState(appid="wx", since=BEGAN)


def turn(generation: int = 0, **more: Any) -> Turn:
    """For a try that wants to go at noon."""
    usual = {"clientmsgid": f"{CLIENTMSGID[:-2]}{generation:02d}", "due": NOON, "pace": SECOND}
    return Turn.model_validate({"generation": generation, "http_timeout": 30 * SECOND, **usual, **more})


def wish(name: str = "w1", key: str = "k", run: str = "run-1", **more: Any) -> Wish:
    """A searched wish for a turn at noon."""
    usual = {"digest": "d", "workflow_id": f"mass-send:demo:{key}", "searched": True, "turn": turn()}
    return Wish.model_validate({"wish": name, "key": key, "run_id": run, **usual, **more})


def look(name: str = "w1", key: str = "k", run: str = "run-1", **more: Any) -> Wish:
    """A searched wish that only wants to know."""
    return wish(name, key, run, **{"turn": None, **more})


def answer(kind: str = "accepted", at: datetime = NOON, **more: Any) -> Answer:
    """An answer; an acceptance has msg_id 7."""
    if kind == "accepted":
        more = {"msg_id": 7, **more}
    return Answer.model_validate({"kind": kind, "at": at, **more})


def tried(lease: Lease, said: Answer | None, **more: Any) -> Try:
    """The lease's try."""
    return lease.tried(said).model_copy(update=more)


def attempt(said: Answer | None = None, number: int = 1, name: str = "old", generation: int = 0, **more: Any) -> Try:
    """A try of an earlier run."""
    usual = {"clientmsgid": f"{CLIENTMSGID[:-2]}{generation:02d}", "not_before": NOON, "holder": "run-0"}
    identity = {"generation": generation, "number": number, "wish": name}
    return Try.model_validate({**identity, "answer": said, **usual, **more})


def known(*tries: Try, **more: Any) -> Known:
    """Facts."""
    return Known(tries=tries, **more)


def yes(msg_id: int = 7, status: str = "send success", at: datetime = NOON, by: Observer = "push") -> Said:
    """WeChat's word, mostly by a push, as a fact."""
    return Said(msg_id=msg_id, verdict=Verdict(status=status, observed_by=by), at=at)


def report(*tries: Try, key: str = "k", **more: Any) -> Report:
    """A report of these tries."""
    usual = {"digest": "d", "workflow_id": f"mass-send:demo:{key}", "known": known(*tries)}
    return Report.model_validate({"key": key, **usual, **more})


def done(state: AccountState, *messages: Message, now: datetime = NOON) -> AccountState:
    """The state after these messages of one slice."""
    for message in messages:
        state = take(state, message, now)
    return kept(settle(state, now))


def kept(state: AccountState) -> AccountState:
    """The state as a new run of the account reads it: it has no value of another type. Large ones take too long."""
    if len(state.records) > FEW:
        return state
    again = AccountState.model_validate_json(state.model_dump_json(warnings="error"))
    assert again == state
    return again


def heard(state: AccountState, now: datetime = NOON, gone: Iterable[str] = ()) -> tuple[AccountState, list[Outgoing]]:
    """The state once all it has to say was said, and that. ``gone``: runs that are over."""
    said: list[Outgoing] = []
    while batch := outgoing(state, now):
        for one in batch:
            lost = one.run_id in set(gone)
            state = not_found(state, one, now) if lost else delivered(state, one)
        said.extend(batch)
        assert len(said) <= SAID_MAX, "the same is said again and again"
        state = kept(settle(state, now))
    return state, said


def asked(state: AccountState, *messages: Message, now: datetime = NOON) -> tuple[AccountState, list[Granted]]:
    """The state after these messages, and what runs were answered."""
    state, said = heard(done(state, *messages, now=now), now)
    return state, [one.payload for one in said if isinstance(one.payload, Granted)]


def leased(state: AccountState, *messages: Message, now: datetime = NOON) -> tuple[AccountState, Lease]:
    """The state once one of these wishes has the lease, which its run was told."""
    state, _ = asked(state, *messages, now=now)
    assert state.lease is not None
    assert state.announced
    return state, state.lease


def size(state: AccountState) -> int:
    """Bytes that it takes as JSON."""
    return len(state.model_dump_json().encode())
