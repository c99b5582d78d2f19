"""How uploads come in, and what may go wrong with them and their ids."""

import asyncio
import tracemalloc
from collections.abc import AsyncIterator, Sequence

import pytest

from qunfa.simulator import Upload
from tests.simulator import samples
from tests.simulator.api import Api, Json, article, named
from tests.simulator.samples import padded

MB = 1024 * 1024
BIG = padded(samples.PNG, 3_000_000)
UPLOAD = "media/upload"
BOUNDARY = "q1w2e3"
HEAD = (
    f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="media"; filename="a b.mp3"; filelength=7\r\n'
    "Content-Type: audio/mpeg\r\n\r\n"
).encode()
TAIL = f"\r\n--{BOUNDARY}--\r\n".encode()


async def post(api: Api, pieces: Sequence[bytes], kind: str, *, length: bool = True) -> Json:
    """Upload a body piece by piece, with or without telling its length."""

    async def body() -> AsyncIterator[bytes]:
        for piece in pieces:
            yield piece

    headers = {"Content-Type": f"multipart/form-data; boundary={BOUNDARY}"}
    if length:
        headers["Content-Length"] = str(sum(map(len, pieces)))
    params = {"access_token": api.token, "type": kind}
    response = await api.http.post(f"/cgi-bin/{UPLOAD}", params=params, content=body(), headers=headers)
    answer: Json = response.json()
    return answer


async def stored(api: Api, pieces: Sequence[bytes], kind: str) -> Upload:
    """Upload a body piece by piece, and return what was stored."""
    found = api.demo.library.get((await post(api, pieces, kind))["media_id"])
    assert found is not None
    assert found.upload is not None
    return found.upload


def kinds(api: Api) -> list[str]:
    return [material.kind for material in api.demo.library]


async def test_a_big_upload_takes_no_memory(api: Api) -> None:
    """10 MB pass through in pieces; at no time is more than a small part of them there."""
    piece = bytes(64 * 1024)
    first = samples.PNG + piece[len(samples.PNG) :]
    await post(api, [HEAD, first, TAIL], "image")
    tracemalloc.start()
    try:
        upload = await stored(api, [HEAD, first, *[piece] * 159, TAIL], "image")
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert upload.size == 10 * MB
    assert peak < 2 * MB


async def test_an_upload_tells_its_length(api: Api) -> None:
    """Without Content-Length, in chunks, it answers 41005."""
    assert (await post(api, [HEAD, samples.PNG, TAIL], "image", length=False))["errcode"] == 41005


async def test_an_upload_may_be_given_up(api: Api) -> None:
    """A client that goes away in the midst leaves nothing behind."""
    await api.fault("slow_upload", endpoint=UPLOAD, seconds=60)
    upload = asyncio.create_task(api.media_id("image", BIG))
    await api.world.until(lambda: any(call.received for call in api.world.calls))
    upload.cancel()
    await asyncio.gather(upload, return_exceptions=True)
    await api.sim("reset", {})
    assert kinds(api) == []


@pytest.mark.parametrize("endpoint", ["draft/add", UPLOAD])
async def test_an_id_may_die_early(api: Api, endpoint: str) -> None:
    """The next id that the endpoint makes dies after the ordered seconds of the simulator's clock."""
    await api.fault("dies_early", endpoint=endpoint, seconds=60)
    draft = endpoint == "draft/add"
    content = named("mpnews", await api.draft()) if draft else named("image", await api.media_id("image", samples.PNG))
    assert await api.previewed(content) == 0
    await api.advance(60)
    assert await api.previewed(content) == 40007


async def test_ids_can_be_ended_by_order(api: Api) -> None:
    """One media_id, or all of an account or of a kind; what is dead already is not found."""
    images = [await api.media_id("image", samples.PNG) for _ in range(2)]
    draft = await api.draft()
    assert await api.sim("media/expire", {"media_id": images[0]}) == {"expired": images[:1]}
    await api.sim("media/expire", {"media_id": images[0]}, expect=404)
    assert await api.sim("media/expire", {"account": "demo", "kind": "draft"}) == {"expired": [draft]}
    for content in (named("image", images[0]), named("mpnews", draft)):
        assert await api.sendalls("a", content=content) == [40007]
    assert len((await api.sim("media/expire", {"account": "demo"}))["expired"]) == 2


async def test_materials_are_listed(api: Api) -> None:
    """Kind, life, file and articles of each, dead or alive; by account and kind."""
    await api.media_id("image", samples.PNG)
    draft = await api.draft(article(title="One"))
    await api.sent(named("mpnews", draft))
    image, cover, listed = (await api.sim("media"))["media"]
    assert [image["kind"], cover["kind"], listed["kind"]] == ["image", "image", "draft"]
    assert (image["permanent"], image["alive"], image["ended"]) == (False, True, None)
    assert image["expires_at"].startswith("2026-12-18T12:00")
    expected = {"filename": "file.bin", "format": "png", "size": len(samples.PNG)}
    assert image["file"] | expected == image["file"]
    assert (cover["permanent"], cover["expires_at"]) == (True, None)
    assert (listed["media_id"], listed["alive"], listed["ended"]) == (draft, False, "sent")
    assert [each["title"] for each in listed["articles"]] == ["One"]
    assert len((await api.sim("media?kind=draft&account=demo"))["media"]) == 1
