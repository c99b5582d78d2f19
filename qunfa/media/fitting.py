"""Pictures made to fit what WeChat takes (`fit_images`)."""

import hashlib
import io
import math
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from PIL import Image, ImageOps

from qunfa.media.checks import check
from qunfa.media.colours import flattened, plain, scaled
from qunfa.media.decoding import UnreadableError, decoding, refuse_bomb
from qunfa.media.facts import MediaFacts, inspect
from qunfa.media.kinds import Format, Kind
from qunfa.media.limits import LIMITS, PIXELS_MAX, WHOLE_PIXELS_MAX, Limit, Use

QUALITIES: Final = (92, 86, 80, 74, 68)
SCALED_QUALITY: Final = 80
PNG_PIXELS_MAX: Final = 4_000_000
"""A transparent picture with more pixels is flattened rather than kept as PNG."""
JPEG_EDGE_MAX: Final = 65_500
ORIENTATION: Final = 0x0112
"""EXIF's tag."""
_TRANSPOSED: Final = range(5, 9)


class CannotFitError(Exception):
    """No picture that WeChat takes can be made of the file; the message says why, as the rest of a sentence."""


@dataclass(frozen=True, slots=True)
class Fitted:
    """A file that fits. `sha256` is of its content, in hexadecimal; `note` says what was changed, None for nothing."""

    path: Path
    size: int
    sha256: str
    format: Format
    note: str | None = None


def fit(path: Path, use: Use, into: Path) -> Fitted:
    """A picture that passes `check` for this use: the file itself where it fits, else a new one in the folder `into`.

    What is re-encoded is upright (EXIF orientation applied), 8-bit sRGB without metadata. Transparency is kept where a
    PNG of it fits, and shown on white otherwise. JPEG quality goes down first, then width and height together. The
    same file gives the same bytes with the same version of Pillow. It computes for up to some seconds, and needs
    up to 16 bytes of memory for each of at most `WHOLE_PIXELS_MAX` pixels: call it in a thread, or in a process of its
    own; its arguments and its result can be pickled.

    Raises:
        CannotFitError: It is no picture, damaged, animated, or in a format that cannot be decoded here.
        OSError: A file cannot be read or written.
    """
    facts = inspect(path)
    if not check(facts, use, ""):
        return Fitted(path, facts.size, _sha256(path), facts.format)
    _refuse(facts, LIMITS[use])
    data, made, notes = _made_to_fit(path, facts.format, LIMITS[use])
    digest = hashlib.sha256(data).hexdigest()
    result = into / f"{digest}.{'jpg' if made is Format.JPEG else made}"
    result.write_bytes(data)
    return Fitted(result, len(data), digest, made, f"{facts.format.label} re-encoded: {', '.join(notes)}")


def _refuse(facts: MediaFacts, limit: Limit) -> None:
    if not limit.fit_bytes:
        raise CannotFitError(f"only pictures can be made to fit, not {limit.title}")
    if facts.kind is not Kind.PICTURE:
        raise CannotFitError("is no picture, so it cannot be made to fit")
    if facts.format in {Format.HEIC, Format.TIFF}:
        raise CannotFitError(f"is a {facts.format.label} picture, which is not decoded here: export it as JPEG")
    if facts.damage:
        raise CannotFitError(facts.damage)


def _made_to_fit(path: Path, stated: Format, limit: Limit) -> tuple[bytes, Format, list[str]]:
    try:
        image, original = _decoded(path, stated, limit)
    except UnreadableError as error:
        raise CannotFitError(str(error)) from None
    with image:
        picture, notes = plain(image)
    if picture.mode == "RGBA":
        kept = _png(picture, limit)
        if kept is not None:
            return kept, Format.PNG, [*notes, "PNG"]
        picture = flattened(picture)
        notes.append("transparency shown on white")
    data, quality, size = _jpeg_within(_scaled_to(picture, limit.fit_pixels), limit.fit_bytes)
    if size != original:
        notes.append(f"scaled to {size[0]:,} × {size[1]:,}")
    return data, Format.JPEG, [*notes, f"JPEG of quality {quality}"]


def _decoded(path: Path, stated: Format, limit: Limit) -> tuple[Image.Image, tuple[int, int]]:
    """The picture, upright, and the size it has in the file, upright.

    A JPEG that is too large anyway comes out at a half, a quarter or an eighth of its size.
    """
    with ExitStack() as stack:
        with decoding():
            image = stack.enter_context(Image.open(path, formats=[stated.upper()]))
            animated = bool(getattr(image, "is_animated", False))
        width, height = image.size
        refuse_bomb(width, height, PIXELS_MAX if stated is Format.JPEG else WHOLE_PIXELS_MAX)
        # A JPEG with several pictures in it (a phone's depth map) is "MPO" to Pillow, and any JPEG to everybody else.
        if animated and stated is not Format.JPEG:
            raise CannotFitError("is animated, and re-encoding would lose all but its first picture: make it smaller")
        factor = math.sqrt(limit.fit_pixels / (width * height))
        with decoding():
            if factor < 1:
                image.draft(image.mode, (math.ceil(width * factor), math.ceil(height * factor)))
            image.load()
        transposed = _turn_upright(image)
        stack.pop_all()
    return image, (height, width) if transposed else (width, height)


def _turn_upright(image: Image.Image) -> bool:
    """Applies the EXIF orientation, where it can be read; whether width and height changed places."""
    try:
        with decoding():
            transposed = image.getexif().get(ORIENTATION) in _TRANSPOSED
            ImageOps.exif_transpose(image, in_place=True)
    except UnreadableError:
        return False
    return transposed


def _scaled_to(picture: Image.Image, pixels: int) -> Image.Image:
    """The picture with at most so many pixels and no edge that JPEG cannot have."""
    factor = min(math.sqrt(pixels / (picture.width * picture.height)), JPEG_EDGE_MAX / max(picture.size))
    return picture if factor >= 1 else scaled(picture, _times(picture.size, factor))


def _times(size: tuple[int, int], factor: float) -> tuple[int, int]:
    return max(int(size[0] * factor), 1), max(int(size[1] * factor), 1)


def _png(picture: Image.Image, limit: Limit) -> bytes | None:
    if Format.PNG not in limit.formats or picture.width * picture.height > PNG_PIXELS_MAX:
        return None
    made = io.BytesIO()
    picture.save(made, "PNG")
    return made.getvalue() if made.tell() <= limit.fit_bytes else None


def _jpeg_within(picture: Image.Image, most: int) -> tuple[bytes, int, tuple[int, int]]:
    data = b""
    for quality in QUALITIES:
        data = _jpeg(picture, quality)
        if len(data) <= most:
            return data, quality, picture.size
    factor = 1.0
    while len(data) > most:
        factor *= min(math.sqrt(most / len(data)) * 0.97, 0.9)
        smaller = scaled(picture, _times(picture.size, factor))
        data = _jpeg(smaller, SCALED_QUALITY)
    return data, SCALED_QUALITY, smaller.size


def _jpeg(picture: Image.Image, quality: int) -> bytes:
    made = io.BytesIO()
    picture.save(made, "JPEG", quality=quality, optimize=True)
    return made.getvalue()


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
