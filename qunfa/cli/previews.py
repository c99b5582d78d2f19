"""Previews that were made, in words: to whom, and why not."""

from collections.abc import Sequence

from rich.console import RenderableType

from qunfa.cli.tables import table
from qunfa.contract.request import Previewed
from qunfa.language import _
from qunfa.language.phrases import told
from qunfa.rules.problems import evidence_words


def render_previews(previews: Sequence[Previewed]) -> RenderableType:
    """One row per recipient, in order."""
    rows = ((one.to, _("sent") if one.sent else _("NOT sent"), one.msg_id, _why_not(one)) for one in previews)
    return table((_("preview to"), "", "msg_id", _("why not")), rows, wrapped=(_("why not"),))


def preview_line(one: Previewed) -> str:
    """A preview in one line."""
    return (
        _("previewed to {to}").format(to=one.to)
        if one.sent
        else _("no preview to {to}: {why_not}").format(to=one.to, why_not=_why_not(one))
    )


def _why_not(one: Previewed) -> str | None:
    """WeChat's words, or what happened instead of an answer; `None` where the preview was sent."""
    if one.sent:
        return None
    if one.errcode is None:
        return told(one.errmsg or "") or _("no reason was given")
    return evidence_words(one.errcode, one.errmsg, one.rid)
