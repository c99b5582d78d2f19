"""What the account answers to a wish, and how a run goes on with what its key has done before.

| the ledger says of the key | the run |
|---|---|
| nothing, or nothing but definite no's | goes on; the no's do not count any more |
| accepted, or ever unknown, and unsettled | goes on with that |
| WeChat's yes | ends with it: ``again`` |
| it ended, and WeChat's no is all that is settled of it | fails the same way again: ``again`` |
| a person has aborted it, not its list, and it is a batch that nobody has had retried | is aborted, too |
| a person had found it, nobody could check that, and it is a batch | asks before it submits |
| it was stopped, after a person had it sent again who had not found it in the console | asks before it submits |
| it ended in another way, after the same and WeChat's no since | asks, too |
| it stands for other content | is refused where it has done nothing yet |
"""

from datetime import datetime
from typing import Final

from qunfa.contract.audience import Batch
from qunfa.contract.facts import Ended, Known, Owned
from qunfa.contract.grants import Granted, Lease
from qunfa.contract.result import Answer, Problem
from qunfa.rules.course import judgement_of, newest_no
from qunfa.rules.memory import is_under_way, union
from qunfa.rules.problems import STOPPED_SINCE, describe
from qunfa.rules.submission import unsettled
from qunfa.send.decisions import taken_up
from qunfa.send.doubt import left_open, of_unknown_owner
from qunfa.send.endings import found_as, opened_again
from qunfa.send.questions import owner_known
from qunfa.send.state import Act, Case, Check, OpenWish, SendState

_STOPPED: Final = frozenset({"aborted", "rejected", "unknown"})
"""How a run ends that somebody has stopped: maybe who has found what another had not."""
REUSED: Final = 'key: "{key}" stands for other content already; use a new key for this one'
"""A list of another version reads it in the refusal of its batch, so these words never change."""


def heard(case: Case, granted: Granted) -> SendState:
    """The state after an answer to the open wish; one to another wish is none of ours."""
    state, wish = case.state, case.state.wish
    if wish is None or wish.wish != granted.wish:
        return state
    if granted.answer == "search":
        return state.changed(searched=False, wish=wish.model_copy(update={"sent_at": None}))
    if granted.lease is not None and _is_used(state, granted.lease):
        return state.changed(known=union(state.known, granted.known))
    before, counted = state.known, granted.counted or case.counted
    answer = granted.model_copy(update={"known": Known(), "counted": counted})
    state = state.changed(known=union(state.known, granted.known))
    held = state.trying or state.lease
    if (held is not None and granted.lease is None) or _is_overtaken(granted, state.heard):
        return state  # said before the lease was, and heard after it
    if granted.lease is not None:
        state = _with_one_lease(state, granted.lease, case.now)
    if state.trying is not None:
        return state
    state = _told_of_a_freeze(case.after(state), granted)
    if granted.answer == "reused":
        return _reused(case, state.changed(heard=answer, wish=None))
    state = state.changed(heard=answer)
    if state.joined_at is None:
        state = _joined(case.after(state.changed(joined_at=case.now)), granted)
    if wish.turn is None:
        return _answered(case.after(state.changed(wish=None)), wish)
    stale = granted.lease is None and granted.waits is None and state.known != before
    arrived = wish.model_copy(update={"sent_at": wish.sent_at or case.now})
    return state.changed(wish=None if stale else arrived)


def found_late(case: Case, state: SendState, granted: Granted) -> SendState:
    """The state where earlier runs are found to have submitted, after a ledger without a record has answered."""
    if case.state.known.was_submitted or not state.known.was_submitted:
        return state
    return _joined(case.after(state), granted)


def given_back(state: SendState, lease: Lease, at: datetime) -> SendState:
    """The state in which the lease was not used: the account is told of it next, so that others get their turn.

    An account that was reset grants a turn twice, and it would wait for the other lease until that is over.
    """
    unused = Answer(kind="unused", at=at, detail="the lease was not used")
    return state.changed(known=union(state.known, Known(tries=(lease.tried(unused),))), untold=True)


def _with_one_lease(state: SendState, lease: Lease, at: datetime) -> SendState:
    """Without the lease in hand whose place this one takes; one that comes during a try is not used itself."""
    if state.trying is not None:
        return given_back(state, lease, at)
    if state.lease is None or state.lease.identity == lease.identity:
        return state  # the same try is granted anew, and is not unused
    return given_back(state, state.lease, at).changed(untold=state.untold)


def _told_of_a_freeze(case: Case, granted: Granted) -> SendState:
    """The story with the freeze that holds the send back, and with its end: each is told once.

    An answer that says nothing of the send's turn says nothing of a freeze either.
    """
    after = granted.waits.frozen if granted.waits else None
    if after == case.state.freeze or not (granted.lease or granted.waits):
        return case.state
    state = case.state.changed(freeze=after)
    if after is None:
        return state.saying(case.now, "the account is not frozen any more: it goes on")
    return state.saying(case.now, "the account is frozen: it waits", after.by, after.reason)


def _is_used(state: SendState, lease: Lease) -> bool:
    """Whether the answer is a copy: its lease is being used, or its try is over."""
    if state.trying is not None and state.trying.identity == lease.identity:
        return True
    return any(one.identity == lease.identity and not is_under_way(one) for one in state.known.tries)


def _is_overtaken(granted: Granted, heard: Granted | None) -> bool:
    """Whether the answer says that the wish waits in the queue, and one that ended it was heard before."""
    is_over = heard is not None and heard.wish == granted.wish and not _is_queued(heard) and heard.lease is None
    return is_over and _is_queued(granted)


def _is_queued(granted: Granted) -> bool:
    """Whether the account keeps a place for the wish, and speaks again."""
    return granted.waits is not None and granted.waits.until is None


def _reused(case: Case, state: SendState) -> SendState:
    """The key stands for other content. A run that has done nothing is refused, once it knows what the key has done."""
    if case.state.known.tries or case.state.joined_at is not None:
        return state
    return state.changed(refused=(REUSED.format(key=case.request.key),), heard=None, searched=False)


def _answered(case: Case, wish: OpenWish) -> SendState:
    """What was asked before something is said or done is answered."""
    state = case.state
    if wish.purpose == "owner":
        mine = case.newest.generation
        owned = tuple(
            Owned(msg_id=msg_id, key=case.request.key, generation=mine) for msg_id in of_unknown_owner(state.known)
        )
        return state.changed(known=union(state.known, Known(owned=owned)))
    if wish.purpose == "question":
        return owner_known(case)
    asked = case.check(wish.purpose)
    others = tuple(one for one in state.checks if one is not asked)
    # The first answer before an end may be from before a snapshot. A wish that is made after it is answered now.
    at = wish.since if wish.purpose == "ending" and asked is None else case.now
    return state.changed(checks=(*others, Check(before=wish.purpose, at=at)))


def _before(case: Case) -> Case:
    """The case as it was before the lease that has come with the answer: its try is no earlier one."""
    lease, known = case.state.lease, case.state.known
    if lease is None:
        return case
    tries = tuple(one for one in known.tries if one.identity != lease.identity)
    return case.after(case.state.changed(known=known.model_copy(update={"tries": tries})))


def _was_given_up(case: Case, granted: Granted) -> bool:
    """Whether it is a batch that a person has ended: who starts its list again, or resets it, says nothing of that."""
    audience, ended = case.request.audience, granted.ended
    if not isinstance(audience, Batch) or audience.retried or ended is None:
        return False
    return ended.outcome == "aborted" and not ended.of_list


def _asks_first(before: Case, ended: Ended) -> Problem | None:
    """What a person is asked about a job that was not found, or was, before its ended key goes out again."""
    if (found := _found(before, ended)) is not None:
        problem = describe("unknown_outcome", before.newest, before.counted)
        return problem.model_copy(update={"sentence": f"{problem.sentence} But {found_as(found)}."})
    missed = opened_again(before)
    if ended.outcome in _STOPPED and (stopped := missed or left_open(before.state.known, before.jobs)):
        return describe("not_delivered", stopped, before.counted).model_copy(update={"todo": STOPPED_SINCE})
    judged = {one.name for job in before.jobs if (one := judgement_of(job))}
    return describe("not_delivered", missed, before.counted) if missed and judged != {"not_delivered"} else None


def _found(case: Case, ended: Ended) -> int | None:
    """As which msg_id a person had found a batch before it ended, where nobody could check that.

    Who starts or retries its list reads that it is in doubt, and not that somebody has found it.
    """
    return ended.found if isinstance(case.request.audience, Batch) else None


def _joined(case: Case, granted: Granted) -> SendState:
    """A run that hears for the first time what its key has done."""
    state, now, before = case.state, case.now, _before(case)
    tried = [job for job in before.jobs if job.attempts or job.msg_id is not None]
    yes = any(one.delivered for job in tried if (one := judgement_of(job)))
    if granted.ended and (found := _found(before, granted.ended)) is not None:
        find = Check(before="question", at=now, msg_id=found, word="undecided")
        state = state.changed(checks=(*state.checks, find))
    if yes and not unsettled(case.newest):
        what = "the account's ledger knows this key: it was sent before, so nothing is submitted"
        return state.changed(again=True).saying(now, what)
    if not yes and granted.ended and (no := newest_no(before.jobs)):
        what = f"the account's ledger knows this key: it failed as {no.name}"
        return state.changed(again=True).saying(now, what)
    if not before.in_doubt and _was_given_up(case, granted):
        what = "the account's ledger knows this key: a person has aborted it, so nothing is submitted"
        return state.changed(acts=(*state.acts, Act(what="abort", at=now, by="somebody"))).saying(now, what)
    if tried:
        what = f"the account's ledger knows this key: {len(tried)} earlier submission(s) taken over"
        state = state.saying(now, what)
    if granted.ended and (problem := _asks_first(before, granted.ended)):
        state = state.changed(obstacle=problem)
    newest = before.newest
    is_judged = bool(tried) and judgement_of(tried[-1]) is not None
    if before.in_doubt or is_judged or newest.collides_with is not None or newest.answer is None:
        return state
    known = state.known
    after = taken_up(case.after(state.changed(known=before.state.known)), f"again-{granted.wish}")
    return after.changed(known=union(after.known, known))
