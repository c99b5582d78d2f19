"""What a file is, told by its first bytes and not by its name or by what the client says."""

from __future__ import annotations

from typing import Literal

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
