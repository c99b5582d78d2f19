"""Which files are good for what: formats, sizes and lengths of media/upload, uploadimg and add_material."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from qunfa.simulator.errors import Refusal
from qunfa.simulator.formats import Format
from qunfa.simulator.limits import MediaLimits
from qunfa.simulator.uploads import Upload

FileKind = Literal["image", "voice", "video", "thumb"]


@dataclass(frozen=True)
class FileRule:
    """What is wanted of a kind of file: one of these formats, and the code of one that is too big."""

    formats: frozenset[Format]
    too_big: int


_ARTICLE_IMAGE: frozenset[Format] = frozenset({"png", "jpg"})
_VIDEO = FileRule(frozenset({"mp4"}), 40011)
_THUMB = FileRule(frozenset({"jpg"}), 40012)
TEMPORARY: dict[FileKind, FileRule] = {
    "image": FileRule(frozenset({"png", "jpg", "gif"}), 40009),
    "voice": FileRule(frozenset({"amr", "mp3"}), 40010),
    "video": _VIDEO,
    "thumb": _THUMB,
}
PERMANENT: dict[FileKind, FileRule] = {
    "image": FileRule(frozenset({"png", "jpg", "gif", "bmp"}), 40009),
    "voice": FileRule(frozenset({"amr", "mp3", "wav", "wma"}), 40010),
    "video": _VIDEO,
    "thumb": _THUMB,
}


def file_kind(given: str | None) -> FileKind:
    """The `type` of a call.

    Raises:
        Refusal: 40004, there is none or no such type.
    """
    if given not in TEMPORARY:
        raise Refusal(40004)
    return given


def check_file(upload: Upload, kind: FileKind, rules: dict[FileKind, FileRule], limits: MediaLimits) -> None:
    """Let a file pass that is good for its kind.

    Raises:
        Refusal: 40009, 40010, 40011, 40012 too big, 40005 of the wrong format, 45007 too long.
    """
    rule = rules[kind]
    if upload.size > getattr(limits, kind):
        raise Refusal(rule.too_big)
    if upload.format not in rule.formats:
        raise Refusal(40005)
    if kind == "voice" and (upload.seconds or 0) > limits.voice_seconds:
        raise Refusal(45007)


def check_article_image(upload: Upload, limits: MediaLimits) -> None:
    """Let a picture pass that is good for an article.

    Raises:
        Refusal: 40009 too big, 40005 neither JPEG nor PNG.
    """
    if upload.size >= limits.article_image:
        raise Refusal(40009)
    if upload.format not in _ARTICLE_IMAGE:
        raise Refusal(40005)
