"""Uploads: files that come in as multipart forms. They are looked at piece by piece, and never held as a whole.

The first bytes of a file tell its format. Its name and what the client says of it tell nothing.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, BinaryIO, Literal, Self

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header
from starlette.requests import Request

from qunfa.simulator.errors import Refusal

if TYPE_CHECKING:
    from python_multipart.multipart import MultipartCallbacks

Format = Literal["png", "jpg", "gif", "bmp", "mp3", "amr", "wav", "wma", "mp4"]

HEAD = 16
_STARTS: tuple[tuple[bytes, Format], ...] = (
    (b"\x89PNG\r\n\x1a\n", "png"),
    (b"\xff\xd8\xff", "jpg"),
    (b"GIF87a", "gif"),
    (b"GIF89a", "gif"),
    (b"BM", "bmp"),
    (b"ID3", "mp3"),
    (b"#!AMR\n", "amr"),
    (b"\x30\x26\xb2\x75\x8e\x66\xcf\x11", "wma"),
)
_MP4_BRANDS = (b"iso", b"mp4", b"avc1", b"M4V", b"MSNV", b"dash")
_SYNC = 0xFFE0
_LAYER_3 = 0x0002

SOUNDS: frozenset[Format | None] = frozenset({"amr", "mp3"})
_AMR_FRAME_SECONDS = 0.02
# Bytes of an AMR-NB frame with its header, by frame type; the others are not speech.
_AMR_FRAME_BYTES = {0: 13, 1: 14, 2: 16, 3: 18, 4: 20, 5: 21, 6: 27, 7: 32, 8: 6, 15: 1}
_AMR_START = len(b"#!AMR\n")

_MPEG_1, _MPEG_2, _MPEG_25 = 3, 2, 0
# kbit/s of layer III by index; 0 is not usable.
_BITRATES_1 = (0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 0)
_BITRATES_2 = (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160, 0)
_RATES = {_MPEG_1: (44100, 48000, 32000), _MPEG_2: (22050, 24000, 16000), _MPEG_25: (11025, 12000, 8000)}
_ID3_HEADER = 10
_FRAME_HEADER = 4
_NO_RATE = 3

FIELD = "media"
_LONGEST_TEXT = 64 * 1024
_NO_BOUNDARY = b"-"


@dataclass(frozen=True)
class Upload:
    """A file as it was uploaded.

    Attributes:
        filename, content_type: what the client says it is.
        size: bytes.
        sha256: of its bytes, in hex.
        format: what it really is, None if it is nothing that WeChat knows.
        seconds: how long it lasts, of an AMR or MP3 that is no bigger than a voice may be.
        path: where its bytes are kept; None unless the simulator was told to keep them.
    """

    filename: str
    content_type: str
    size: int
    sha256: str
    format: Format | None
    seconds: float | None = None
    path: Path | None = None


@dataclass
class Form:
    """The form of a call: its file `media`, if it has one, and its texts."""

    upload: Upload | None = None
    fields: dict[str, str] = field(default_factory=dict)


class Body:
    """The body of a request while it comes in: counted, thrown away where it becomes too long, slowed down if ordered.

    Args:
        request: whose body.
        most: bytes after which the rest is read and thrown away.
        on_progress: told the bytes that have come and the bytes that are announced, after each piece; may wait.
    """

    def __init__(self, request: Request, most: int, on_progress: Callable[[int, int], Awaitable[None]]) -> None:
        self.content_type = request.headers.get("content-type", "")
        self.has_length = "content-length" in request.headers
        self._request = request
        self._most = most
        self._on_progress = on_progress
        self._received = 0

    @property
    def too_long(self) -> bool:
        """Whether some of it was thrown away."""
        return self._received > self._most

    async def pieces(self) -> AsyncIterator[bytes]:
        """What comes in, until it is too long; then nothing more, though it is read to its end.

        Raises:
            ClientDisconnect: the client has gone before the end.
        """
        announced = int(self._request.headers.get("content-length") or 0)
        async for piece in self._request.stream():
            self._received += len(piece)
            await self._on_progress(self._received, announced)
            if not self.too_long:
                yield piece


async def read_form(body: Body, *, sounds_up_to: int, keep_in: Path | None) -> Form:
    """Read a multipart form.

    Args:
        body: of the call.
        sounds_up_to: bytes of the biggest sound whose length is measured.
        keep_in: the folder where the file's bytes are to stay; None forgets them.

    Raises:
        Refusal: 45001 the body is too long, 41005 it is no multipart form.
        ClientDisconnect: the client has gone before the end.
    """
    kind, options = parse_options_header(body.content_type)
    with ExitStack() as opened:
        parts = _Parts(lambda name, mime: opened.enter_context(_File(name, mime, sounds_up_to, keep_in)))
        parser = MultipartParser(options.get(b"boundary") or _NO_BOUNDARY, parts.callbacks())
        broken = kind != b"multipart/form-data" or b"boundary" not in options
        async for piece in body.pieces():
            broken = broken or not _fed(parser, piece)
    if body.too_long:
        raise Refusal(45001)
    if broken:
        raise Refusal(41005)
    return parts.form


def _fed(parser: MultipartParser, piece: bytes) -> bool:
    try:
        parser.write(piece)
    except FormParserError:
        return False
    return True


class _File:
    """A file while it comes in."""

    def __init__(self, filename: str, content_type: str, sounds_up_to: int, keep_in: Path | None) -> None:
        self._said = filename, content_type
        self._sounds_up_to = sounds_up_to
        self._path = keep_in / secrets.token_hex(16) if keep_in is not None else None
        self._kept: BinaryIO | None = None
        self._digest = hashlib.sha256()
        self._start = bytearray()
        self._size = 0

    def __enter__(self) -> Self:
        self._kept = self._path.open("wb") if self._path is not None else None
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._kept is not None:
            self._kept.close()

    def write(self, piece: bytes) -> None:
        """Take the next piece."""
        self._size += len(piece)
        self._digest.update(piece)
        if len(self._start) < HEAD or format_of(bytes(self._start[:HEAD])) in SOUNDS:
            self._start += piece[: max(self._sounds_up_to, HEAD) - len(self._start)]
        if self._kept is not None:
            self._kept.write(piece)

    def finish(self) -> Upload:
        """What it was."""
        form = format_of(bytes(self._start[:HEAD]))
        whole = len(self._start) == self._size
        seconds = seconds_of(bytes(self._start), form) if whole else None
        return Upload(*self._said, self._size, self._digest.hexdigest(), form, seconds, self._path)


class _Parts:
    """Puts a form together from what the parser finds."""

    def __init__(self, open_file: Callable[[str, str], _File]) -> None:
        self.form = Form()
        self._open_file = open_file
        self._headers: dict[bytes, bytes] = {}
        self._header = [b"", b""]
        self._name = ""
        self._file: _File | None = None
        self._text = b""

    def callbacks(self) -> MultipartCallbacks:
        """What the parser is to call."""
        return {
            "on_part_begin": self._begin,
            "on_header_field": lambda data, start, end: self._add(0, data[start:end]),
            "on_header_value": lambda data, start, end: self._add(1, data[start:end]),
            "on_header_end": self._header_end,
            "on_headers_finished": self._headers_finished,
            "on_part_data": lambda data, start, end: self._data(data[start:end]),
            "on_part_end": self._end,
        }

    def _begin(self) -> None:
        self._headers, self._name, self._file, self._text = {}, "", None, b""

    def _add(self, side: int, data: bytes) -> None:
        self._header[side] += data

    def _header_end(self) -> None:
        name, value = self._header
        self._headers[name.lower()] = value
        self._header = [b"", b""]

    def _headers_finished(self) -> None:
        _, options = parse_options_header(self._headers.get(b"content-disposition"))
        self._name = options.get(b"name", b"").decode(errors="replace")
        filename = options.get(b"filename")
        if filename is not None:
            mime = self._headers.get(b"content-type", b"").decode(errors="replace")
            self._file = self._open_file(filename.decode(errors="replace"), mime)

    def _data(self, data: bytes) -> None:
        if self._file is not None:
            self._file.write(data)
        else:
            self._text = (self._text + data)[:_LONGEST_TEXT]

    def _end(self) -> None:
        if self._file is None:
            self.form.fields[self._name] = self._text.decode(errors="replace")
        elif self._name == FIELD:
            self.form.upload = self._file.finish()


def format_of(head: bytes) -> Format | None:
    """The format of a file that begins with `head`, its first 16 bytes; None if it is none that WeChat knows."""
    for start, name in _STARTS:
        if head.startswith(start):
            return name
    if head[:4] == b"RIFF" and head[8:12] == b"WAVE":
        return "wav"
    if head[4:8] == b"ftyp" and head[8:12].startswith(_MP4_BRANDS):
        return "mp4"
    word = int.from_bytes(head[:2], "big")
    return "mp3" if word & _SYNC == _SYNC and word & 0x0006 == _LAYER_3 else None


def seconds_of(sound: bytes, form: Format | None) -> float | None:
    """How long a sound lasts, or None if it is of a format whose length is not looked at."""
    if form == "amr":
        return _amr(sound)
    return _mp3(sound) if form == "mp3" else None


def _amr(sound: bytes) -> float:
    frames, at = 0, _AMR_START
    while at < len(sound):
        size = _AMR_FRAME_BYTES.get(sound[at] >> 3 & 0x0F)
        if size is None:
            break
        frames, at = frames + 1, at + size
    return frames * _AMR_FRAME_SECONDS


def _mp3(sound: bytes) -> float:
    seconds, at = 0.0, _after_id3(sound)
    while at + _FRAME_HEADER <= len(sound):
        frame = _mp3_frame(sound[at : at + _FRAME_HEADER])
        if frame is None:
            at += 1
        else:
            size, lasts = frame
            seconds, at = seconds + lasts, at + size
    return seconds


def _after_id3(sound: bytes) -> int:
    if not sound.startswith(b"ID3") or len(sound) < _ID3_HEADER:
        return 0
    size = 0
    for byte in sound[6:_ID3_HEADER]:
        size = size << 7 | byte & 0x7F
    return _ID3_HEADER + size


def _mp3_frame(header: bytes) -> tuple[int, float] | None:
    """Bytes and seconds of a layer III frame; None if there is none."""
    if header[0] != 0xFF or header[1] & 0xE6 != 0xE2:  # noqa: PLR2004 - sync word and layer, as the format has them
        return None
    version, rate_index = header[1] >> 3 & 0x03, header[2] >> 2 & 0x03
    bitrate = (_BITRATES_1 if version == _MPEG_1 else _BITRATES_2)[header[2] >> 4]
    if version not in _RATES or rate_index == _NO_RATE or not bitrate:
        return None
    rate, samples = _RATES[version][rate_index], 1152 if version == _MPEG_1 else 576
    return samples // 8 * bitrate * 1000 // rate + (header[2] >> 1 & 0x01), samples / rate
