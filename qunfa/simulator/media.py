"""media/… and material/…: files that are kept for three days or for ever, and which of them are good for what."""

from __future__ import annotations

import json
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
_PERMANENT: dict[FileKind, set[Format]] = _TEMPORARY | {
    "image": {"png", "jpg", "gif", "bmp"},
    "voice": {"amr", "mp3", "wav", "wma"},
}
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
    kind, file = _file(call, _PERMANENT)
    library = call.owner.library
    title, introduction = _description(call) if kind == "video" else ("", "")
    stored, limits = library.stored(world.clock.now()), call.owner.config.limits.media
    is_full = (
        stored["image"] + stored["draft"] >= limits.images_stored
        if kind == "image"
        else stored[kind] >= limits.others_stored
    )
    if is_full:
        raise Refusal(45074)
    url = library.add_picture(file) if kind == "image" else None
    material = library.permanent(kind, world.clock.now(), upload=file, url=url, title=title, description=introduction)
    world.maybe_dies_early(call, material)
    answer: Answer = {"media_id": material.media_id}
    return answer if url is None else answer | {"url": url}


async def delete(world: World, call: Call) -> Answer:
    """material/del_material."""
    media_id, now = call.json().get("media_id"), world.clock.now()
    material = call.owner.library.find(media_id, now, "image", "voice", "video", "thumb")
    if not material.permanent:
        raise Refusal(40007)
    material.ended = "deleted"
    return {"errcode": 0, "errmsg": "ok"}


async def count(world: World, call: Call) -> Answer:
    """material/get_materialcount."""
    counts = call.owner.library.stored(world.clock.now())
    images = counts["image"] + counts["thumb"]
    return {
        "voice_count": counts["voice"],
        "video_count": counts["video"],
        "image_count": images,
        "news_count": counts["draft"],
    }


async def add_news(_world: World, _call: Call) -> Answer:
    """material/add_news, which is no more."""
    raise Refusal(45103)


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


def _description(call: Call) -> tuple[str, str]:
    """Title and introduction of a video: a JSON text in a field of the form."""
    form = call.form
    given = form.fields.get("description", "") if form is not None and not isinstance(form, Refusal) else ""
    try:
        parsed = json.loads(given)
    except ValueError as error:
        raise Refusal(47001) from error
    title = parsed.get("title") if isinstance(parsed, dict) else None
    if not isinstance(title, str) or not title:
        raise Refusal(40035)
    return title, str(parsed.get("introduction") or "")
