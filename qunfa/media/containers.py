"""The structure of an MP4 file (ISO/IEC 14496-12): boxes, of which a few matter here."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import BinaryIO, Final

BOXES_MAX: Final = 10_000
"""More boxes than any clip of 10 MB has; further ones are not read."""
_DURATION_MAX_SECONDS: Final = 10**6
_CUT: Final = "is cut off: it ends before what it announces"


@dataclass(frozen=True, slots=True)
class ClipFacts:
    """How long a clip plays, where it says so. `damage`: why it cannot be used."""

    duration: timedelta | None = None
    damage: str | None = None


@dataclass(frozen=True, slots=True)
class _Box:
    name: bytes
    start: int
    end: int


class _BrokenError(Exception):
    """The structure does not hold; the message says where."""


class _Boxes:
    """Reads the boxes of a file, and no more than `BOXES_MAX` of them."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._left = BOXES_MAX

    def within(self, start: int, end: int) -> Iterator[_Box]:
        while start < end:
            self._left -= 1
            if self._left < 0:
                raise _BrokenError(f"is damaged: it has more than {BOXES_MAX:,} parts")
            box = self._box_at(start, end)
            yield box
            start = box.end

    def _box_at(self, start: int, end: int) -> _Box:
        self._file.seek(start)
        head = self._file.read(16)
        if end - start < 8 or len(head) < 8:  # noqa: PLR2004 - a box's shortest header
            raise _BrokenError(_CUT)
        size, name, skip = int.from_bytes(head[:4], "big"), head[4:8], 8
        if size == 1:
            size, skip = int.from_bytes(head[8:16], "big"), 16
        elif size == 0:
            size = end - start
        if size < skip:
            raise _BrokenError(f"is damaged: at byte {start:,} stands no part of an MP4 file")
        if start + size > end:
            raise _BrokenError(_CUT)
        return _Box(name, start + skip, start + size)

    def named(self, parents: list[_Box], name: bytes) -> list[_Box]:
        return [box for parent in parents for box in self.within(parent.start, parent.end) if box.name == name]

    def content(self, box: _Box, most: int) -> bytes:
        self._file.seek(box.start)
        return self._file.read(min(box.end - box.start, most))


def mp4_facts(file: BinaryIO, size: int) -> ClipFacts:
    """What the structure of an MP4 file of `size` bytes says; nothing is decoded, only a few bytes are read."""
    boxes = _Boxes(file)
    try:
        top = list(boxes.within(0, size))
        movie = [box for box in top if box.name == b"moov"]
        if not movie or not any(box.end > box.start for box in top if box.name == b"mdat"):
            return ClipFacts(damage="is damaged: an MP4 file has a moov and an mdat part, and this one has not")
        handlers = boxes.named(boxes.named(boxes.named(movie, b"trak"), b"mdia"), b"hdlr")
        if not any(boxes.content(handler, 12)[8:12] == b"vide" for handler in handlers):
            return ClipFacts(damage="holds no video: none of its tracks is one")
        return ClipFacts(next((_duration(boxes.content(box, 32)) for box in boxes.named(movie, b"mvhd")), None))
    except _BrokenError as error:
        return ClipFacts(damage=str(error))


def _duration(header: bytes) -> timedelta | None:
    wide = header[:1] == b"\x01"
    scale = int.from_bytes(header[20:24] if wide else header[12:16], "big")
    units = int.from_bytes(header[24:32] if wide else header[16:20], "big")
    if not scale or not 0 < units <= scale * _DURATION_MAX_SECONDS:
        return None  # a fragmented clip states none
    return timedelta(seconds=units / scale)
