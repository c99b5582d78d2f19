"""Uploads: files that come in as multipart forms. They are looked at piece by piece, and never held as a whole.

The bytes of a file tell its format, and how long a sound lasts. Its name and what the client says of it tell nothing.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable
from dataclasses import dataclass
from hashlib import sha256
from typing import BinaryIO, Literal

from starlette.datastructures import FormData, UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import Request

from qunfa.media.recordings import Length, amr_length, mp3_length
from qunfa.simulator.errors import Refusal

Format = Literal["png", "jpg", "gif", "bmp", "mp3", "amr", "mp4"]

HEAD = 16
_STARTS: tuple[tuple[bytes, Format], ...] = (
    (b"\x89PNG\r\n\x1a\n", "png"),
    (b"\xff\xd8\xff", "jpg"),
    (b"GIF87a", "gif"),
    (b"GIF89a", "gif"),
    (b"BM", "bmp"),
    (b"ID3", "mp3"),
    (b"#!AMR\n", "amr"),
)
_MP4_BRANDS = (b"iso", b"mp4", b"avc1", b"M4V", b"MSNV", b"dash")
_SYNC = 0xFFE0
_LAYER_3 = 0x0002
_LENGTHS: dict[Format | None, Callable[[BinaryIO, int], Length]] = {"amr": amr_length, "mp3": mp3_length}
_PIECE = 64 * 1024


def format_of(head: bytes) -> Format | None:
    """The format of a file that begins with `head`, its first 16 bytes; None if it is none that WeChat knows."""
    for start, name in _STARTS:
        if head.startswith(start):
            return name
    if head[4:8] == b"ftyp" and head[8:12].startswith(_MP4_BRANDS):
        return "mp4"
    word = int.from_bytes(head[:2], "big")
    return "mp3" if word & _SYNC == _SYNC and word & 0x0006 == _LAYER_3 else None


@dataclass(frozen=True)
class Upload:
    """A file as it was uploaded.

    Attributes:
        filename, content_type: what the client says it is.
        size: bytes.
        sha256: of its bytes, in hex.
        format: what it really is, None if it is nothing that WeChat knows.
        seconds: how long it lasts, of a sound that is no bigger than a voice may be.
    """

    filename: str
    content_type: str
    size: int
    sha256: str
    format: Format | None
    seconds: float | None = None


class _Parser(MultiPartParser):
    """Refuses a form that breaks off, too."""

    spool_max_size = max_part_size = _PIECE
    _is_whole = False

    def on_end(self) -> None:
        self._is_whole = True

    async def parse(self) -> FormData:
        form = await super().parse()
        if self._is_whole:
            return form
        for file in self._files_to_close_on_error:
            file.close()
        raise MultiPartException("it breaks off")


async def read_form(
    request: Request, on_progress: Callable[[int, int], Awaitable[None]], *, most: int, sounds_up_to: int
) -> Upload | None:
    """Read a multipart form to its end, whatever is wrong with it, and return its file `media`, if it has one.

    Args:
        request: the call.
        on_progress: told the bytes that have come and the bytes that are announced, after each piece; may wait.
        most: bytes of the longest body that is looked at.
        sounds_up_to: bytes of the biggest sound whose length is measured.

    Raises:
        Refusal: 45001 the body is too long, 41005 it is no multipart form or does not tell its length.
        ClientDisconnect: the client has gone before the end.
    """
    announced, received = int(request.headers.get("content-length") or 0), 0

    async def pieces() -> AsyncGenerator[bytes]:
        nonlocal received
        async for piece in request.stream():
            received += len(piece)
            await on_progress(received, announced)
            if received <= most:
                yield piece

    coming, is_form = pieces(), "content-length" in request.headers
    file = None
    try:
        file = await _file(request, coming, sounds_up_to)
    except MultiPartException:
        is_form = False
    async for _ in coming:
        pass
    if received > most:
        raise Refusal(45001)
    if not is_form:
        raise Refusal(41005)
    return file


async def _file(request: Request, pieces: AsyncGenerator[bytes], sounds_up_to: int) -> Upload | None:
    if not request.headers.get("content-type", "").startswith("multipart/form-data"):
        raise MultiPartException("it is no form")
    given = await _Parser(request.headers, pieces).parse()
    file = given.get("media")
    upload = _upload(file, sounds_up_to) if isinstance(file, UploadFile) else None
    await given.close()
    return upload


def _upload(file: UploadFile, sounds_up_to: int) -> Upload:
    size, form = file.size or 0, format_of(file.file.read(HEAD))
    file.file.seek(0)
    lasts = _LENGTHS[form](file.file, size).duration if form in _LENGTHS and size <= sounds_up_to else None
    seconds = lasts.total_seconds() if lasts else None
    file.file.seek(0)
    digest = sha256()
    while piece := file.file.read(_PIECE):
        digest.update(piece)
    return Upload(file.filename or "", file.content_type or "", size, digest.hexdigest(), form, seconds)
