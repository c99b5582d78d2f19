import hashlib
import tracemalloc
from collections.abc import AsyncIterator, Sequence
from itertools import pairwise

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from qunfa.simulator import Upload
from tests.simulator import samples
from tests.simulator.api import Api, Json, Start

MB = 1024 * 1024
BOUNDARY = "q1w2e3"
HEAD = (
    f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="media"; filename="a b.mp3"; filelength=7\r\n'
    "Content-Type: audio/mpeg\r\n\r\n"
).encode()
CUTS = st.lists(st.one_of(st.integers(0, 700), st.integers(len(HEAD), len(HEAD) + 20)), max_size=12)
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
    response = await api.http.post("/cgi-bin/media/upload", params=params, content=body(), headers=headers)
    answer: Json = response.json()
    return answer


async def stored(api: Api, pieces: Sequence[bytes], kind: str) -> Upload:
    """Upload a body piece by piece, and return what was stored."""
    material = api.world.accounts["demo"].library.get((await post(api, pieces, kind))["media_id"])
    assert material is not None
    assert material.upload is not None
    return material.upload


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    cuts=st.lists(st.integers(0, 700), max_size=12), tag=st.binary(min_size=1, max_size=60), frames=st.integers(1, 9)
)
async def test_a_file_is_the_same_however_it_comes_in(cuts: list[int], tag: bytes, frames: int, begun: Api) -> None:
    """Name, type, size, digest, format and length do not depend on the pieces of the body."""
    file = samples.mp3(frames * 0.036, tag=tag)
    whole = HEAD + file + TAIL
    places = [0, *sorted(cuts), len(whole)]
    upload = await stored(begun, [whole[a:b] for a, b in pairwise(places)], "voice")
    assert (upload.filename, upload.content_type, upload.size) == ("a b.mp3", "audio/mpeg", len(file))
    assert (upload.sha256, upload.format) == (hashlib.sha256(file).hexdigest(), "mp3")
    assert upload.seconds == pytest.approx(frames * 0.036)


@pytest.fixture
async def begun(start: Start) -> Api:
    """An account that goes through all examples."""
    return await start()


async def test_a_big_upload_takes_no_memory(start: Start) -> None:
    """10 MB pass through in pieces; at no time is more than a small part of them there."""
    api = await start()
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


async def test_an_upload_tells_its_length(start: Start) -> None:
    """Without Content-Length, in chunks, it answers 41005; a setting lets it pass."""
    pieces = [HEAD, samples.PNG, TAIL]
    api = await start()
    assert (await post(api, pieces, "image", length=False))["errcode"] == 41005
    api = await start(uploads_need_length=False)
    assert "media_id" in await post(api, pieces, "image", length=False)
