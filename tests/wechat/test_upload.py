import asyncio
import contextlib
import email
import email.policy
import re
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from qunfa.wechat import MaybeWritten, Refused, UploadFile
from qunfa.wechat.upload import PIECE_BYTES
from tests.looking import look_again
from tests.media.sources.site import Reaction, silence
from tests.wechat.conftest import ACCESS, TOKEN, WeChat, Wire, answers, everything_about, response, shows_no_token

GOOD = answers(response({"type": "image", "media_id": "MEDIA_ID", "created_at": 1699999999}))
EXTENSIONS = {
    "image/jpeg": "jpg", "image/png": "png", "image/gif": "gif", "image/bmp": "bmp", "audio/mpeg": "mp3",
    "audio/amr": "amr", "video/mp4": "mp4",
}  # fmt: skip
MEGABYTE = 1 << 20
Put = Callable[[bytes], UploadFile]


@pytest.fixture
def put(tmp_path: Path) -> Put:

    def file(content: bytes) -> UploadFile:
        (tmp_path / "source").write_bytes(content)
        return UploadFile(tmp_path / "source", "a.jpg", "image/jpeg", len(content))

    return file


def still_open() -> list[str]:
    """What this process has open of the file to be uploaded."""
    return [
        link.name for link in Path("/proc/self/fd").iterdir() if link.is_symlink() and link.resolve().name == "source"
    ]


async def test_a_file_on_the_wire(wire: Wire, http: httpx.AsyncClient, put: Put) -> None:
    """The body is a form with the file in `media`, and its length stands in the head: it is not chunked."""
    wire.script = [GOOD, GOOD]
    file = put(b"\xff\xd8\xff\r\n--")
    for _ in range(2):
        assert await wire.account(http).upload(ACCESS, "image", file) == "MEDIA_ID"
    assert (len(wire.requests), wire.connections, still_open()) == (2, 1, [])
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


@given(st.binary(max_size=200), st.text(), st.sampled_from(sorted(EXTENSIONS)))
async def test_whatever_is_in_a_file_arrives_under_a_safe_name(
    tmp_path_factory: pytest.TempPathFactory, content: bytes, filename: str, content_type: str
) -> None:
    """Any bytes. The name is short ASCII without quotes and line ends, and ends as its type wants.

    The standard library's parser reads the form. It shares no code with what wrote it.
    """
    path = tmp_path_factory.getbasetemp() / "source"
    path.write_bytes(content)
    file = UploadFile(path, filename, content_type, len(content))
    assert re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,85}", file.name)
    assert file.name.endswith(f".{EXTENSIONS[content_type]}")
    wechat = WeChat({"media_id": "M"})
    await wechat.account().upload(ACCESS, "image", file)
    [request] = wechat.requests
    head = f"MIME-Version: 1.0\r\nContent-Type: {request.headers['content-type']}\r\n\r\n".encode()
    message = email.message_from_bytes(head + request.content, policy=email.policy.HTTP)
    (part,) = message.iter_parts()
    assert not message.defects
    assert part.get_param("name", header="content-disposition") == "media"
    assert (part.get_filename(), part.get_content_type()) == (file.name, content_type)
    assert part.get_payload(decode=True) == content


@pytest.mark.parametrize(
    ("filename", "content_type", "name"),
    [
        ("cover.jpg", "image/jpeg", "cover.jpg"), ("COVER.JPEG", "image/jpeg", "COVER.jpg"),
        ("cover", "image/png", "cover.png"), ("cover.png", "image/jpeg", "cover.png.jpg"),
        ("v1.2", "video/mp4", "v1.2.mp4"), ("../a/b\\封面 图.png", "image/png", "media.png"),
        ("春天 spring.gif", "image/gif", "spring.gif"), (".jpg", "image/jpeg", "media.jpg"),
        ('a"; name="b\r\n\r\nc.mp3', "audio/mpeg", "a_name_b_c.mp3"), ("", "image/jpeg", "media.jpg"),
    ],
)  # fmt: skip
def test_names(filename: str, content_type: str, name: str) -> None:
    """Examples."""
    assert UploadFile(Path(), filename, content_type, 0).name == name


async def test_progress(wire: Wire, http: httpx.AsyncClient, put: Put) -> None:
    """Progress is told in small steps, and ends with the size."""
    wire.script = [GOOD]
    told: list[int] = []
    file = put(b"x" * (MEGABYTE + 11))
    await wire.account(http).upload(ACCESS, "image", file, progress=told.append)
    steps = [after - before for before, after in zip([0, *told], told, strict=False)]
    assert sum(steps) == told[-1] == file.size
    assert 0 < min(steps) <= max(steps) <= PIECE_BYTES


@pytest.mark.parametrize("now", [b"012345678", b"0123456789a", b""])
async def test_a_file_of_another_size_never_arrives(now: bytes, wire: Wire, http: httpx.AsyncClient, put: Put) -> None:
    """It has changed since it was looked at. WeChat gets no end, and the next upload has a new connection."""
    wire.script = [GOOD]
    file = put(b"0123456789")
    put(now)
    account = wire.account(http)
    with pytest.raises(OSError, match="its size has changed") as caught:
        await account.upload(ACCESS, "image", file)
    assert shows_no_token(caught.value)
    await wire.closed.wait()
    assert (wire.requests, still_open()) == ([], [])
    await account.upload(ACCESS, "image", put(b"0123456789"))
    assert (len(wire.requests), wire.connections) == (1, 2)


@pytest.mark.parametrize("wrong", ["missing", "no sound disk"])
async def test_a_file_that_cannot_be_read_is_no_error_of_wechats(
    wrong: str, wire: Wire, http: httpx.AsyncClient, tmp_path: Path
) -> None:
    """What the disk says comes out as it is, and shows no token."""
    path = tmp_path / "missing" if wrong == "missing" else Path("/proc/self/mem")
    with pytest.raises(OSError, match=r"No such file|Input/output error") as caught:
        await wire.account(http).upload(ACCESS, "image", UploadFile(path, "a.jpg", "image/jpeg", 4))
    assert shows_no_token(caught.value)
    await wire.closed.wait()
    assert wire.requests == []


async def test_a_line_that_stalls(hasty: httpx.AsyncClient, put: Put) -> None:
    """A server that stops reading is given up after the time for one write, and not after that for the whole file."""
    gone = asyncio.Event()

    async def stall(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.closing(writer):
            await gone.wait()

    file, told = put(bytes(20 * MEGABYTE)), list[int]()
    async with await asyncio.start_server(stall, "127.0.0.1", 0, limit=1024) as server:
        account = Wire(server.sockets[0].getsockname()[1]).account(hasty)
        with pytest.raises(MaybeWritten, match=r"media/upload may have taken .*WriteTimeout.*no mass send"):
            await account.upload(ACCESS, "video", file, progress=told.append)
        gone.set()
    assert (told[-1] < file.size, still_open()) == (True, [])


async def test_an_answer_before_the_end_of_the_file(http: httpx.AsyncClient, put: Put) -> None:
    """A refusal is understood also where it comes while the file is still being written."""
    refusal = response({"errcode": 40009, "errmsg": "image size out of limit"}, headers="Connection: close\r\n")

    async def refuse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(refusal)
        while await reader.read(MEGABYTE):
            await look_again()
        writer.close()

    async with await asyncio.start_server(refuse, "127.0.0.1", 0) as server:
        account = Wire(server.sockets[0].getsockname()[1]).account(http)
        with pytest.raises(Refused, match=r"image a.jpg: .*answered 40009: the image is too big"):
            await account.upload(ACCESS, "image", put(bytes(3 * MEGABYTE)))
        await http.aclose()
    assert still_open() == []


@pytest.mark.parametrize("fault", [answers(b"", abort=True), answers(b"", close=True), silence, None])
async def test_an_upload_without_an_answer_closes_its_file(
    *, fault: Reaction | None, wire: Wire, hasty: httpx.AsyncClient, http: httpx.AsyncClient, put: Put
) -> None:
    """What became of it is open, and it may be done again: nobody is sent to by it. So it is where it is cancelled."""
    wire.script = [fault or silence]
    account = wire.account(http if fault is None else hasty)
    call = asyncio.create_task(account.upload(ACCESS, "image", put(b"x")))
    if fault is None:
        await wire.arrived.wait()
        call.cancel()
    with pytest.raises((MaybeWritten, asyncio.CancelledError)) as caught:
        await call
    assert ("It is no mass send, and may be repeated" in str(caught.value)) == (fault is not None)
    assert TOKEN not in everything_about(caught.value)
    assert (still_open(), len(wire.requests)) == ([], 1)


async def test_a_file_is_never_in_memory(http: httpx.AsyncClient, put: Put) -> None:
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
                writer.write(response({"media_id": "M"}))

    async with await asyncio.start_server(sink, "127.0.0.1", 0) as server:
        account = Wire(server.sockets[0].getsockname()[1]).account(http)
        await account.upload(ACCESS, "video", put(b"x"))  # imports and caches
        file = put(bytes(10 * MEGABYTE))
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
