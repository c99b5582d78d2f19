"""A PNG file decompressed to its end, piece by piece, so that its size in memory never matters."""

import zlib
from dataclasses import dataclass
from typing import BinaryIO, Final

CHUNKS_MAX: Final = 100_000
_PIECE: Final = 65_536
_SIGNATURE_BYTES: Final = 8
_CHANNELS: Final = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}
_DEPTHS: Final = {0: (1, 2, 4, 8, 16), 2: (8, 16), 3: (1, 2, 4, 8), 4: (8, 16), 6: (8, 16)}
_FILTERS: Final = 5
_INTERLACED: Final = ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2))


class PngError(Exception):
    """The file is no sound PNG; the message says why."""


@dataclass(frozen=True, slots=True)
class PngHeader:
    """The first chunk of a PNG file."""

    width: int
    height: int
    bits: int
    interlaced: bool

    def stride(self, width: int) -> int:
        """Bytes of a row of `width` pixels, with its filter type."""
        return 1 + (width * self.bits + 7) // 8

    @property
    def raw_bytes(self) -> int:
        """What all rows are, uncompressed."""
        if not self.interlaced:
            return self.height * self.stride(self.width)
        passes = (((self.width - x + dx - 1) // dx, (self.height - y + dy - 1) // dy) for x, y, dx, dy in _INTERLACED)
        return sum(rows * self.stride(columns) for columns, rows in passes if columns and rows)


def png_header(file: BinaryIO) -> PngHeader:
    """The header, read from the beginning of the file.

    Raises:
        PngError: There is none that the standard allows.
    """
    file.seek(_SIGNATURE_BYTES)
    chunk = file.read(25)
    if len(chunk) < 25 or chunk[:8] != b"\0\0\0\rIHDR":  # noqa: PLR2004 - the header chunk's length
        raise PngError("is damaged: it has no PNG header")
    width, height = int.from_bytes(chunk[8:12], "big"), int.from_bytes(chunk[12:16], "big")
    depth, colour, compression, filtering, interlace = chunk[16:21]
    allowed = depth in _DEPTHS.get(colour, ()) and not compression and not filtering and interlace in {0, 1}
    if not width or not height or not allowed:
        raise PngError("is damaged: its PNG header is none that the standard allows")
    return PngHeader(width, height, depth * _CHANNELS[colour], bool(interlace))


class _Pixels:
    """Counts what the compressed data holds, and looks at the filter type of every row."""

    def __init__(self, header: PngHeader) -> None:
        self._wanted = header.raw_bytes
        self._stride = 0 if header.interlaced else header.stride(header.width)
        self._inflate = zlib.decompressobj()
        self._seen = 0

    @property
    def complete(self) -> bool:
        return self._seen >= self._wanted

    def feed(self, data: bytes) -> None:
        while data and not self.complete and not self._inflate.eof:
            try:
                raw = self._inflate.decompress(data, _PIECE)
            except zlib.error:
                raise PngError("is damaged: its pixels cannot be decompressed") from None
            self._look_at(raw[: self._wanted - self._seen])
            data = self._inflate.unconsumed_tail

    def _look_at(self, raw: bytes) -> None:
        if self._stride and any(kind >= _FILTERS for kind in raw[-self._seen % self._stride :: self._stride]):
            raise PngError("is damaged: its pixels make no sense")
        self._seen += len(raw)


def read_pixels(file: BinaryIO, header: PngHeader) -> bool:
    """Reads the file to its end; whether it is animated (APNG).

    Raises:
        PngError: It is cut off or damaged.
    """
    pixels, animated = _Pixels(header), False
    file.seek(_SIGNATURE_BYTES)
    for _ in range(CHUNKS_MAX):
        head = file.read(8)
        length, name = int.from_bytes(head[:4], "big"), head[4:]
        if len(head) < 8 or length > 2**31 - 1:  # noqa: PLR2004 - a chunk's length and name
            raise PngError("is cut off: it ends before its last part")
        first = _read_chunk(file, name, length, pixels)
        if name == b"acTL":
            animated = int.from_bytes(first[:4], "big") > 1
        if name == b"IEND":
            if not pixels.complete:
                raise PngError("is damaged: it holds fewer pixels than its header says")
            return animated
    raise PngError(f"is damaged: it has more than {CHUNKS_MAX:,} parts")


def _read_chunk(file: BinaryIO, name: bytes, length: int, pixels: _Pixels) -> bytes:
    """The first bytes of a chunk, which is read to its end; pixels go where they belong."""
    checksum, first, left = zlib.crc32(name), b"", length
    while left:
        piece = file.read(min(left, _PIECE))
        if not piece:
            raise PngError("is cut off: it ends before its last part")
        checksum, left, first = zlib.crc32(piece, checksum), left - len(piece), first or piece[:8]
        if name == b"IDAT":
            pixels.feed(piece)
    stated = file.read(4)
    critical = not name[0] & 0x20
    if critical and int.from_bytes(stated, "big") != checksum:
        raise PngError("is cut off or damaged: a checksum in it is wrong")
    return first
