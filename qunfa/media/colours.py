"""A picture's pixels as WeChat shows them: 8 bits, sRGB, with no metadata left."""

import io
from typing import Final

from PIL import Image, ImageCms

WHITE: Final = (255, 255, 255)
_OPAQUE: Final = 255
_DEEP: Final = ("I", "I;16", "I;16L", "I;16B", "I;16N", "F")


def plain(image: Image.Image) -> tuple[Image.Image, list[str]]:
    """The picture in mode L, RGB or RGBA with no metadata, and what that took."""
    notes = []
    profile = image.info.get("icc_profile")
    transparent = image.has_transparency_data
    if image.mode.startswith(_DEEP):
        image, transparent = _eight_bits(image), False
        notes.append("reduced to 8 bits")
    converted = _srgb(image, profile) if isinstance(profile, bytes) else None
    if converted is not None:
        image = converted
        notes.append("colours converted to sRGB")
    wanted = "RGBA" if transparent else "L" if image.mode in {"L", "1"} else "RGB"
    if image.mode == "CMYK":
        notes.append("converted from CMYK")
    if image.mode != wanted:
        image = image.convert(wanted)
    if image.mode == "RGBA" and image.getchannel("A").getextrema() == (_OPAQUE, _OPAQUE):
        image = image.convert("RGB")
    image.info.clear()
    return image, notes


def flattened(image: Image.Image) -> Image.Image:
    """A transparent picture on white."""
    ground = Image.new("RGB", image.size, WHITE)
    ground.paste(image, mask=image.getchannel("A"))
    return ground


def scaled(image: Image.Image, size: tuple[int, int]) -> Image.Image:
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
