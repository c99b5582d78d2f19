"""What people do to an account: they freeze it, let it go on, have it forget a key, or tell it of a restore."""

from datetime import datetime, timedelta
from typing import Final

from qunfa.account.budget import newest_within, without
from qunfa.account.queue import place_of, turned_away
from qunfa.account.records import noted
from qunfa.account.state import AccountState, Record
from qunfa.contract.facts import Known, Try
from qunfa.contract.fields import EARLIEST
from qunfa.contract.grants import Ending
from qunfa.contract.ids import key_of_whole
from qunfa.contract.ledger import Forgotten, Frozen, Restored
from qunfa.contract.operators import Restore
from qunfa.contract.result import Answer
from qunfa.rules.bounds import TEXT_MAX
from qunfa.rules.calendar import shanghai_clock
from qunfa.rules.memory import next_number, union
from qunfa.rules.submission import RESTORED
from qunfa.send.doubt import DOUBT, UNNAMED, clientmsgids

FORGOTTEN_BYTES: Final = 6 * 1024
_WINDOW_OVER: Final = timedelta(days=2)
_NOBODY: Final = "nobody"


def freeze(state: AccountState, by: str, reason: str, now: datetime) -> AccountState:
    """The state that grants nothing. What has the lease is in flight all the same.

    The freeze of somebody else stays, since their reason still holds. That of a restore would end with it, and goes.
    """
    before, asked = state.frozen, Frozen(by=by[:TEXT_MAX], reason=reason[:TEXT_MAX], at=now)
    stays = before is not None and before.by != asked.by and not before.of_restore
    return _turned(state, before if stays else asked)


def unfreeze(state: AccountState, now: datetime) -> AccountState:
    """The state that grants again. It is noted also where nothing was frozen: a lost ledger may yet hear of a freeze.

    Temporal's clock may have been ahead as the account was frozen. That freeze has ended as well.
    """
    if state.frozen is None:
        return state.changed(unfrozen_at=now)
    return _turned(state, None).changed(unfrozen_at=max(now, state.frozen.at))


def with_freeze_of(state: AccountState, frozen: Frozen | None) -> AccountState:
    """The state with a freeze that a run was told of by a ledger that was lost, or that has forgotten it by a reset.

    An unfreeze since then has ended it. A person's freeze takes the place of that of a restore, which would end with
    it. Those of two people become one, which names both: so whoever ends it is asked.
    """
    if frozen is None or (state.unfrozen_at is not None and frozen.at <= state.unfrozen_at):
        return state
    before = state.frozen
    if before is None or (before.of_restore and not frozen.of_restore):
        return _turned(state, frozen)
    if frozen.of_restore or frozen.by == before.by or frozen.at >= before.at:
        return state
    by, reason = f"{frozen.by}, {before.by}", f"{frozen.reason}; {before.reason}"
    return _turned(state, Frozen(by=by[:TEXT_MAX], reason=reason[:TEXT_MAX], at=frozen.at))


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


def marked(state: AccountState, asked: Restore, now: datetime) -> AccountState:
    """The state that knows what it has forgotten, and is frozen. Told once more of the same snapshot, it stays.

    | a key | has the doubt |
    |---|---|
    | that waits when the account is told of the restore | at once: its place goes, and its run hears of it |
    | that wishes for a turn | before it gets one |
    | that is new, and was started once all was started again (``ended_at``) | never |
    | that was started before, or whose send in batches was | before it gets a turn, however late it asks |
    | the same, and the send in batches ends before that batch | as it is looked for: its openids are ``unknown`` |
    | that may be forgotten, and whose send ends as one of which nothing was delivered | before it says so |
    | the same, whose send is to ask a person about something else | before it asks |

    The doubt is two tries of which nobody knows what became, once for each key and restore: the one that a person finds
    in WeChat's console, and another that may come through late. Their window is over, be the time of the snapshot
    mistaken for a later one. So nothing is repeated and a person is asked: a later generation may have been delivered
    under another ``clientmsgid``, and a send that somebody has stopped since runs again.
    """
    before = state.restored
    if before is not None and before.taken == asked.taken:
        return state
    restored = Restored(by=asked.by[:TEXT_MAX], reason=asked.reason[:TEXT_MAX], taken=asked.taken, at=now)
    if state.frozen is None or state.frozen.of_restore:
        state = _turned(state, Frozen(by=restored.by, reason=restored.reason, at=now, of_restore=True))
    state = state.changed(restored=restored)
    for place in state.queue:
        record = doubted(state, state.records[place.key], place.generation, place.clientmsgid)
        state = turned_away(noted(state, record, now), place, "known")
    return state


def why_not_caught_up(state: AccountState) -> str | None:
    """A sentence that says why there is nothing to be caught up with; ``None`` where there is."""
    if state.restored is None:
        return f"the account {state.appid} was not told that Temporal's database was restored"
    return None


def caught_up(state: AccountState, now: datetime) -> AccountState:
    """The state for which a key is new that comes up from now on; the freeze of the restore is over. Once is enough."""
    restored = state.restored
    if restored is None or restored.ended_at is not None:
        return state
    if state.frozen is not None and state.frozen.of_restore:
        state = unfreeze(state, now)
    records = {key: one.changed(lapsed=True) for key, one in state.records.items()}
    return state.changed(records=records, restored=restored.model_copy(update={"ended_at": now}))


def had_come_up(state: AccountState, started_at: datetime | None) -> bool:
    """Whether a send that was started then may be forgotten: all had not caught up by then."""
    return state.restored is not None and came_up_before(state.restored, started_at)


def came_up_before(restored: Restored, started_at: datetime | None) -> bool:
    """Whether it was started before all had caught up with the restore, which is over."""
    return started_at is not None and restored.ended_at is not None and started_at <= restored.ended_at


def doubted(state: AccountState, record: Record, generation: int, clientmsgid: str) -> Record:
    """The record with a try that may be forgotten, where one may be."""
    restored = state.restored
    if restored is None or is_doubted(state, record):
        return record
    return record.changed(known=_with_doubt(restored, record.known, generation, clientmsgid))


def looked_back(state: AccountState, key: str, started_at: datetime | None, known: Known | None) -> Known | None:
    """What is known of a key that is submitted no more; it may be forgotten, also where it has never asked."""
    before = known or Known()
    if state.restored is None or not may_hide_more(state, key, started_at, before):
        return known
    return with_forgotten(state.restored, before)


def with_forgotten(restored: Restored, known: Known) -> Known:
    """What is known of a key of which something is forgotten, perhaps: with a doubt for that."""
    if _has_doubt(restored, known):
        return known
    generation, newest = max(clientmsgids(known, UNNAMED).items())
    return _with_doubt(restored, known, generation, newest)


def may_hide_more(state: AccountState, key: str, started_at: datetime | None, known: Known) -> bool:
    """Whether something of a key is forgotten, perhaps, and what is known has no doubt for that."""
    perhaps = had_come_up(state, started_at) or _may_be_forgotten(state, key, state.records.get(key))
    return state.restored is not None and perhaps and not _has_doubt(state.restored, known)


def with_doubt(state: AccountState, known: Known, ending: Ending) -> Known:
    """What is known of a send, with the doubt that it may be forgotten. It is about to end, or to ask a person."""
    if state.restored is None:
        return known
    return _with_doubt(state.restored, known, ending.generation, ending.clientmsgid)


def _with_doubt(restored: Restored, known: Known, generation: int, clientmsgid: str) -> Known:
    when = shanghai_clock(restored.taken)
    detail = f"{RESTORED} whether anything was submitted, stopped, moved or recalled after {when} is forgotten"
    forgotten = Try(
        generation=generation,
        number=next_number(known),
        wish=_wish(restored),
        clientmsgid=clientmsgid,
        not_before=max(min(restored.taken, restored.at) - _WINDOW_OVER, EARLIEST),
        holder=_NOBODY,
        answer=Answer(kind="unknown", at=restored.at, detail=detail),
    )
    both = union(known, Known(tries=(forgotten,)))
    late = forgotten.model_copy(update={"number": next_number(both), "wish": f"{forgotten.wish}:late"})
    return union(both, Known(tries=(late,)))


def is_doubted(state: AccountState, record: Record) -> bool:
    """Whether the record has the doubt that it needs, be it none."""
    restored = state.restored
    if restored is None or not _may_be_forgotten(state, record.key, record):
        return True
    return _has_doubt(restored, record.known)


def _has_doubt(restored: Restored, known: Known) -> bool:
    return any(one.wish == _wish(restored) for one in known.tries)


def _may_be_forgotten(state: AccountState, key: str, record: Record | None) -> bool:
    """Whether the key came up before all had caught up; or that of the send of which it may be a batch.

    Such a send begins its batches one after the other, so that some come up only now that were sent before.
    """
    known, restored = (record, state.records.get(key_of_whole(key) or "")), state.restored
    is_open = restored is not None and restored.ended_at is None
    return is_open or any(one.lapsed for one in known if one is not None)


def _wish(restored: Restored) -> str:
    return f"{DOUBT}{restored.taken.isoformat(timespec='seconds')}"
