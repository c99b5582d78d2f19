"""`qunfa status`: where a send stands, and what a person can do about it."""

from collections.abc import Iterator
from typing import Final

from rich.console import Group, RenderableType
from rich.text import Text
from temporalio.client import Client

from qunfa.cli.connection import with_client
from qunfa.cli.errors import ExitCode, Refused, done_if
from qunfa.cli.message import told_message
from qunfa.cli.options import send_id
from qunfa.cli.output import facts, hanging, note, plain, short, show_json, show_result, table, unbroken
from qunfa.cli.preview import render_previews
from qunfa.cli.typed import sends as typed
from qunfa.cli.view import (
    SendView,
    answer_commands,
    batch_asking,
    batch_command,
    look_command,
    named_state,
    next_command,
    read_send,
)
from qunfa.cli.workers import render_work
from qunfa.contract.ids import MassSendId
from qunfa.contract.operators import Approval, Progress, Status
from qunfa.contract.result import (
    INVALID_REQUEST,
    ArticleCheck,
    Counts,
    JobResult,
    JobStateName,
    MassSendResult,
    Outcome,
    Problem,
)
from qunfa.language import N_, _, listed, sentences, several
from qunfa.language.phrases import told, told_whole
from qunfa.rules.evidence import evidence_words


def status(asked: typed.Status) -> ExitCode:
    """Carry out `qunfa status`."""
    views, refused = with_client(_read_all, [send_id(text, asked.account) for text in asked.sends])
    for sentence in refused:
        note(sentence)
    if asked.as_json and len(asked.sends) > 1:
        show_json(views)
    else:
        for view in views:
            show_result(view, render_send, as_json=asked.as_json)
    return done_if(not refused and not any(view.note for view in views))


async def _read_all(client: Client, sends: list[MassSendId]) -> tuple[list[SendView], list[str]]:
    views, refused = [], []
    for send in sends:
        try:
            views.append(await read_send(client, send))
        except Refused as error:
            refused.append(str(error))
    return views, refused


Row = tuple[str, str | Text]


def render_send(view: SendView, *, brief: bool = False) -> RenderableType:
    """What goes to whom, where it stands, and what a person can do about it; then uploads, previews and jobs.

    Unless it is `brief`, also who did what, and the page in Temporal's UI; and no command is broken into lines.
    """
    rows = ((label, said.plain if brief and isinstance(said, Text) else said) for label, said in _facts(view))
    parts: list[RenderableType] = [_title(view), facts(rows)]
    if view.link and not brief:
        parts.append(unbroken(view.link, f"link {view.link}"))
    if view.work:
        parts += ["", render_work(view.work)]
    if view.status and view.status.previews:
        parts += ["", render_previews(view.status.previews)]
    if view.in_batches:
        batches = list(_batches(view))
        parts += ["", *batches] if batches else []
    elif view.jobs:
        parts += ["", table(_job_columns(), map(_job, view.jobs), wrapped=("status", _("seen by")))]
    if not brief and view.status and view.status.history:
        story = ((short(one.at), told(one.what), one.by or "", one.reason or "") for one in view.status.history)
        columns = (_("when"), _("what"), _("by"), _("why"))
        parts += ["", table(columns, story, _("What happened"), wrapped=(_("what"), _("why")))]
    return Group(*parts)


def _title(view: SendView) -> Text:
    style = "green" if view.ended_well else "yellow" if view.state == "running" or view.is_partly_sent else "red"
    return Text.assemble((f"{view.account}/{view.key}", "bold"), "  ", (named_state(view), f"bold {style}"))


def _facts(view: SendView) -> Iterator[Row]:
    yield from _asked(view)
    if view.state != "running":
        yield _("outcome"), headline(view)
    elif view.status:
        yield from _now(view.status, in_batches=view.in_batches)
    if view.status:
        yield from _approval(view.status.approval)
    if (looking := look_command(view)) is not None:
        yield _("look at it"), unbroken(looking)
    problem = view.result.problem if view.result else view.status.problem if view.status else None
    if problem:
        said = view.state != "running" and told(problem.sentence) == headline(view)
        yield from _problem(problem, said_before=said)
    yield from _answers(view)
    if (following := next_command(view)) is not None:
        yield _("next"), unbroken(following)
    yield from _about(view)


def _answers(view: SendView) -> Iterator[Row]:
    asking = batch_asking(view)
    if asking is not None:
        number, key = asking
        said = _("{number:,}: qunfa status {account}/{key}")
        yield _("batch"), unbroken(said.format(number=number, account=view.account, key=key))
    for number, command in enumerate(answer_commands(view)):
        yield "" if number else _("answers"), unbroken(command)
    if (own := batch_command(view)) is not None:
        yield _("or"), unbroken(own)


def _asked(view: SendView) -> Iterator[Row]:
    if view.request:
        yield _("message"), told_message(view.request)
        yield _("to"), told(view.request.audience)
        if view.request.requested_by:
            yield _("asked by"), view.request.requested_by
    if view.batch_of is not None:
        yield _("batch of"), unbroken(f"qunfa status {view.account}/{view.batch_of}")


def _now(status: Status, *, in_batches: bool) -> Iterator[Row]:
    waiting, problem = status.waiting_for, status.problem
    if waiting and not (problem and problem.sentence == waiting.reason):
        yield _("waiting for"), told(waiting.reason)
    if waiting and waiting.until:
        yield _("until"), short(waiting.until)
    if status.paused_by is not None:
        yield _("paused by"), status.paused_by
    if status.list_paused_by is not None:
        yield _("list paused by"), status.list_paused_by
    if status.send_at is not None:
        yield _("send at"), short(status.send_at)
    progress = batches_line if in_batches else progress_words
    yield _("progress"), progress(status.progress)


def approval_lines(approval: Approval) -> list[str]:
    """What goes out to whom, as its approver sees it: text that breaks its line cannot pass for a line of its own.

    Nor can text behind so many blanks that a screen breaks its line.
    """
    each = (told_whole(line).split("\n") for line in approval.shows)
    return ["\n    ".join(" ".join(part.split()) for part in parts) for parts in each]


def _approval(approval: Approval) -> Iterator[Row]:
    if approval.by is not None:
        yield _("approved by"), _("{by}, {at}").format(by=approval.by, at=short(approval.at))
    label = _("approved") if approval.by is not None else _("to approve")
    for number, line in enumerate(approval_lines(approval)):
        yield "" if number else label, hanging(line)


def _about(view: SendView) -> Iterator[Row]:
    if view.note:
        yield _("note"), told(view.note)
    if view.started_at:
        yield _("started"), _("{started_at} (Shanghai time)").format(started_at=short(view.started_at))
    if view.closed_at:
        yield _("ended"), short(view.closed_at)
    yield _("workflow"), view.workflow_id


def _problem(problem: Problem, *, said_before: bool) -> Iterator[Row]:
    yield _("problem"), problem.name if said_before else f"{problem.name}: {told(problem.sentence)}"
    yield _("what to do"), told(problem.todo)
    if said := evidence_words(problem.errcode, problem.errmsg, problem.rid):
        yield _("evidence"), said
    for article in problem.articles:
        yield _("article {idx}").format(idx=article.idx), _article(article)


def _article(article: ArticleCheck) -> str:
    """The original, whether it may be reprinted, and what of it would be replaced."""
    replaced = {
        _("content"): article.need_replace_content,
        _("nothing of the content"): article.need_replace_content is False,
        _("the source is shown"): article.need_show_reprint_source,
    }
    seen = {
        _("original"): article.original_url,
        _("may be reprinted"): None if article.can_reprint is None else _("yes") if article.can_reprint else _("no"),
        _("would be replaced"): listed(words for words, so in replaced.items() if so) or None,
        "audit_state": article.audit_state,
        _("article"): article.url,
    }
    known = ((name, value) for name, value in seen.items() if value is not None)
    return _("; ").join(_("{name}: {value}").format(name=name, value=value) for name, value in known)


def _job_columns() -> tuple[str, ...]:
    counts = (_("total"), _("filter"), _("sent"), _("error"))
    return (_("job"), _("gen"), _("state"), _("msg_id"), _("status"), *counts, _("seen by"))


def _job(job: JobResult) -> tuple[object, ...]:
    """One row per job and generation. `total`, `filter`, `sent` and `error` are WeChat's counts of people."""
    observed = job.observed_by and _(job.observed_by) + (_(" (known before)") if job.deduplicated else "")
    counts = job.counts
    people = (counts.total, counts.filter, counts.sent, counts.error) if counts else (None,) * 4
    return (job.index, job.generation, _(job.state), job.msg_id, job.status, *people, observed)


_ODD: Final[dict[str, frozenset[JobStateName]]] = {
    N_("Batches perhaps delivered"): frozenset({"submitting", "unknown", "accepted"}),
    N_("Batches deleted in WeChat"): frozenset({"deleted"}),
    N_("Batches that were not sent"): frozenset({"new", "refused", "failed"}),
}
"""Those to look at, by what can be said of whom they reach."""
_SHOWN: Final = 20


def _batches(view: SendView) -> Iterator[RenderableType]:
    """A table of each kind of batches that do not count as sent, as far as they have ended; and what shows them all."""
    newest = {job.index: job for job in view.jobs}
    headings = (_("batch"), _("state"), _("msg_id"), _("status"))
    for title, states in _ODD.items():
        odd = [job for job in newest.values() if job.state in states]
        rows = ((job.index + 1, _(job.state), job.msg_id, job.status) for job in odd[:_SHOWN])
        if odd:
            yield table(headings, rows, _(title), wrapped=(_("status"),))
        if len(odd) > _SHOWN:
            yield plain(_("  … and {number} more").format(number=len(odd) - _SHOWN))
    if view.status and view.status.progress.done > len(newest):
        said = _("Of {done:,} batches that have ended, this has the newest {newest}. All: {command}")
        command = f"qunfa list --account {view.account} --batches"
        yield plain(said.format(done=view.status.progress.done, newest=len(newest), command=command))


def headline(view: SendView) -> str:
    if view.result:
        return outcome_sentence(view.result)
    if view.state == "running":
        return _running(view.status)
    said = view.failure.message if view.failure else ""
    if view.failure and view.failure.type == INVALID_REQUEST:
        return told(said)
    closed = _(_CLOSED[view.state])
    if view.state != "canceled":
        where = _(_ASK_BATCHES if view.in_batches else _ASK_LEDGER).format(account=view.account, key=view.key)
        closed = sentences(closed, where)
    return closed + (f" ({told(said)})" if said else "")


_CLOSED = {
    "completed": N_("It completed."),
    "failed": N_("The workflow failed."),
    "canceled": N_("Cancelled in Temporal; nothing was delivered."),
    "terminated": N_("Terminated in Temporal."),
    "timed_out": N_("Timed out in Temporal."),
}
_ASK_LEDGER = N_(
    "What was delivered, the ledger knows: qunfa ledger {account} --key {key}. The same request started again with "
    "the same key goes on with the send, and delivers nothing twice."
)
_ASK_BATCHES = N_(
    "What was delivered, its batches know: qunfa list --account {account} --batches. The ledger has each as "
    "{key}.1, {key}.2 and so on. The same request started again sends to those who are left, and to nobody twice. "
    'To send nothing more: `qunfa freeze {account} --reason "WHY"`, start it again, '
    '`qunfa abort {account}/{key} --reason "WHY"`. Once it has ended, `qunfa unfreeze {account}`.'
)


def _running(status: Status | None) -> str:
    if status is None:
        return _("It runs.")
    if status.problem:
        return told(status.problem.sentence)
    waiting = status.waiting_for
    if waiting is None:
        return _("It is ending.") if status.phase == "done" else _("It runs.")
    return told(waiting.reason) + (_(", until {until}").format(until=short(waiting.until)) if waiting.until else "")


_OUTCOMES: Final[dict[Outcome, str]] = {
    "sent": N_("Delivered."),
    "sent_nobody": N_("WeChat finished the send, and nobody received it."),
    "partly_sent": N_("Sent in part: not every job ended well."),
    "deleted": N_("Deleted in WeChat's console."),
    "unknown": N_("Nobody knows yet whether it was delivered: look in WeChat's console before anything is sent again."),
    "failed": N_("Failed."),
    "aborted": N_("Aborted."),
    "rejected": N_("Rejected by its approver."),
    "expired": N_("Expired."),
}
_NOT_DELIVERED: Final = N_("Nothing was delivered.")
_MAY_HAVE_BEEN: Final = N_("Something may have been delivered.")


def outcome_sentence(result: MassSendResult) -> str:
    """What became of a send, and whether anybody may have received it."""
    said = _(_OUTCOMES[result.outcome])
    if result.outcome in {"sent", "partly_sent"} and result.totals and result.totals.sent:
        return sentences(said, _people(result.totals))
    if result.outcome in {"failed", "aborted", "rejected", "expired"}:
        return sentences(said, _(_MAY_HAVE_BEEN) if result.may_have_been_delivered else _(_NOT_DELIVERED))
    return said


def _people(counts: Counts) -> str:
    """WeChat's counts in words: whom it sent to, and with how many it worked."""
    failed = _(", {error:,} failed").format(error=counts.error) if counts.error else ""
    said = _("{sent:,} of {filter:,} received it{failed} ({total:,} in the audience).")
    return said.format(sent=counts.sent, filter=counts.filter, failed=failed, total=counts.total)


def progress_words(progress: Progress) -> str:
    """How far a send is: jobs, what WeChat accepted and has judged, followers reached."""
    jobs = several("{number:,} job", "{number:,} jobs", progress.jobs).format(number=progress.jobs)
    followers = "" if progress.followers is None else _(", {followers:,} followers reached")
    followers = followers.format(followers=progress.followers)
    said = _("{jobs}, {accepted} accepted by WeChat, {done} with a verdict{followers}")
    return said.format(jobs=jobs, accepted=progress.accepted, done=progress.done, followers=followers)


_WIDTH: Final = 10


def bar(done: int, of: int) -> str:
    """`[####------]`: it is full only where all is done."""
    filled = _WIDTH * min(done, of) // of if of else 0
    return f"[{'#' * filled}{'-' * (_WIDTH - filled)}]"


def batches_line(progress: Progress) -> str:
    """How far a send in batches is: a bar, the batches that have ended, whom they have reached, and when it is through.

    As in `[####------] 120/300 batches, 1,196,004 reached, through 12-03 14:10`.
    """
    sentence = _("{bar} {done:,}/{number:,} batches")
    said = sentence.format(bar=bar(progress.done, progress.jobs), done=progress.done, number=progress.jobs)
    if progress.followers is not None:
        said += _(", {followers:,} reached").format(followers=progress.followers)
    if progress.ends_at is not None and progress.done < progress.jobs:
        said += _(", through {until}").format(until=short(progress.ends_at))
    return said
