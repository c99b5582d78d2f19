"""Servers and accounts to speak with: raw sockets for the faults of a network, a transport for everything else."""

import asyncio
import contextlib
import json
import traceback
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import httpx
import pytest

from qunfa.contract.audience import All
from qunfa.contract.message import TextMessage
from qunfa.wechat import OfficialAccount, Submitted, Token, mass_body, open_http
from tests.media.sources.site import Listener, Reaction

TOKEN = "24_token-THAT-nobody-MAY-read"
ACCESS = Token(TOKEN)
SECRET = "0123456789abcdefSECRETsecret0000"
BODY = mass_body(All(kind="all"), TextMessage(msgtype="text", content="你好"), clientmsgid="c-1")
ACCEPTED = {"errcode": 0, "errmsg": "send job submission success", "msg_id": 3147483650, "msg_data_id": 2247483663}


def response(body: object, *, status: str = "200 OK", more: int = 0, headers: str = "") -> bytes:
    """An HTTP response; `more` is how many bytes its length promises beyond what comes."""
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    head = (
        f"HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {len(content) + more}\r\n{headers}\r\n"
    )
    return head.encode() + content


def answers(data: bytes, *, close: bool = False, abort: bool = False) -> Reaction:
    """Send these bytes, and then keep the connection, close it, or reset it."""

    async def react(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(data)
        await writer.drain()
        if close:
            writer.close()
        if abort:
            writer.transport.abort()

    return react


@dataclass
class Wire(Listener):
    """A server that does with each request that arrives what its script says next, and keeps count."""

    script: list[Reaction] = field(default_factory=list)
    requests: list[bytes] = field(default_factory=list, repr=False)
    arrived: asyncio.Event = field(default_factory=asyncio.Event)
    closed: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def connections(self) -> int:
        return len(self.tasks)

    def account(self, http: httpx.AsyncClient) -> OfficialAccount:
        return OfficialAccount(http, f"http://127.0.0.1:{self.port}", "demo")

    async def submit(self, http: httpx.AsyncClient) -> Submitted:
        return await self.account(http).submit(ACCESS, BODY)

    async def talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError), contextlib.closing(writer):
            while not writer.is_closing():
                head = await reader.readuntil(b"\r\n\r\n")
                lengths = [line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")]
                self.requests.append(head + await reader.readexactly(int(lengths[0].split(b":")[1]) if lengths else 0))
                self.arrived.set()
                await self.script.pop(0)(reader, writer)
        self.closed.set()


@pytest.fixture
async def wire() -> AsyncIterator[Wire]:
    wire = Wire()
    await wire.start()
    yield wire
    await wire.stop()


@pytest.fixture
async def http() -> AsyncIterator[httpx.AsyncClient]:
    async with open_http(timedelta(seconds=5)) as client:
        yield client


@pytest.fixture
async def hasty() -> AsyncIterator[httpx.AsyncClient]:
    """A client that waits no longer than a fifth of a second, once it is connected."""
    async with open_http(timedelta(seconds=5)) as client:
        client.timeout = httpx.Timeout(5, read=0.2, write=0.2)
        yield client


class WeChat:
    """A transport that answers every request with the same thing and keeps the requests."""

    def __init__(self, answer: Any, **more: Any) -> None:
        self.answer = answer
        self.more = more
        self.requests: list[httpx.Request] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        if isinstance(self.answer, Exception):
            raise self.answer
        shape = {"content": self.answer} if isinstance(self.answer, bytes) else {"json": self.answer}
        return httpx.Response(**{"status_code": 200, **shape, **self.more})

    def http(self) -> httpx.AsyncClient:
        return httpx.AsyncClient(transport=httpx.MockTransport(self), trust_env=False)

    def account(self) -> OfficialAccount:
        return OfficialAccount(self.http(), "https://wechat.example", "demo")

    async def submit(self) -> Submitted:
        return await self.account().submit(ACCESS, BODY)


def everything_about(error: BaseException) -> str:
    """All that a careless reporter could print of an error and of those before it: fields, frames and their locals."""
    told: list[str] = []
    one: BaseException | None = error
    while one is not None:
        report = traceback.TracebackException.from_exception(one, capture_locals=True)
        told += [*report.format(), repr(one), str(one), repr(vars(one)), repr(one.args)]
        one = one.__cause__ or one.__context__
    return "".join(told)


def shows_no_token(error: BaseException) -> bool:
    """Neither text, fields, chain nor the locals of any frame show the access token."""
    return TOKEN not in everything_about(error) and (error.__cause__, error.__context__) == (None, None)
