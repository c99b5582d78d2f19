"""What people do to an account: they freeze it, let it go on, and have it forget a key."""

from datetime import datetime
from typing import Final

from qunfa.account.budget import newest_within, without
from qunfa.account.queue import place_of
from qunfa.account.state import AccountState
from qunfa.contract.ledger import Forgotten, Frozen
from qunfa.rules.bounds import TEXT_MAX

FORGOTTEN_BYTES: Final = 6 * 1024


def freeze(state: AccountState, by: str, reason: str, now: datetime) -> AccountState:
    """The state that grants nothing. What has the lease is in flight all the same."""
    return _turned(state, Frozen(by=by[:TEXT_MAX], reason=reason[:TEXT_MAX], at=now))


def unfreeze(state: AccountState, now: datetime) -> AccountState:
    """The state that grants again."""
    after = _turned(state, None) if state.frozen else state
    return after.changed(unfrozen_at=now)  # also where it is not frozen: a lost ledger may still hear of a freeze


def with_freeze_of(state: AccountState, frozen: Frozen | None) -> AccountState:
    """The state with a freeze that a run was told of by a ledger that was lost.

    A freeze from before this ledger began is none of its own. An unfreeze since then has ended it.
    """
    if frozen is None or state.frozen is not None or state.unfrozen_at is not None or frozen.at >= state.since:
        return state
    return _turned(state, frozen)


def why_kept(state: AccountState, key: str) -> str | None:
    """A sentence that says why the key cannot be forgotten; ``None`` where it can."""
    record = state.records.get(key)
    if record is None:
        return f"the account {state.appid} does not know the key {key}"
    if place_of(state, key) is not None:
        return f"{record.workflow_id} waits for its turn; abort it first"
    if state.lease is not None and state.lease.key == key:
        return f"{record.workflow_id} is submitting; ask again when that is over"
    return None


def forget(state: AccountState, key: str, by: str, reason: str, now: datetime) -> AccountState:
    """The state without the key, and with a line of who had it forgotten; unchanged where :func:`why_kept` says so.

    The person vouches that what became of the key is settled: nothing stands against sending it again here. What
    Temporal still has of earlier runs is looked for before that.
    """
    if why_kept(state, key) is not None:
        return state
    line = Forgotten(key=key, by=by[:TEXT_MAX], reason=reason[:TEXT_MAX], at=now)
    state = without(state, [key])
    return state.changed(forgotten=newest_within((*state.forgotten, line), FORGOTTEN_BYTES))


def _turned(state: AccountState, frozen: Frozen | None) -> AccountState:
    return state.changed(frozen=frozen, switched=state.switched + 1)
