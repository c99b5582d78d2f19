"""Pictures judged by decoding them, in bounded memory.

A header proves nothing: a file is a picture when its pixels can be read to the end. PNG is decompressed piece by piece,
JPEG is decoded at an eighth of its size (all of its data is read all the same), GIF and BMP as they are. How many
pixels there are is looked at before any of them is decoded.
"""

import struct
import warnings
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import BinaryIO, Final

from PIL import Image, UnidentifiedImageError

from qunfa.media.kinds import Format
from qunfa.media.limits import PIXELS_MAX
from qunfa.media.png import PngError, png_header, read_pixels

# Pillow only warns of a picture that is a little too large for it. Anywhere in this process, that is an error.
warnings.simplefilter("error", Image.DecompressionBombWarning)

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


class UnreadableError(Exception):
    """The picture cannot be decoded; the message says why, as the rest of a sentence."""


@dataclass(frozen=True, slots=True)
class PictureFacts:
    """What decoding showed. `width` and `height` are pixels as stored, None where no header could be read."""

    width: int | None = None
    height: int | None = None
    animated: bool = False
    damage: str | None = None


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
            "is cut off" if "truncated" in str(error) else "is damaged: it cannot be decoded"
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


def picture_facts(file: BinaryIO, stated: Format) -> PictureFacts:
    """The facts of a PNG, JPEG, GIF or BMP file, which is decoded to its end."""
    return _png_facts(file) if stated is Format.PNG else _pillow_facts(file, stated)


def _png_facts(file: BinaryIO) -> PictureFacts:
    try:
        header = png_header(file)
    except PngError as error:
        return PictureFacts(damage=str(error))
    try:
        refuse_bomb(header.width, header.height)
        animated = read_pixels(file, header)
    except (PngError, UnreadableError) as error:
        return PictureFacts(header.width, header.height, damage=str(error))
    return PictureFacts(header.width, header.height, animated=animated)


def _pillow_facts(file: BinaryIO, stated: Format) -> PictureFacts:
    width = height = None
    animated = False
    try:
        file.seek(0)
        with decoding(), Image.open(file, formats=[stated.upper()]) as image:
            width, height = image.size
            refuse_bomb(width, height)
            if stated is Format.JPEG:
                image.draft(image.mode, (max(width // _SCALE, 1), max(height // _SCALE, 1)))
            image.load()
            if stated is Format.GIF:
                animated = _play(image)
    except UnreadableError as error:
        return PictureFacts(width, height, animated=animated, damage=str(error))
    return PictureFacts(width, height, animated=animated)


def _play(image: Image.Image) -> bool:
    """Whether there are several frames; as many as the bound allows are decoded."""
    pixels = image.width * image.height
    for frame in range(1, min(FRAME_PIXELS_MAX // pixels, FRAMES_MAX)):
        try:
            image.seek(frame)
        except EOFError:
            return frame > 1
        image.load()
    return bool(getattr(image, "is_animated", False))
