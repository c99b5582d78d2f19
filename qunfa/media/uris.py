"""Reading `file:` and `s3:` URIs."""

import re
from typing import Final
from urllib.parse import unquote, unquote_to_bytes

from qunfa.media.errors import SourceRefused

_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f]")
_BAD_ESCAPE: Final = re.compile(r"%(?![0-9A-Fa-f]{2})")
_AUTHORITY: Final = re.compile(r"^//[^/?#]*")
_QUERY: Final = re.compile(r"[?#].*", re.DOTALL)
_NAME_MAX: Final = 100
_ODD: Final = re.compile(r'[\x00-\x1f\x7f/\\"]')


def scheme_of(uri: str) -> str:
    """The scheme in lower case, or the empty text where there is none.

    Raises:
        SourceRefused: `uri` has control characters, or is no text.
    """
    if _CONTROL.search(uri):
        raise SourceRefused(uri, "it has control characters in it. Write them as %XX, or leave them out.")
    if any("\ud800" <= one <= "\udfff" for one in uri):
        raise SourceRefused(uri, "it is not valid Unicode. Write odd characters as %XX.")
    scheme, colon, _rest = uri.partition(":")
    return scheme.lower() if colon else ""


def decoded(uri: str, text: str) -> bytes:
    """The part `text` of `uri` with its %XX read, once.

    Raises:
        SourceRefused: it has a query or a fragment, a % that is none, or %00 in it.
    """
    if "?" in text or "#" in text:
        raise SourceRefused(uri, "it has a ? or a # in it. If it belongs to the name, write it as %3F or %23.")
    if _BAD_ESCAPE.search(text):
        raise SourceRefused(uri, "it has a % without two hexadecimal digits. Write a % that is meant as %25.")
    data = unquote_to_bytes(text)
    if b"\0" in data:
        raise SourceRefused(uri, "it has a NUL character in it, which no name has. Correct it.")
    return data


def file_name(uri: str) -> str:
    """The last part of the path of `uri`, decoded, fit as a file name: no quotes, slashes or control characters."""
    _scheme, _colon, rest = uri.partition(":")
    bare = _QUERY.sub("", _AUTHORITY.sub("", rest))
    return _ODD.sub("_", unquote(bare).rstrip("/").rpartition("/")[2])[-_NAME_MAX:]
