"""Recordings and clips made by hand: frames and boxes with valid headers, and nothing to hear or see."""

from collections.abc import Iterable

FRAME_SECONDS = 1152 / 44_100
"""What one frame of MPEG-1 layer III at 44.1 kHz plays."""
_BITRATES = (0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320)
_AMR_SIZES = (13, 14, 16, 18, 20, 21, 27, 32, 6)


def mp3_frame(kilobits: int = 128, content: bytes = b"") -> bytes:
    """A frame of MPEG-1 layer III, 44.1 kHz."""
    size = 144 * kilobits * 1000 // 44_100
    return (bytes((0xFF, 0xFB, _BITRATES.index(kilobits) << 4, 0)) + content).ljust(size, b"\0")


def mp3_frames(seconds: float = 3, kilobits: Iterable[int] = (32,)) -> bytes:
    """Frames for so long, with the bit rates in turn: several make a variable bit rate."""
    rates = tuple(kilobits)
    return b"".join(mp3_frame(rates[number % len(rates)]) for number in range(round(seconds / FRAME_SECONDS)))


def xing(frames: int) -> bytes:
    """The frame that only states how many others follow."""
    return mp3_frame(128, b"\0" * 32 + b"Xing" + b"\0\0\0\x01" + frames.to_bytes(4, "big"))


def id3(content: bytes) -> bytes:
    length = len(content)
    return b"ID3\x04\0\0" + bytes(length >> shift & 0x7F for shift in (21, 14, 7, 0)) + content


def amr(seconds: float = 3, modes: Iterable[int] = (7,)) -> bytes:
    """An AMR narrowband recording whose frames have these types in turn."""
    types = tuple(modes)
    frames = (types[number % len(types)] for number in range(round(seconds / 0.02)))
    return b"#!AMR\n" + b"".join(bytes((kind << 3 | 4,)).ljust(_AMR_SIZES[kind], b"\0") for kind in frames)


def box(name: bytes, *content: bytes) -> bytes:
    whole = b"".join(content)
    return (len(whole) + 8).to_bytes(4, "big") + name + whole


def mp4(
    seconds: float = 5, *, handlers: Iterable[bytes] = (b"vide", b"soun"), brand: bytes = b"isom", size: int = 0
) -> bytes:
    """A clip with these tracks; with `size`, filled up to exactly so many bytes."""
    header = box(b"mvhd", bytes(12), (1000).to_bytes(4, "big"), round(seconds * 1000).to_bytes(4, "big"), bytes(80))
    tracks = (
        box(b"trak", box(b"tkhd", bytes(84)), box(b"mdia", box(b"hdlr", bytes(8), handler, bytes(13))))
        for handler in handlers
    )
    start = box(b"ftyp", brand, bytes(4), b"isommp42") + box(b"moov", header, *tracks)
    return start + box(b"mdat", bytes(max(size - len(start) - 8, 64)))
