r"""Text of others on its way to a person's eyes: the one encoder for terminals, logs, JSON and pages.

| character | written as |
|---|---|
| controls: C0, DEL, C1 | `\u001b`, as JSON has it |
| line and paragraph separators (U+2028, U+2029) | so, too |
| what nobody sees, but what changes the text around it: bidi controls, U+FEFF, tags … | so, too |
| half of a surrogate pair | so, too |
| letters that are blank (U+034F, U+115F, U+1160, U+3164, U+FFA0) | so, too |
| joiners within words and emoji (U+200C, U+200D), blanks of any width | as they are |

A character beyond U+FFFF is written as its two surrogates. So the text of a JSON document stays a JSON document, and
says the same.
"""

import re
from typing import Final

_UNSAFE: Final = re.compile(
    "["
    "\x00-\x1f\x7f-\x9f"  # C0, DEL, C1
    "\xad\u061c\u180e\u200b\u200e\u200f\u2060-\u206f\ufeff\ufff9-\ufffb"  # nobody sees them
    "\u2028-\u202e"  # line ends, bidi
    "\u034f\u115f\u1160\u3164\uffa0"  # letters and marks by their kind, of which nothing is drawn
    "\ud800-\udfff"
    "\U0001bca0-\U0001bca3\U0001d173-\U0001d17a"
    "\U000e0000-\U000e00ff\U000e01f0-\U000e0fff"  # tags; between them are variants of Chinese characters
    "]"
)


_USERINFO: Final = re.compile(
    r"^(?!\s*file:)((?:[^:/\\?#@]*:)?+[/\\]*+)(?<=[:/\\])"
    r"(?!(?:\[[^\]]*\]|[^:/\\?#@]*+)(?::\d{1,5})?+(?:[/\\?#]|$))(?:[^:/\\?#]*+:.*|[^/?#]*)@",
    re.IGNORECASE | re.DOTALL,
)
"""What stands before the host, in any spelling, where it is no host with or without a port.

After a colon it may have a `/`, `?` or `#` in it, which a URL should not have.
"""
_QUERY: Final = re.compile(r"[?#].*", re.DOTALL)
_URI_MAX: Final = 200
_NO_TEXT: Final = re.compile("[\x00-\x08\x0b\x0e-\x1f\ud800-\udfff]")


def strange(text: str) -> str | None:
    """The characters that no text has, such as ``U+000B``, if any. JSON spells them in a way that WeChat refuses."""
    found = sorted(set(_NO_TEXT.findall(text)))
    return ", ".join(f"U+{ord(one):04X}" for one in found[:5]) or None


def printable(text: str, keep: str = "") -> str:
    """The text with each character escaped that steers a terminal, hides, or begins a line; not those in `keep`."""
    if text.isascii() and text.isprintable():
        return text
    return _UNSAFE.sub(lambda found: found[0] if found[0] in keep else _escaped(found[0]), text)


def has_userinfo(uri: str) -> bool:
    """Whether a URI carries a user name or a password."""
    return _USERINFO.match(uri) is not None


def shown_uri(uri: str, most: int = _URI_MAX) -> str:
    """`uri` as it may be printed: without user name, password, query and fragment, and not endless."""
    bare = _QUERY.sub("?***", _USERINFO.sub(r"\1***@", uri))
    return printable(bare if len(bare) <= most else f"{bare[: most - 1]}…")


def in_other_words(error: UnicodeError) -> tuple[str, int]:
    """A handler for `codecs.register_error`: so a text is written whose characters an encoding lacks."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    return "".join(map(_escaped, error.object[error.start : error.end])), error.end


def _escaped(character: str) -> str:
    code = ord(character)
    if code <= 0xFFFF:  # noqa: PLR2004  the last that JSON escapes in one
        return f"\\u{code:04x}"
    high, low = divmod(code - 0x10000, 0x400)
    return f"\\u{0xD800 + high:04x}\\u{0xDC00 + low:04x}"
