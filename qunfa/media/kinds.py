"""What a file is, by its first bytes and never by its name."""

from enum import StrEnum
from typing import Final, Self

HEAD_BYTES: Final = 4096
"""As much of a file as `sniff` looks at."""


class Kind(StrEnum):
    """What a file holds, as a person would say."""

    PICTURE = "picture"
    SOUND = "recording"
    VIDEO = "video"
    OTHER = "other"


class Format(StrEnum):
    """A file format. `label` is how sentences call it."""

    label: str
    kind: Kind

    def __new__(cls, value: str, label: str, kind: Kind) -> Self:
        """A member whose value is its short name."""
        member = str.__new__(cls, value)
        member._value_, member.label, member.kind = value, label, kind
        return member

    PNG = "png", "PNG", Kind.PICTURE
    JPEG = "jpeg", "JPEG", Kind.PICTURE
    GIF = "gif", "GIF", Kind.PICTURE
    BMP = "bmp", "BMP", Kind.PICTURE
    WEBP = "webp", "WebP", Kind.PICTURE
    TIFF = "tiff", "TIFF", Kind.PICTURE
    AVIF = "avif", "AVIF", Kind.PICTURE
    HEIC = "heic", "HEIC", Kind.PICTURE
    MP3 = "mp3", "MP3", Kind.SOUND
    AMR = "amr", "AMR", Kind.SOUND
    AMR_WB = "amr-wb", "AMR wideband", Kind.SOUND
    AAC = "aac", "AAC", Kind.SOUND
    M4A = "m4a", "M4A", Kind.SOUND
    WAV = "wav", "WAV", Kind.SOUND
    FLAC = "flac", "FLAC", Kind.SOUND
    OGG = "ogg", "Ogg", Kind.SOUND
    MP4 = "mp4", "MP4", Kind.VIDEO
    QUICKTIME = "quicktime", "QuickTime", Kind.VIDEO
    THREE_GP = "3gp", "3GP", Kind.VIDEO
    AVI = "avi", "AVI", Kind.VIDEO
    ASF = "asf", "Windows Media", Kind.VIDEO
    MATROSKA = "matroska", "Matroska or WebM", Kind.VIDEO
    PDF = "pdf", "PDF", Kind.OTHER
    ZIP = "zip", "ZIP", Kind.OTHER
    TEXT = "text", "text", Kind.OTHER
    EMPTY = "empty", "empty", Kind.OTHER
    UNKNOWN = "unknown", "of an unknown format", Kind.OTHER


_SIGNATURES: Final = (
    (b"\x89PNG\r\n\x1a\n", Format.PNG),
    (b"\xff\xd8\xff", Format.JPEG),
    (b"GIF87a", Format.GIF),
    (b"GIF89a", Format.GIF),
    (b"II*\0", Format.TIFF),
    (b"MM\0*", Format.TIFF),
    (b"ID3", Format.MP3),
    (b"#!AMR\n", Format.AMR),
    (b"#!AMR-WB\n", Format.AMR_WB),
    (b"fLaC", Format.FLAC),
    (b"OggS", Format.OGG),
    (b"\x30\x26\xb2\x75\x8e\x66\xcf\x11", Format.ASF),
    (b"\x1a\x45\xdf\xa3", Format.MATROSKA),
    (b"%PDF-", Format.PDF),
    (b"PK\x03\x04", Format.ZIP),
)
_RIFF: Final = {b"WEBP": Format.WEBP, b"WAVE": Format.WAV, b"AVI ": Format.AVI}
_BRANDS: Final = {
    b"qt  ": Format.QUICKTIME,
    b"M4A ": Format.M4A,
    b"M4B ": Format.M4A,
    b"avif": Format.AVIF,
    b"avis": Format.AVIF,
    b"heic": Format.HEIC,
    b"heix": Format.HEIC,
    b"hevc": Format.HEIC,
    b"mif1": Format.HEIC,
    b"msf1": Format.HEIC,
}
_BMP_HEADERS: Final = frozenset({12, 16, 40, 52, 56, 64, 108, 124})
_SYNC: Final = (0xFF, 0xE0)
"""Set bits that begin a frame of MPEG sound."""
_TEXT_CONTROLS: Final = frozenset(b"\t\n\f\r\x1b")


def sniff(head: bytes) -> Format:
    """The format that a file's first `HEAD_BYTES` promise; whether the rest keeps it is for a decoder to say."""
    if not head:
        return Format.EMPTY
    for signature, found in _SIGNATURES:
        if head.startswith(signature):
            return found
    if head[:4] == b"RIFF":
        return _RIFF.get(head[8:12], Format.UNKNOWN)
    if head[4:8] == b"ftyp":
        return Format.THREE_GP if head[8:11] in {b"3gp", b"3g2"} else _BRANDS.get(head[8:12], Format.MP4)
    if head[:2] == b"BM" and int.from_bytes(head[14:18], "little") in _BMP_HEADERS:
        return Format.BMP
    if head[0] == _SYNC[0] and len(head) > 1 and head[1] & _SYNC[1] == _SYNC[1]:
        return {0x02: Format.MP3, 0x00: Format.AAC}.get(head[1] & 0x06, Format.UNKNOWN)
    return Format.TEXT if _is_text(head) else Format.UNKNOWN


def _is_text(head: bytes) -> bool:
    if any(byte < 0x20 and byte not in _TEXT_CONTROLS for byte in head):  # noqa: PLR2004 - below it are the controls
        return False
    try:
        head.decode()
    except UnicodeDecodeError as error:
        return error.start > HEAD_BYTES - 4 and error.end >= len(head)  # cut within a character
    return True
