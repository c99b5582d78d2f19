import asyncio
import contextlib
import email
import email.policy
import re
import tracemalloc
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from qunfa.wechat import MaybeWritten, NotWritten, Refused, UploadFile, WrongSize, open_http
from qunfa.wechat.upload import PIECE_BYTES
from tests.looking import look_again
from tests.media.sources.site import Reaction, silence
from tests.wechat.conftest import (
    ACCESS,
    TOKEN,
    Chunks,
    WeChat,
    Wire,
    answers,
    everything_about,
    response,
    shows_no_token,
)

STORED = {"type": "image", "media_id": "MEDIA_ID", "created_at": 1699999999}
GOOD = answers(response(STORED))
EXTENSIONS = {
    "image/jpeg": "jpg", "image/png": "png", "image/gif": "gif", "image/bmp": "bmp", "audio/mpeg": "mp3",
    "audio/amr": "amr", "video/mp4": "mp4",
}  # fmt: skip
MEGABYTE = 1 << 20


def arrived(wechat: WeChat) -> tuple[str, str | None, str, bytes]:
    """The one part of the form, read by the standard library's parser, which shares no code with what wrote it."""
    request = wechat.requests[0]
    head = f"MIME-Version: 1.0\r\nContent-Type: {request.headers['content-type']}\r\n\r\n".encode()
    message = email.message_from_bytes(head + request.content, policy=email.policy.HTTP)
    assert not message.defects
    (part,) = message.iter_parts()
    content = part.get_payload(decode=True)
    assert isinstance(content, bytes)
    name = part.get_param("name", header="content-disposition")
    return str(name), part.get_filename(), part.get_content_type(), content


class OwnError(Exception):
    """What a source raises for reasons of its own."""


async def test_a_file_on_the_wire(wire: Wire, http: httpx.AsyncClient) -> None:
    """The body is a form with the file in `media`, and its length stands in the head: it is not chunked."""
    wire.script = [GOOD]
    await wire.account(http).upload(ACCESS, "image", Chunks([b"\xff\xd8", b"\xff\r\n--"]).file())
    head, _, body = wire.requests[0].partition(b"\r\n\r\n")
    assert head.startswith(f"POST /cgi-bin/media/upload?access_token={TOKEN}&type=image HTTP/1.1\r\n".encode())
    assert b"\r\nContent-Length: %d" % len(body) in head
    assert b"transfer-encoding" not in head.lower()
    found = re.search(rb"Content-Type: multipart/form-data; boundary=([0-9a-f]+)", head)
    assert found
    assert body == (
        b'--%b\r\nContent-Disposition: form-data; name="media"; filename="a.jpg"\r\n'
        b"Content-Type: image/jpeg\r\n\r\n\xff\xd8\xff\r\n--\r\n--%b--\r\n"
    ) % (found[1], found[1])


@given(st.lists(st.binary(max_size=50), max_size=5), st.text(), st.sampled_from(sorted(EXTENSIONS)))
async def test_whatever_is_in_a_file_arrives_under_a_safe_name(
    chunks: list[bytes], filename: str, content_type: str
) -> None:
    """Any bytes, in any chunks. The name is short ASCII without quotes and line ends, and ends as its type wants."""
    file = Chunks(chunks).file(filename, content_type)
    assert re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,85}", file.name)
    assert file.name.endswith(f".{EXTENSIONS[content_type]}")
    wechat = WeChat(STORED)
    await wechat.account().upload(ACCESS, "image", file)
    assert arrived(wechat) == ("media", file.name, content_type, b"".join(chunks))


@pytest.mark.parametrize(
    ("filename", "content_type", "name"),
    [
        ("cover.jpg", "image/jpeg", "cover.jpg"), ("COVER.JPEG", "image/jpeg", "COVER.jpg"),
        ("cover", "image/png", "cover.png"), ("cover.png", "image/jpeg", "cover.png.jpg"),
        ("v1.2", "video/mp4", "v1.2.mp4"), ("../a/b\\封面 图.png", "image/png", "media.png"),
        ("春天 spring.gif", "image/gif", "spring.gif"), (".jpg", "image/jpeg", "media.jpg"),
        ('a"; name="b\r\n\r\nc.mp3', "audio/mpeg", "a_name_b_c.mp3"), ("", "image/jpeg", "media.jpg"),
        ("notes.txt", "text/plain", "notes.txt"), ("notes", "text/plain", "notes"),
    ],
)  # fmt: skip
def test_names(filename: str, content_type: str, name: str) -> None:
    """Examples; a type that WeChat does not know keeps its extension."""
    assert Chunks([]).file(filename, content_type).name == name


async def test_progress(wire: Wire, http: httpx.AsyncClient) -> None:
    """Progress is told in small steps, however big the source's chunks are, and ends with the size."""
    wire.script = [GOOD]
    told: list[int] = []
    file = Chunks([b"x" * (MEGABYTE + 1), b"y" * 10]).file()
    await wire.account(http).upload(ACCESS, "image", file, progress=told.append)
    steps = [after - before for before, after in zip([0, *told], told, strict=False)]
    assert sum(steps) == told[-1] == file.size
    assert 0 < min(steps) <= max(steps) <= PIECE_BYTES


async def test_a_file_can_be_uploaded_again(wire: Wire, http: httpx.AsyncClient) -> None:
    """Each upload opens the source anew and closes it, and the connection is kept."""
    wire.script = [GOOD, GOOD]
    source = Chunks([b"x" * 100])
    file = source.file()
    for _ in range(2):
        assert await wire.account(http).upload(ACCESS, "image", file) == "MEDIA_ID"
    assert (len(source.opened), source.closed, len(wire.requests), wire.connections) == (2, 2, 2, 1)


@pytest.mark.parametrize(("size", "gave"), [(9, "more than 9 bytes"), (11, "only 10 of 11 bytes"), (0, "more than 0")])
async def test_a_source_of_another_size(size: int, gave: str, wire: Wire, http: httpx.AsyncClient) -> None:
    """A source that gives more or fewer bytes breaks the upload off: WeChat gets no end, and the connection goes."""
    wire.script = [GOOD]
    source = Chunks([b"01234", b"56789"])
    account = wire.account(http)
    with pytest.raises(WrongSize, match=f"account demo, image a.jpg: .*media/upload .*{gave}") as caught:
        await account.upload(ACCESS, "image", source.file(size=size))
    assert isinstance(caught.value, NotWritten)
    assert shows_no_token(caught.value)
    await wire.closed.wait()
    assert (wire.requests, source.closed) == ([], 1)
    await account.upload(ACCESS, "image", source.file())
    assert (len(wire.requests), wire.connections) == (1, 2)


@pytest.mark.parametrize("error", [OwnError, OSError, httpx.ReadTimeout, httpx.ConnectError, TimeoutError, ValueError])
async def test_what_a_source_raises_comes_out_unchanged(
    error: type[Exception], wire: Wire, http: httpx.AsyncClient
) -> None:
    """A source's own error is no error of WeChat's API, even where it is of the same class, and shows no token."""
    wire.script = [GOOD]
    failure = error("why")
    source = Chunks([b"0123456789"], failure)
    account = wire.account(http)
    with pytest.raises(error) as caught:
        await account.upload(ACCESS, "image", source.file())
    assert caught.value is failure
    assert shows_no_token(failure)
    assert "in _give" in everything_about(failure), "where in the source it came from can be seen"
    await wire.closed.wait()
    assert (wire.requests, source.closed) == ([], 1)


async def test_a_source_may_be_any_iterator() -> None:
    """A source that cannot be closed is not, and its chunks need not be `bytes`."""

    class Halves:
        def __init__(self) -> None:
            self.left = [memoryview(b"01"), memoryview(b"23")]

        def __aiter__(self) -> "Halves":
            return self

        async def __anext__(self) -> bytes:
            if not self.left:
                raise StopAsyncIteration
            return self.left.pop(0)  # type: ignore[return-value]  # object stores give such buffers

    wechat = WeChat(STORED)
    await wechat.account().upload(ACCESS, "image", UploadFile("a.jpg", "image/jpeg", 4, Halves))
    assert arrived(wechat)[3] == b"0123"


async def test_an_upload_can_be_stopped_from_outside(wire: Wire, http: httpx.AsyncClient) -> None:
    """What the opening of the source raises comes out unchanged, and what is raised by who is told of the progress."""

    def fails(*_: int) -> Any:
        raise OwnError

    account = wire.account(http)
    with pytest.raises(OwnError):
        await account.upload(ACCESS, "image", UploadFile("a.jpg", "image/jpeg", 1, fails))
    with pytest.raises(OwnError) as caught:
        await account.upload(ACCESS, "image", Chunks([b"x"]).file(), progress=fails)
    assert TOKEN not in everything_about(caught.value)
    await wire.closed.wait()
    assert wire.requests == []


async def test_a_source_that_never_comes_to_an_end(wire: Wire) -> None:
    """A source that stops giving anything is waited for no longer than the whole call may take, and is closed."""
    never, closed = asyncio.Event(), asyncio.Event()

    async def chunks() -> AsyncIterator[bytes]:
        with contextlib.ExitStack() as stack:
            stack.callback(closed.set)
            yield b"0123"
            await never.wait()

    async with open_http(timedelta(seconds=0.05)) as http:
        http.timeout = httpx.Timeout(0.05, connect=1)
        with pytest.raises(NotWritten, match="the source of the file to be uploaded was too slow"):
            await wire.account(http).upload(ACCESS, "image", UploadFile("a.jpg", "image/jpeg", 8, chunks))
    assert closed.is_set()
    await wire.closed.wait()
    assert wire.requests == []


async def test_a_line_that_stalls(hasty: httpx.AsyncClient) -> None:
    """A server that stops reading is given up after the time for one write, and not after that for the whole file."""
    gone = asyncio.Event()

    async def stall(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.closing(writer):
            await gone.wait()

    source, told = Chunks([b"x" * MEGABYTE] * 20), list[int]()
    async with await asyncio.start_server(stall, "127.0.0.1", 0, limit=1024) as server:
        account = Wire(server.sockets[0].getsockname()[1]).account(hasty)
        file = source.file()
        with pytest.raises(MaybeWritten, match=r"media/upload may have taken .*WriteTimeout.*no mass send"):
            await account.upload(ACCESS, "video", file, progress=told.append)
        gone.set()
    assert told[-1] < file.size
    assert source.closed == 1


async def test_an_answer_before_the_end_of_the_file(wire: Wire, http: httpx.AsyncClient) -> None:
    """A refusal is understood also where it comes while the file is still being written."""
    refusal = response({"errcode": 40009, "errmsg": "image size out of limit"}, headers="Connection: close\r\n")

    async def refuse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(refusal)
        while await reader.read(MEGABYTE):
            await look_again()
        writer.close()

    source = Chunks([b"x" * MEGABYTE] * 3)
    async with await asyncio.start_server(refuse, "127.0.0.1", 0) as server:
        with pytest.raises(Refused, match=r"image a.jpg: .*answered 40009: the image is too big"):
            await Wire(server.sockets[0].getsockname()[1]).account(http).upload(ACCESS, "image", source.file())
        await http.aclose()
    assert source.closed == 1


@pytest.mark.parametrize("fault", [answers(b"", abort=True), answers(b"", close=True), silence, None])
async def test_an_upload_without_an_answer_closes_its_source(
    fault: Reaction | None, wire: Wire, hasty: httpx.AsyncClient, http: httpx.AsyncClient
) -> None:
    """What became of it is open, and it may be done again: nobody is sent to by it. So it is where it is cancelled."""
    wire.script = [fault or silence]
    source = Chunks([b"x"])
    account = wire.account(http if fault is None else hasty)
    call = asyncio.create_task(account.upload(ACCESS, "image", source.file()))
    if fault is None:
        await wire.arrived.wait()
        call.cancel()
    with pytest.raises((MaybeWritten, asyncio.CancelledError)) as caught:
        await call
    assert ("It is no mass send, and may be repeated" in str(caught.value)) == (fault is not None)
    assert TOKEN not in everything_about(caught.value)
    assert (source.closed, len(wire.requests)) == (1, 1)


async def test_a_file_is_never_in_memory(http: httpx.AsyncClient) -> None:
    """10 MB on their way to WeChat raise the process's memory by less than 2 MB, here with the server in it."""
    whole = 0

    async def sink(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal whole
        with contextlib.closing(writer), contextlib.suppress(asyncio.IncompleteReadError):
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                left = int(head.lower().split(b"content-length:")[1].split(b"\r\n")[0])
                while left:
                    read = len(await reader.read(min(left, PIECE_BYTES)))
                    whole, left = whole + read, left - read
                writer.write(response(STORED))

    async def chunks() -> AsyncIterator[bytes]:
        for number in range(160):
            yield bytes([number]) * PIECE_BYTES

    file = UploadFile("a.mp4", "video/mp4", 10 * MEGABYTE, chunks)
    async with await asyncio.start_server(sink, "127.0.0.1", 0) as server:
        account = Wire(server.sockets[0].getsockname()[1]).account(http)
        await account.upload(ACCESS, "video", Chunks([b"x"]).file("a.mp4", "video/mp4"))  # imports and caches
        tracemalloc.start()
        try:
            before, _ = tracemalloc.get_traced_memory()
            await account.upload(ACCESS, "video", file)
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
        await http.aclose()
    assert whole > 10 * MEGABYTE
    assert peak - before < 2 * MEGABYTE
