"""Pushes: whose job each is about, and what goes on to a ``MassSend``. And the quota book, which they change.

WeChat names the msg_id of a job with its acceptance, and with a 45065, which may name another key's.

| a push | does |
|---|---|
| whose status no rule understands | nothing |
| msg_id of a record, with the word that is known | nothing |
| msg_id of a record, with a new word | it is noted, and goes on |
| a test push | nothing |
| msg_id of nobody | it is kept, and counted as sent elsewhere, until it turns out to be somebody's |
"""

from datetime import datetime, timedelta
from hashlib import sha256
from typing import Final

from qunfa.account.budget import fitting, with_kept, with_record
from qunfa.account.state import AccountState, Claim, Forward, Record
from qunfa.contract.checks import is_test
from qunfa.contract.facts import ELSEWHERE, Known, Owned, Said
from qunfa.contract.ledger import Day, KeptPush, PreviewsLeft
from qunfa.contract.result import JobFinished
from qunfa.rules.calendar import next_day, shanghai_day
from qunfa.rules.course import judgement_of
from qunfa.rules.memory import is_under_way, is_unknown, union
from qunfa.rules.quota_view import PREVIEWS_A_DAY
from qunfa.rules.submission import unsettled
from qunfa.rules.verdict import judge, verdict_of_push
from qunfa.send.doubt import is_doubt, of_unknown_owner

BOOK_LIFE: Final = timedelta(days=62)


def booked(state: AccountState, record: Record, now: datetime) -> tuple[AccountState, Record]:
    """The book with what is newly accepted of the record, and the record as counted.

    | counted | once for each | as |
    |---|---|---|
    | an accepted submission | msg_id of a record | ``total``, and ``to_all`` |
    | one that has failed | the same, until WeChat says otherwise | ``failed``, and ``failed_to_all``, too |
    | a push of nobody's job | msg_id, until it turns out to be ours | ``others`` |
    | a preview | call that asks for one | ``previews`` |
    """
    new = [job for job in record.jobs if job.msg_id is not None and job.msg_id not in record.booked]
    for job in new:
        state = _counted(state, job.accepted_at or now, now, total=1, to_all=int(bool(record.to_all)))
    if new:
        record = record.changed(booked=(*record.booked, *(job.msg_id for job in new)))
    return with_failed(state, record, now)


def with_failed(state: AccountState, record: Record, now: datetime) -> tuple[AccountState, Record]:
    """The book with what has failed of the record, on the day of its acceptance; and the record as counted."""
    before, failed = record.failed or (), list[int]()
    for job in record.jobs:
        if job.msg_id is None or job.msg_id not in record.booked:
            continue
        judgement = judgement_of(job)
        has_failed = judgement is not None and not judgement.delivered
        if by := has_failed - (job.msg_id in before):
            more = {"failed": by, "failed_to_all": by * bool(record.to_all)}
            state = _counted(state, job.accepted_at or now, now, **more)
        failed += [job.msg_id] * has_failed
    return state, record if tuple(failed) == before else record.changed(failed=tuple(failed) or None)


def counted_elsewhere(state: AccountState, at: datetime, by: int, now: datetime) -> AccountState:
    """The book with ``by`` more (or fewer) sends that were not ours."""
    return _counted(state, at, now, others=by)


def previewed(
    state: AccountState, holder: str, now: datetime, asked_at: datetime | None = None
) -> tuple[AccountState, PreviewsLeft]:
    """One of today's previews for the call that ``holder`` names; asking again for the same call costs nothing.

    It is of the day on which it was asked for: an account that was reset may be asked anew for those of weeks.
    """
    at = min(asked_at or now, now)
    today, day = shanghai_day(now), shanghai_day(at)
    mine = f"{day} {sha256(holder.encode()).hexdigest()[:16]}"
    granted = mine in state.previewing
    if not granted and state.book.get(day, Day()).previews < PREVIEWS_A_DAY:
        granted = True
        others = tuple(one for one in state.previewing if one.startswith(today))
        state = _counted(state, at, now, previews=1).changed(previewing=(*others, mine))
    left = PREVIEWS_A_DAY - state.book.get(day, Day()).previews
    return state, PreviewsLeft(granted=granted, left=left, opens=next_day(at, None))


def _counted(state: AccountState, at: datetime, now: datetime, **more: int) -> AccountState:
    """The book of two months with ``more`` on the day of ``at``; an older day is not asked for."""
    oldest, day = shanghai_day(now - BOOK_LIFE), shanghai_day(min(at, now))
    if day < oldest:
        return state
    known = state.book.get(day, Day())
    entry = known.model_copy(update={name: max(0, getattr(known, name) + by) for name, by in more.items()})
    book = {name: one for name, one in state.book.items() if name >= oldest}
    return state.changed(book={**book, day: entry})


CLOCKS: Final = timedelta(minutes=1)
"""By so much a worker may write before the time of its lease: that is granted early, and clocks differ."""
FORWARDS_MAX: Final = 200
ONE_KEPT_BYTES: Final = 8 * 1024
"""Of one push of nobody's: beyond, its articles go."""


def pushed(state: AccountState, event: JobFinished, now: datetime) -> AccountState:
    """The state after a push that the receiver hands in.

    It settles a record, which may go at once for want of room. Then the push is kept: its send tells what it has done.
    """
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
    counted, changed = with_failed(state, record.changed(known=known, touched_at=now), now)
    grown = fitting(counted, changed)
    if grown is None:
        return state
    after = with_record(forwarding(counted, record.key, event.msg_id), grown)
    return after if record.key in after.records else _kept(after, event, now)


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
    """The push on ``msg_id`` as the record has noted it; WeChat pushes on none below 1, whatever a fact says."""
    for one in record.known.said:
        if one.msg_id == msg_id >= 1 and one.verdict.observed_by == "push":
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


def owner_of(state: AccountState, msg_id: int) -> tuple[Record, Claim] | None:
    """The record whose job it is, and how it came by it.

    | who claims the msg_id of a 45065 | whose it is |
    |---|---|
    | any key, by an acceptance or a ``mark_sent`` | that key's, for good |
    | another key by a 45065 that was told before | the other key's |
    | nobody else, and a push on it came before the first try that can have made it | another system's |
    | nobody else, and the ledger was lost since WeChat named it | nobody knows: as another system's |
    | nobody else, at the first try of its id, and another key has a try in doubt | nobody knows: as another system's |
    | nobody else | this key's own |

    An acceptance that is told later takes the msg_id from a key that had it by a 45065 alone, and WeChat's word too.
    """
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
    doubts = (_is_forgotten, _is_from_before, _may_be_anothers)
    if known is None and any(may_be(state, record, msg_id) for may_be in doubts):
        return Owned(msg_id=msg_id, key=ELSEWHERE, generation=0)
    return known or Owned(msg_id=msg_id, key=record.key, generation=record.claims[msg_id].generation)


def _is_forgotten(state: AccountState, record: Record, msg_id: int) -> bool:
    """Whether WeChat's 45065 is older than this ledger: the one before, which was lost, may have known whose it is."""
    answers = [one.answer for one in record.known.tries if one.answer]
    return any(one.msg_id == msg_id and one.at <= state.since for one in answers)


def _may_be_anothers(state: AccountState, record: Record, msg_id: int) -> bool:
    """Whether this key can have made no such job before, as far as anybody knows, and another key may have."""
    tries = record.known.tries
    ids = {one.clientmsgid for one in tries if one.answer and one.answer.msg_id == msg_id}
    if any(is_doubt(one) or (one.clientmsgid in ids and (is_unknown(one) or is_under_way(one))) for one in tries):
        return False
    others = (job for one in state.records.values() if one.key != record.key and one.unsettled for job in one.jobs)
    return any(job.msg_id is None and (job.under_way or unsettled(job)) for job in others)


def _is_from_before(state: AccountState, record: Record, msg_id: int) -> bool:
    """Whether WeChat had done with the job before this key was first tried under the ``clientmsgid`` that it names.

    Another Temporal of the same appid may have a namespace of the same name, and so the same ids. Both times are the
    account's. A try that a restored database may have forgotten counts as one from long before.
    """
    tries = record.known.tries
    ids = {one.clientmsgid for one in tries if one.answer and one.answer.msg_id == msg_id}
    first = min(one.not_before for one in tries if one.clientmsgid in ids or is_doubt(one))
    return any(kept.event.msg_id == msg_id and kept.at < first - CLOCKS for kept in state.kept)


def _with_owned(record: Record, facts: tuple[Owned, ...]) -> Record:
    return record.changed(known=record.known.model_copy(update={"owned": facts}))


def _moved(state: AccountState, pretender: Record, fact: Owned) -> AccountState:
    """The state once the msg_id is the owner's: what WeChat has said of it is known there, too, and goes on."""
    others = tuple(one for one in pretender.known.owned if one.msg_id != fact.msg_id)
    corrected = tuple(sorted((*others, fact), key=lambda one: one.msg_id))
    state = with_record(state, _with_owned(pretender, corrected))
    owner = state.records.get(fact.key)
    if owner is None:  # it went at once, since it was settled and there was no room
        return state
    said = tuple(one for one in pretender.known.said if one.msg_id == fact.msg_id)
    told = owner.changed(known=union(owner.known, Known(said=said)))
    grown = fitting(state, told)
    if grown is None:
        return state
    if word_on(told, fact.msg_id) not in (None, word_on(owner, fact.msg_id)):
        state = forwarding(state, owner.key, fact.msg_id)
    return with_record(state, grown)
