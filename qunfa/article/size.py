"""How big an article is in what costs time: counted by the parser before any tree is made of it.

An article of the 19,999 characters that WeChat takes holds fewer elements and attributes than these limits, however
it is written.
"""

import re
from typing import Final

DEPTH_MAX: Final = 200
"""Elements within elements; no editor nests a quarter as deep, and parsers lose what is too deep for them."""
ELEMENTS_MAX: Final = 7_000
ATTRIBUTES_MAX: Final = 10_000
STYLE_MAX: Final = 100_000
"""Characters in all `style` attributes together, without the pictures in them (`data:`)."""

_ABOVE: Final = 2
"""`html` and `body`."""
_DATA: Final = re.compile(r"data:[^\s\"'()]*", re.IGNORECASE)


class ArticleError(Exception):
    """The HTML cannot be worked on; the message says why, as the rest of a sentence."""


class Size:
    """Listens to lxml's parser, and stops it at the first limit. Takes time in proportion to the text.

    Raises:
        ArticleError: One of the limits is passed.
    """

    def __init__(self) -> None:
        self.elements = 0
        self.attributes = 0
        self.style = 0
        self._depth = 0

    def start(self, tag: str | bytes, attrib: dict[str | bytes, str | bytes]) -> None:  # noqa: ARG002  lxml's names
        """An element begins."""
        style = str(attrib.get("style", ""))
        self.elements += 1
        self.attributes += len(attrib)
        self._depth += 1
        self.style += len(_DATA.sub("", style))
        if self._depth > DEPTH_MAX + _ABOVE:
            raise ArticleError(f"is nested more than {DEPTH_MAX} elements deep")
        if self.elements > ELEMENTS_MAX + _ABOVE:
            raise ArticleError(f"has more than {ELEMENTS_MAX:,} elements")
        if self.attributes > ATTRIBUTES_MAX:
            raise ArticleError(f"has more than {ATTRIBUTES_MAX:,} attributes")
        if self.style > STYLE_MAX:
            raise ArticleError(f"has more than {STYLE_MAX:,} characters in its style attributes")

    def end(self, tag: str | bytes) -> None:  # noqa: ARG002
        """An element ends."""
        self._depth -= 1

    def data(self, data: str | bytes) -> None:
        """Text comes."""

    def comment(self, text: str | bytes) -> None:
        """A comment comes."""

    def close(self) -> None:
        """The parser has come to the end."""
