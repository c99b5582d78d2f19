"""The current details of ``Account``: ledger, pace, quota and freeze as a page of Markdown in the Temporal UI."""

from datetime import datetime

from qunfa.contract.ledger import AccountState, Record
from qunfa.markdown import code, plain, table
from qunfa.rules.calendar import shanghai_clock, shanghai_day
from qunfa.rules.ledger import in_doubt
from qunfa.rules.outcome import job_result

_NEWEST = 20


def account_page(state: AccountState, now: datetime) -> str:
    """The page. It is rebuilt after every message, so it shows the newest records only."""
    return "\n\n".join((_switch(state), _pace(state), _quota(state, now), _ledger(state)))


def _switch(state: AccountState) -> str:
    frozen = state.frozen
    if frozen is None:
        return (
            f"### {plain(state.appid)}: open\n\n"
            'The update `freeze` with `{"by": "your name", "reason": "…"}` stops every submission of this account.'
        )
    return (
        f"### {plain(state.appid)}: FROZEN\n\nby **{plain(frozen.by)}** since {shanghai_clock(frozen.at)}: "
        f"{plain(frozen.reason)}\n\n"
        'Nothing is submitted until the update `unfreeze` with `{"by": "your name"}`.'
    )


def _pace(state: AccountState) -> str:
    lease, pace = state.lease, state.pace
    flight = (
        f"in flight: {code(lease.key)} job {lease.index}, try {lease.attempt}, since {shanghai_clock(lease.not_before)}"
        if lease
        else "nothing in flight"
    )
    return f"**Pace** {pace.spacing.total_seconds():g} s between submissions; {flight}"


def _quota(state: AccountState, now: datetime) -> str:
    today = state.book.get(shanghai_day(now))
    month = [day for date, day in state.book.items() if date.startswith(shanghai_day(now)[:7])]
    sent, to_all = sum(day.total for day in month), sum(day.to_all for day in month)
    return (
        f"**Sends** today {today.total if today else 0} ({today.to_all if today else 0} to all), this month {sent}"
        f" ({to_all} to all), not ours {sum(day.others for day in month)}; counted since {shanghai_clock(state.since)}"
    )


def _ledger(state: AccountState) -> str:
    newest = sorted(state.records.values(), key=lambda record: record.touched_at, reverse=True)[:_NEWEST]
    head = f"**Ledger** {len(state.records)} keys, {in_doubt(state)} unsettled, {len(state.kept)} pushes kept"
    if not newest:
        return head
    columns = ("key", "job", "generation", "tries", "msg_id", "state", "ended as")
    return f"{head}\n\n" + table(columns, map(_row, newest))


def _row(record: Record) -> tuple[object, ...]:
    """The record with its newest submission."""
    ended = ", ".join(filter(None, (record.ended_as, "recalled" if record.recalled else None)))
    if not record.jobs:
        return (code(record.key), "", "", 0, "", "nothing tried", ended)
    job = record.jobs[-1]
    state = job_result(job, record.jobs).state.replace("_", " ")
    return (code(record.key), job.index, job.generation, job.attempts, job.msg_id or "", state, ended)
