"""The current details of ``MassSend``: a page of Markdown in the Temporal UI, good enough to decide from."""

from qunfa.contract.audience import describe
from qunfa.contract.request import MassSendRequest
from qunfa.contract.result import JobResult, Problem
from qunfa.contract.status import Status, StoryLine
from qunfa.rules.calendar import shanghai_clock

_EXCERPT = 80
_STORY = 15
_EXAMPLES = {
    "retry": '{"by": "your name", "reason": "…"}',
    "mark_sent": '{"by": "your name", "reason": "…", "msg_id": 3147483650}',
    "abort": '{"by": "your name", "reason": "…"}',
    "approve": '{"by": "your name"}',
    "reject": '{"by": "your name", "reason": "…"}',
    "pause": '{"by": "your name", "reason": "…"}',
    "resume": '{"by": "your name"}',
    "reschedule": '{"by": "your name", "send_at": "2026-12-01T09:00:00+08:00"}',
}
_FLAGS = {
    "reprint_needs_decision": '{"by": "your name", "reason": "…", "send_ignore_reprint": true}',
    "unknown_outcome": '{"by": "your name", "reason": "…", "confirm_not_delivered": true}',
}


def send_page(request: MassSendRequest | None, status: Status) -> str:
    """Where the send stands, what it waits for until when, and how to answer."""
    parts = [
        _head(request, status),
        _problem(status.problem, status.answers) if status.problem else _held(status),
        _jobs(status.jobs),
        _story(status.history),
    ]
    return "\n\n".join(part for part in parts if part)


def _head(request: MassSendRequest | None, status: Status) -> str:
    lines = [f"### {status.phase.replace('_', ' ')}"]
    if request:
        content = getattr(request.message, "content", "")
        excerpt = _plain(content if len(content) <= _EXCERPT else content[: _EXCERPT - 1] + "…")
        lines.append(
            f"{request.message.msgtype} to **{_plain(describe(request.audience))}** of **{request.account}**: {excerpt}"
        )
    if waiting := status.waiting_for:
        until = f", until {shanghai_clock(waiting.until)} at the latest" if waiting.until else ""
        lines.append(f"**Waiting for** {_plain(waiting.reason)}{until}")
    return "\n\n".join(lines)


def _held(status: Status) -> str:
    """What is to be approved, and how a send that waits for a person goes on."""
    if status.phase not in {"awaiting_approval", "paused"}:
        return ""
    lines = [f"- {_plain(line)}" for line in status.approval.shows]
    lines.extend(
        f"- preview: {_plain(one.to)} {'sent' if one.sent else _plain(one.errmsg or '')}" for one in status.previews
    )
    updates = "\n\n".join(f"Update `{name}`: `{_EXAMPLES[name]}`" for name in status.answers)
    return "\n".join(lines) + ("\n\n" if lines else "") + updates


def _problem(problem: Problem, answers: tuple[str, ...]) -> str:
    lines = [f"#### {problem.name}", _plain(problem.sentence), f"**To do:** {_plain(problem.todo)}"]
    evidence = {"errcode": problem.errcode, "errmsg": problem.errmsg, "rid": problem.rid}
    said = ", ".join(f"{name} `{_code(value)}`" for name, value in evidence.items() if value is not None)
    if said:
        lines.append(f"WeChat's words: {said}")
    if problem.articles:
        rows = (
            f"| {one.idx} | {_plain(one.original_url or '')} "
            f"| {_yes(one.can_reprint)} | {_yes(one.need_replace_content)} |"
            for one in problem.articles
        )
        lines.append(
            "\n".join(("| article | original | may be reprinted | would be replaced |", "|---|---|---|---|", *rows))
        )
    lines.extend(f"Update `{name}`: `{_example(problem.name, name)}`" for name in answers)
    return "\n\n".join(lines)


def _example(problem: str, answer: str) -> str:
    return _FLAGS.get(problem, _EXAMPLES["retry"]) if answer == "retry" else _EXAMPLES[answer]


def _jobs(jobs: tuple[JobResult, ...]) -> str:
    if not jobs:
        return ""
    rows = "\n".join(_row(job) for job in jobs)
    ids = "\n".join(f"- clientmsgid of {_name(job)}: `{job.clientmsgid}`" for job in jobs)
    return f"| job | msg_id | state | WeChat says | sent |\n{'|---' * 5}|\n{rows}\n\n{ids}"


def _row(job: JobResult) -> str:
    said = f"{_plain(job.status)} ({job.observed_by})" if job.status else ""
    sent = f"{job.counts.sent:,} of {job.counts.total:,}" if job.counts else ""
    state = job.state + (", known before" if job.deduplicated else "")
    cells = (_name(job), job.msg_id or "", state.replace("_", " "), said, sent)
    return "| " + " | ".join(str(cell) for cell in cells) + " |"


def _name(job: JobResult) -> str:
    """The job, and which submission of it."""
    return f"{job.index}" if not job.generation else f"{job.index}, generation {job.generation}"


def _story(lines: tuple[StoryLine, ...]) -> str:
    return "\n".join(
        f"- {shanghai_clock(line.at)} {_plain(line.what)}"
        + (f", by {_plain(line.by)}" if line.by else "")
        + (f": {_plain(line.reason)}" if line.reason else "")
        for line in lines[-_STORY:]
    )


def _yes(value: bool | None) -> str:  # noqa: FBT001  a value to show, not a switch
    return "" if value is None else ("yes" if value else "no")


def _code(value: object) -> str:
    return str(value).replace("`", "'").replace("\n", " ")


def _plain(text: str) -> str:
    """Text of others as text: neither Markdown nor HTML of theirs is rendered, and it stays in its table cell."""
    for character in "\\`*_{}[]<>#|!":
        text = text.replace(
            character, f"\\{character}" if character not in "<>" else {"<": "&lt;", ">": "&gt;"}[character]
        )
    return " ".join(text.split())
