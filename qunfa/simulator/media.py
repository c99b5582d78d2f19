"""media/… and material/…: files that are kept for three days or for ever, and which of them are good for what."""

from __future__ import annotations

from typing import Literal

from qunfa.simulator.calls import Answer, Call
from qunfa.simulator.errors import Refusal
from qunfa.simulator.uploads import Format, Upload
from qunfa.simulator.world import World

FileKind = Literal["image", "voice", "video", "thumb"]
_TOO_BIG: dict[FileKind, int] = {"image": 40009, "voice": 40010, "video": 40011, "thumb": 40012}
_TEMPORARY: dict[FileKind, set[Format]] = {
    "image": {"png", "jpg", "gif"},
    "voice": {"amr", "mp3"},
    "video": {"mp4"},
    "thumb": {"jpg"},
}
_PERMANENT: dict[FileKind, set[Format]] = {"image": {"png", "jpg", "gif", "bmp"}}
_OF_ARTICLES: set[Format] = {"png", "jpg"}


async def upload(world: World, call: Call) -> Answer:
    """media/upload."""
    kind, file = _file(call, _TEMPORARY)
    material = call.owner.library.temporary(kind, world.clock.now(), upload=file)
    world.maybe_dies_early(call, material)
    name = "thumb_media_id" if kind == "thumb" else "media_id"
    return {"type": kind, name: material.media_id, "created_at": int(material.created_at)}


async def upload_picture(_world: World, call: Call) -> Answer:
    """media/uploadimg: a picture for articles, of which only the URL is known afterwards."""
    file = call.upload()
    if file.size >= call.owner.config.limits.media.article_image:
        raise Refusal(40009)
    if file.format not in _OF_ARTICLES:
        raise Refusal(40005)
    return {"url": call.owner.library.add_picture(file)}


async def convert(world: World, call: Call) -> Answer:
    """media/uploadvideo: makes of a video one that can be sent."""
    body, now, library = call.json(), world.clock.now(), call.owner.library
    video = library.find(body.get("media_id"), now, "video")
    title, description = (str(body.get(name) or "") for name in ("title", "description"))
    converted = library.temporary("mass_video", now, upload=video.upload, title=title, description=description)
    world.maybe_dies_early(call, converted)
    return {"type": "video", "media_id": converted.media_id, "created_at": int(converted.created_at)}


async def add(world: World, call: Call) -> Answer:
    """material/add_material."""
    _, file = _file(call, _PERMANENT)
    library, now = call.owner.library, world.clock.now()
    if library.stored(now) >= call.owner.config.limits.media.images_stored:
        raise Refusal(45074)
    url = library.add_picture(file)
    material = library.permanent("image", now, upload=file, url=url)
    world.maybe_dies_early(call, material)
    return {"media_id": material.media_id, "url": url}


def _file(call: Call, formats: dict[FileKind, set[Format]]) -> tuple[FileKind, Upload]:
    """The `type` of a call, and its file, if it is good for that.

    Raises:
        Refusal: 40004 there is no such type; 40009, 40010, 40011, 40012 the file is too big, 40005 of the wrong format,
            45007 too long; and what `Call.upload` raises.
    """
    kind = call.query.get("type")
    if kind not in formats:
        raise Refusal(40004)
    file, limits = call.upload(), call.owner.config.limits.media
    if file.size > getattr(limits, kind):
        raise Refusal(_TOO_BIG[kind])
    if file.format not in formats[kind]:
        raise Refusal(40005)
    if kind == "voice" and round(file.seconds or 0) > limits.voice_seconds:  # encoders add some milliseconds
        raise Refusal(45007)
    return kind, file
