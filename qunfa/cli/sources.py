"""Where a message's material is: files of this machine, URIs, and what WeChat holds already."""

import re
from pathlib import Path
from typing import Final
from urllib.parse import unquote

from pydantic import BaseModel

from qunfa.article import ArticleError, decoded, local_pictures, pictures
from qunfa.cli.errors import WrongUse

WORKERS_READ: Final = (
    "It is the workers that read files, by the same path as here: put them where every worker finds them, below a "
    "folder that the workers' configuration lists under roots in [media]; or give an https: or s3: URI."
)
_URI: Final = re.compile(r"(?:file|https?|s3):", re.IGNORECASE)
_HELD: Final = "media_id:"
_UNREAD: Final = re.compile(r"source file:")


def media(option: str, named: str) -> dict[str, str]:
    """The material that `option` names: a URI, or an id of WeChat's.

    Raises:
        WrongUse: It is a file, and is not here.
    """
    if named.startswith(_HELD):
        return {"media_id": named.removeprefix(_HELD)}
    if _URI.match(named):
        return {"uri": named}
    path = Path(named).absolute()
    _demand(option, path, named)
    return {"uri": path.as_uri()}


def article_content(option: str, named: str) -> str:
    """The inside of the body of an HTML file, with `file:` URIs for the pictures beside it.

    Raises:
        WrongUse: The file, or a picture beside it, is not here, or the file cannot be read as HTML.
    """
    path = Path(named).absolute()
    _demand(option, path, named)
    try:
        written = decoded(path.read_bytes())
        content = local_pictures(written, path.parent)
        beside = set(pictures(content)) - set(pictures(written))
    except OSError as error:
        raise WrongUse(f"{option} {named}: it cannot be read: {error.strerror}.") from None
    except ArticleError as error:
        raise WrongUse(f"{option} {named}: it {error}.") from None
    for picture in sorted(beside):
        if (file := local_file(picture)) is not None:
            _demand(option, file, f"{named}: its picture {file}")
    return content


def local_file(uri: str) -> Path | None:
    """The path that a `file:` URI names on this machine; `None` for any other URI."""
    scheme, _, rest = uri.partition(":")
    if scheme.lower() != "file":
        return None
    return Path(unquote(rest.removeprefix("//").partition("?")[0]))


def local_size(uri: str) -> int | None:
    """How many bytes the file has, where it is one of this machine."""
    path = local_file(uri)
    try:
        return path.stat().st_size if path else None
    except (OSError, ValueError):
        return None


def names_files(message: BaseModel) -> bool:
    """Whether a message names files: the same name may stand for other bytes later."""
    return "file:" in message.model_dump_json()


def unread(sentence: str) -> bool:
    """Whether a worker says that it could not read a file: then :data:`WORKERS_READ` tells what to do."""
    return _UNREAD.search(sentence) is not None


def _demand(option: str, path: Path, named: str) -> None:
    try:
        if path.is_file():
            return
        what = "it is no regular file" if path.exists() else "there is no such file here"
    except (OSError, ValueError) as error:
        what = f"it cannot be looked at ({error})"
    raise WrongUse(f"{option} {named}: {what}.")
