"""Folders for temporary files, each locked by the process that has made it, for as long as it needs it.

The lock ends with its process, however that ends. So an unlocked folder is what a killed worker has left. This holds
where containers share a temporary directory, too: there a process's number would prove nothing.
"""

import fcntl
import os
import shutil
import tempfile
from pathlib import Path
from typing import Final

_PREFIX: Final = "qunfa-"
_KINDS: Final = ("source", "fitted", "audience")


class Scratch:
    """A new folder for a ``with`` block, in the system's temporary directory.

    `kind` is "source", "fitted" or "audience", and becomes part of its name.

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
    """Remove our folders that no process holds; says how many. Where the file system has no locks, all stay."""
    found = Path(tempfile.gettempdir())
    return sum(_removed(path) for kind in _KINDS for path in found.glob(f"{_PREFIX}{kind}-*"))


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
