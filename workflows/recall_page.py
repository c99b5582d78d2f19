"""The page of a recall in Temporal's UI: what is recalled, what it waits for, and WeChat's answers."""

from qunfa.contract.recall import RecallCall, RecallStatus
from qunfa.language import _
from qunfa.language.phrases import told
from qunfa.markdown import code, plain, table
from qunfa.rules.calendar import shanghai_clock
from workflows.pages import in_words, named


def recall_page(account: str, status: RecallStatus) -> str:
    """What is recalled, what the recall waits for, and WeChat's answers."""
    parts = [
        f"### {named(status.phase)}",
        _("{aim} of **{account}**").format(aim=_aim(status), account=plain(account)),
        _recalled_by(status),
        _recall_waiting(status),
        _heard(status),
    ]
    parts.append(_recall_calls(status.calls))
    return "\n\n".join(part for part in parts if part)


def _aim(status: RecallStatus) -> str:
    if status.msg_id is None:
        return _("the article at {url}").format(url=code(status.url or ""))
    what = _("article {article} of msg_id {msg_id}") if status.article_idx else _("all articles of msg_id {msg_id}")
    return what.format(article=status.article_idx, msg_id=code(status.msg_id))


def _recalled_by(status: RecallStatus) -> str:
    return _("by **{by}**: {reason}").format(by=plain(status.by or ""), reason=plain(status.reason or ""))


def _recall_waiting(status: RecallStatus) -> str:
    waiting = status.waiting_for
    if waiting is None:
        return ""
    until = _(", next at {until}").format(until=shanghai_clock(waiting.until)) if waiting.until else ""
    return _("**Waiting for** {reason}{until}").format(reason=plain(told(waiting.reason)), until=until)


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
