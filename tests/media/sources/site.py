"""A web server that does what a test says, byte for byte."""

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

Reaction = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]

MIB = 1024 * 1024


def response(body: bytes = b"", *headers: str, status: str = "200 OK", length: int | None = None) -> bytes:
    """An HTTP response; `length` is what it says of itself, by default the truth."""
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body) if length is None else length}", *headers, "", ""]
    return "\r\n".join(lines).encode("latin-1") + body


def redirect(location: str, status: str = "302 Found") -> bytes:
    return response(b"", f"Location: {location}", status=status)


def says(data: bytes) -> Reaction:

    async def react(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(data)
        await writer.drain()

    return react


async def silence(reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
    await reader.read()


def stalls(head: bytes) -> Reaction:
    """Send these bytes, then wait for the client to go."""

    async def react(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(head)
        await reader.read()

    return react


def drips(head: bytes, drop: bytes = b"x") -> Reaction:
    """Send a head, and then a drop every 20 ms until the client goes."""

    async def react(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(head)
        while not reader.at_eof():
            writer.write(drop)
            await writer.drain()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(reader.read(), 0.02)

    return react


def floods(head: bytes, piece: bytes, pieces: int | None = None) -> Reaction:
    """Send a head, and then the same piece again and again: so many times, or until the client goes."""

    async def react(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(head)
        sent = 0
        while pieces is None or sent < pieces:
            writer.write(piece)
            await writer.drain()
            sent += 1

    return react


@dataclass
class Listener:
    """Accepts connections on loopback, until it is stopped."""

    port: int = 0
    tasks: dict[asyncio.Task[None], asyncio.StreamWriter] = field(default_factory=dict, repr=False)
    server: asyncio.Server | None = field(default=None, repr=False)

    async def start(self, port: int = 0, tls: ssl.SSLContext | None = None) -> None:
        self.server = await asyncio.start_server(self.accept, "127.0.0.1", port, ssl=tls)
        self.port = self.server.sockets[0].getsockname()[1]

    def accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.tasks[asyncio.create_task(self.talk(reader, writer))] = writer

    async def talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        raise NotImplementedError

    async def stop(self) -> None:
        """Let everybody go, and nobody in any more."""
        if self.server is not None:
            self.server.close()
            for writer in self.tasks.values():
                # One that was closed, and has written since what was left, has no loop any more. CPython looks for it.
                with contextlib.suppress(AttributeError):
                    writer.transport.abort()
            await asyncio.gather(*self.tasks)
            await self.server.wait_closed()
            self.server = None


@dataclass
class Site(Listener):
    """Serves `pages` by path, one request a connection, and keeps the requests."""

    tls: bool = False
    pages: dict[str, bytes | Reaction] = field(default_factory=dict)
    requests: list[str] = field(default_factory=list)

    @property
    def authority(self) -> str:
        return f"127.0.0.1:{self.port}"

    def url(self, path: str = "/a.png", host: str = "127.0.0.1") -> str:
        return f"{'https' if self.tls else 'http'}://{host}:{self.port}{path}"

    async def seen(self) -> int:
        return len(self.requests)

    async def talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError, ssl.SSLError):
            request = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
            self.requests.append(request)
            page = self.pages[request.split(" ", 2)[1]]
            await (says(page) if isinstance(page, bytes) else page)(reader, writer)
        writer.close()


@asynccontextmanager
async def serve(tls: ssl.SSLContext | None = None) -> AsyncIterator[Site]:
    site = Site(tls=tls is not None)
    await site.start(tls=tls)
    yield site
    await site.stop()
