"""What WeChat takes, by the endpoint that a file goes to.

| use | goes to | formats | at most |
|---|---|---|---|
| `image` | `media/upload` type `image` | PNG, JPEG, GIF | 10 MB |
| `voice` | `media/upload` type `voice` | MP3, AMR | 2 MB, 60 s |
| `video` | `media/upload` type `video` | MP4 | 10 MB |
| `thumb` | `media/upload` type `thumb` | JPEG | 64 KB |
| `cover` | `material/add_material` type `image` | PNG, JPEG, GIF, BMP | 10 MB |
| `picture` | `media/uploadimg` | PNG, JPEG | less than 1 MB |

`thumb` is an article's cover for `media/uploadnews`, `cover` the one for `draft/add`. `draft/add` wants a permanent
material, and takes a permanent image as well as a permanent thumb: the image is used, since 64 KB make a poor cover. A
note on the page of `media/upload` speaks of 2 MB for images where its table says 10 MB: beyond 2 MB there is a warning.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from types import MappingProxyType
from typing import Final

from qunfa.media.kinds import Format

KB: Final = 1024
MB: Final = 1024 * KB
PIXELS_MAX: Final = 50_000_000
"""A picture with more pixels is not decoded: a few kilobytes could otherwise fill the memory."""
WHOLE_PIXELS_MAX: Final = 25_000_000
"""Re-encoding has a picture in memory as a whole, more than once; only a JPEG can be scaled while it is decoded."""
VOICE_SLACK: Final = timedelta(milliseconds=500)
"""What encoders add at both ends of a recording that was made to last exactly as long as it may."""


class Use(StrEnum):
    """What a file is uploaded as."""

    IMAGE = "image"
    VOICE = "voice"
    VIDEO = "video"
    THUMB = "thumb"
    COVER = "cover"
    PICTURE = "picture"


@dataclass(frozen=True, slots=True)
class Limit:
    """What one use takes.

    A picture that is made to fit gets at most `fit_bytes`, which holds whether WeChat counts in 1,000 or in 1,024, and
    at most `fit_pixels`.
    """

    title: str
    formats: tuple[Format, ...]
    bytes_max: int
    said: str
    duration_max: timedelta | None = None
    advised_bytes: int | None = None
    fit_bytes: int = 0
    fit_pixels: int = 0


LIMITS: Final[Mapping[Use, Limit]] = MappingProxyType(
    {
        Use.IMAGE: Limit(
            "an image message",
            (Format.PNG, Format.JPEG, Format.GIF),
            10 * MB,
            "at most 10 MB",
            advised_bytes=2 * MB,
            fit_bytes=10_000_000,
            fit_pixels=16_000_000,
        ),
        Use.VOICE: Limit(
            "a voice message", (Format.MP3, Format.AMR), 2 * MB, "at most 2 MB", duration_max=timedelta(seconds=60)
        ),
        Use.VIDEO: Limit("a video", (Format.MP4,), 10 * MB, "at most 10 MB"),
        Use.THUMB: Limit(
            "an article's thumb", (Format.JPEG,), 64 * KB, "at most 64 KB", fit_bytes=64_000, fit_pixels=1_000_000
        ),
        Use.COVER: Limit(
            "a draft's cover",
            (Format.PNG, Format.JPEG, Format.GIF, Format.BMP),
            10 * MB,
            "at most 10 MB",
            fit_bytes=10_000_000,
            fit_pixels=16_000_000,
        ),
        Use.PICTURE: Limit(
            "a picture in an article",
            (Format.PNG, Format.JPEG),
            MB - 1,
            "less than 1 MB",
            fit_bytes=1_000_000,
            fit_pixels=16_000_000,
        ),
    }
)
