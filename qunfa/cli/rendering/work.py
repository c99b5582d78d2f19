"""What workers make just now, with a bar for each upload."""

from collections.abc import Sequence
from typing import Final

from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from qunfa.cli.rendering.message import bytes_words
from qunfa.cli.rendering.words import plain
from qunfa.cli.view import Work
from qunfa.contract import steps

_BAR: Final = 30
_WORDS: Final = {
    steps.INSPECT: "a look at the material",
    steps.UPLOAD: "upload to WeChat",
    steps.MAKE_DRAFT: "WeChat's draft",
    steps.CHECK_DRAFT: "a look at the draft's pictures",
    steps.CONVERT_VIDEO: "conversion of the video",
    steps.CHECK_AUDIENCE: "a look at the tag",
    steps.PREVIEW: "preview",
}


_PAUSED: Final = "paused in Temporal, so that nothing goes on; unpause the activity there"


def render_work(work: Sequence[Work]) -> Table:
    """One row per activity: what it is, how far, and why its last attempt failed, or that it is paused."""
    table = Table.grid(padding=(0, 2))
    table.add_column(style="dim", no_wrap=True)
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for one in work:
        bar = "" if not one.size else ProgressBar(total=one.size, completed=one.written or 0, width=_BAR)
        table.add_row(plain(work_words(one)), bar, Text.assemble(plain(_bytes(one)), _failure(one)))
    return table


def work_words(one: Work) -> str:
    """The activity in words."""
    return _WORDS.get(one.activity, one.activity)


def failure_line(one: Work) -> str | None:
    """Why it is not done, in one line: it is paused, or the last attempt failed; `None` where neither is so."""
    if one.paused:
        return f"{work_words(one)}: {_PAUSED}"
    return f"{work_words(one)}, attempt {one.attempt} after: {one.failure}" if one.failure else None


def _bytes(one: Work) -> str:
    if one.size is None or one.written is None:
        return ""
    return f"{bytes_words(one.written)} of {bytes_words(one.size)}"


def _failure(one: Work) -> Text:
    before = "  " if one.size is not None else ""
    if one.paused:
        return Text.assemble(before, _PAUSED, style="yellow")
    if not one.failure:
        return Text()
    return Text.assemble(before, plain(f"attempt {one.attempt}; the last one failed: {one.failure}"), style="yellow")
