"""material/add_material, del_material, get_materialcount, and add_news, which is no more."""

from __future__ import annotations

import json

from qunfa.simulator.calls import Call
from qunfa.simulator.endpoint import Answer, Endpoint
from qunfa.simulator.errors import Refusal
from qunfa.simulator.files import PERMANENT, FileKind, check_file, file_kind
from qunfa.simulator.world import World


async def _add(world: World, call: Call) -> Answer:
    kind = file_kind(call.query.get("type"))
    upload, account, now = call.upload(), call.owner, world.clock.now()
    limits = account.config.limits.media
    check_file(upload, kind, PERMANENT, limits)
    title, introduction = _description(call) if kind == "video" else ("", "")
    if _stored(world, call, kind) >= (limits.images_stored if kind == "image" else limits.others_stored):
        raise Refusal(45074)
    url = account.library.add_picture(upload) if kind == "image" else None
    material = account.library.permanent(kind, now, upload=upload, url=url, title=title, description=introduction)
    world.maybe_dies_early(call, material)
    answer: Answer = {"media_id": material.media_id}
    return answer if url is None else answer | {"url": url}


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


def _stored(world: World, call: Call, kind: FileKind) -> int:
    return sum(material.permanent for material in call.owner.library.alive(world.clock.now(), kind))


async def _delete(world: World, call: Call) -> Answer:
    media_id, now = call.json().get("media_id"), world.clock.now()
    material = call.owner.library.find(media_id, now, "image", "voice", "video", "thumb")
    if not material.permanent:
        raise Refusal(40007)
    material.ended = "deleted"
    return {"errcode": 0, "errmsg": "ok"}


async def _count(world: World, call: Call) -> Answer:
    return {
        "voice_count": _stored(world, call, "voice"),
        "video_count": _stored(world, call, "video"),
        "image_count": _stored(world, call, "image") + _stored(world, call, "thumb"),
        "news_count": 0,
    }


async def _add_news(_world: World, _call: Call) -> Answer:
    raise Refusal(45103)


ENDPOINTS = (
    Endpoint(
        "/cgi-bin/material/add_material",
        "POST",
        _add,
        "material/add_material",
        stages=("upload", "lifetime"),
        media_type="text/plain",
    ),
    Endpoint("/cgi-bin/material/del_material", "POST", _delete, "material/del_material"),
    Endpoint("/cgi-bin/material/get_materialcount", "GET", _count, "material/get_materialcount"),
    Endpoint("/cgi-bin/material/add_news", "POST", _add_news, "other"),
)
