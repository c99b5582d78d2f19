"""Passing pushes on to the system that had the callback URL before."""

from collections.abc import Iterator
from datetime import timedelta
from http import HTTPStatus
from typing import Final

import httpx
from starlette.requests import Request
from starlette.responses import Response

from qunfa.callback.connections import of_descriptors
from qunfa.callback.recent import Recent

ANSWER_LIMIT: Final = 256 * 1024
"""An answer to WeChat is a few KiB."""
CONNECTIONS_MAX: Final = 200
ANSWERS_MAX: Final = 8
"""Answers to one and the same push, and errors of the server: twice as many as WeChat asks for at most."""
_PATIENCE: Final = 4.0
_HOP_BY_HOP: Final = frozenset({
    b"connection", b"keep-alive", b"proxy-authenticate", b"proxy-authorization", b"proxy-connection", b"te", b"trailer",
    b"transfer-encoding", b"upgrade",
})  # fmt: skip
_MADE_ANEW: Final = frozenset({b"host", b"content-length", b"expect", b"x-forwarded-for"})


class ForwardError(Exception):
    """The other system gave no answer that WeChat can have. The message says why, without the URL."""


class Forwarder:
    """Repeats a request at another URL, once, and brings the answer back.

    Method, query and body go out byte for byte. So do the headers, except `Host` and those that end at each hop. The
    peer is added to `X-Forwarded-For`. No cookie is kept, no redirect followed, nothing repeated. Each request has a
    connection of its own: bytes beyond an answer would be read as the next answer.
    """

    def __init__(self, span: timedelta) -> None:
        """`span`: how long a push could be repeated."""
        self._transport: httpx.AsyncHTTPTransport | None = None
        self._answered: Recent[int] = Recent(span)
        self._failed: Recent[int] = Recent(span)

    async def pass_on(self, target: str, request: Request, body: bytes, push: bytes) -> Response | None:
        """The other system's status, content type and body; None where it has answered this `push` often enough.

        WeChat waits for a reply, so a repetition goes on, too, but not more often than WeChat would repeat.

        Raises:
            ForwardError: No answer, a redirect, or one that is too long; or only errors of the server, often enough.
        """
        if (self._answered.get(push) or 0) >= ANSWERS_MAX:
            return None
        if (self._failed.get(push) or 0) >= ANSWERS_MAX:
            raise ForwardError(f"the system behind forward_to has failed at this push {ANSWERS_MAX} times")
        outgoing = _outgoing(httpx.URL(target), request, body)
        if self._transport is None:
            most = of_descriptors(4, CONNECTIONS_MAX)
            limits = httpx.Limits(max_connections=most, max_keepalive_connections=0)
            self._transport = httpx.AsyncHTTPTransport(limits=limits)
        try:
            response = await self._transport.handle_async_request(outgoing)
            try:
                answer = await _answer(response)
            finally:
                await response.aclose()
        except httpx.TransportError as error:
            raise ForwardError(f"no answer from the system behind forward_to: {type(error).__name__}") from None
        counted = self._failed if answer.status_code >= HTTPStatus.INTERNAL_SERVER_ERROR else self._answered
        counted.note(push, (counted.get(push) or 0) + 1)
        return answer

    async def close(self) -> None:
        """Closes the connections."""
        if self._transport is not None:
            await self._transport.aclose()


def _outgoing(target: httpx.URL, request: Request, body: bytes) -> httpx.Request:
    """The URL's own query comes first; `target` goes out as it is, where httpx would write a query anew."""
    query: bytes = request.scope["query_string"]
    path = target.raw_path + (b"&" if target.query else b"?") + query if query else target.raw_path
    return httpx.Request(
        request.method,
        target,
        headers=list(_headers(request)),
        content=body,
        extensions={"target": path, "timeout": dict.fromkeys(("connect", "read", "write", "pool"), _PATIENCE)},
    )


def _headers(request: Request) -> Iterator[tuple[bytes, bytes]]:
    named = {
        name.strip().lower().encode("latin-1")
        for line in request.headers.getlist("connection")
        for name in line.split(",")
    }
    for name, value in request.headers.raw:
        if name not in _HOP_BY_HOP | _MADE_ANEW | named:
            yield name, value
    hops = [*request.headers.getlist("x-forwarded-for"), *([request.client.host] if request.client else [])]
    yield b"connection", b"close"
    if hops:
        yield b"x-forwarded-for", ", ".join(hops).encode("latin-1")


async def _answer(response: httpx.Response) -> Response:
    status = response.status_code
    if status < HTTPStatus.OK or HTTPStatus.MULTIPLE_CHOICES <= status < HTTPStatus.BAD_REQUEST:
        raise ForwardError(f"the system behind forward_to answers {status}; redirects are not followed")
    body = bytearray()
    async for chunk in response.aiter_raw():
        body += chunk
        if len(body) > ANSWER_LIMIT:
            raise ForwardError(f"the answer of the system behind forward_to is longer than {ANSWER_LIMIT} bytes")
    kept = ("content-type", "content-encoding")
    response.headers.encoding = "latin-1"  # as they go out again: any bytes stay what they are
    headers = {name: response.headers[name] for name in kept if name in response.headers}
    return Response(bytes(body), status, headers)
