"""The pages of Markdown in Temporal's UI: the current details of a send, a recall and an account.

The page of a send is good enough to decide from.
"""

from collections.abc import Iterator
from datetime import datetime
from heapq import nlargest
from typing import Final

from qunfa.account.show import ended_as
from qunfa.account.state import AccountState, Record
from qunfa.contract.audience import describe, is_long
from qunfa.contract.message import ImageMessage, Message, MpnewsMessage, MpvideoMessage, TextMessage, WxcardMessage
from qunfa.contract.operators import Status, StoryLine
from qunfa.contract.recall import RecallCall, RecallStatus
from qunfa.contract.request import MassSendRequest
from qunfa.contract.result import COMPLETES, JobResult, MassSendResult, Problem
from qunfa.markdown import bullets, code, plain, table
from qunfa.rules.calendar import shanghai_clock
from qunfa.rules.evidence import evidence
from qunfa.rules.outcome import job_result
from qunfa.rules.problems import INVALID
from qunfa.rules.quota_view import counted_until

_EXCERPT: Final = 80
_STORY_SHOWN: Final = 15
_BAR: Final = 20
EXAMPLES: Final = {
    "retry": '{"by": "your name", "reason": "…"}',
    "mark_sent": '{"by": "your name", "reason": "…", "msg_id": 3147483650}',
    "abort": '{"by": "your name", "reason": "…"}',
    "approve": '{"by": "your name"}',
    "reject": '{"by": "your name", "reason": "…"}',
    "pause": '{"by": "your name", "reason": "…"}',
    "resume": '{"by": "your name"}',
    "reschedule": '{"by": "your name", "send_at": "2026-12-01T09:00:00+08:00"}',
    "choose": '{"by": "your name", "winner": "a"}',
}
"""What is pasted into the UI's dialog, for each update."""
RETRIES: Final = {
    "reprint_needs_decision": '{"by": "your name", "reason": "…", "send_ignore_reprint": true}',
    "unknown_outcome": '{"by": "your name", "reason": "…", "confirm_not_delivered": true}',
}
"""The retry of a problem that takes more than a reason."""

_RECORDS_SHOWN: Final = 20
_WAITING_SHOWN: Final = 5
_FORGOTTEN_SHOWN: Final = 5


def send_page(request: MassSendRequest | None, status: Status, ended: MassSendResult | None = None) -> str:
    """Where the send stands, what it waits for until when, and how to answer; ``ended`` once it has."""
    parts = (
        f"### {status.phase.replace('_', ' ')}{_how(status, ended)}",
        _what(request),
        _delivered(ended),
        bullets((*_waiting(status), *_progress(request, status), *_holding(request, status))),
        _problem(status.problem),
        _shows(request, status),
        _answers(status),
        _jobs(status.jobs),
        _story(status.history),
    )
    return "\n\n".join(part for part in parts if part)


def _how(status: Status, ended: MassSendResult | None) -> str:
    if status.problem and status.problem.name == INVALID:
        return ": refused"
    return f": {ended.outcome.replace('_', ' ')}" if ended else ""


def _what(request: MassSendRequest | None) -> str:
    if request is None:
        return ""
    audience = plain(describe(request.audience))
    says = " / ".join(filter(None, (_says(version.message) for version in request.versions)))
    return f"{request.message.msgtype} to **{audience}** of **{plain(request.account)}**" + (
        f": {says}" if says else ""
    )


def _delivered(ended: MassSendResult | None) -> str:
    """What nobody may get wrong about a send that ended badly."""
    if ended is None or ended.outcome in COMPLETES:
        return ""
    return "**It may have been delivered.**" if ended.may_have_been_delivered else "Nothing was delivered."


def _says(message: Message) -> str:
    """The beginning of the text, or the titles."""
    match message:
        case TextMessage(content=content):
            text = content
        case MpnewsMessage(articles=None, media_id=media_id):
            text = f"draft {media_id}"
        case MpnewsMessage(articles=articles):
            return ", ".join(f'"{plain(_cut(article.title))}"' for article in articles or ())
        case ImageMessage(images=images):
            text = f"{len(images)} picture{'s' if len(images) > 1 else ''}"
        case MpvideoMessage(title=title):
            text = f'"{title}"'
        case WxcardMessage(card_id=card_id):
            text = f"card {card_id}"
        case _:
            return ""
    return plain(_cut(text))


def _cut(text: str) -> str:
    return text if len(text) <= _EXCERPT else text[: _EXCERPT - 1] + "…"


def _waiting(status: Status) -> Iterator[str]:
    waiting = status.waiting_for
    if waiting:
        until = f", until {shanghai_clock(waiting.until)} at the latest" if waiting.until else ""
        yield f"**Waiting for** {plain(waiting.reason)}{until}"


def _progress(request: MassSendRequest | None, status: Status) -> Iterator[str]:
    """How far a send in batches is."""
    progress = status.progress
    if request is None or not is_long(request.audience) or progress.openids is None:
        return
    full = progress.done * _BAR // max(progress.jobs, 1)
    bar = code("█" * full + "░" * (_BAR - full))
    reached = f"; {progress.followers:,} received it" if progress.followers is not None else ""
    yield f"{bar} {progress.done:,} of {progress.jobs:,} batches, {progress.openids:,} openids{reached}"
    if progress.ends_at and status.phase != "done":
        yield f"through at about {shanghai_clock(progress.ends_at)}, by an estimate"


def _holding(request: MassSendRequest | None, status: Status) -> Iterator[str]:
    """Who asked, who approved, and what holds the send back or ends it."""
    if request and request.requested_by:
        yield f"asked for by {plain(request.requested_by)}"
    if status.phase == "done":
        return
    if status.approval.by and status.approval.at:
        yield f"approved by {plain(status.approval.by)}, {shanghai_clock(status.approval.at)}"
    if status.paused_by:
        yield f"paused by {plain(status.paused_by)}"
    if status.send_at:
        yield f"not before {shanghai_clock(status.send_at)}"
    if request and request.not_after:
        yield f"not submitted after {shanghai_clock(request.not_after)}"


def _problem(problem: Problem | None) -> str:
    if problem is None:
        return ""
    lines = [plain(problem.sentence), f"**To do:** {plain(problem.todo)}"]
    parts = evidence(problem.errcode, problem.errmsg, problem.rid)
    said = ", ".join(f"{name} {code(value)}" for name, value in parts.items())
    if said:
        lines.append(f"WeChat's words: {said}")
    shown = [f"#### {problem.name}", bullets(lines)]
    if problem.articles:
        rows = (
            (one.idx, plain(one.original_url or ""), _yes(one.can_reprint), _yes(one.need_replace_content))
            for one in problem.articles
        )
        shown.append(table(("article", "original", "may be reprinted", "would be replaced"), rows))
    return "\n\n".join(shown)


def _shows(request: MassSendRequest | None, status: Status) -> str:
    """What is to be approved."""
    if status.problem or status.phase not in {"awaiting_approval", "paused"}:
        return ""
    previews = (
        f"preview: {plain(one.to)} {'sent' if one.sent else plain(one.errmsg or '')}" for one in status.previews
    )
    return bullets((*(plain(line) for line in status.approval.shows), *previews, *_look(request, status)))


def _look(request: MassSendRequest | None, status: Status) -> Iterator[str]:
    """How to see the articles that somebody is to approve."""
    if request and "approve" in status.answers and (command := look_at(request)):
        yield f"look at it first: {code(command)}"


def look_at(request: MassSendRequest) -> str | None:
    """The command that shows the articles of a send."""
    articles = request.message.articles if isinstance(request.message, MpnewsMessage) else None
    return f"qunfa article preview {request.account}/{request.key}" if articles else None


def _answers(status: Status) -> str:
    """The updates that fit now, with the JSON to paste."""
    if not status.answers:
        return ""
    problem = status.problem.name if status.problem else ""
    lines = (f"Update `{name}`: `{example(problem, name)}`" for name in status.answers)
    how = "*More Actions → Send an Update*, the name, and as data the JSON with your name and reason:"
    return "\n\n".join(("#### Answers", how, bullets(lines)))


def example(problem: str, answer: str) -> str:
    """The JSON that gives this answer to this problem (``""`` where there is none)."""
    return RETRIES.get(problem, EXAMPLES["retry"]) if answer == "retry" else EXAMPLES[answer]


def _jobs(jobs: tuple[JobResult, ...]) -> str:
    if not jobs:
        return ""
    columns = ("job", "msg_id", "state", "WeChat says", "received")
    ids = bullets(f"clientmsgid of job {_name(job)}: {code(job.clientmsgid)}" for job in jobs)
    return "\n\n".join(("#### Jobs", table(columns, (_job_row(job) for job in jobs)), ids))


def _job_row(job: JobResult) -> tuple[object, ...]:
    state = job.state.replace("_", " ") + (", known before" if job.deduplicated else "")
    said = f"{plain(job.status)} ({job.observed_by})" if job.status else ""
    received = f"{job.counts.sent:,} of {job.counts.total:,}" if job.counts else ""
    return (_name(job), job.msg_id or "", state, said, received)


def _name(job: JobResult) -> str:
    """The job, and which submission of it."""
    return f"{job.index}" if not job.generation else f"{job.index}, generation {job.generation}"


def _story(lines: tuple[StoryLine, ...]) -> str:
    if not lines:
        return ""
    newest = lines[-_STORY_SHOWN:]
    head = "#### What happened" + (f" (the newest {_STORY_SHOWN} of {len(lines)})" if len(lines) > _STORY_SHOWN else "")
    return f"{head}\n\n" + bullets(_told(line) for line in newest)


def _told(line: StoryLine) -> str:
    by = f", by {plain(line.by)}" if line.by else ""
    reason = f": {plain(line.reason)}" if line.reason else ""
    return f"{shanghai_clock(line.at)} {plain(line.what)}{by}{reason}"


def _yes(value: bool | None) -> str:  # noqa: FBT001  a value to show, not a switch
    return "" if value is None else ("yes" if value else "no")


def recall_page(account: str, status: RecallStatus) -> str:
    """What is recalled, what the recall waits for, and WeChat's answers."""
    parts = [
        f"### {status.phase}",
        f"{_aim(status)} of **{plain(account)}**",
        _recalled_by(status),
        _recall_waiting(status),
        _heard(status),
    ]
    parts.append(_recall_calls(status.calls))
    return "\n\n".join(part for part in parts if part)


def _aim(status: RecallStatus) -> str:
    if status.msg_id is None:
        return f"the article at {code(status.url or '')}"
    article = f"article {status.article_idx}" if status.article_idx else "all articles"
    return f"{article} of msg_id {code(status.msg_id)}"


def _recalled_by(status: RecallStatus) -> str:
    return f"by **{plain(status.by or '')}**: {plain(status.reason or '')}"


def _recall_waiting(status: RecallStatus) -> str:
    waiting = status.waiting_for
    if waiting is None:
        return ""
    until = f", next at {shanghai_clock(waiting.until)}" if waiting.until else ""
    return f"**Waiting for** {plain(waiting.reason)}{until}"


def _heard(status: RecallStatus) -> str:
    heard = status.heard
    if heard is None:
        return ""
    said = heard.status or (f"errcode {heard.errcode}" if heard.errcode is not None else heard.detail or "")
    return f"**mass/get** {shanghai_clock(heard.at)}: {plain(said)}"


def _recall_calls(calls: tuple[RecallCall, ...]) -> str:
    if not calls:
        return ""
    return table(("mass/delete", "answer", "errcode", ""), (_call_row(call) for call in calls))


def _call_row(call: RecallCall) -> tuple[object, ...]:
    return (shanghai_clock(call.at), call.answer, call.errcode or "", plain(call.errmsg or call.detail or ""))


def account_page(state: AccountState, now: datetime) -> str:
    """The page. It is rebuilt after every slice of messages, so it shows the newest records only."""
    above = (_switch(state), _restored(state), _pace(state), _queue(state))
    parts = (*above, _sends(state, now), _ledger(state), _forgotten(state))
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


def _restored(state: AccountState) -> str:
    restored = state.restored
    if restored is None or restored.ended_at is not None:
        return ""
    said = f"{shanghai_clock(restored.taken)}, says {plain(restored.by)}: {plain(restored.reason)}"
    return f"**Restored** from a snapshot of {said}. Each key asks a person first, until `qunfa restored --done`."


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
    first = [f"{code(place.key)} due {shanghai_clock(place.due)}" for place in state.queue[:_WAITING_SHOWN]]
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
    newest = nlargest(_RECORDS_SHOWN, state.records.values(), key=lambda record: record.touched_at)
    if not newest:
        return head
    columns = ("key", "generation", "tries", "msg_id", "state", "ended as")
    return f"{head}\n\n" + table(columns, map(_record_row, newest))


def _record_row(record: Record) -> tuple[object, ...]:
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
        for one in reversed(state.forgotten[-_FORGOTTEN_SHOWN:])
    )
    return f"**Forgotten** {len(state.forgotten)}\n\n{bullets(lines)}"
