"""URLs of pictures in an article: what they mean, whose they are, how a person reads them."""

import base64
import binascii
import hashlib
import re
from typing import Final
from urllib.parse import SplitResult, quote, unquote_to_bytes, urlsplit

from qunfa.printable import shown_uri

HOSTS: Final = frozenset({"mmbiz.qpic.cn", "mmbiz.qlogo.cn"})
"""Where WeChat keeps the pictures of articles. Pictures from elsewhere vanish from an article without a word."""
_FRAME: Final = re.compile(
    r"(?:(?:https?:)?//(?:v\.qq\.com|mp\.weixin\.qq\.com)(?![^/?#])|/(?!/))[!-\[\]-~]*", re.IGNORECASE
)
"""The frames that WeChat shows: Tencent's video and WeChat's own pages, which a path alone may name."""
_SCHEME: Final = re.compile(r"([a-z][a-z0-9+.-]*):", re.IGNORECASE)
_LINKS: Final = frozenset({None, "http", "https", "mailto", "tel", "sms", "weixin"})
_PICTURES: Final = frozenset({None, "http", "https", "file", "s3"})
_PICTURE_TYPES: Final = frozenset(
    {"", "image/png", "image/jpeg", "image/jpg", "image/gif", "image/webp", "image/bmp", "application/octet-stream"}
)
"""What a `data:` URI may call itself; what it holds is looked at before it is uploaded."""
_ASCII: Final = "".join(map(chr, range(0x21, 0x7F)))
_SHOWN_MAX: Final = 120


class DataUriError(ValueError):
    """A `data:` URI cannot be read; the message says why."""


def normalised(url: str) -> str:
    """A URL as a browser would send it, so that each way of writing it gives the same.

    Blanks around it and line breaks go. `https:` comes before `//`. Other blanks and characters beyond ASCII are
    percent-encoded. A place on the page itself (`#id`) gives an empty text.
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


def is_drawing(url: str) -> bool:
    """Whether a normalised URL carries a drawing (SVG) in itself."""
    return is_data(url) and _type_of_data(url) == "image/svg+xml"


def is_link(url: str) -> bool:
    """Whether readers may be led there: to a page, a mailbox, a telephone, or a place of this page."""
    return "\\" not in url and _scheme(url) in _LINKS


def is_picture(url: str) -> bool:
    """Whether a picture may stand there; whether it can be read there is asked later."""
    if is_data(bare := _bare(url)):
        return _type_of_data(bare) in _PICTURE_TYPES
    return _scheme(url) in _PICTURES


def is_frame(url: str) -> bool:
    """Whether it is a frame of Tencent's, so written that every browser reads the same host."""
    return _FRAME.fullmatch(normalised(url)) is not None


def _scheme(url: str) -> str | None:
    found = _SCHEME.match(_bare(url))
    return found[1].lower() if found else None


def _bare(url: str) -> str:
    """The URL without blanks and controls, some of which browsers pass over."""
    return "".join(character for character in url if character > " ")


def _type_of_data(url: str) -> str:
    return url[5:].partition(",")[0].partition(";")[0].strip().lower()


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

    A `data:` URI is named for its content, so it has the same name everywhere.
    """
    if is_data(url):
        return f"data:{hashlib.sha256(url.encode(errors='replace')).hexdigest()[:16]}"
    return shown_uri(url, _SHOWN_MAX)
