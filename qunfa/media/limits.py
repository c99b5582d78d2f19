"""What WeChat takes, by the endpoint that a file goes to, and whether a file is within that.

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

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from types import MappingProxyType
from typing import Final

from qunfa.media.facts import Format, Kind, MediaFacts

KB: Final = 1024
MB: Final = 1024 * KB
WHOLE_PIXELS_MAX: Final = 25_000_000
"""Re-encoding has a picture in memory as a whole, more than once; only a JPEG can be scaled while it is decoded."""
VOICE_SLACK: Final = timedelta(milliseconds=500)
"""What encoders add at both ends of a recording that was made to last exactly as long as it may."""
_HINT = "; `fit_images` would make it fit"
_FITTED = frozenset({Format.PNG, Format.JPEG, Format.GIF, Format.BMP, Format.WEBP, Format.AVIF})


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
