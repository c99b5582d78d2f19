"""Pictures made to fit what WeChat takes (`fit_images`)."""

import contextlib
import hashlib
import io
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from PIL import Image, ImageCms, ImageOps

from qunfa.media.facts import (
    PIXELS_MAX,
    Format,
    Kind,
    MediaFacts,
    UnreadableError,
    decoding,
    inspect,
    opened,
    refuse_bomb,
)  # fmt: skip
from qunfa.media.limits import LIMITS, WHOLE_PIXELS_MAX, Limit, Use, check, is_doubtful

QUALITIES: Final = (92, 86, 80, 74, 68)
SCALED_QUALITY: Final = 80
PNG_PIXELS_MAX: Final = 4_000_000
"""A transparent picture with more pixels is flattened rather than kept as PNG."""
JPEG_EDGE_MAX: Final = 65_500
_WHITE: Final = (255, 255, 255)
_OPAQUE: Final = 255
_DEEP: Final = ("I", "I;16", "I;16L", "I;16B", "I;16N", "F")


class CannotFitError(Exception):
    """No picture that WeChat takes can be made of the file; the message says why, as the rest of a sentence."""


@dataclass(frozen=True, slots=True)
class Fitted:
    """A file that fits; `sha256` is of its content, in lower-case hexadecimal."""

    path: Path
    size: int
    sha256: str


def fit(path: Path, use: Use, into: Path) -> Fitted:
    """A picture that passes `check` without a doubt: the file itself where it fits, else a new one in `into`.

    What is re-encoded is upright (EXIF orientation applied), 8-bit sRGB without metadata. Transparency is kept where a
    PNG of it fits, and shown on white otherwise. JPEG quality goes down first, then width and height together. The same
    file gives the same bytes with the same version of Pillow. It takes some seconds at most, and 16 bytes of memory for
    each of `WHOLE_PIXELS_MAX` pixels.

    Raises:
        CannotFitError: It is no picture, damaged, animated, or in a format that cannot be decoded here.
        OSError: A file cannot be read or written.
    """
    facts = inspect(path)
    if not check(facts, use, "") and not is_doubtful(facts, use):
        with path.open("rb") as file:
            return Fitted(path, facts.size, hashlib.file_digest(file, "sha256").hexdigest())
    _refuse(facts, LIMITS[use])
    data = _made_to_fit(path, facts.format, LIMITS[use])
    digest = hashlib.sha256(data).hexdigest()
    result = into / digest
    result.write_bytes(data)
    return Fitted(result, len(data), digest)


def _refuse(facts: MediaFacts, limit: Limit) -> None:
    if not limit.fit_bytes:
        raise CannotFitError(f"only pictures can be made to fit, not {limit.title}")
    if facts.kind is not Kind.PICTURE:
        raise CannotFitError("is no picture, so it cannot be made to fit")
    if facts.format in {Format.HEIC, Format.TIFF}:
        raise CannotFitError(f"is a {facts.format.label} picture, which is not decoded here: export it as JPEG")
    if facts.damage:
        raise CannotFitError(facts.damage)


def _made_to_fit(path: Path, stated: Format, limit: Limit) -> bytes:
    try:
        with opened(path, stated) as image:
            _load(image, stated, limit)
            picture = _plain(image)
    except UnreadableError as error:
        raise CannotFitError(str(error)) from None
    if picture.mode == "RGBA":
        kept = _png(picture, limit)
        if kept is not None:
            return kept
        picture = _flattened(picture)
    return _jpeg_within(_scaled_to(picture, limit.fit_pixels), limit.fit_bytes)


def _load(image: Image.Image, stated: Format, limit: Limit) -> None:
    """Decodes the picture, upright. A JPEG that is too large comes out at 1/2, 1/4 or 1/8 of its size."""
    width, height = image.size
    refuse_bomb(width, height, PIXELS_MAX if stated is Format.JPEG else WHOLE_PIXELS_MAX)
    # A JPEG with several pictures in it (a phone's depth map) is "MPO" to Pillow, and any JPEG to everybody else.
    if getattr(image, "is_animated", False) and stated is not Format.JPEG:
        raise CannotFitError("is animated, and re-encoding would lose all but its first picture: make it smaller")
    factor = math.sqrt(limit.fit_pixels / (width * height))
    if factor < 1:
        image.draft(image.mode, (math.ceil(width * factor), math.ceil(height * factor)))
    image.load()
    with contextlib.suppress(UnreadableError), decoding():  # an orientation that cannot be read is none
        ImageOps.exif_transpose(image, in_place=True)


def _scaled_to(picture: Image.Image, pixels: int) -> Image.Image:
    """The picture with at most so many pixels and no edge that JPEG cannot have."""
    factor = min(math.sqrt(pixels / (picture.width * picture.height)), JPEG_EDGE_MAX / max(picture.size))
    return picture if factor >= 1 else _scaled(picture, _times(picture.size, factor))


def _times(size: tuple[int, int], factor: float) -> tuple[int, int]:
    return max(int(size[0] * factor), 1), max(int(size[1] * factor), 1)


def _png(picture: Image.Image, limit: Limit) -> bytes | None:
    if Format.PNG not in limit.formats or picture.width * picture.height > PNG_PIXELS_MAX:
        return None
    made = io.BytesIO()
    picture.save(made, "PNG")
    return made.getvalue() if made.tell() <= limit.fit_bytes else None


def _jpeg_within(picture: Image.Image, most: int) -> bytes:
    data = b""
    for quality in QUALITIES:
        data = _jpeg(picture, quality)
        if len(data) <= most:
            return data
    factor = 1.0
    while len(data) > most:
        factor *= min(math.sqrt(most / len(data)) * 0.97, 0.9)
        data = _jpeg(_scaled(picture, _times(picture.size, factor)), SCALED_QUALITY)
    return data


def _jpeg(picture: Image.Image, quality: int) -> bytes:
    made = io.BytesIO()
    picture.save(made, "JPEG", quality=quality, optimize=True)
    return made.getvalue()


def _plain(image: Image.Image) -> Image.Image:
    """The picture as WeChat shows it: 8 bits, sRGB, mode L, RGB or RGBA, no metadata."""
    profile = image.info.get("icc_profile")
    transparent = image.has_transparency_data
    if image.mode.startswith(_DEEP):
        image, transparent = _eight_bits(image), False
    if isinstance(profile, bytes):
        image = _srgb(image, profile) or image
    wanted = "RGBA" if transparent else "L" if image.mode in {"L", "1"} else "RGB"
    if image.mode != wanted:
        image = image.convert(wanted)
    if image.mode == "RGBA" and image.getchannel("A").getextrema() == (_OPAQUE, _OPAQUE):
        image = image.convert("RGB")
    image.info.clear()
    return image


def _flattened(image: Image.Image) -> Image.Image:
    """A transparent picture on white."""
    ground = Image.new("RGB", image.size, _WHITE)
    ground.paste(image, mask=image.getchannel("A"))
    return ground


def _scaled(image: Image.Image, size: tuple[int, int]) -> Image.Image:
    """The picture in another size; what is transparent bleeds no colour into what is not."""
    if image.mode == "RGBA":
        return image.convert("RGBa").resize(size, Image.Resampling.LANCZOS, reducing_gap=2.0).convert("RGBA")
    return image.resize(size, Image.Resampling.LANCZOS, reducing_gap=2.0)


def _eight_bits(image: Image.Image) -> Image.Image:
    """Greyscale of 16 or 32 bits: what exceeds 8 bits is scaled down, not cut off."""
    values = image.convert("F")
    peak = values.getextrema()[1]
    deep = image.mode.startswith("I;16") or (isinstance(peak, float) and peak > _OPAQUE)
    factor = 1 / 257 if deep else 1.0
    return values.point(lambda value: value * factor).convert("L")


def _srgb(image: Image.Image, profile: bytes) -> Image.Image | None:
    """The picture in sRGB, or None where its profile says nothing else or cannot be used."""
    if image.mode not in {"RGB", "RGBA", "CMYK", "L"}:
        return None
    try:
        source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        if "srgb" in ImageCms.getProfileDescription(source).casefold():
            return None
        mode = "RGBA" if image.mode == "RGBA" else "RGB"
        return ImageCms.profileToProfile(image, source, ImageCms.createProfile("sRGB"), outputMode=mode)
    except (ImageCms.PyCMSError, OSError, ValueError, TypeError):
        return None
