"""A source on its way to a temporary file."""

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from io import BufferedWriter
from pathlib import Path
from typing import Final, Self

from qunfa.media.errors import SourceRefused, SourceUnavailable

CHUNK: Final = 64 * 1024
"""Bytes that are in memory at a time."""


def too_big(uri: str, size_max: int) -> SourceRefused:
    """The refusal of a source with more than `size_max` bytes."""
    return SourceRefused(uri, f"it is larger than the limit of {size_max:,} bytes here. Make it smaller.")


class Spool:
    """Takes a source in pieces, counts and hashes them, and keeps them in a file; never more than `size_max` bytes."""

    def __init__(self, uri: str, path: Path, size_max: int) -> None:
        self.uri = uri
        self.path = path
        self.size_max = size_max
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
            raise too_big(self.uri, self.size_max)

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
