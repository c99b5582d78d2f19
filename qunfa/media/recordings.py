"""How long a recording or a video plays.

Recordings are counted frame by frame. Headers that state a length (Xing, VBRI, ID3) may be missing, stale or forged.
Counting is exact, also at a variable bit rate, and takes milliseconds at WeChat's 2 MB.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import BinaryIO, Final, NamedTuple

FRAMES_MAX: Final = 100_000
"""Counting ends here, at more than half an hour. WeChat takes a minute."""
JUNK_MAX: Final = 65_536
"""So many bytes of an MP3 file may be tags and padding between and after its frames."""

_AMR_MAGIC: Final = b"#!AMR\n"
_AMR_FRAME: Final = timedelta(milliseconds=20)
# Bytes of a frame with its header, by frame type: eight speech modes, comfort noise, and "no data".
_AMR_SIZES: Final = {0: 13, 1: 14, 2: 16, 3: 18, 4: 20, 5: 21, 6: 27, 7: 32, 8: 6, 15: 1}

_HEADER: Final = 4
_ID3_HEADER: Final = 10
_TAGS_MAX: Final = 16
_WINDOW: Final = 2048
_STATED: Final = (b"Xing", b"Info", b"VBRI")
_BITRATES_1: Final = (0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320)
_BITRATES_2: Final = (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160)
_RATES: Final = {3: (44_100, 48_000, 32_000), 2: (22_050, 24_000, 16_000), 0: (11_025, 12_000, 8_000)}
BOXES_MAX: Final = 10_000
"""More boxes than any clip of 10 MB has; further ones are not read."""
_DURATION_MAX_SECONDS: Final = 10**6
_CUT: Final = "is cut off: it ends before what it announces"


@dataclass(frozen=True, slots=True)
class Length:
    """How long a file plays, where it says so; a lower bound beyond `FRAMES_MAX`. `damage`: why it is unusable."""

    duration: timedelta | None = None
    damage: str | None = None


class _Frame(NamedTuple):
    size: int
    samples: int
    rate: int


def amr_length(file: BinaryIO, size: int) -> Length:
    """The length of an AMR narrowband recording of `size` bytes (RFC 4867, section 5)."""
    position, frames = len(_AMR_MAGIC), 0
    file.seek(position)
    while position < size and frames < FRAMES_MAX:
        header = file.read(1)
        step = _AMR_SIZES.get(header[0] >> 3 & 0x0F) if header else None
        if step is None:
            return Length(damage=f"is damaged: at byte {position:,} stands no AMR frame")
        if position + step > size:
            break  # recorders that were stopped leave half a frame
        file.seek(step - 1, 1)
        position, frames = position + step, frames + 1
    return Length(frames * _AMR_FRAME) if frames else Length(damage="holds no sound: it has no AMR frame")


def mp3_length(file: BinaryIO, size: int) -> Length:
    """The length of an MPEG layer III recording of `size` bytes, whatever its bit rates and tags."""
    position = _after_tags(file, size)
    seconds, frames, junk = 0.0, 0, 0
    while position + _HEADER <= size and frames < FRAMES_MAX:
        frame = _frame_at(file, position)
        if frame is None:
            found = _resync(file, position, min(size, position + JUNK_MAX - junk))
            if found is None:
                break
            junk, position = junk + found - position, found
            continue
        if position + frame.size > size:
            break  # a cut last frame plays nothing
        if frames or not _states_only(file, position, frame):
            seconds += frame.samples / frame.rate
        position, frames = position + frame.size, frames + 1
    rest = max(size - position, 0)
    if not seconds:
        return Length(damage="holds no sound: it has no MP3 frame")
    if frames < FRAMES_MAX and junk + rest > JUNK_MAX:
        return Length(damage=f"is damaged: after {seconds:.1f} s come {rest:,} bytes that are no MP3")
    return Length(timedelta(seconds=seconds))


def _after_tags(file: BinaryIO, size: int) -> int:
    """Where the ID3v2 tags at the beginning end."""
    position = 0
    for _ in range(_TAGS_MAX):
        file.seek(position)
        head = file.read(_ID3_HEADER)
        if len(head) < _ID3_HEADER or head[:3] != b"ID3":
            break
        length = 0
        for byte in head[6:10]:
            length = length << 7 | byte & 0x7F
        position += _ID3_HEADER + length + (_ID3_HEADER if head[5] & 0x10 else 0)
    return min(position, size)


def _frame_at(file: BinaryIO, position: int) -> _Frame | None:
    file.seek(position)
    return _frame(file.read(_HEADER))


def _frame(head: bytes) -> _Frame | None:
    if len(head) < _HEADER or head[0] != 0xFF or head[1] & 0xE6 != 0xE2:  # sync and layer III  # noqa: PLR2004
        return None
    rates = _RATES.get(head[1] >> 3 & 0x03)
    bitrate, rate = head[2] >> 4, head[2] >> 2 & 0x03
    if rates is None or rate == len(rates) or not 0 < bitrate < len(_BITRATES_1):
        return None
    first = rates is _RATES[3]
    samples = 1152 if first else 576
    bits = (_BITRATES_1 if first else _BITRATES_2)[bitrate] * 1000
    return _Frame(samples // 8 * bits // rates[rate] + (head[2] >> 1 & 0x01), samples, rates[rate])


def _resync(file: BinaryIO, position: int, end: int) -> int | None:
    """Where, before `end`, two frames follow each other again."""
    for start in range(position, end, _WINDOW):
        file.seek(start)
        data = file.read(min(_WINDOW, end - start) + _HEADER - 1)
        at = data.find(0xFF)
        while at >= 0:
            frame = _frame(data[at : at + _HEADER])
            if frame is not None and _frame_at(file, start + at + frame.size) is not None:
                return start + at
            at = data.find(0xFF, at + 1)
    return None


def _states_only(file: BinaryIO, position: int, frame: _Frame) -> bool:
    """Whether the first frame only states a length, and plays nothing."""
    file.seek(position)
    head = file.read(min(frame.size, 64))
    return any(name in head for name in _STATED)


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


def mp4_length(file: BinaryIO, size: int) -> Length:
    """The length of an MP4 file of `size` bytes, by its structure (ISO/IEC 14496-12). Nothing is decoded."""
    boxes = _Boxes(file)
    try:
        top = list(boxes.within(0, size))
        movie = [box for box in top if box.name == b"moov"]
        if not movie or not any(box.end > box.start for box in top if box.name == b"mdat"):
            return Length(damage="is damaged: an MP4 file has a moov and an mdat part, and this one has not")
        handlers = boxes.named(boxes.named(boxes.named(movie, b"trak"), b"mdia"), b"hdlr")
        if not any(boxes.content(handler, 12)[8:12] == b"vide" for handler in handlers):
            return Length(damage="holds no video: none of its tracks is one")
        return Length(next((_duration(boxes.content(box, 32)) for box in boxes.named(movie, b"mvhd")), None))
    except _BrokenError as error:
        return Length(damage=str(error))


def _duration(header: bytes) -> timedelta | None:
    wide = header[:1] == b"\x01"
    scale = int.from_bytes(header[20:24] if wide else header[12:16], "big")
    units = int.from_bytes(header[24:32] if wide else header[16:20], "big")
    if not scale or not 0 < units <= scale * _DURATION_MAX_SECONDS:
        return None  # a fragmented clip states none
    return timedelta(seconds=units / scale)
