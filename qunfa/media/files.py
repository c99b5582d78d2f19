"""Sources on disk."""

import errno
import os
import stat
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from qunfa.media.spool import CHUNK, SourceError, SourceRefused, SourceUnavailable, Spool, decoded

_PASSING: Final = os.O_PATH if sys.platform == "linux" else os.O_RDONLY
"""Linux passes through a folder that may be entered but not listed."""
_FOLDER: Final = _PASSING | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_FILE: Final = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
_MISSING: Final = frozenset({errno.ENOENT, errno.ENOTDIR, errno.ENAMETOOLONG, errno.EINVAL})
_FORBIDDEN: Final = frozenset({errno.EACCES, errno.EPERM})
_SWAPPED: Final = frozenset({errno.ELOOP, errno.ENOTDIR, errno.ENOENT, errno.ENXIO})


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


class FileSources:
    """Reads regular files below the roots; links are followed as long as they lead to a place below a root."""

    def __init__(self, roots: tuple[Path, ...]) -> None:
        self._roots = roots

    def read_into(self, spool: Spool) -> None:
        """Copy the file that `spool.uri` names into `spool`.

        Raises:
            SourceRefused: it is not below a root, is not there, or is no regular file.
            SourceUnavailable: it changed meanwhile, or the disk failed.
        """
        path = file_path(spool.uri)
        failure: SourceError
        try:
            root, parts = self._resolved(spool.uri, path)
            with _opened(spool.uri, root, parts) as file:
                _copy(file, spool)
        except OSError as error:
            failure = _explained(error, spool.uri)
        else:
            return
        raise failure

    def _resolved(self, uri: str, path: str) -> tuple[str, tuple[str, ...]]:
        """The root, and the way from there to the file, without any link at this moment."""
        roots = [Path(os.path.realpath(root)) for root in self._roots]
        outside = SourceRefused(
            uri,
            "it is not below a folder that media may be read from. If it shall be, list it under roots in [media].",
        )
        # Without `strict`, what is not there still gets its place, so that nobody learns what exists outside the roots.
        if not any(Path(os.path.realpath(path)).is_relative_to(root) for root in roots):
            raise outside
        real = Path(os.path.realpath(path, strict=True))
        for root in roots:
            if real.is_relative_to(root):
                return str(root), real.relative_to(root).parts
        raise outside


@contextmanager
def _opened(uri: str, root: str, parts: tuple[str, ...]) -> Iterator[int]:
    """Opens part by part, each from its open folder and never through a link. A link put in now leads nowhere."""
    if not parts:
        raise SourceRefused(uri, "it is a folder. Name a file.")
    folder = os.open(root, _FOLDER)
    try:
        for part in parts[:-1]:
            inner = _open_at(uri, part, _FOLDER, folder)
            os.close(folder)
            folder = inner
        _check_kind(uri, os.stat(parts[-1], dir_fd=folder, follow_symlinks=False).st_mode)
        file = _open_at(uri, parts[-1], _FILE, folder)
    finally:
        os.close(folder)
    try:
        yield file
    finally:
        os.close(file)


def _open_at(uri: str, name: str, flags: int, folder: int) -> int:
    try:
        return os.open(name, flags, dir_fd=folder)
    except OSError as error:
        if error.errno not in _SWAPPED:
            raise
    raise SourceRefused(uri, "it was replaced while it was opened. Let nothing write there while it is sent.")


def _check_kind(uri: str, mode: int) -> None:
    if stat.S_ISDIR(mode):
        raise SourceRefused(uri, "it is a folder. Name a file.")
    if stat.S_ISLNK(mode):
        raise SourceRefused(uri, "it was replaced while it was opened. Let nothing write there while it is sent.")
    if not stat.S_ISREG(mode):
        raise SourceRefused(uri, "it is a device, a pipe or a socket. Name a regular file.")


def _copy(file: int, spool: Spool) -> None:
    before = os.fstat(file)
    _check_kind(spool.uri, before.st_mode)
    spool.expect(before.st_size)
    while chunk := os.read(file, CHUNK):
        spool.write(chunk)
    after = os.fstat(file)
    stable = (before.st_size, before.st_mtime_ns) == (after.st_size, after.st_mtime_ns)
    if not stable or spool.size != after.st_size:
        raise SourceUnavailable(spool.uri, "it changed while it was read. Write it completely, then send it.")


def _explained(error: OSError, uri: str) -> SourceError:
    if error.errno in _MISSING:
        return SourceRefused(uri, "there is no such file. Correct the path, or put it there on every worker.")
    if error.errno in _FORBIDDEN:
        return SourceRefused(uri, "the worker's user may not read it. Give it the right to.")
    if error.errno == errno.ELOOP:
        return SourceRefused(uri, "its links lead in a circle. Correct them.")
    return SourceUnavailable(uri, f"it could not be read: {error.strerror}. Check the disk; it is tried again.")
