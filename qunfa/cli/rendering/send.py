"""One mass send for people."""

from collections.abc import Iterator, Sequence

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from qunfa.cli.console import unbroken
from qunfa.cli.rendering.answers import answer_commands
from qunfa.cli.rendering.jobs import render_jobs
from qunfa.cli.rendering.previews import render_previews
from qunfa.cli.rendering.words import moment, outcome_sentence, plain
from qunfa.cli.rendering.work import render_work
from qunfa.cli.view import SendView
from qunfa.contract.operators import Approval, Progress, Status, StoryLine
from qunfa.contract.result import INVALID_REQUEST, ArticleCheck, Problem
from qunfa.rules.evidence import evidence_words

Row = tuple[str, str]


def render_send(view: SendView, *, brief: bool = False) -> RenderableType:
    """Where a send stands, what it waits for, what is being made, what a person can do about it, previews and jobs.

    Unless `brief`, also who did what, and the page in Temporal's UI.
    """
    facts = Table.grid(padding=(0, 2))
    facts.add_column(style="dim", no_wrap=True)
    facts.add_column(overflow="fold")
    for label, value in _facts(view):
        facts.add_row(label, plain(value))
    parts: list[RenderableType] = [_title(view), facts]
    if view.link and not brief:
        parts.append(unbroken(view.link, f"link {view.link}"))
    if view.work:
        parts += ["", render_work(view.work)]
    if view.status and view.status.previews:
        parts += ["", render_previews(view.status.previews)]
    jobs = view.result.jobs if view.result else view.status.jobs if view.status else ()
    if jobs:
        parts += ["", render_jobs(jobs)]
    if not brief and view.status and view.status.history:
        parts += ["", _story(view.status.history)]
    return Group(*parts)


def state_word(view: SendView) -> str:
    """The phase while a send runs, its outcome afterwards, or how Temporal closed it where it has none."""
    if view.state == "running":
        return view.phase or "running"
    return view.result.outcome if view.result else view.state


def headline(view: SendView) -> str:
    """Where a send stands, in one sentence."""
    if view.result:
        return outcome_sentence(view.result)
    if view.state == "running":
        return _running(view.status)
    said = view.failure.message if view.failure else ""
    if view.failure and view.failure.type == INVALID_REQUEST:
        return said
    return f"{_CLOSED[view.state]} {_ASK_LEDGER.format(view=view)}" + (f" ({said})" if said else "")


_CLOSED = {
    "completed": "It completed.",
    "failed": "The workflow failed.",
    "canceled": "Cancelled in Temporal before the first try, so nothing was sent.",
    "terminated": "Terminated in Temporal.",
    "timed_out": "Timed out in Temporal.",
}
_ASK_LEDGER = (
    "What was delivered, the ledger knows: qunfa ledger {view.account} --key {view.key}. The same request started "
    "again with the same key delivers nothing twice."
)


def _title(view: SendView) -> Text:
    style = "green" if view.ended_well else "yellow" if view.state == "running" else "red"
    return Text.assemble((f"{view.account}/{view.key}", "bold"), "  ", (state_word(view), f"bold {style}"))


def _running(status: Status | None) -> str:
    if status is None:
        return "It runs."
    if status.problem:
        return status.problem.sentence
    waiting = status.waiting_for
    if waiting is None:
        return "It is ending." if status.phase == "done" else "It runs."
    return waiting.reason + (f", until {moment(waiting.until)}" if waiting.until else "")


def _facts(view: SendView) -> Iterator[Row]:
    if view.state != "running":
        yield "outcome", headline(view)
    elif view.status:
        yield from _now(view.status)
    if view.status:
        yield from _approval(view.status.approval)
    problem = view.result.problem if view.result else view.status.problem if view.status else None
    if problem:
        said = view.state != "running" and problem.sentence == headline(view)
        yield from _problem(problem, said_before=said)
    for number, command in enumerate(answer_commands(view)):
        yield "" if number else "answers", command
    yield from _about(view)


def _now(status: Status) -> Iterator[Row]:
    waiting, problem = status.waiting_for, status.problem
    if waiting and not (problem and problem.sentence == waiting.reason):
        yield "waiting for", waiting.reason
    if waiting and waiting.until:
        yield "until", moment(waiting.until)
    if status.paused_by is not None:
        yield "paused by", status.paused_by
    if status.send_at is not None:
        yield "send at", moment(status.send_at)
    yield "progress", progress_words(status.progress)


def approval_lines(approval: Approval) -> list[str]:
    """What goes out to whom, as its approver sees it: text that breaks its line cannot pass for a line of its own."""
    return [line.replace("\n", "\n    ") for line in approval.shows]


def _approval(approval: Approval) -> Iterator[Row]:
    if approval.by is not None:
        yield "approved by", f"{approval.by}, {moment(approval.at)}"
    label = "approved" if approval.by is not None else "to approve"
    for number, line in enumerate(approval_lines(approval)):
        yield "" if number else label, line


def _about(view: SendView) -> Iterator[Row]:
    if view.note:
        yield "note", view.note
    if view.started_at:
        yield "started", moment(view.started_at)
    if view.closed_at:
        yield "ended", moment(view.closed_at)
    yield "workflow", view.workflow_id


def progress_words(progress: Progress) -> str:
    """How far a send is: jobs, what WeChat accepted and has judged, followers reached."""
    jobs = f"{progress.jobs} job" + ("" if progress.jobs == 1 else "s")
    followers = "" if progress.followers is None else f", {progress.followers:,} followers reached"
    return f"{jobs}, {progress.accepted} accepted by WeChat, {progress.done} with a verdict{followers}"


def _problem(problem: Problem, *, said_before: bool) -> Iterator[Row]:
    yield "problem", problem.name if said_before else f"{problem.name}: {problem.sentence}"
    yield "what to do", problem.todo
    if said := evidence_words(problem.errcode, problem.errmsg, problem.rid):
        yield "evidence", said
    for article in problem.articles:
        yield f"article {article.idx}", _article(article)


def _article(article: ArticleCheck) -> str:
    """The original, whether it may be reprinted, and what of it would be replaced."""
    replaced = {
        "content": article.need_replace_content,
        "nothing of the content": article.need_replace_content is False,
        "the source is shown": article.need_show_reprint_source,
    }
    seen = {
        "original": article.original_url,
        "may be reprinted": None if article.can_reprint is None else "yes" if article.can_reprint else "no",
        "would be replaced": ", ".join(words for words, so in replaced.items() if so) or None,
        "audit_state": article.audit_state,
        "article": article.url,
    }
    return "; ".join(f"{name}: {value}" for name, value in seen.items() if value is not None)


def _story(lines: Sequence[StoryLine]) -> Table:
    table = Table(title="What happened", title_justify="left", box=None, padding=(0, 2, 0, 0))
    for heading in ("when", "what", "by", "why"):
        table.add_column(heading, overflow="fold", header_style="dim")
    for line in lines:
        table.add_row(moment(line.at), plain(line.what), plain(line.by or ""), plain(line.reason or ""))
    return table
