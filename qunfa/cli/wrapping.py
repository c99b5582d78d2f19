"""Text that takes several lines: Chinese breaks between characters, where rich knows breaks at blanks only."""

import re
from typing import Final

from rich.cells import cell_len
from rich.console import Console, JustifyMethod, OverflowMethod
from rich.containers import Lines
from rich.text import Text

from qunfa.language import CHINESE, spoken

_OPENING: Final = "“‘（《【「"
_CLOSING: Final = "，。；：、！？…”’）》】」"
"""No line begins with one of these."""
_CHARACTER: Final = rf"(?![{_CLOSING}{_OPENING}])[\u2e80-\u9fff]"
_WORD: Final = rf"[^\s{_CLOSING}{_OPENING}\u2e80-\u9fff]+"
_PIECE: Final = re.compile(rf"\s*(?:[{_OPENING}]*(?:{_CHARACTER}|{_WORD})[{_CLOSING}]*|\S)\s*")


class Wrapping(Text):
    """A text that breaks between Chinese characters as well."""

    def wrap(  # noqa: PLR0913  as rich has it
        self,
        console: Console,
        width: int,
        *,
        justify: JustifyMethod | None = None,
        overflow: OverflowMethod | None = None,
        tab_size: int = 8,
        no_wrap: bool | None = None,
    ) -> Lines:
        """Its lines, none wider than `width`, but for a word that is wider by itself."""
        if no_wrap or self.no_wrap or width < 1:
            return super().wrap(console, width, justify=justify, overflow=overflow, tab_size=tab_size, no_wrap=no_wrap)
        lines = Lines()
        for line in self.split(allow_blank=True):
            for piece in line.divide(breaks(line.plain, width)):
                piece.rstrip_end(width)
                whole = cell_len(piece.plain) <= width
                lines.extend([piece] if whole else Text.wrap(piece, console, width, overflow="fold"))
        return lines


def breaks(text: str, width: int) -> list[int]:
    """The places in a line at which the next one begins."""
    found: list[int] = []
    used = 0
    for piece in _PIECE.finditer(text):
        if used and used + cell_len(piece[0].rstrip()) > width:
            found.append(piece.start())
            used = 0
        used += cell_len(piece[0])
    return found


def wrapping(text: Text) -> Text:
    """The text, such that it breaks as the language that is spoken does."""
    if spoken() != CHINESE:
        return text
    made = Wrapping(text.plain, style=text.style, justify=text.justify, overflow=text.overflow, no_wrap=text.no_wrap)
    made.spans = text.spans
    return made
