"""A recall for people."""

from collections.abc import Iterator

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from qunfa.cli.rendering.words import moment, plain
from qunfa.contract.recall import RecallCall, RecallResult, RecallStatus
from qunfa.rules.evidence import evidence_words

STAYS = "The cards that were delivered stay visible in every chat; only the pages behind them go."
SHARED = "Every other send of the same material loses its pages with it."
FOR_GOOD = "A recall cannot be undone, and WeChat takes ten calls a day."

_WORDS = {
    "recalled": ("recalled", "bold green"),
    "not_recalled": ("NOT recalled", "bold red"),
    "unknown": ("unknown", "bold red"),
}


def render_recall(result: RecallResult) -> RenderableType:
    """What came of it, each call with WeChat's answer, and what a recall does not do."""
    facts = Table.grid(padding=(0, 2))
    facts.add_column(style="dim", no_wrap=True)
    facts.add_column(overflow="fold")
    for label, value in _facts(result):
        facts.add_row(label, plain(value))
    title = Text.assemble((_aim(result), "bold"), "  ", _WORDS[result.outcome])
    return Group(title, plain(result.sentence), facts)


def waiting_line(status: RecallStatus) -> str | None:
    """What a recall waits for, in a line; `None` where it does not wait."""
    waiting = status.waiting_for
    if waiting is None:
        return None
    calls = f" after {len(status.calls)} call(s)" if status.calls else ""
    return f"waiting{calls}: {waiting.reason}" + (f"; next at {moment(waiting.until)}" if waiting.until else "")


def _aim(result: RecallResult) -> str:
    article = f", article {result.article_idx}" if result.article_idx else ""
    job = f"msg_id {result.msg_id}{article}" if result.msg_id is not None else result.url or ""
    return f"{result.account}/{result.key}, {job}" if result.key else f"{result.account}, {job}"


def _facts(result: RecallResult) -> Iterator[tuple[str, str]]:
    if result.msgtype:
        yield "message", result.msgtype
    for number, call in enumerate(result.calls):
        yield "" if number else "mass/delete", f"{moment(call.at)}  {_answer(call)}"
    if result.status:
        yield "mass/get", result.status
    yield "by", f"{result.by}: {result.reason}"
    if result.outcome == "recalled":
        yield "note", f"{STAYS} {SHARED}"


def _answer(call: RecallCall) -> str:
    said = evidence_words(call.errcode, call.errmsg, call.rid)
    what = {"ok": "ok", "refused": "refused", "lost": "no answer came", "not_written": "not called"}[call.answer]
    return ", ".join(part for part in (what, said or call.detail or "") if part)
