"""The current details of ``RecallMassSend``: a page of Markdown in the Temporal UI."""

from qunfa.contract.recall import RecallCall, RecallStatus
from qunfa.markdown import code, plain, table
from qunfa.rules.calendar import shanghai_clock


def recall_page(account: str, status: RecallStatus) -> str:
    """What is recalled, what the recall waits for, and WeChat's answers."""
    parts = [
        f"### {status.phase}",
        f"{_aim(status)} of **{plain(account)}**",
        _by(status),
        _waiting(status),
        _heard(status),
    ]
    parts.append(_calls(status.calls))
    return "\n\n".join(part for part in parts if part)


def _aim(status: RecallStatus) -> str:
    if status.msg_id is None:
        return f"the article at {code(status.url or '')}"
    article = f"article {status.article_idx}" if status.article_idx else "all articles"
    return f"{article} of msg_id {code(status.msg_id)}"


def _by(status: RecallStatus) -> str:
    return f"by **{plain(status.by or '')}**: {plain(status.reason or '')}"


def _waiting(status: RecallStatus) -> str:
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


def _calls(calls: tuple[RecallCall, ...]) -> str:
    if not calls:
        return ""
    return table(("mass/delete", "answer", "errcode", ""), (_row(call) for call in calls))


def _row(call: RecallCall) -> tuple[object, ...]:
    return (shanghai_clock(call.at), call.answer, call.errcode or "", plain(call.errmsg or call.detail or ""))
