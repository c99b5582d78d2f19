"""Markdown for the pages in the Temporal UI, which hold text of others: none of theirs is rendered."""

from collections.abc import Iterable
from typing import Final

_MARKED: Final = {ord(one): f"\\{one}" for one in "\\`*_{}[]#|!~"} | {ord("<"): "&lt;", ord(">"): "&gt;"}
_GAP: Final = "\u2003"
"""The UI draws tables without any space between their columns."""


def plain(text: str) -> str:
    """Text as text: neither Markdown nor HTML, on one line, so that it stays in its table cell."""
    return " ".join(text.translate(_MARKED).split())


def code(value: object) -> str:
    """A value in code type."""
    return f"`{' '.join(str(value).replace('`', chr(39)).split())}`"


def table(columns: Iterable[str], rows: Iterable[Iterable[object]]) -> str:
    """A table of cells that are Markdown already."""
    head = tuple(columns)
    return "\n".join((_row(head), f"{'|---' * len(head)}|", *(_row(row) for row in rows)))


def bullets(lines: Iterable[str]) -> str:
    """A list of lines that are Markdown already."""
    return "\n".join(f"- {line}" for line in lines)


def _row(cells: Iterable[object]) -> str:
    return "| " + " | ".join(f"{cell}{_GAP}" for cell in cells) + " |"
