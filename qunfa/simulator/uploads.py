"""Uploads: files that come in as multipart forms. They are looked at piece by piece, and never held as a whole.

The first bytes of a file tell its format. Its name and what the client says of it tell nothing.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable
from dataclasses import dataclass, field
from hashlib import sha256

from starlette.datastructures import FormData, UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import Request

from qunfa.simulator.errors import Refusal
from qunfa.simulator.sounds import HEAD, Format, format_of, seconds_of

_PIECE = 64 * 1024


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


@dataclass
class Form:
    """The form of a call: its file `media`, if it has one, and its texts."""

    upload: Upload | None = None
    fields: dict[str, str] = field(default_factory=dict)


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
) -> Form:
    """Read a multipart form to its end, whatever is wrong with it.

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

    coming = pieces()
    try:
        form = await _parsed(request, coming, sounds_up_to)
    except MultiPartException:
        form = None
    async for _ in coming:
        pass
    if received > most:
        raise Refusal(45001)
    if form is None or "content-length" not in request.headers:
        raise Refusal(41005)
    return form


async def _parsed(request: Request, pieces: AsyncGenerator[bytes], sounds_up_to: int) -> Form:
    if not request.headers.get("content-type", "").startswith("multipart/form-data"):
        raise MultiPartException("it is no form")
    given = await _Parser(request.headers, pieces).parse()
    file = given.get("media")
    upload = _upload(file, sounds_up_to) if isinstance(file, UploadFile) else None
    await given.close()
    return Form(upload, {name: text for name, text in given.items() if isinstance(text, str)})


def _upload(file: UploadFile, sounds_up_to: int) -> Upload:
    size, form = file.size or 0, format_of(file.file.read(HEAD))
    file.file.seek(0)
    seconds = seconds_of(file.file.read(), form) if size <= sounds_up_to else None
    file.file.seek(0)
    digest = sha256()
    while piece := file.file.read(_PIECE):
        digest.update(piece)
    return Upload(file.filename or "", file.content_type or "", size, digest.hexdigest(), form, seconds)
