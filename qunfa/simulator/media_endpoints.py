"""media/upload, uploadimg and uploadvideo: temporary media, pictures of articles, videos for mass sends."""

from __future__ import annotations

from qunfa.simulator.calls import Call
from qunfa.simulator.endpoint import Answer, Endpoint
from qunfa.simulator.errors import Refusal
from qunfa.simulator.files import TEMPORARY, check_article_image, check_file, file_kind
from qunfa.simulator.world import World


async def _upload(world: World, call: Call) -> Answer:
    kind = file_kind(call.query.get("type"))
    upload = call.upload()
    check_file(upload, kind, TEMPORARY, call.owner.config.limits.media)
    material = call.owner.library.temporary(kind, world.clock.now(), upload=upload)
    world.maybe_dies_early(call, material)
    name = call.owner.config.thumb_id_field if kind == "thumb" else "media_id"
    return {"type": kind, name: material.media_id, "created_at": int(material.created_at)}


async def _uploadimg(_world: World, call: Call) -> Answer:
    upload = call.upload()
    check_article_image(upload, call.owner.config.limits.media)
    return {"url": call.owner.library.add_picture(upload)}


async def _uploadvideo(world: World, call: Call) -> Answer:
    body, now, library = call.json(), world.clock.now(), call.owner.library
    video = library.find(body.get("media_id"), now, "video")
    if call.owner.config.uploadvideo_takes not in {"any", "permanent" if video.permanent else "temporary"}:
        raise Refusal(40007)
    title, description = (str(body.get(name) or "") for name in ("title", "description"))
    converted = library.temporary("mass_video", now, upload=video.upload, title=title, description=description)
    world.maybe_dies_early(call, converted)
    return {"type": "video", "media_id": converted.media_id, "created_at": int(converted.created_at)}


ENDPOINTS = (
    Endpoint(
        "/cgi-bin/media/upload", "POST", _upload, "media/upload", stages=("upload", "lifetime"), media_type="text/plain"
    ),
    Endpoint("/cgi-bin/media/uploadimg", "POST", _uploadimg, "media/uploadimg", stages=("upload",)),
    Endpoint("/cgi-bin/media/uploadvideo", "POST", _uploadvideo, "media/uploadvideo", stages=("lifetime",)),
)
