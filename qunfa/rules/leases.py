"""Who may submit, and when: one lease at a time for the whole account.

In the order of the checks of :func:`reserve`:

| the ledger says | answer |
|---|---|
| the key is not claimed | ``unclaimed`` |
| it knows more of the job than the one who asks | ``record`` |
| this very try holds the lease, asked for by the same run | ``go`` with the same lease |
| the account is frozen | ``frozen`` |
| another try holds the lease | ``wait`` until it runs out at the latest |
| the pace allows the next write only later than 2 spacings from now | ``wait`` until then |
| else | ``go`` with a new lease |

A lease that runs out untold makes its job unknown: whoever held it may have written. So does one that another run of
the send asks for, after a reset, while it is held.
"""

from datetime import datetime, timedelta
from typing import Final

from qunfa.contract.job import Job
from qunfa.contract.ledger import AccountState, Ask, Lease, LeaseAnswer, Record, Reserve
from qunfa.rules import pace
from qunfa.rules.course import judgement_of, with_job
from qunfa.rules.ledger import doubted, job_of, same_holder, with_record
from qunfa.rules.quota_view import counted_until
from qunfa.rules.submission import begin_try

SLACK: Final = timedelta(seconds=5)
"""For a clock that is a little off and an answer on its way."""


def reserve(state: AccountState, asked: Reserve, now: datetime) -> tuple[AccountState, LeaseAnswer]:
    """Leave to write one try, or what stands against it."""
    state = expire(state, now)
    record, lease = state.records.get(asked.key), state.lease
    if record is None or record.digest != asked.digest:
        return state, LeaseAnswer(kind="unclaimed")
    if record.unsearched:
        return state, LeaseAnswer(kind="unclaimed")
    held = lease is not None and _is_for(lease, asked)
    if lease and held and not same_holder(lease, asked.ask):
        record = doubted(record, lease)
        state = with_record(state, record)
    if _knows_more(record, asked.ask, held=held):
        return state, LeaseAnswer(kind="record", record=record)
    if held:
        return state, LeaseAnswer(kind="go", lease=lease, counted=counted_until(state.book, state.since, now))
    if state.frozen:
        return state, LeaseAnswer(kind="frozen", by=state.frozen.by, reason=state.frozen.reason)
    if lease:
        return state, LeaseAnswer(kind="wait", until=lease.expires_at, reason="another submission of the account")
    earliest = pace.earliest(state.pace, now, asked.ask.pace)
    if earliest > now + 2 * asked.ask.pace:
        return state, LeaseAnswer(kind="wait", until=earliest, reason="the account's pace")
    state, answer = _grant(state, record.model_copy(update={"touched_at": now}), asked, earliest)
    return state, answer.model_copy(update={"counted": counted_until(state.book, state.since, now)})


def expire(state: AccountState, now: datetime) -> AccountState:
    """The state with a lease that ran out untold written off as unknown."""
    lease = state.lease
    if lease is None or now <= lease.expires_at:
        return state
    state = state.model_copy(update={"lease": None})
    record = state.records.get(lease.key)
    return with_record(state, doubted(record, lease)) if record else state


def _grant(
    state: AccountState, record: Record, asked: Reserve, not_before: datetime
) -> tuple[AccountState, LeaseAnswer]:
    ask = asked.ask
    valid_until = not_before + ask.http_timeout
    lease = Lease(
        key=asked.key,
        index=ask.index,
        generation=ask.generation,
        attempt=ask.attempt,
        not_before=not_before,
        valid_until=valid_until,
        expires_at=valid_until + 3 * ask.http_timeout + SLACK,
        pace=ask.pace,
        holder=ask.holder,
    )
    job = job_of(record, ask.index, ask.generation) or Job(
        index=ask.index, generation=ask.generation, clientmsgid=ask.clientmsgid
    )
    record = record.model_copy(
        update={"jobs": with_job(record.jobs, begin_try(job, ask.attempt)), "ended_as": None, "problem": None}
    )
    state = with_record(state, record)
    after = pace.leased(state.pace, not_before, ask.pace)
    return state.model_copy(update={"lease": lease, "pace": after}), LeaseAnswer(kind="go", lease=lease)


def _knows_more(record: Record, ask: Ask, *, held: bool) -> bool:
    if any(job.generation > ask.generation for job in record.jobs if job.index == ask.index):
        return True
    judgements = [judgement_of(job) for job in record.jobs if job.index == ask.index]
    if any(judgement and judgement.delivered for judgement in judgements):
        return True
    undecided = [job for job in record.jobs if job.index == ask.index and job.verdict is None]
    if any(job.overruled or (job.msg_id is not None and job.generation < ask.generation) for job in undecided):
        return True
    job = job_of(record, ask.index, ask.generation)
    if job is None:
        return False
    settled = job.msg_id is not None or job.verdict is not None or job.collides_with is not None
    doubtful = job.ever_unknown and not ask.ever_unknown
    return settled or doubtful or (job.attempts >= ask.attempt and not held)


def _is_for(lease: Lease, asked: Reserve) -> bool:
    ask = asked.ask
    return (lease.key, lease.index, lease.generation, lease.attempt) == (
        asked.key,
        ask.index,
        ask.generation,
        ask.attempt,
    )
