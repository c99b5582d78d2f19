"""URLs of pictures in an article: what they mean, whose they are, how a person reads them."""

import base64
import binascii
import hashlib
from typing import Final
from urllib.parse import SplitResult, quote, unquote_to_bytes, urlsplit

HOSTS: Final = frozenset({"mmbiz.qpic.cn", "mmbiz.qlogo.cn"})
"""Where WeChat keeps the pictures of articles. Pictures from elsewhere vanish from an article without a word."""
_ASCII: Final = "".join(map(chr, range(0x21, 0x7F)))
_SHOWN_MAX: Final = 120


class DataUriError(ValueError):
    """A `data:` URI cannot be read; the message says why."""


def normalised(url: str) -> str:
    """A URL as a browser would send it, so that each way of writing it gives the same.

    Without blanks around it and line breaks in it, with `https:` where it begins with `//`, percent-encoded where it
    has blanks or characters beyond ASCII. One that stands on the page itself (`#id`) is none, and gives an empty text.
    """
    clean = "".join(character for character in url.strip() if character not in "\t\n\r")
    if clean.startswith("#"):
        return ""
    return quote(f"https:{clean}" if clean.startswith("//") else clean, safe=_ASCII)


def parts(url: str) -> SplitResult | None:
    """A URL taken apart; None where it makes no sense."""
    try:
        split = urlsplit(url)
        _ = split.hostname
    except ValueError:
        return None
    return split


def is_wechats(url: str) -> bool:
    """Whether a normalised URL is a picture that WeChat keeps."""
    split = parts(url)
    return split is not None and split.scheme in {"http", "https"} and split.hostname in HOSTS and "\\" not in url


def is_data(url: str) -> bool:
    """Whether a URL carries its picture in itself."""
    return url[:5].casefold() == "data:"


def data_of(url: str) -> bytes:
    """What a `data:` URI carries.

    Raises:
        DataUriError: It has no comma, or its base64 is broken.
    """
    head, comma, body = url[5:].partition(",")
    if not comma:
        raise DataUriError("is a data: URI without a comma")
    raw = unquote_to_bytes(body)
    if not head.casefold().rstrip().endswith(";base64"):
        return raw
    try:
        return base64.b64decode(b"".join(raw.split()), validate=True)
    except binascii.Error:
        raise DataUriError("is a data: URI whose base64 is broken") from None


def name_of(url: str) -> str:
    """A short name for errors, logs and file names: no query (it may hold a signature), and no megabytes of data.

    A `data:` URI is named for its content, so it has the same name wherever and however often it stands.
    """
    if is_data(url):
        return f"data:{hashlib.sha256(url.encode(errors='replace')).hexdigest()[:16]}"
    split = parts(url)
    bare = split._replace(netloc=split.netloc.rpartition("@")[2], query="", fragment="").geturl() if split else url
    return bare if len(bare) <= _SHOWN_MAX else f"{bare[: _SHOWN_MAX - 1]}…"
