"""HTML files as people save them: whole documents, with pictures beside them."""

import os
from pathlib import Path
from typing import Final
from urllib.parse import unquote, urljoin

from qunfa.article import slots
from qunfa.article.document import Document
from qunfa.article.size import ArticleError
from qunfa.article.urls import parts

_MARKS: Final = ((b"\xef\xbb\xbf", "utf-8-sig"), (b"\xff\xfe", "utf-16"), (b"\xfe\xff", "utf-16"))


def decoded(data: bytes) -> str:
    """The text of an HTML file: by its byte order mark, as UTF-8, or as one of China's encodings.

    Raises:
        ArticleError: It is in none of them.
    """
    for mark, encoding in (*_MARKS, (b"", "utf-8"), (b"", "gb18030")):
        if data.startswith(mark):
            try:
                return data.decode(encoding)
            except UnicodeDecodeError:
                continue
    raise ArticleError("is in no encoding that is known here; save it as UTF-8")


def local_pictures(content: str, base: Path) -> str:
    """The inside of the body of an HTML file from the folder `base`, with `file:` URIs for the pictures beside it.

    Relative URLs of pictures become absolute ones: of files below `base` (or wherever `..` leads), or below a
    `<base href>` that names a server. What has a scheme or a host is left alone.

    Raises:
        ArticleError: The content is too long or nested too deeply.
    """
    document = Document(content, whole=True)
    server = _server(document)
    slots.replace(document, lambda url: _absolute(url, base, server))
    return str(document)


def _server(document: Document) -> str | None:
    for element in document.root.iter("base"):
        href = str(element.attrib.get("href", "")).strip()
        split = parts(href)
        if split is not None and split.scheme in {"http", "https"}:
            return href
    return None


def _absolute(url: str, base: Path, server: str | None) -> str | None:
    split = parts(url)
    if split is None or split.scheme or split.netloc or not split.path:
        return None
    if server is not None:
        return str(urljoin(server, url))
    path = unquote(split.path.replace("\\", "/"))
    if "\0" in path:
        return None
    return Path(os.path.normpath(base.absolute() / path)).as_uri()
