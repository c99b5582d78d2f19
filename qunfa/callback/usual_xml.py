"""A push in the form in which WeChat writes all of its own, read at one go.

That is: elements that hold a text, in `CDATA` or not, or other elements; no attribute, comment, reference or
declaration, and no text beside elements. Every character of such a document is accounted for by one pattern, in a
third of the time that a parser takes. What is written in another way is not refused here, but left to a parser.
"""

import re
from collections.abc import Iterable
from typing import Final

from qunfa.callback.malformed import DEPTH_MAX, ELEMENTS_MAX, NAME_MAX

_NAME: Final = rf"[A-Za-z_][A-Za-z0-9_]{{,{NAME_MAX - 1}}}"
_NEVER: Final = r"<\]\x00-\x08\x0b-\x1f\ufffe\uffff"
"""Characters that XML forbids, or changes, or that may end a text; without `<` no text has to be searched twice."""
_PIECE: Final = re.compile(
    rf"""
    <(?: ( {_NAME} )> (?: <!\[CDATA\[ ( [^{_NEVER}]*+ ) \]\]> | ( [^&{_NEVER}]*+ ) ) </\1  # an element with a text
       | ( /?{_NAME} )                                                 # begin or end of one that holds others
    )> [ \t\r\n]*+
    | [\s\S]+                                                          # something else, and all that follows
    """,
    re.VERBOSE,
)
_Piece = tuple[str, str, str, str]
"""Name and text, as `CDATA` or not; or what begins or ends; or nothing, where there is something else."""


def read_usual(text: str) -> dict[str, str] | None:
    """The texts of what stands within the root, by place and in order; None where the document has another form."""
    pieces: list[_Piece] = _PIECE.findall(text)
    if not 0 < len(pieces) <= ELEMENTS_MAX:
        return None
    *_, begin = pieces[0]
    *_, end = pieces[-1]
    if end != f"/{begin}":
        return None
    inner = pieces[1:-1]
    texts = {name: (cdata or text).strip() for name, cdata, text, _ in inner}
    return texts if "" not in texts and len(texts) == len(inner) else _read(inner)


def _read(pieces: Iterable[_Piece]) -> dict[str, str] | None:
    """The same where there are elements within others, or several of one name."""
    texts, seen = dict[str, str](), dict[str, int]()
    ends, places, above = list[str](), list[str](), ""  # of the elements that are open, and where their inside stands
    for name, cdata, text, tag in pieces:
        if tag.startswith("/"):
            if not ends or ends.pop() != tag:
                return None
            above = places.pop()
            continue
        here = above + (name or tag)
        if here in texts:
            count = seen[here] = seen.get(here, 1) + 1
            here = f"{here}[{count}]"
        texts[here] = (cdata or text).strip()
        if tag:
            ends.append(f"/{tag}")
            places.append(above)
            above = f"{here}/"
            if len(ends) >= DEPTH_MAX:
                return None
    return None if ends else texts
