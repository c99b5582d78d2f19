"""What WeChat takes, by the endpoint that a file goes to; whether a file fits; pictures made to fit (`fit_images`).

| use | goes to | formats | at most |
|---|---|---|---|
| `image` | `media/upload` type `image` | PNG, JPEG, GIF | 10 MB |
| `voice` | `media/upload` type `voice` | MP3, AMR | 2 MB, 60 s |
| `video` | `media/upload` type `video` | MP4 | 10 MB |
| `thumb` | `media/upload` type `thumb` | JPEG | 64 KB |
| `cover` | `material/add_material` type `image` | PNG, JPEG, GIF, BMP | 10 MB |
| `picture` | `media/uploadimg` | PNG, JPEG | less than 1 MB |

`shown` goes to no endpoint: it is a picture of an article as people see it before a send, in at most 150 KB.
`thumb` is an article's cover for `media/uploadnews`, `cover` the one for `draft/add`. `draft/add` takes a permanent
image as well as a permanent thumb. The image is used, since 64 KB make a poor cover.
"""

import contextlib
import hashlib
import io
import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from pathlib import Path
from types import MappingProxyType
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

KB: Final = 1024
MB: Final = 1024 * KB
WHOLE_PIXELS_MAX: Final = 25_000_000
"""Re-encoding has a picture in memory as a whole, more than once; only a JPEG can be scaled while it is decoded."""
VOICE_SLACK: Final = timedelta(milliseconds=500)
"""What encoders add at both ends of a recording that was made to last exactly as long as it may."""
_HINT = "; `fit_images` would make it fit"
_FITTED = frozenset({Format.PNG, Format.JPEG, Format.GIF, Format.BMP, Format.WEBP, Format.AVIF})
QUALITIES: Final = (92, 86, 80, 74, 68)
SCALED_QUALITY: Final = 80
PNG_PIXELS_MAX: Final = 4_000_000
"""A transparent picture with more pixels is flattened rather than kept as PNG."""
JPEG_EDGE_MAX: Final = 65_500
_WHITE: Final = (255, 255, 255)
_OPAQUE: Final = 255
_DEEP: Final = ("I", "I;16", "I;16L", "I;16B", "I;16N", "F")


class Use(StrEnum):
    """What a file is uploaded as."""

    IMAGE = "image"
    VOICE = "voice"
    VIDEO = "video"
    THUMB = "thumb"
    COVER = "cover"
    PICTURE = "picture"
    SHOWN = "shown"


@dataclass(frozen=True, slots=True)
class Limit:
    """What one use takes.

    A picture that is made to fit gets at most `fit_bytes` and `fit_pixels`. `fit_bytes` is small enough whether WeChat
    counts in 1,000 or in 1,024. WeChat's pages say both 2 MB and 10 MB of an image message: it fits within the smaller.
    """

    title: str
    formats: tuple[Format, ...]
    bytes_max: int
    said: str
    duration_max: timedelta | None = None
    fit_bytes: int = 0
    fit_pixels: int = 0


_PNG, _JPEG, _GIF, _BMP = Format.PNG, Format.JPEG, Format.GIF, Format.BMP
LIMITS: Final[Mapping[Use, Limit]] = MappingProxyType({
    Use.IMAGE: Limit("an image message", (_PNG, _JPEG, _GIF), 10 * MB, "at most 10 MB",
                     fit_bytes=2_000_000, fit_pixels=16_000_000),
    Use.VOICE: Limit("a voice message", (Format.MP3, Format.AMR), 2 * MB, "at most 2 MB",
                     duration_max=timedelta(seconds=60)),
    Use.VIDEO: Limit("a video", (Format.MP4,), 10 * MB, "at most 10 MB"),
    Use.THUMB: Limit("an article's thumb", (_JPEG,), 64 * KB, "at most 64 KB",
                     fit_bytes=64_000, fit_pixels=1_000_000),
    Use.COVER: Limit("a draft's cover", (_PNG, _JPEG, _GIF, _BMP), 10 * MB, "at most 10 MB",
                     fit_bytes=10_000_000, fit_pixels=16_000_000),
    Use.PICTURE: Limit("a picture in an article", (_PNG, _JPEG), MB - 1, "less than 1 MB",
                       fit_bytes=1_000_000, fit_pixels=16_000_000),
    Use.SHOWN: Limit("a picture on a page", (_PNG, _JPEG, _GIF, _BMP), 150 * KB, "at most 150 KB",
                     fit_bytes=150_000, fit_pixels=2_000_000),
})  # fmt: skip


_PICTURES = frozenset({Use.IMAGE, Use.THUMB, Use.COVER, Use.PICTURE})


def check(facts: MediaFacts, use: Use, place: str) -> list[str]:
    """All that keeps WeChat from taking a file, one sentence each; empty where nothing is known against it.

    Each sentence begins with `place`: the field that names the file, such as `message.articles[2].thumb`.
    """
    return [f"{place}: {problem}" for problem in _problems(facts, use)]


def _problems(facts: MediaFacts, use: Use) -> list[str]:
    limit = LIMITS[use]
    if facts.format is Format.EMPTY:
        return ["is empty (0 bytes)"]
    hint = _HINT if use in _PICTURES and can_be_fitted(facts) else ""
    found = []
    if facts.format not in limit.formats:
        found.append(f"is {_called(facts)}; WeChat takes only {_either(limit.formats)} for {limit.title}{hint}")
    if facts.kind is not limit.formats[0].kind:
        return found
    if facts.damage:
        found.append(facts.damage)
    if facts.size > limit.bytes_max:
        found.append(f"is {_size(facts.size)}; WeChat takes {limit.said} for {limit.title}{hint}")
    return found + _too_long(facts, limit)


def can_be_fitted(facts: MediaFacts) -> bool:
    """Whether it is worth trying to re-encode a picture."""
    if facts.format not in _FITTED or facts.damage or facts.animated:
        return False
    return facts.format is Format.JPEG or (facts.width or 0) * (facts.height or 0) <= WHOLE_PIXELS_MAX


def is_doubtful(facts: MediaFacts, use: Use) -> bool:
    """Whether a picture that `check` lets pass exceeds the smaller of WeChat's two limits, and can be fitted."""
    return use is Use.IMAGE and facts.size > LIMITS[use].fit_bytes and can_be_fitted(facts)


def _too_long(facts: MediaFacts, limit: Limit) -> list[str]:
    if limit.duration_max is None or facts.duration is None or facts.duration <= limit.duration_max + VOICE_SLACK:
        return []
    return [f"plays {_seconds(facts.duration)}; WeChat takes at most {_seconds(limit.duration_max)} for {limit.title}"]


def _called(facts: MediaFacts) -> str:
    if facts.kind is Kind.OTHER:
        return facts.format.label
    return f"{_article(facts.format.label)} {facts.format.label} {facts.kind}"


def _article(title: str) -> str:
    return "an" if title.startswith(("A", "MP", "M4")) else "a"


def _either(formats: tuple[Format, ...]) -> str:
    titles = [one.label for one in formats]
    return titles[0] if len(titles) == 1 else f"{', '.join(titles[:-1])} or {titles[-1]}"


def _seconds(duration: timedelta) -> str:
    return f"{duration.total_seconds():,.1f} s".replace(".0 s", " s")


def _size(size: int) -> str:
    unit, name = (MB, "MB") if size >= MB else (KB, "KB")
    return f"{size / unit:,.1f} {name} ({size:,} bytes)"


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
