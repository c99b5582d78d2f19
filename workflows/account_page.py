"""The current details of ``Account``: switch, queue, sends and ledger as a page of Markdown in the Temporal UI."""

from datetime import datetime
from heapq import nlargest
from typing import Final

from qunfa.account.show import ended_as
from qunfa.account.state import AccountState, Record
from qunfa.markdown import bullets, code, plain, table
from qunfa.rules.calendar import shanghai_clock
from qunfa.rules.outcome import job_result
from qunfa.rules.quota_view import counted_until

_NEWEST: Final = 20
_FIRST: Final = 5
_FORGOTTEN: Final = 5


def account_page(state: AccountState, now: datetime) -> str:
    """The page. It is rebuilt after every slice of messages, so it shows the newest records only."""
    parts = (_switch(state), _pace(state), _queue(state), _sends(state, now), _ledger(state), _forgotten(state))
    return "\n\n".join(part for part in parts if part)


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
    lease = state.lease
    flight = (
        f"in flight: {code(lease.key)} try {lease.number}, since {shanghai_clock(lease.not_before)}"
        if lease
        else "nothing in flight"
    )
    return f"**Pace** {state.pace.spacing.total_seconds():g} s between submissions; {flight}"


def _queue(state: AccountState) -> str:
    if not state.queue:
        return "**Waiting** nobody"
    first = [f"{code(place.key)} due {shanghai_clock(place.due)}" for place in state.queue[:_FIRST]]
    rest = len(state.queue) - len(first)
    more = f"; and {rest} more" if rest else ""
    return f"**Waiting** {len(state.queue)}: {'; '.join(first)}{more}"


def _sends(state: AccountState, now: datetime) -> str:
    counted = counted_until(state.book, state.since, now)
    today, month = counted.today, counted.month
    return (
        f"**Sends** today {today.total} ({today.to_all} to all), this month {month.total}"
        f" ({month.to_all} to all), not ours {month.others}; counted since {shanghai_clock(state.since)}"
    )


def _ledger(state: AccountState) -> str:
    unsettled = sum(record.unsettled for record in state.records.values())
    head = f"**Ledger** {len(state.records)} keys, {unsettled} unsettled, {len(state.kept)} pushes kept"
    newest = nlargest(_NEWEST, state.records.values(), key=lambda record: record.touched_at)
    if not newest:
        return head
    columns = ("key", "generation", "tries", "msg_id", "state", "ended as")
    return f"{head}\n\n" + table(columns, map(_row, newest))


def _row(record: Record) -> tuple[object, ...]:
    """The record with its newest submission."""
    ended = ", ".join(filter(None, (ended_as(record), "recalled" if record.recalled else None)))
    if not record.known.tries and not any(job.msg_id for job in record.jobs):
        return (code(record.key), "", 0, "", "nothing tried", ended)
    job = record.jobs[-1]
    state = job_result(job, record.jobs).state.replace("_", " ")
    return (code(record.key), job.generation, job.attempts, job.msg_id or "", state, ended)


def _forgotten(state: AccountState) -> str:
    if not state.forgotten:
        return ""
    lines = (
        f"{code(one.key)} by **{plain(one.by)}**, {shanghai_clock(one.at)}: {plain(one.reason)}"
        for one in reversed(state.forgotten[-_FORGOTTEN:])
    )
    return f"**Forgotten** {len(state.forgotten)}\n\n{bullets(lines)}"
