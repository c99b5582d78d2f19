"""Connections of those who never get to the point, at real sockets."""

import asyncio
import contextlib
import resource
import signal
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest
from starlette.types import ASGIApp, Receive, Scope, Send

from qunfa.callback.server import Bounds, Services, listen
from tests.bench.serve import hello
from tests.callback.pushing import signed
from tests.callback.running import process_of
from tests.looking import PATIENCE, look_again

GET = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"
LONG = 3600.0
Open = Callable[[], Awaitable[tuple[asyncio.StreamReader, asyncio.StreamWriter]]]


@asynccontextmanager
async def _serving(bounds: Bounds, app: ASGIApp = hello) -> AsyncIterator[Open]:
    """A way to connections of an application, all of which are closed afterwards."""
    with contextlib.closing(Services(bounds)) as services:
        url = httpx.URL(services.add(app, "127.0.0.1", 0))
        serving = asyncio.create_task(services.run())
        writers: list[asyncio.StreamWriter] = []

        async def connect() -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
            reader, writer = await asyncio.open_connection(url.host, url.port)
            writers.append(writer)
            return reader, writer

        try:
            async with asyncio.timeout(PATIENCE):
                yield connect
        finally:
            for writer in writers:
                writer.close()
            services.stop()
            await serving


async def _end(reader: asyncio.StreamReader) -> bytes:
    """All that comes until the connection is closed, however that is done."""
    got = bytearray()
    with contextlib.suppress(ConnectionError):
        while more := await reader.read(4096):
            got += more
    return bytes(got)


@pytest.mark.parametrize("said", [b"", b"G", GET[:-2], b"POST / HTTP/1.1\r\nHost: x\r\nX: "])
async def test_head_that_never_ends(said: bytes) -> None:
    """Whatever has been said of it, its time comes to an end."""
    async with _serving(Bounds(head=0.1, request=LONG)) as connect:
        reader, writer = await connect()
        writer.write(said)
        assert await _end(reader) == b""


async def test_second_head_that_never_ends() -> None:
    """Nor does it help to have been answered before, or to go on saying something."""
    async with _serving(Bounds(head=0.3, request=LONG)) as connect:
        reader, writer = await _answered(connect)
        ended = asyncio.create_task(_end(reader))
        while not ended.done():
            writer.write(b"x")
            await look_again()
        assert await ended == b""


async def _answered(connect: Open) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """A connection whose first request was answered; a crowded machine may lose some before."""
    while True:
        reader, writer = await connect()
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            writer.write(GET)
            assert (await reader.readuntil(b"hello")).startswith(b"HTTP/1.1 200")
            return reader, writer


async def test_answer_that_nobody_reads() -> None:
    """It holds its connection, and what is to be sent, no longer than a request may take."""
    given_up = asyncio.Event()

    async def endless(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await hello(scope, receive, send)
            return
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"100000000")]})
        for _ in range(100):
            await send({"type": "http.response.body", "body": b"x" * 1_000_000, "more_body": True})
        given_up.set()

    async with _serving(Bounds(head=LONG, request=0.3), endless) as connect:
        _, writer = await connect()
        writer.write(GET)
        await given_up.wait()


async def test_oldest_idle_one_goes_first() -> None:
    """Those who say nothing do not keep others out, and among them the latest have the best chances."""
    async with _serving(Bounds(head=LONG, request=LONG, idle=5, all=10)) as connect:
        silent = [(await connect())[0] for _ in range(20)]
        reader, writer = await connect()
        writer.write(GET)
        assert (await reader.readuntil(b"hello")).startswith(b"HTTP/1.1 200")
        assert await asyncio.gather(*map(_end, silent[:15])) == [b""] * 15
        assert not any(one.at_eof() for one in silent[17:])


class Busy:
    """An application that answers whole requests once it may."""

    def __init__(self) -> None:
        self.arrived, self.go_on = asyncio.Semaphore(0), asyncio.Event()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            self.arrived.release()
            while (message := await receive()).get("more_body"):
                pass
            if message["type"] == "http.disconnect":
                return
            await self.go_on.wait()
        await hello(scope, receive, send)


async def test_one_with_a_request_does_not_go() -> None:
    """Where all are being answered, it is the new one that goes; afterwards there is room again."""
    busy = Busy()
    async with _serving(Bounds(head=LONG, request=LONG, idle=3, all=3), busy) as connect:
        answered = [await connect() for _ in range(3)]
        for _, writer in answered:
            writer.write(GET)
            await busy.arrived.acquire()
        late, _ = await connect()
        assert await _end(late) == b""
        busy.go_on.set()
        for reader, _ in answered:
            assert (await reader.readuntil(b"hello")).startswith(b"HTTP/1.1 200")
        reader, writer = await connect()
        writer.write(GET)
        assert (await reader.readuntil(b"hello")).startswith(b"HTTP/1.1 200")


async def test_one_whose_body_does_not_come_goes() -> None:
    """It keeps nobody out, who says what he has to say; those whose requests are whole stay."""
    busy = Busy()
    async with _serving(Bounds(head=LONG, request=LONG, idle=4, all=4), busy) as connect:
        begun = []
        for said in (GET, *[b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n"] * 3, GET):
            reader, writer = await connect()
            writer.write(said)
            await busy.arrived.acquire()
            begun.append(reader)
        assert await _end(begun[1]) == b""
        busy.go_on.set()
        for one in (begun[0], begun[-1]):
            assert (await one.readuntil(b"hello")).startswith(b"HTTP/1.1 200")


def test_bounds_are_those_of_the_moment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Not those when the program began: it may change its limit of descriptors."""
    monkeypatch.setattr(resource, "getrlimit", lambda _: (40, 40))
    assert (Bounds().idle, Bounds().all) == (10, 20)


async def test_two_lengths_of_one_body() -> None:
    """A request with both headers is the last one of its connection: what follows may be a part of it to others."""
    both = b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"
    async with _serving(Bounds()) as connect:
        reader, writer = await connect()
        writer.write(both + GET)
        answer = await _end(reader)

    assert answer.count(b"HTTP/1.1 ") == 1
    assert b"connection: close" in answer.lower()


@asynccontextmanager
async def _crowd(url: httpx.URL, number: int, said: bytes = b"") -> AsyncIterator[httpx.AsyncClient]:
    """So many connections that have said that, and a client that comes after them."""
    writers = []
    try:
        for _ in range(number):
            writers.append((await asyncio.open_connection(url.host, url.port))[1])
            writers[-1].write(said)
        async with httpx.AsyncClient(base_url=url, trust_env=False, timeout=PATIENCE) as http:
            yield http
    finally:
        for writer in writers:
            writer.close()


async def test_more_connections_than_descriptors(tmp_path: Path) -> None:
    """400 that never end a request's head neither keep WeChat out nor fill the log."""
    assert resource.getrlimit(resource.RLIMIT_NOFILE)[0] > 512
    log = tmp_path / "log"
    async with process_of(log) as (_, url), _crowd(url, 400, GET[:-2]) as http:
        for _ in range(3):
            assert (await http.get("/wechat/demo", params=signed(echostr="1"))).text == "1"
    assert log.stat().st_size < 20_000


async def test_what_is_no_request_is_not_logged(tmp_path: Path) -> None:
    """Nor what asks for another protocol, or breaks off: whoever sends it again and again fills no disk."""
    log = tmp_path / "log"
    upgrade = b"GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: upgrade, close\r\nUpgrade: websocket\r\n\r\n"
    chunked = b"POST /wechat/%s HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nno length\r\n"
    kinds = {b"\x16\x03\x01 no HTTP\r\n\r\n": b"400", upgrade: b"200"}
    kinds |= {chunked % way: b"400" for way in (b"demo", b"demo/events", b"nobody", b"nobody/events")}
    async with process_of(log) as (_, url), asyncio.timeout(PATIENCE):
        for said, status in kinds.items():
            for _ in range(20):
                reader, writer = await asyncio.open_connection(url.host, url.port)
                writer.write(said)
                assert (await _end(reader)).startswith(b"HTTP/1.1 " + status)
                writer.close()
        late = b"GET /healthz HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
        for _ in range(20):
            reader, writer = await asyncio.open_connection(url.host, url.port)
            writer.write(late)
            assert (await reader.readuntil(b"ok")).startswith(b"HTTP/1.1 200")
            writer.write(b"no length\r\n")
            assert await _end(reader) == b""
            writer.close()
    assert [word in log.read_bytes() for word in (b"uvicorn", b"Traceback", b'"level":"error"')] == [False] * 3


async def test_no_descriptor_is_left(tmp_path: Path) -> None:
    """That is one line a minute, and when there are some again, the receiver goes on."""
    hold = (
        "free = iter(lambda: len(os.listdir('/proc/self/fd')) < 256, False); "
        "held = [os.open(os.devnull, os.O_RDONLY) for _ in free]; "
        "let_go = lambda: [os.close(held.pop()) for _ in list(held)]; "
        "asyncio.get_running_loop().add_signal_handler(signal.SIGUSR1, let_go)"
    )
    log = tmp_path / "log"
    async with process_of(log, hold) as (process, url), _crowd(url, 30) as http, asyncio.timeout(PATIENCE):
        while b"no connection accepted" not in log.read_bytes():
            await look_again()
        process.send_signal(signal.SIGUSR1)
        assert (await http.get("/healthz")).text == "ok"
    assert log.read_bytes().count(b"no connection accepted") == 1
    assert b"Traceback" not in log.read_bytes()


def test_connections_send_at_once() -> None:
    """A connection that the receiver accepts does not wait for acknowledgements between the parts of an answer."""
    with listen("127.0.0.1", 0) as listener, socket.create_connection(listener.getsockname()):
        accepted, _ = listener.accept()
        with accepted:
            assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY) != 0
