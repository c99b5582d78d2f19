"""The pages of Markdown in Temporal's UI: the current details of a send, a notice and a recall.

The page of a send is good enough to decide from. No history holds a page, so it is in the worker's language.
"""

from collections.abc import Iterator
from typing import Final

from qunfa.contract.audience import AnyAudience, Several, describe, is_long
from qunfa.contract.batches import batch_key
from qunfa.contract.ids import mass_send_id
from qunfa.contract.message import ImageMessage, Message, MpnewsMessage, MpvideoMessage, TextMessage, WxcardMessage
from qunfa.contract.notice import NotifyRequest
from qunfa.contract.operators import Status, StoryLine, WaitingFor
from qunfa.contract.recall import RecallCall, RecallStatus
from qunfa.contract.request import MassSendRequest, Previewed, look_at, with_articles
from qunfa.contract.result import COMPLETES, NOT_DELIVERED, JobResult, MassSendResult, Problem
from qunfa.language import ENGLISH, _, several, spoken
from qunfa.language.phrases import told, told_whole
from qunfa.markdown import bullets, code, plain, table
from qunfa.rules.calendar import shanghai_clock
from qunfa.rules.evidence import evidence
from qunfa.rules.problems import INVALID, tells_of_one_batch

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
_articles_url: str | None = None


def link_articles(url: str | None) -> None:
    """Have pages link to the articles below this URL, where `qunfa article serve` shows them; `None`: have no links."""
    global _articles_url  # noqa: PLW0603  one for the process, like the language of its pages
    _articles_url = url


def send_page(request: MassSendRequest | None, status: Status, ended: MassSendResult | None = None) -> str:
    """Where the send stands, what it waits for until when, and how to answer; ``ended`` once it has."""
    waiting = _waiting(status.waiting_for, _(", until {until} at the latest"))
    parts = (
        f"### {_heading(status, ended)}",
        _what(request),
        _delivered(ended),
        bullets(filter(None, (waiting, *_progress(request, status), *_holding(request, status)))),
        _problem(status.problem),
        _shows(request, status),
        _answers(request, status),
        _jobs(status.jobs),
        _story(status.history),
    )
    return "\n\n".join(part for part in parts if part)


def named(word: str) -> str:
    """The name of a state for people; beside another language stands the name, which queries take."""
    return plain(word.replace("_", " ") if spoken() == ENGLISH else f"{_(word)}（{word}）")


def _heading(status: Status, ended: MassSendResult | None) -> str:
    if status.problem and status.problem.name == INVALID:
        how = "refused"
    elif ended:
        how = ended.outcome
    else:
        return named(status.phase)
    return _("{phase}: {how}").format(phase=named(status.phase), how=named(how))


def _what(request: MassSendRequest | None) -> str:
    if request is None:
        return ""
    says = " / ".join(filter(None, (_says(version.message) for version in request.versions)))
    return _("{msgtype} to **{audience}** of **{account}**{says}").format(
        msgtype=_(request.message.msgtype),
        audience=plain(_whom(request.audience)),
        account=plain(request.account),
        says=_(": {said}").format(said=says) if says else "",
    )


def _whom(audience: AnyAudience, *, is_left_out: bool = False) -> str:
    if not isinstance(audience, Several):
        return told(describe(audience, is_left_out=is_left_out))
    of = _(" and ").join(map(_whom, audience.of))
    minus = _(" and ").join(_whom(one, is_left_out=True) for one in audience.minus)
    return _("{who}, without {whom}").format(who=of, whom=minus) if minus else of


def _delivered(ended: MassSendResult | None) -> str:
    """What nobody may get wrong about a send that ended badly."""
    if ended is None or ended.outcome in COMPLETES:
        return ""
    return f"**{_('It may have been delivered.')}**" if ended.may_have_been_delivered else _("Nothing was delivered.")


def _says(message: Message) -> str:
    """The beginning of the text, or the titles."""
    match message:
        case TextMessage(content=content):
            text = content
        case MpnewsMessage(articles=None, media_id=media_id):
            text = _("draft {media_id}").format(media_id=media_id)
        case MpnewsMessage(articles=articles):
            return ", ".join(_quoted(plain(_cut(article.title))) for article in articles or ())
        case ImageMessage(images=images):
            text = several("{number} picture", "{number} pictures", len(images)).format(number=len(images))
        case MpvideoMessage(title=title):
            text = _quoted(title)
        case WxcardMessage(card_id=card_id):
            text = _("card {card_id}").format(card_id=card_id)
        case _:
            return ""
    return plain(_cut(text))


def _quoted(title: str) -> str:
    return _('"{title}"').format(title=title)


def _cut(text: str) -> str:
    return text if len(text) <= _EXCERPT else text[: _EXCERPT - 1] + "…"


def _waiting(waiting: WaitingFor | None, until: str) -> str:
    """What is waited for; ``until`` says until when."""
    if waiting is None:
        return ""
    latest = until.format(until=shanghai_clock(waiting.until)) if waiting.until else ""
    return _("**Waiting for** {reason}{until}").format(reason=plain(told(waiting.reason)), until=latest)


def _progress(request: MassSendRequest | None, status: Status) -> Iterator[str]:
    """How far a send in batches is."""
    progress = status.progress
    if request is None or not is_long(request.audience) or progress.openids is None:
        return
    full = progress.done * _BAR // max(progress.jobs, 1)
    bar = code("█" * full + "░" * (_BAR - full))
    counted = _("{bar} {done:,} of {number:,} batches, {openids:,} openids").format(
        bar=bar, done=progress.done, number=progress.jobs, openids=progress.openids
    )
    reached = _("; {followers:,} received it")
    yield counted + ("" if progress.followers is None else reached.format(followers=progress.followers))
    if progress.ends_at and status.phase != "done":
        yield _("through at about {at}, by an estimate").format(at=shanghai_clock(progress.ends_at))


def _holding(request: MassSendRequest | None, status: Status) -> Iterator[str]:
    """Who asked, who approved, and what holds the send back or ends it."""
    if request and request.requested_by:
        yield _("asked for by {by}").format(by=plain(request.requested_by))
    if status.phase == "done":
        return
    if status.approval.by and status.approval.at:
        by, at = plain(status.approval.by), shanghai_clock(status.approval.at)
        yield _("approved by {by}, {at}").format(by=by, at=at)
    if status.paused_by:
        yield _("paused by {by}").format(by=plain(status.paused_by))
    if status.list_paused_by:
        yield _("its list is paused by {by}").format(by=plain(status.list_paused_by))
    if status.send_at:
        yield _("not before {at}").format(at=shanghai_clock(status.send_at))
    if request and request.not_after:
        yield _("not submitted after {at}").format(at=shanghai_clock(request.not_after))


def _problem(problem: Problem | None) -> str:
    if problem is None:
        return ""
    lines = [plain(told(problem.sentence)), _("**To do:** {todo}").format(todo=plain(told(problem.todo)))]
    parts = evidence(problem.errcode, problem.errmsg, problem.rid)
    said = ", ".join(f"{name} {code(value)}" for name, value in parts.items())
    if said:
        whose = _("WeChat's words: {said}") if problem.errcode is not None else _("Evidence: {said}")
        lines.append(whose.format(said=said))
    shown = [f"#### {problem.name}", bullets(lines)]
    if problem.articles:
        rows = (
            (one.idx, plain(one.original_url or ""), _yes(one.can_reprint), _yes(one.need_replace_content))
            for one in problem.articles
        )
        columns = (_("article"), _("original"), _("may be reprinted"), _("would be replaced"))
        shown.append(table(columns, rows))
    return "\n\n".join(shown)


def _shows(request: MassSendRequest | None, status: Status) -> str:
    """What is to be approved."""
    if status.problem or status.phase not in {"awaiting_approval", "paused"}:
        return ""
    shown = (plain(told_whole(line)) for line in status.approval.shows)
    return bullets((*shown, *map(_preview, status.previews), *_look(request, status)))


def _preview(one: Previewed) -> str:
    said = _("sent") if one.sent else plain(told(one.errmsg or ""))
    return _("preview: {to} {said}").format(to=plain(one.to), said=said)


def _look(request: MassSendRequest | None, status: Status) -> Iterator[str]:
    """How to see the articles that somebody is to approve."""
    if not request or "approve" not in status.answers or not (command := look_at(request)):
        return
    pages = [
        f"{_articles_url}/{request.account}/{request.key}{f'?group={group}' if group else ''}"
        for group in (with_articles(request) if _articles_url else ())
    ]
    for shown in (*(f"[{plain(page)}]({page})" for page in pages), code(command)):
        yield _("look at it first: {command}").format(command=shown)


def _answers(request: MassSendRequest | None, status: Status) -> str:
    """The updates that fit now, with the JSON to paste."""
    if not status.answers:
        return ""
    problem = status.problem.name if status.problem else ""
    batch = _batch_asked(request, status)
    own, of_batch = _("Update {name}: {typed}"), _("On the page of {batch}, update {name}: {typed}")
    lines = (
        (of_batch if batch and tells_of_one_batch(name, problem) else own).format(
            batch=code(batch or ""), name=code(name), typed=code(example(problem, name))
        )
        for name in status.answers
    )
    how = _("*More Actions → Send an Update*, the name, and as data the JSON with your name and reason:")
    return f"#### {_('Answers')}\n\n{how}\n\n{bullets(lines)}"


def _batch_asked(request: MassSendRequest | None, status: Status) -> str | None:
    """The workflow of the batch that a person is asked about."""
    if request is None or status.batch is None:
        return None
    return mass_send_id(request.account, batch_key(request.key, status.batch))


def example(problem: str, answer: str) -> str:
    """The JSON that gives this answer to this problem (``""`` where there is none)."""
    return RETRIES.get(problem, EXAMPLES["retry"]) if answer == "retry" else EXAMPLES[answer]


def _jobs(jobs: tuple[JobResult, ...]) -> str:
    if not jobs:
        return ""
    columns = (_("job"), "msg_id", _("state"), _("WeChat says"), _("received"))
    clientmsgid = _("clientmsgid of job {job}: {clientmsgid}")
    submitted = (job for job in jobs if job.state != "new")
    ids = bullets(clientmsgid.format(job=_name(job), clientmsgid=code(job.clientmsgid)) for job in submitted)
    return "\n\n".join((f"#### {_('Jobs')}", table(columns, (_job_row(job) for job in jobs)), ids))


def _job_row(job: JobResult) -> tuple[object, ...]:
    state = in_words(job.state) + (_(", known before") if job.deduplicated else "")
    observer = job.observed_by and _(job.observed_by)
    status = plain(told(NOT_DELIVERED) if job.status == NOT_DELIVERED else job.status or "")
    said = _("{status} ({observer})").format(status=status, observer=observer) if status and observer else status
    counts = job.counts
    received = _("{sent:,} of {total:,}").format(sent=counts.sent, total=counts.total) if counts else ""
    return (_name(job), job.msg_id or "", state, said, received)


def in_words(state: str) -> str:
    """The state of a job, for a cell of a table."""
    return _(state).replace("_", " ")


def _name(job: JobResult) -> str:
    if not job.generation:
        return f"{job.index}"
    return _("{index}, generation {generation}").format(index=job.index, generation=job.generation)


def _story(lines: tuple[StoryLine, ...]) -> str:
    if not lines:
        return ""
    newest = lines[-_STORY_SHOWN:]
    cut = _(" (the newest {shown} of {number})").format(shown=_STORY_SHOWN, number=len(lines))
    shown = cut if len(lines) > _STORY_SHOWN else ""
    return f"#### {_('What happened')}{shown}\n\n{bullets(map(_happened, newest))}"


def _happened(line: StoryLine) -> str:
    by = _(", by {by}").format(by=plain(line.by)) if line.by else ""
    reason = _(": {said}").format(said=plain(line.reason)) if line.reason else ""
    return f"{shanghai_clock(line.at)} {plain(told(line.what))}{by}{reason}"


def _yes(value: bool | None) -> str:  # noqa: FBT001  a value to show, not a switch
    return "" if value is None else (_("yes") if value else _("no"))


def notify_page(request: NotifyRequest) -> str:
    """What a notice is of, and whom it is told to; the pending activity beside it has the failure of the last try."""
    what = named(request.notice.type) if request.notice else _("asked for")
    of = _(
        "of {workflow_id}, told to the webhook **{name}** of **{account}** as {webhook_id}; tried for three days, at"
        " least once an hour"
    ).format(
        workflow_id=code(request.workflow_id),
        name=plain(request.name),
        account=plain(request.account),
        webhook_id=code(request.webhook_id),
    )
    return f"### {what}\n\n{of}"


def recall_page(account: str, status: RecallStatus) -> str:
    """What is recalled, what the recall waits for, and WeChat's answers."""
    parts = [
        f"### {named(status.phase)}",
        _("{aim} of **{account}**").format(aim=_aim(status), account=plain(account)),
        _("by **{by}**: {reason}").format(by=plain(status.by or ""), reason=plain(status.reason or "")),
        _waiting(status.waiting_for, _(", next at {until}")),
        _heard(status),
        _recall_calls(status.calls),
    ]
    return "\n\n".join(part for part in parts if part)


def _aim(status: RecallStatus) -> str:
    if status.msg_id is None:
        return _("the article at {url}").format(url=code(status.url or ""))
    what = _("article {article} of msg_id {msg_id}") if status.article_idx else _("all articles of msg_id {msg_id}")
    return what.format(article=status.article_idx, msg_id=code(status.msg_id))


def _heard(status: RecallStatus) -> str:
    heard = status.heard
    if heard is None:
        return ""
    said = heard.status or (f"errcode {heard.errcode}" if heard.errcode is not None else told(heard.detail or ""))
    return _("**mass/get** {at}: {said}").format(at=shanghai_clock(heard.at), said=plain(said))


def _recall_calls(calls: tuple[RecallCall, ...]) -> str:
    if not calls:
        return ""
    return table(("mass/delete", _("answer"), "errcode", ""), map(_call_row, calls))


def _call_row(call: RecallCall) -> tuple[object, ...]:
    said = plain(call.errmsg or told(call.detail or ""))
    return (shanghai_clock(call.at), in_words(call.answer), call.errcode or "", said)
