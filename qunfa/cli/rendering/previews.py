"""Previews as a table."""

from collections.abc import Sequence

from rich.table import Table

from qunfa.cli.rendering.words import plain
from qunfa.contract.request import Previewed
from qunfa.rules.evidence import evidence_words

_COLUMNS = ("preview to", "", "msg_id", "why not")


def render_previews(previews: Sequence[Previewed]) -> Table:
    """One row per recipient, in order."""
    table = Table(box=None, padding=(0, 2, 0, 0))
    for heading in _COLUMNS:
        table.add_column(heading, overflow="fold", header_style="dim")
    for one in previews:
        table.add_row(plain(one.to), plain("sent" if one.sent else "NOT sent"), plain(one.msg_id), plain(why_not(one)))
    return table


def preview_line(one: Previewed) -> str:
    """A preview in one line."""
    return f"previewed to {one.to}" if one.sent else f"no preview to {one.to}: {why_not(one)}"


def why_not(one: Previewed) -> str | None:
    """WeChat's words, or what happened instead of an answer; `None` where the preview was sent."""
    if one.sent:
        return None
    if one.errcode is None:
        return one.errmsg or "no reason was given"
    return evidence_words(one.errcode, one.errmsg, one.rid)
