import asyncio
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from urllib.parse import parse_qs, urlsplit

from lxml import etree

from qunfa.callback.crypto import sign

CALLBACK_TOKEN = "callbacktoken"


@dataclass(frozen=True)
class Push:
    """What the receiver got."""

    query: dict[str, str]
    headers: dict[str, str]
    body: bytes

    def text(self, path: str) -> str | None:
        found: str | None = etree.fromstring(self.body).findtext(path)
        return found

    def tags(self, path: str = ".") -> list[str]:
        element = etree.fromstring(self.body).find(path)
        return [] if element is None else [str(child.tag) for child in element]

    @property
    def msg_id(self) -> int:
        return int(self.text("MsgID") or 0)

    def signed(self, *parts: str) -> str:
        """The account's signature over the query, and what else it covers."""
        return sign(CALLBACK_TOKEN, self.query["timestamp"], self.query["nonce"], *parts)

    @property
    def is_signed(self) -> bool:
        return self.query["signature"] == self.signed()


@dataclass
class Inbox:
    """A receiver of pushes. `answers` are used up one by one, None never answers; then everything gets `success`."""

    url: str = ""
    pushes: list[Push] = field(default_factory=list)
    answers: deque[tuple[int, str] | None] = field(default_factory=deque)
    on_push: Callable[[Push], object] | None = None

    @property
    def msg_ids(self) -> list[int]:
        return [push.msg_id for push in self.pushes]

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
        headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in head[1:]) if name}
        body = await reader.readexactly(int(headers.get("content-length", "0")))
        query = parse_qs(urlsplit(head[0].split()[1]).query)
        self.pushes.append(Push({name: values[0] for name, values in query.items()}, headers, body))
        if self.on_push is not None:
            self.on_push(self.pushes[-1])
        answer = self.answers.popleft() if self.answers else (200, "success")
        if answer is None:
            await reader.read()
        else:
            status, text = answer
            writer.write(
                f"HTTP/1.1 {status} X\r\nContent-Length: {len(text)}\r\nConnection: close\r\n\r\n{text}".encode()
            )
        writer.close()
