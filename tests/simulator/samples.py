"""Small files of every format, made here byte by byte."""

import zlib
from collections.abc import Iterator


def _chunk(kind: bytes, data: bytes) -> bytes:
    return len(data).to_bytes(4, "big") + kind + data + zlib.crc32(kind + data).to_bytes(4, "big")


PNG = (
    b"\x89PNG\r\n\x1a\n"
    + _chunk(b"IHDR", b"\x00\x00\x00\x01\x00\x00\x00\x01\x08\x00\x00\x00\x00")
    + _chunk(b"IDAT", zlib.compress(b"\x00\x80"))
    + _chunk(b"IEND", b"")
)
JPG = b"\xff\xd8\xff\xe0\x00\x10JFIF\x00\x01\x01\x00\x00\x01\x00\x01\x00\x00\xff\xd9"
GIF = b"GIF89a" + bytes.fromhex("01000100800000000000ffffff2c00000000010001000002024401003b")
BMP = b"BM" + bytes(56)
MP4 = b"\x00\x00\x00\x18ftypisom\x00\x00\x02\x00isomavc1" + b"\x00\x00\x00\x08mdat"
MOV = b"\x00\x00\x00\x14ftypqt  \x00\x00\x02\x00qt  " + b"\x00\x00\x00\x08mdat"
TEXT = b"This is no picture, whatever its name says."


def amr(seconds: float) -> bytes:
    """AMR at 12.2 kbit/s: frames of 32 bytes and 20 ms."""
    return b"#!AMR\n" + (b"\x3c" + bytes(31)) * round(seconds * 50)


def mp3(seconds: float, *, tag: bytes = b"") -> bytes:
    """MP3 at 8 kbit/s and 16 kHz, which is MPEG-2: frames of 36 bytes and 36 ms, after an ID3 tag if one is given."""
    head = b"ID3\x04\x00\x00" + bytes((len(tag) >> shift) & 0x7F for shift in (21, 14, 7, 0)) + tag if tag else b""
    return head + (b"\xff\xf3\x18\xc4" + bytes(32)) * round(seconds / 0.036)


def mp3_cd(frames: int) -> bytes:
    """MP3 at 128 kbit/s and 44.1 kHz, which is MPEG-1: frames of 417 or 418 bytes and 26.12 ms."""
    return b"".join(_cd_frames(frames))


def _cd_frames(frames: int) -> Iterator[bytes]:
    for n in range(frames):
        padded = n % 2
        yield b"\xff\xfb" + bytes([0x90 | padded << 1]) + b"\xc4" + bytes(417 + padded - 4)


def padded(file: bytes, size: int) -> bytes:
    return file + bytes(size - len(file))
