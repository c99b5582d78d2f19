"""A file on its way to WeChat: `multipart/form-data` that is streamed, with its length known beforehand."""

import asyncio
import errno
import re
import secrets
from collections.abc import AsyncGenerator, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Final, Literal

MediaKind = Literal["image", "voice", "video", "thumb"]
"""What WeChat calls `type` where a file is uploaded."""
Progress = Callable[[int], None]
"""Called after each write with the bytes of the file that were written so far; the last call is with its size."""

PIECE_BYTES: Final = 64 * 1024
"""What is written at once. It is small, so that progress is smooth and the limit on one write is soon met."""

_STEM_MAX: Final = 64
_EXTENSION_MAX: Final = 16
_UNSAFE: Final = re.compile(r"[^A-Za-z0-9._-]+")
_EXTENSIONS: Final = {
    "image/jpeg": "jpg",
    "image/png": "png",
    "image/gif": "gif",
    "image/bmp": "bmp",
    "audio/mpeg": "mp3",
    "audio/amr": "amr",
    "video/mp4": "mp4",
}


class UnreadableFileError(Exception):
    """The file could not be read to its end, for the reason `failure`: the rest of the body cannot be written."""

    def __init__(self, failure: OSError) -> None:
        super().__init__()
        self.failure = failure


@dataclass(frozen=True, slots=True)
class UploadFile:
    """A file to be uploaded: where it stands, what it is called, its content type, and its size in bytes."""

    path: Path
    filename: str
    content_type: str
    size: int

    @property
    def name(self) -> str:
        """The name that WeChat gets: plain ASCII, and with the extension of its content type.

        WeChat tells a file's type by the extension, and does not read names that are encoded for the header.
        """
        last = re.split(r"[/\\]", self.filename)[-1]
        stem, _, extension = last.rpartition(".") if "." in last else (last, "", "")
        extension = _UNSAFE.sub("", extension).lower()[:_EXTENSION_MAX]
        extension = "jpg" if extension == "jpeg" else extension  # a thumb is "JPG only"
        fitting = _EXTENSIONS[self.content_type]
        parts = [_UNSAFE.sub("_", stem).strip("._-")[:_STEM_MAX] or "media", extension]
        return ".".join(part for part in (*parts, fitting if fitting != extension else "") if part)


class MultipartBody:
    """The body of one upload: a form with the file in its field `media`. It can be streamed once."""

    def __init__(self, file: UploadFile, progress: Progress | None = None) -> None:
        boundary = secrets.token_hex(16)
        disposition = f'Content-Disposition: form-data; name="media"; filename="{file.name}"'
        self._file = file
        self._progress = progress
        self._head = f"--{boundary}\r\n{disposition}\r\nContent-Type: {file.content_type}\r\n\r\n".encode()
        self._tail = f"\r\n--{boundary}--\r\n".encode()
        self.file_bytes: Final = file.size
        self.content_type: Final = f"multipart/form-data; boundary={boundary}"
        self.length: Final = len(self._head) + file.size + len(self._tail)

    async def stream(self) -> AsyncGenerator[bytes, None]:
        """The body's bytes; the end is only given when the file has come to its own as it should.

        Raises:
            UnreadableFileError: the file cannot be read, or has another size than it had.
        """
        yield self._head
        written = 0
        with await _opened(self._file.path) as file:
            while (piece := await _read(file)) and written + len(piece) <= self._file.size:
                yield piece
                written += len(piece)
                if self._progress is not None:
                    self._progress(written)
        if piece or written < self._file.size:
            raise UnreadableFileError(OSError(errno.ESTALE, "its size has changed"))
        yield self._tail


async def _opened(path: Path) -> BinaryIO:
    try:
        return await asyncio.to_thread(path.open, "rb")
    except OSError as error:
        raise UnreadableFileError(error) from None


async def _read(file: BinaryIO) -> bytes:
    try:
        return await asyncio.to_thread(file.read, PIECE_BYTES)
    except OSError as error:
        raise UnreadableFileError(error) from None
