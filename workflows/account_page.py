"""The page of an account in Temporal's UI: its switch, its pace, who waits, what it has sent, its ledger."""

from datetime import datetime
from heapq import nlargest
from typing import Final

from qunfa.account.show import ended_as
from qunfa.account.state import AccountState, Record
from qunfa.language import _
from qunfa.language.phrases import told
from qunfa.markdown import bullets, code, plain, table
from qunfa.rules.calendar import shanghai_clock
from qunfa.rules.outcome import job_result, recalled
from qunfa.rules.quota_view import counted_until
from workflows.pages import in_words

_RECORDS_SHOWN: Final = 20
_WAITING_SHOWN: Final = 5
_FORGOTTEN_SHOWN: Final = 5
_FREEZE: Final = '{"by": "your name", "reason": "…"}'
_UNFREEZE: Final = '{"by": "your name"}'
"""What is pasted into the UI's dialog."""


def account_page(state: AccountState, now: datetime, heard: str = "") -> str:
    """The page. It is rebuilt after every slice of messages, so it shows the newest records only.

    ``heard``: what has come and changed nothing, as :func:`misheard` says it.
    """
    above = (_switch(state), heard, _restored(state), _pace(state), _queue(state))
    parts = (*above, _sends(state, now), _ledger(state), _forgotten(state))
    return "\n\n".join(part for part in parts if part)


def misheard(name: str, at: datetime) -> str:
    """That a signal came in the place of an update: who has sent it was told that it succeeded."""
    said = _("**The signal {name} of {at} changed nothing: send it as an update.**")
    return said.format(name=code(name), at=shanghai_clock(at))


def _switch(state: AccountState) -> str:
    frozen, appid = state.frozen, plain(state.appid)
    if frozen is None:
        how = _("The update `freeze` with {typed} stops every submission of this account.").format(typed=code(_FREEZE))
        return f"### {_('{appid}: open').format(appid=appid)}\n\n{how}"
    who = _("by **{by}** since {at}: {reason}").format(
        by=plain(frozen.by), at=shanghai_clock(frozen.at), reason=plain(frozen.reason)
    )
    how = _("Nothing is submitted until the update `unfreeze` with {typed}.").format(typed=code(_UNFREEZE))
    return f"### {_('{appid}: FROZEN').format(appid=appid)}\n\n{who}\n\n{how}"


def _restored(state: AccountState) -> str:
    restored = state.restored
    if restored is None or restored.ended_at is not None:
        return ""
    said = _(
        "**Restored** from a snapshot of {taken}, says {by}: {reason}. Each key asks a person first, until"
        " `qunfa restored --done`."
    )
    return said.format(taken=shanghai_clock(restored.taken), by=plain(restored.by), reason=plain(restored.reason))


def _pace(state: AccountState) -> str:
    lease = state.lease
    under_way = _("in flight: {key} try {number}, since {at}")
    flight = (
        under_way.format(key=code(lease.key), number=lease.number, at=shanghai_clock(lease.not_before))
        if lease
        else _("nothing in flight")
    )
    seconds = state.pace.spacing.total_seconds()
    return _("**Pace** {seconds:g} s between submissions; {flight}").format(seconds=seconds, flight=flight)


def _queue(state: AccountState) -> str:
    if not state.queue:
        return _("**Waiting** nobody")
    due = _("{key} due {due}")
    first = [due.format(key=code(place.key), due=shanghai_clock(place.due)) for place in state.queue[:_WAITING_SHOWN]]
    rest = len(state.queue) - len(first)
    more = _("and {number} more").format(number=rest)
    waiting = _("; ").join([*first, *([more] if rest else [])])
    return _("**Waiting** {number}: {waiting}").format(number=len(state.queue), waiting=waiting)


def _sends(state: AccountState, now: datetime) -> str:
    counted = counted_until(state.book, state.since, now)
    today, month = counted.today, counted.month
    return _(
        "**Sends** today {today} ({today_all} to all), this month {month} ({month_all} to all), not ours {others};"
        " counted since {since}"
    ).format(
        today=today.total,
        today_all=today.to_all,
        month=month.total,
        month_all=month.to_all,
        others=month.others,
        since=shanghai_clock(state.since),
    )


def _ledger(state: AccountState) -> str:
    head = _("**Ledger** {keys} keys, {unsettled} unsettled, {kept} pushes kept").format(
        keys=len(state.records),
        unsettled=sum(record.unsettled for record in state.records.values()),
        kept=len(state.kept),
    )
    newest = nlargest(_RECORDS_SHOWN, state.records.values(), key=lambda record: record.touched_at)
    if not newest:
        return head
    columns = (_("key"), _("generation"), _("tries"), "msg_id", _("state"), _("ended as"))
    return f"{head}\n\n" + table(columns, map(_record_row, newest))


def _record_row(record: Record) -> tuple[object, ...]:
    ended = ", ".join(map(told, filter(None, (ended_as(record), *recalled(record.recalled)))))
    if not record.known.tries and not any(job.msg_id for job in record.jobs):
        return (code(record.key), "", 0, "", _("nothing tried"), ended)
    job = record.jobs[-1]
    state = in_words(job_result(job, record.jobs).state)
    return (code(record.key), job.generation, job.attempts, job.msg_id or "", state, ended)


def _forgotten(state: AccountState) -> str:
    if not state.forgotten:
        return ""
    said = _("{key} by **{by}**, {at}: {reason}")
    lines = (
        said.format(key=code(one.key), by=plain(one.by), at=shanghai_clock(one.at), reason=plain(one.reason))
        for one in reversed(state.forgotten[-_FORGOTTEN_SHOWN:])
    )
    return _("**Forgotten** {number}").format(number=len(state.forgotten)) + f"\n\n{bullets(lines)}"
