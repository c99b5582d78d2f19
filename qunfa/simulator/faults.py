"""Faults: what people order to go wrong with a call, and how that looks on the wire."""

from __future__ import annotations

import asyncio
import json
import socket
import struct
from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import Field, model_validator
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from qunfa.simulator.plans import Order, Seconds

FaultKind = Literal[
    "timeout_before_accept",
    "timeout_after_accept",
    "reset_before_accept",
    "reset_after_accept",
    "http_502",
    "broken_json",
    "errcode",
    "errcode_after_accept",
    "ok_without_msg_id",
    "slow",
    "slow_upload",
    "reset_in_upload",
    "picture_lost",
    "dies_early",
]
Stage = Literal["upload", "before", "articles", "lifetime", "after"]
Answer = dict[str, object]
"""The JSON object of an answer."""

_STAGES: dict[FaultKind, Stage] = {
    "timeout_before_accept": "before",
    "reset_before_accept": "before",
    "errcode": "before",
    "slow_upload": "upload",
    "reset_in_upload": "upload",
    "picture_lost": "articles",
    "dies_early": "lifetime",
}
TRANSPORT = "qunfa.simulator.transport"
_CUT_OFF = 8
_RESET_ON_CLOSE = struct.pack("ii", 1, 0)


class Fault(Order):
    """Something that goes wrong with a call.

    Attributes:
        endpoint: path of the endpoint, or the end of it in whole segments ("sendall", "mass/get"). "*" is every one.
        kind: what goes wrong. The `…_before_accept` kinds and `errcode` come instead of the call. The others strike
            after it was carried out, and are kept for a call that succeeds. `slow_upload` reads an upload over
            `seconds`. `reset_in_upload` breaks the connection when half of it has come. `picture_lost` takes the first
            of WeChat's own pictures out of an article. `dies_early` ends the life of the new media_id after `seconds`
            of the simulator's clock, or at once.
        accept: of `http_502`, `broken_json` and `slow`: whether the call is carried out first.
        errcode: the code that `errcode` and `errcode_after_accept` answer.
        status: the HTTP status of `http_502`.
        seconds: real seconds. `slow` answers so late. The `timeout_…` kinds drop the connection then, or never if None.
    """

    endpoint: str = "*"
    kind: FaultKind
    accept: bool = True
    errcode: int = -1
    status: Annotated[int, Field(ge=300, le=599)] = 502
    seconds: Seconds | None = None

    @model_validator(mode="after")
    def _complete(self) -> Fault:
        if self.kind in {"slow", "slow_upload"} and self.seconds is None:
            raise ValueError("what is slow needs its seconds")
        return self

    @property
    def stage(self) -> Stage:
        """When in the life of a call the fault strikes."""
        if self.kind in _STAGES:
            return _STAGES[self.kind]
        if self.kind in {"http_502", "broken_json", "slow"}:
            return "after" if self.accept else "before"
        return "after"

    def concerns(self, path: str) -> bool:
        """Whether it is a fault of the endpoint at `path`."""
        return self.endpoint in {"*", path} or path.endswith("/" + self.endpoint.lstrip("/"))


def render(body: Answer, media_type: str) -> Response:
    """An answer as WeChat gives it: HTTP 200, whatever the errcode."""
    return Response(json.dumps(body, ensure_ascii=False).encode(), media_type=media_type)


@dataclass(frozen=True)
class Silence:
    """No answer. The connection is held until the client gives up, `seconds` are over or the simulator closes."""

    closing: asyncio.Event
    seconds: float | None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Hold the connection, then reset it."""
        waiting = [asyncio.ensure_future(receive()), asyncio.ensure_future(self.closing.wait())]
        try:
            await asyncio.wait(waiting, timeout=self.seconds, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in waiting:
                task.cancel()
        await reset(scope, receive, send)


async def reset(scope: Scope, receive: Receive, _send: Send) -> None:
    """Close the TCP connection with a reset instead of an answer."""
    transport: asyncio.Transport = scope["state"][TRANSPORT]
    connection: socket.socket | None = transport.get_extra_info("socket")
    if connection is not None and not transport.is_closing():
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
    transport.abort()
    message = await receive()
    while message["type"] != "http.disconnect":
        message = await receive()


def spoil(fault: Fault, body: Answer, media_type: str, closing: asyncio.Event) -> ASGIApp:
    """What happens instead of answering `body`."""
    match fault.kind:
        case "timeout_before_accept" | "timeout_after_accept":
            return Silence(closing, fault.seconds)
        case "reset_before_accept" | "reset_after_accept":
            return reset
        case "http_502":
            return Response("<html><h1>Bad Gateway</h1></html>", fault.status, media_type="text/html")
        case "broken_json":
            return Response(json.dumps(body)[:-_CUT_OFF] or "{", media_type=media_type)
        case "ok_without_msg_id":
            return render({"errcode": 0, "errmsg": body.get("errmsg", "ok")}, media_type)
        case _:
            return render(body, media_type)
