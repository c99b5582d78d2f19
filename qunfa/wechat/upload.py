"""A file on its way to WeChat: `multipart/form-data` that is streamed, with its length known beforehand."""

import re
import secrets
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import aclosing
from dataclasses import dataclass, field
from types import TracebackType
from typing import Final, Literal

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


class SourceFailedError(Exception):
    """The source of a file raised `failure`, so that the rest of the body cannot be written."""

    def __init__(self, failure: Exception) -> None:
        super().__init__()
        self.failure = failure


class SourceSizeError(Exception):
    """The source of a file gave another number of bytes than its size."""


@dataclass(frozen=True, slots=True)
class UploadFile:
    """A file to be uploaded: `size` in bytes, and `chunks`, which opens it anew each time and gives its bytes.

    An async generator is closed when the upload ends, however it ends. What `chunks` or its iterator raises ends the
    upload, and comes out of it unchanged: WeChat then has no complete file, and stores none.
    """

    filename: str
    content_type: str
    size: int
    chunks: Callable[[], AsyncIterator[bytes]] = field(repr=False)

    @property
    def name(self) -> str:
        """The name that WeChat gets: plain ASCII, and with the extension of its content type.

        WeChat tells a file's type by the extension, and does not read names that are encoded for the header.
        """
        last = re.split(r"[/\\]", self.filename)[-1]
        stem, _, extension = last.rpartition(".") if "." in last else (last, "", "")
        extension = _UNSAFE.sub("", extension).lower()[:_EXTENSION_MAX]
        extension = "jpg" if extension == "jpeg" else extension  # a thumb is "JPG only"
        fitting = _EXTENSIONS.get(self.content_type, extension)
        parts = [_UNSAFE.sub("_", stem).strip("._-")[:_STEM_MAX] or "media", extension]
        return ".".join(part for part in (*parts, fitting if fitting != extension else "") if part)


class MultipartBody:
    """The body of one upload: a form with the file in its field `media`. It can be streamed once."""

    def __init__(self, file: UploadFile, progress: Progress | None = None) -> None:
        boundary = secrets.token_hex(16)
        disposition = f'Content-Disposition: form-data; name="media"; filename="{file.name}"'
        head = f"--{boundary}\r\n{disposition}\r\nContent-Type: {file.content_type}\r\n\r\n"
        self._file = file
        self._progress = progress
        self._head = head.encode()
        self._tail = f"\r\n--{boundary}--\r\n".encode()
        self.waits_for_source = False
        self.file_bytes: Final = file.size
        self.content_type: Final = f"multipart/form-data; boundary={boundary}"
        self.length: Final = len(self._head) + file.size + len(self._tail)

    async def stream(self) -> AsyncGenerator[bytes, None]:
        """The body's bytes; the end is only given when the file's source has come to its end as it should.

        Raises:
            SourceFailedError: the source, or what is called with the progress, raised something.
            SourceSizeError: the source gave more bytes than the file's size, of which nothing is written, or fewer.
        """
        yield self._head
        written = 0
        async with aclosing(self._pieces()) as pieces:
            async for piece in pieces:
                yield piece
                written += len(piece)
                with _Foreign():
                    if self._progress is not None:
                        self._progress(written)
        if written < self._file.size:
            raise SourceSizeError(f"its source gave only {written:,} of {self._file.size:,} bytes")
        yield self._tail

    async def _pieces(self) -> AsyncGenerator[bytes, None]:
        with _Foreign():
            source = aiter(self._file.chunks())
        left = self._file.size
        try:
            while True:
                with _Foreign():
                    self.waits_for_source = True
                    chunk = await anext(source, None)
                    self.waits_for_source = False
                if chunk is None:
                    return
                left -= len(chunk)
                if left < 0:
                    raise SourceSizeError(f"its source gave more than {self._file.size:,} bytes")
                view = memoryview(chunk)
                for start in range(0, len(view), PIECE_BYTES):
                    yield bytes(view[start : start + PIECE_BYTES])
        finally:
            if isinstance(source, AsyncGenerator):
                with _Foreign():
                    await source.aclose()


class _Foreign:
    """Tells what the caller's own code raises from the HTTP library's errors, and keeps it as it is.

    It is caught here, below the HTTP library. So its traceback has the source's frames, and no frame with the URL.
    """

    def __enter__(self) -> None:
        """Nothing is to be done before."""

    def __exit__(
        self, _kind: type[BaseException] | None, error: BaseException | None, _at: TracebackType | None
    ) -> None:
        if isinstance(error, Exception):
            raise SourceFailedError(error) from None
