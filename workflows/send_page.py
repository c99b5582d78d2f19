"""The current details of ``MassSend``: a page of Markdown in the Temporal UI, good enough to decide from."""

from collections.abc import Iterator
from typing import Final

from qunfa.contract.audience import describe
from qunfa.contract.message import ImageMessage, Message, MpnewsMessage, MpvideoMessage, TextMessage, WxcardMessage
from qunfa.contract.request import MassSendRequest
from qunfa.contract.result import COMPLETES, JobResult, MassSendResult, Problem
from qunfa.contract.status import Status, StoryLine
from qunfa.markdown import bullets, code, plain, table
from qunfa.rules.calendar import shanghai_clock

_EXCERPT: Final = 80
_STORY: Final = 15
EXAMPLES: Final = {
    "retry": '{"by": "your name", "reason": "…"}',
    "mark_sent": '{"by": "your name", "reason": "…", "msg_id": 3147483650}',
    "abort": '{"by": "your name", "reason": "…"}',
    "approve": '{"by": "your name"}',
    "reject": '{"by": "your name", "reason": "…"}',
    "pause": '{"by": "your name", "reason": "…"}',
    "resume": '{"by": "your name"}',
    "reschedule": '{"by": "your name", "send_at": "2026-12-01T09:00:00+08:00"}',
}
"""What is pasted into the UI's dialog, for each update."""
RETRIES: Final = {
    "reprint_needs_decision": '{"by": "your name", "reason": "…", "send_ignore_reprint": true}',
    "unknown_outcome": '{"by": "your name", "reason": "…", "confirm_not_delivered": true}',
}
"""The retry of a problem that takes more than a reason."""


def send_page(request: MassSendRequest | None, status: Status, ended: MassSendResult | None = None) -> str:
    """Where the send stands, what it waits for until when, and how to answer; ``ended`` once it has."""
    parts = (
        f"### {status.phase.replace('_', ' ')}" + (f": {ended.outcome.replace('_', ' ')}" if ended else ""),
        _what(request),
        _delivered(ended),
        bullets((*_waiting(status), *_holding(request, status))),
        _problem(status.problem),
        _shows(status),
        _answers(status),
        _jobs(status.jobs),
        _story(status.history),
    )
    return "\n\n".join(part for part in parts if part)


def _what(request: MassSendRequest | None) -> str:
    if request is None:
        return ""
    audience, says = plain(describe(request.audience)), _says(request.message)
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


def _holding(request: MassSendRequest | None, status: Status) -> Iterator[str]:
    """Who asked, who approved, and what holds the send back or ends it."""
    if status.phase == "done":
        return
    if request and request.requested_by:
        yield f"asked for by {plain(request.requested_by)}"
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
    evidence = {"errcode": problem.errcode, "errmsg": problem.errmsg, "rid": problem.rid}
    said = ", ".join(f"{name} {code(value)}" for name, value in evidence.items() if value is not None)
    if said:
        lines.append(f"WeChat's words: {said}")
    parts = [f"#### {problem.name}", bullets(lines)]
    if problem.articles:
        rows = (
            (one.idx, plain(one.original_url or ""), _yes(one.can_reprint), _yes(one.need_replace_content))
            for one in problem.articles
        )
        parts.append(table(("article", "original", "may be reprinted", "would be replaced"), rows))
    return "\n\n".join(parts)


def _shows(status: Status) -> str:
    """What is to be approved."""
    if status.problem or status.phase not in {"awaiting_approval", "paused"}:
        return ""
    previews = (
        f"preview: {plain(one.to)} {'sent' if one.sent else plain(one.errmsg or '')}" for one in status.previews
    )
    return bullets((*(plain(line) for line in status.approval.shows), *previews))


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
    return "\n\n".join(("#### Jobs", table(columns, (_row(job) for job in jobs)), ids))


def _row(job: JobResult) -> tuple[object, ...]:
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
    newest = lines[-_STORY:]
    head = "#### What happened" + (f" (the newest {_STORY} of {len(lines)})" if len(lines) > _STORY else "")
    return f"{head}\n\n" + bullets(_told(line) for line in newest)


def _told(line: StoryLine) -> str:
    by = f", by {plain(line.by)}" if line.by else ""
    reason = f": {plain(line.reason)}" if line.reason else ""
    return f"{shanghai_clock(line.at)} {plain(line.what)}{by}{reason}"


def _yes(value: bool | None) -> str:  # noqa: FBT001  a value to show, not a switch
    return "" if value is None else ("yes" if value else "no")
