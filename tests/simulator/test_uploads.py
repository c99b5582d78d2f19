"""How uploads come in, and what may go wrong with them and their ids."""

import asyncio
import hashlib
import tracemalloc
from collections.abc import AsyncIterator, Sequence
from itertools import pairwise

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

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


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    cuts=st.lists(st.integers(0, 700), max_size=12), tag=st.binary(min_size=1, max_size=60), frames=st.integers(1, 9)
)
async def test_a_file_is_the_same_however_it_comes_in(cuts: list[int], tag: bytes, frames: int, api: Api) -> None:
    """Name, type, size, digest, format and length do not depend on the pieces of the body."""
    file = samples.mp3(frames * 0.036, tag=tag)
    whole = HEAD + file + TAIL
    places = [0, *sorted(cuts), len(whole)]
    upload = await stored(api, [whole[a:b] for a, b in pairwise(places)], "voice")
    assert (upload.filename, upload.content_type, upload.size) == ("a b.mp3", "audio/mpeg", len(file))
    assert (upload.sha256, upload.format) == (hashlib.sha256(file).hexdigest(), "mp3")
    assert upload.seconds == pytest.approx(frames * 0.036)


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


@pytest.mark.parametrize(("kind", "count"), [("reset_after_accept", 1), ("reset_in_upload", 0)])
async def test_the_connection_of_an_upload_may_break(api: Api, kind: str, count: int) -> None:
    """After the file was taken, or in its midst."""
    await api.fault(kind, endpoint=UPLOAD)
    with pytest.raises(httpx.TransportError):
        await api.media_id("image", BIG)
    await api.world.until(lambda: all(call.answered for call in api.world.calls))
    assert len(kinds(api)) == count
    assert await api.media_id("image", BIG)


async def test_an_upload_may_be_slow(api: Api) -> None:
    """`slow_upload` takes the body in over its seconds; the call is seen on the way, with the bytes that have come."""
    await api.fault("slow_upload", endpoint=UPLOAD, seconds=0.3)
    began = asyncio.get_running_loop().time()
    upload = asyncio.create_task(api.media_id("image", BIG))
    await api.world.until(lambda: any(0 < call.received < len(BIG) for call in api.world.calls))
    assert [call.fault for call in api.world.calls] == ["slow_upload"]
    await upload
    assert asyncio.get_running_loop().time() - began >= 0.3
    assert kinds(api) == ["image"]
    assert (await api.sim("calls"))["calls"][0]["received"] > len(BIG)


async def test_an_upload_may_be_given_up(api: Api) -> None:
    """A client that goes away in the midst leaves nothing behind."""
    await api.fault("slow_upload", endpoint=UPLOAD, seconds=60)
    upload = asyncio.create_task(api.media_id("image", BIG))
    await api.world.until(lambda: any(call.received for call in api.world.calls))
    upload.cancel()
    await asyncio.gather(upload, return_exceptions=True)
    await api.sim("reset", {})
    assert kinds(api) == []


async def test_a_picture_may_get_lost(api: Api) -> None:
    """draft/add answers as always, but the first of WeChat's own pictures is not in the draft. The next has it."""
    urls = [await api.picture(samples.PNG) for _ in range(2)]
    await api.fault("picture_lost", endpoint="draft/add")
    articles = [article(), article(content=f'<p><img src="{urls[0]}"><img src="{urls[1]}"></p>')] * 2
    await api.draft(article())
    lossy, whole = await api.draft(*articles), await api.draft(*articles)
    items = [(await api.call("draft/get", {"media_id": each}))["news_item"] for each in (lossy, whole)]
    kept = [[item["content"].count("<img") for item in each] for each in items]
    assert kept == [[0, 1, 0, 2], [0, 2, 0, 2]]
    assert urls[0] not in items[0][1]["content"]
    assert await api.sim("faults") == {"faults": []}


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
    image, thumb, listed = (await api.sim("media"))["media"]
    assert [image["kind"], thumb["kind"], listed["kind"]] == ["image", "thumb", "draft"]
    assert (image["permanent"], image["alive"], image["ended"]) == (False, True, None)
    assert image["expires_at"].startswith("2026-12-18T12:00")
    expected = {"filename": "file.bin", "format": "png", "size": len(samples.PNG)}
    assert image["file"] | expected == image["file"]
    assert (thumb["permanent"], thumb["expires_at"]) == (True, None)
    assert (listed["media_id"], listed["alive"], listed["ended"]) == (draft, False, "sent")
    assert [each["title"] for each in listed["articles"]] == ["One"]
    assert len((await api.sim("media?kind=draft&account=demo"))["media"]) == 1
