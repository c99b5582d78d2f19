"""Markdown for Temporal's UI, which holds text of others: none of theirs is rendered.

The UI renders a workflow's summary, its details and its page with gomarkdown, and shows the summary in the history as
it is written. So nothing is escaped that need not be, and only by a backslash before what gomarkdown knows to escape:
named entities and other escapes it shows as they are written. It makes links of bare URLs, and formulas of dollar
signs. Quotation marks, apostrophes and fractions it sets as printers do, which is all that a text is changed by.
"""

import re
from collections.abc import Iterable
from typing import Final

from qunfa.printable import printable

_NUMBER: Final = re.compile(r"^([0-9]+)([.)])")
SUMMARY_BYTES: Final = 400
"""Temporal refuses a workflow whose summary is longer. Those of timers and activities are kept as short."""
_CUT: Final = "…"
_MARKS: Final = re.compile(
    r"""
      [`*_\[<|$#~]
    | \\ (?= [!-/:-@\[-`{-~] )       # it would escape what follows
    | & (?= \#? \w+ ; )
    | - (?= - ) | (?<= - ) -         # dashes
    | \. (?= \. ) | (?<= \. ) \.     # an ellipsis
    | : (?= / ) | (?<= mailto ) :    # links
    | \( (?= (?: c | r | tm ) \) )   # © ® ™
    | ^ [-+>:]                       # lists, quotations, definitions
    """,
    re.IGNORECASE | re.VERBOSE,
)
_GAP: Final = "\u2003"
"""The UI draws tables without any space between their columns."""


def plain(text: str) -> str:
    """Text as text: neither Markdown nor HTML, on one line, so that it stays in its table cell."""
    line = printable(" ".join(text.split()))
    marked = _NUMBER.sub(r"\1\\\2", _MARKS.sub(r"\\\g<0>", line))
    # A backslash at the end would keep the UI from seeing the end of bold type.
    return f"{marked[:-1]}&#92;" if line.endswith("\\") else marked


def code(value: object) -> str:
    """A value in code type; nothing where it is blank."""
    text = printable(" ".join(str(value).replace("`", "'").split()))
    return f"`{text}`" if text else ""


def summary_line(markdown: str) -> str:
    """A line that Temporal takes as a summary, cut between two characters of the text."""
    raw = markdown.encode()
    if len(raw) <= SUMMARY_BYTES:
        return markdown
    head = raw[: SUMMARY_BYTES - len(_CUT.encode())].decode(errors="ignore")
    return head.rstrip("\\") + _CUT


def bare_line(text: str) -> str:
    """Text as the summary of an activity or a timer, which the UI shows as it is written."""
    return summary_line(printable(text))


def table(columns: Iterable[str], rows: Iterable[Iterable[object]]) -> str:
    """A table of cells that are Markdown already."""
    head = tuple(columns)
    return "\n".join((_row(head), f"{'|---' * len(head)}|", *(_row(row) for row in rows)))


def bullets(lines: Iterable[str]) -> str:
    """A list of lines that are Markdown already."""
    return "\n".join(f"- {line}" for line in lines)


def _row(cells: Iterable[object]) -> str:
    return "| " + " | ".join(f"{cell}{_GAP}" for cell in cells) + " |"
