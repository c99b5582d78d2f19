"""What a file is: its format by its first bytes, its size, and whether it can be decoded."""

import struct
import warnings
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from pathlib import Path
from typing import BinaryIO, Final, Self

from PIL import Image, UnidentifiedImageError

from qunfa.media.recordings import amr_length, mp3_length, mp4_length

HEAD_BYTES: Final = 4096
"""As much of a file as `sniff` looks at."""
_BMP_HEADERS: Final = frozenset({12, 16, 40, 52, 56, 64, 108, 124})
_SYNC: Final = (0xFF, 0xE0)
"""Set bits that begin a frame of MPEG sound."""
_TEXT_CONTROLS: Final = frozenset(b"\t\n\f\r\x1b")
PIXELS_MAX: Final = 50_000_000
"""A picture with more pixels is not decoded: a few kilobytes could otherwise fill the memory."""
FRAME_PIXELS_MAX: Final = 20_000_000
"""Pixels of an animation that are decoded, in all; the first frame always is."""
FRAMES_MAX: Final = 500
"""Frames of an animation that are decoded, however small."""
_SCALE: Final = 8
_BOMBS: Final = (Image.DecompressionBombError, Image.DecompressionBombWarning)
# What Pillow raises for bytes that are none of the format: each decoder has its own ways.
_UNREADABLE: Final = (
    OSError, SyntaxError, ValueError, EOFError, TypeError, LookupError, RuntimeError, OverflowError, struct.error,
    zlib.error,
)  # fmt: skip


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
    TEXT = "text", "plain text", Kind.OTHER
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


# Pillow only warns of a picture that is a little too large for it. Anywhere in this process, that is an error.
warnings.simplefilter("error", Image.DecompressionBombWarning)

DECODED: Final = frozenset({Format.PNG, Format.JPEG, Format.GIF, Format.BMP})
"""The formats that are decoded in order to look at them."""


class UnreadableError(Exception):
    """The picture cannot be decoded; the message says why, as the rest of a sentence."""


@dataclass(frozen=True, slots=True)
class MediaFacts:
    """What a file is.

    `size` is in bytes. `width` and `height` are pixels as stored, before any EXIF orientation, and known for PNG, JPEG,
    GIF and BMP; of a GIF they are those of all decoded frames together. `duration` is known for MP3, AMR and MP4 where
    the file says or shows it; for very long recordings it is a lower bound, beyond every limit. `animated` is known for
    GIF and PNG. `damage` says what keeps the file from being used, though its first bytes promise the format; None for
    a sound one, and for formats that nobody decodes.
    """

    format: Format
    size: int
    width: int | None = None
    height: int | None = None
    animated: bool = False
    duration: timedelta | None = None
    damage: str | None = None

    @property
    def kind(self) -> Kind:
        """Picture, sound, video or other."""
        return self.format.kind


def inspect(path: Path) -> MediaFacts:
    """The facts of a file, by its content. It never raises for what the file holds.

    A header proves nothing, so pictures are decoded to their end: a JPEG at an eighth of its size, which still reads
    all of its data. Sounds are counted frame by frame. Of a video the structure is read.

    Raises:
        OSError: The file cannot be read.
    """
    with path.open("rb") as file:
        size = file.seek(0, 2)
        file.seek(0)
        found = sniff(file.read(HEAD_BYTES))
        if found in DECODED:
            return _picture(file, found, size)
        lengths = {Format.MP3: mp3_length, Format.AMR: amr_length, Format.MP4: mp4_length}
        if found in lengths:
            length = lengths[found](file, size)
            return MediaFacts(found, size, duration=length.duration, damage=length.damage)
    return MediaFacts(found, size)


def _picture(file: BinaryIO, found: Format, size: int) -> MediaFacts:
    width = height = None
    animated, damage = False, None
    try:
        if found is Format.PNG:
            with opened(file, found) as image:
                width, height = image.size
                refuse_bomb(width, height)
                image.verify()  # the checksums of all its parts, which decoding passes over
        with opened(file, found) as image:
            width, height = image.size
            refuse_bomb(width, height)
            if found is Format.JPEG:
                image.draft(image.mode, (max(width // _SCALE, 1), max(height // _SCALE, 1)))
            image.load()
            animated = found is Format.PNG and bool(getattr(image, "is_animated", False))
            if found is Format.GIF:
                animated = _play(image)
                width, height = image.size
                refuse_bomb(width, height)
    except UnreadableError as error:
        damage = str(error)
    return MediaFacts(found, size, width, height, animated=animated, damage=damage)


def _play(image: Image.Image) -> bool:
    """Whether there are several frames; as many as the bounds allow are decoded. Each may enlarge the picture."""
    pixels = image.width * image.height
    for frame in range(1, FRAMES_MAX):
        try:
            image.seek(frame)
        except EOFError:
            return frame > 1
        pixels += image.width * image.height
        if pixels > FRAME_PIXELS_MAX:
            break
        image.load()
    return True


@contextmanager
def opened(source: BinaryIO | Path, stated: Format) -> Iterator[Image.Image]:
    """A picture of the stated format, opened by Pillow.

    Raises:
        UnreadableError: Its bytes are bad, which may be found as late as the end of the block.
    """
    with decoding():
        if not isinstance(source, Path):
            source.seek(0)
        with Image.open(source, formats=[stated.upper()]) as image:
            yield image


@contextmanager
def decoding() -> Iterator[None]:
    """Turns all that Pillow raises for bad bytes into one error.

    Raises:
        UnreadableError: The bytes are bad.
    """
    try:
        yield
    except _BOMBS:
        raise UnreadableError(f"has far more than the {PIXELS_MAX:,} pixels that are decoded at most") from None
    except UnidentifiedImageError:
        raise UnreadableError("is damaged: it begins like a picture and is none") from None
    except MemoryError:
        raise UnreadableError("is too large to be decoded in the memory there is") from None
    except _UNREADABLE as error:
        raise UnreadableError(
            "is cut off" if "truncated" in str(error).lower() else "is damaged: it cannot be decoded"
        ) from None


def refuse_bomb(width: int, height: int, most: int = PIXELS_MAX) -> None:
    """Looks at the number of pixels.

    Raises:
        UnreadableError: There are more than `most`.
    """
    if width * height > most:
        raise UnreadableError(
            f"has {width:,} × {height:,} pixels; more than {most:,} in all are not decoded: scale it down"
        )
