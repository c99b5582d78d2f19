"""A receiver of webhooks on loopback, which answers as a test says and checks signatures by itself."""

import asyncio
import contextlib
import hashlib
import hmac
import json
import ssl
from base64 import b64decode, b64encode
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from tests.looking import PATIENCE
from tests.media.sources.site import Listener, Reaction, response, says

SECRET = "whsec_" + b64encode(b"the key of one webhook, 32 bytes").decode()
OTHER = "whsec_" + b64encode(b"another key, also with 32 bytes!").decode()
OK = says(response(status="204 No Content"))


def answers(status: int, *headers: str) -> Reaction:
    """Answer with this status."""
    return says(response(b"{}", *headers, status=f"{status} Whatever"))


@dataclass(frozen=True)
class Post:
    """A request that has come."""

    line: str
    headers: dict[str, str]
    body: bytes

    @property
    def webhook_id(self) -> str:
        return self.headers["webhook-id"]

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def type(self) -> str:
        return str(self.json["type"])

    @property
    def data(self) -> dict[str, Any]:
        data: dict[str, Any] = self.json["data"]
        return data

    def signed_with(self, secret: str) -> bool:
        """Whether one of the signatures is by this secret, as the specification of Standard Webhooks has it."""
        content = b".".join((self.webhook_id.encode(), self.headers["webhook-timestamp"].encode(), self.body))
        digest = hmac.new(b64decode(secret.removeprefix("whsec_")), content, hashlib.sha256).digest()
        return f"v1,{b64encode(digest).decode()}" in self.headers["webhook-signature"].split(" ")


@dataclass
class Receiver(Listener):
    """Answers each POST with the next of `script`, then with `rest`; `posts` are those that have come."""

    script: list[Reaction] = field(default_factory=list)
    rest: Reaction = OK
    posts: list[Post] = field(default_factory=list, repr=False)
    _news: asyncio.Condition = field(default_factory=asyncio.Condition)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/hook/a-SECRET-path?key=a-SECRET-key"

    def of(self, kind: str) -> list[Post]:
        """The posts of one type."""
        return [post for post in self.posts if post.type == kind]

    async def until(self, fits: Callable[[], object], within: float = PATIENCE) -> None:
        """Until what has come fits."""
        async with asyncio.timeout(within), self._news:
            await self._news.wait_for(fits)

    async def came(self, kind: str, count: int = 1) -> list[Post]:
        """The posts of one type, once there are so many."""
        await self.until(lambda: len(self.of(kind)) >= count)
        return self.of(kind)

    async def talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError, ssl.SSLError):
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
            line, *fields = head.strip().split("\r\n")
            headers = {name.lower(): value for name, _, value in (field.partition(": ") for field in fields)}
            body = await reader.readexactly(int(headers.get("content-length", 0)))
            async with self._news:
                self.posts.append(Post(line, headers, body))
                self._news.notify_all()
            await (self.script.pop(0) if self.script else self.rest)(reader, writer)
        writer.close()


@asynccontextmanager
async def receiving(port: int = 0, tls: ssl.SSLContext | None = None) -> AsyncIterator[Receiver]:
    """A receiver on loopback; with `tls`, on https."""
    receiver = Receiver()
    await receiver.start(port, tls)
    yield receiver
    await receiver.stop()
