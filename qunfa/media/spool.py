"""One source on its way to a temporary file: its URI, what can go wrong, the file, and its folder.

Errors carry no user name, password or query, as signed URLs have their signature there. They are raised outside of
`except`, so that no other exception brings one along.
"""

import fcntl
import hashlib
import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from io import BufferedWriter
from pathlib import Path
from typing import Final, Self
from urllib.parse import unquote, unquote_to_bytes

from qunfa.printable import shown_uri

CHUNK: Final = 64 * 1024
"""Bytes that are in memory at a time."""
_QUERY: Final = re.compile(r"[?#].*", re.DOTALL)
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f]")
_BAD_ESCAPE: Final = re.compile(r"%(?![0-9A-Fa-f]{2})")
_AUTHORITY: Final = re.compile(r"^//[^/?#]*")
_NAME_MAX: Final = 100
_ODD: Final = re.compile(r'[\x00-\x1f\x7f/\\"]')
_PREFIX: Final = "qunfa-"
_KINDS: Final = ("source", "fitted", "audience", "report")
_NAMED_BY: Final = ("TMPDIR", "TEMP", "TMP")
USUAL: Final = ("/tmp", "/var/tmp")  # noqa: S108  it is looked at, and nothing is put there
"""Where temporary files stand if the environment names no place that can be written."""


class SourceError(Exception):
    """`uri` (as it may be printed) could not be had; `reason` says in whole sentences why, and what to do next."""

    def __init__(self, uri: str, reason: str) -> None:
        super().__init__(f"source {shown_uri(uri)}: {reason}")
        self.uri = shown_uri(uri)
        self.reason = reason


class SourceRefused(SourceError):
    """The source is forbidden, missing, or nothing to send: a repeat is in vain."""


class SourceUnavailable(SourceError):
    """The source could not be read now; a repeat may help."""


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


def file_path(uri: str) -> str:
    """The absolute path that a `file:` URI names.

    Raises:
        SourceRefused: it names a host, or no absolute path.
    """
    _scheme, _colon, rest = uri.partition(":")
    if rest.startswith("//"):
        host, slash, path = rest[2:].partition("/")
        if host:
            raise SourceRefused(uri, "it names a host. Write file:/path or file:///path.")
        rest = slash + path
    if not rest.startswith("/"):
        raise SourceRefused(uri, "it does not name an absolute path. Write file:/path or file:///path.")
    return os.fsdecode(decoded(uri, rest))


def file_name(uri: str) -> str:
    """The last part of the path of `uri`, decoded, fit as a file name: no quotes, slashes or control characters."""
    _scheme, _colon, rest = uri.partition(":")
    bare = _QUERY.sub("", _AUTHORITY.sub("", rest))
    return _ODD.sub("_", unquote(bare).rstrip("/").rpartition("/")[2])[-_NAME_MAX:]


class Spool:
    """Takes a source in pieces, counts and hashes them, and keeps them in a file; never more than `size_max` bytes.

    `tells_end`: the source has to say where it ends.
    """

    def __init__(self, uri: str, path: Path, size_max: int, *, tells_end: bool = False) -> None:
        self.uri = uri
        self.path = path
        self.size_max = size_max
        self.tells_end = tells_end
        self.size = 0
        self._hash = hashlib.sha256()
        self._file: BufferedWriter | None = None

    def __enter__(self) -> Self:
        with self._room():
            self._file = self.path.open("xb")
        return self

    def __exit__(self, *failure: object) -> None:
        if self._file is not None:
            with self._room():
                self._file.close()

    @property
    def sha256(self) -> str:
        """The SHA-256 of what was written, in lower-case hexadecimal digits."""
        return self._hash.hexdigest()

    def expect(self, size: int) -> None:
        """Refuse early a source that says itself that it is too big."""
        if size > self.size_max:
            raise SourceRefused(
                self.uri, f"it is larger than the limit of {self.size_max:,} bytes here. Make it smaller."
            )

    def write(self, data: bytes) -> None:
        """Add `data`.

        Raises:
            SourceRefused: the source is bigger than the limit.
            SourceUnavailable: the temporary directory cannot take it.
        """
        self.expect(self.size + len(data))
        self._hash.update(data)
        self.size += len(data)
        if self._file is None:
            raise ValueError("the spool is not open")
        with self._room():
            self._file.write(data)

    @contextmanager
    def _room(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            reason = error.strerror or type(error).__name__
        else:
            return
        raise SourceUnavailable(
            self.uri, f"it could not be written to {self.path.parent}: {reason}. Make room there; it is tried again."
        )


class Scratch:
    """A new folder for a ``with`` block, in the system's temporary directory.

    The lock ends with its process, however that ends. So an unlocked folder is what a killed process has left. This
    holds where containers share a temporary directory, too: there a process's number would prove nothing.

    `kind` is "source", "fitted", "audience" or "report", and becomes part of its name.

    Raises:
        OSError: it cannot be made.
    """

    def __init__(self, kind: str) -> None:
        while (held := _made(kind)) is None:
            pass  # before it was locked, another process has taken it for left over
        self._path, self._folder = held

    def __enter__(self) -> Path:
        return self._path

    def __exit__(self, *failure: object) -> None:
        shutil.rmtree(self._path, ignore_errors=True)
        os.close(self._folder)


def remove_left_over() -> int:
    """Remove our folders that no process holds; says how many. Where the file system has no locks, all stay.

    It looks wherever Python may have put them. Asking Python for one place would pass over a full one, for good.

    Raises:
        OSError: a place cannot be looked at.
    """
    places = (*filter(None, map(os.environ.get, _NAMED_BY)), *USUAL)
    return sum(_removed(path) for place in places for kind in _KINDS for path in Path(place).glob(f"{_PREFIX}{kind}-*"))


def _made(kind: str) -> tuple[Path, int] | None:
    """A new folder, open and locked."""
    path = Path(tempfile.mkdtemp(prefix=f"{_PREFIX}{kind}-"))
    try:
        folder = _opened(path)
    except FileNotFoundError:
        return None
    except OSError:
        path.rmdir()
        raise
    if _locked(folder) is not False and path.exists():
        return path, folder
    os.close(folder)
    return None


def _removed(path: Path) -> bool:
    try:
        folder = _opened(path)
    except OSError:
        return False  # gone, or not for us
    try:
        if os.fstat(folder).st_uid != os.geteuid() or not _locked(folder):
            return False
        shutil.rmtree(path, ignore_errors=True)
        return not path.exists()
    finally:
        os.close(folder)


def _opened(path: Path) -> int:
    """The folder itself, never what a link leads to."""
    return os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)


def _locked(folder: int) -> bool | None:
    """Lock it; False where another has done so, None where the file system has no locks."""
    try:
        fcntl.flock(folder, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        return None
    return True
