"""How a fault looks on the wire: answers that are held back, cut off, broken or wrong."""

from __future__ import annotations

import asyncio
import json
import socket
import struct
from dataclasses import dataclass

from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from qunfa.simulator.endpoint import Answer, Endpoint
from qunfa.simulator.errors import Refusal
from qunfa.simulator.plans import Fault

TRANSPORT = "qunfa.simulator.transport"
_CUT_OFF = 8
_RESET_ON_CLOSE = struct.pack("ii", 1, 0)


def render(body: Answer, endpoint: Endpoint) -> Response:
    """An answer as WeChat gives it: HTTP 200, whatever the errcode."""
    return Response(json.dumps(body, ensure_ascii=False).encode(), media_type=endpoint.media_type)


@dataclass(frozen=True)
class Silence:
    """No answer: the connection is held until the client gives up, `seconds` have passed or the simulator closes."""

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


def spoil(fault: Fault, body: Answer, endpoint: Endpoint, closing: asyncio.Event) -> ASGIApp:
    """What happens instead of answering `body`."""
    match fault.kind:
        case "timeout_before_accept" | "timeout_after_accept":
            return Silence(closing, fault.seconds)
        case "reset_before_accept" | "reset_after_accept":
            return reset
        case "http_502":
            return Response("<html><h1>Bad Gateway</h1></html>", fault.status, media_type="text/html")
        case "broken_json":
            return Response(json.dumps(body)[:-_CUT_OFF] or "{", media_type=endpoint.media_type)
        case _:
            return render(_changed(fault, body), endpoint)


def _changed(fault: Fault, body: Answer) -> Answer:
    match fault.kind:
        case "errcode" | "errcode_after_accept":
            return Refusal(fault.errcode).body()
        case "ok_without_msg_id":
            return {"errcode": 0, "errmsg": body.get("errmsg", "ok")}
        case _:
            return body
