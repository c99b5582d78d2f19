"""The two URLs of an account: WeChat pushes to one, and other systems hand events over at the other.

A push that another system waits for, too, is passed on to it: to the one that had the callback URL before.
"""

import hmac
import re
import secrets
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from http import HTTPStatus
from typing import Final

import httpx
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.types import Receive, Scope

from qunfa.callback.answers import Answer, Desk, Exchange, Refusal
from qunfa.callback.crypto import read_query
from qunfa.callback.delivery import Handover
from qunfa.callback.document import EncryptedError, EventError, HostileError, read_document
from qunfa.callback.event import EVENT, parse_event, read_event
from qunfa.callback.gate import Caller, Gate, Network, Push, Sources, caller
from qunfa.callback.limits import Recent, digest
from qunfa.callback.server import of_descriptors
from qunfa.contract.result import JobFinished

BODY_LIMIT: Final = 256 * 1024
"""A mass send's result is a few KiB, three times that in compat mode. Messages for others may be longer."""
UNKNOWN: Final = "unknown"
OTHER: Final = "other"
VERIFICATION: Final = "verification"
EVENTS: Final = (EVENT, OTHER, VERIFICATION, UNKNOWN)
"""What the log and the metrics call a request: a result, another push, a check of the URL, or one that was not read."""
_BEARER: Final = re.compile(r"bearer +(\S+)", re.IGNORECASE | re.ASCII)
ANSWER_LIMIT: Final = 256 * 1024
"""An answer to WeChat is a few KiB."""
FORWARDS_MAX: Final = 200
"""Requests that other systems have not answered yet. One more waits for none of them: its sender comes again."""
ANSWERS_MAX: Final = 8
"""Answers to one and the same push, and errors of the server: twice as many as WeChat asks for at most."""
_PATIENCE: Final = 4.0
_HOP_BY_HOP: Final = frozenset({
    b"connection", b"keep-alive", b"proxy-authenticate", b"proxy-authorization", b"proxy-connection", b"te", b"trailer",
    b"transfer-encoding", b"upgrade",
})  # fmt: skip
_MADE_ANEW: Final = frozenset({b"host", b"content-length", b"expect", b"x-forwarded-for"})


@dataclass(frozen=True)
class Callback:
    """One account's callback. Without a gate WeChat does not push to us; without a token nobody hands events over."""

    appid: str
    original_id: str | None
    gate: Gate | None
    sources: Sources | None
    forward_to: str | None
    forward_results: bool
    events_tokens: tuple[str, ...] = field(repr=False)

    def check_recipient(self, to_user_name: str) -> None:
        """Raises Refusal where the account's original id is configured, and another one is addressed, or none."""
        if self.original_id is not None and to_user_name != self.original_id:
            raise Refusal(
                Answer.FORGED,
                "ToUserName is not the account's original_id: it is for another account, or original_id is wrong",
            )


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
        self._most = of_descriptors(4, FORWARDS_MAX)
        self._under_way = 0
        self._answered: Recent[int] = Recent(span)
        self._failed: Recent[int] = Recent(span)

    async def pass_on(self, target: str, request: Request, body: bytes, push: bytes) -> Response | None:
        """The other system's status, content type and body; None where it has answered this `push` often enough.

        WeChat waits for a reply, so a repetition goes on, too, but not more often than WeChat would repeat.

        Raises:
            ForwardError: No answer, a redirect, or one that is too long; or only errors of the server, often enough.
                Or too many wait for theirs already.
        """
        if (self._answered.get(push) or 0) >= ANSWERS_MAX:
            return None
        if (self._failed.get(push) or 0) >= ANSWERS_MAX:
            raise ForwardError(f"the system behind forward_to has failed at this push {ANSWERS_MAX} times")
        if self._under_way >= self._most:
            raise ForwardError(f"{self._most} pushes wait for an answer from a system behind forward_to")
        self._under_way += 1
        try:
            answer = await self._ask(_outgoing(httpx.URL(target), request, body))
        except httpx.TransportError as error:
            raise ForwardError(f"no answer from the system behind forward_to: {type(error).__name__}") from None
        finally:
            self._under_way -= 1
        counted = self._failed if answer.status_code >= HTTPStatus.INTERNAL_SERVER_ERROR else self._answered
        counted.note(push, (counted.get(push) or 0) + 1)
        return answer

    async def _ask(self, outgoing: httpx.Request) -> Response:
        """A bound of httpx compares each request that waits with each connection, and all else stops meanwhile."""
        if self._transport is None:
            limits = httpx.Limits(max_connections=None, max_keepalive_connections=0)
            self._transport = httpx.AsyncHTTPTransport(limits=limits)
        response = await self._transport.handle_async_request(outgoing)
        try:
            return await _answer(response)
        finally:
            await response.aclose()

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


class Pushes:
    """`/wechat/<account>` of all accounts to which WeChat pushes."""

    def __init__(
        self,
        callbacks: Mapping[str, Callback],
        proxies: Sequence[Network],
        hand_over: Handover,
        forwarder: Forwarder,
        desk: Desk,
    ) -> None:
        self._callbacks = {name: callback for name, callback in callbacks.items() if callback.gate}
        self._proxies = proxies
        self._hand_over = hand_over
        self._forwarder = forwarder
        self._desk = desk

    async def verify(self, request: Request) -> Response:
        """`GET`: WeChat checks the URL when it is entered in the console; the answer is its `echostr`."""
        exchange, sender = self._begun(request.scope, VERIFICATION)
        return await self._desk.answer(exchange, self._echo(request.scope, sender, exchange))

    async def receive(self, request: Request) -> Response:
        """`POST`: a push. `success` means that Temporal has it, or that nobody needs it."""
        return await self.take(request.scope, request.receive)

    async def take(self, scope: Scope, receive: Receive) -> Response:
        """As `receive`, for a request of which only the account in its path is known."""
        exchange, sender = self._begun(scope, UNKNOWN)
        return await self._desk.answer(exchange, self._take(scope, receive, sender, exchange))

    def _begun(self, scope: Scope, event: str) -> tuple[Exchange, Caller | None]:
        name: str = scope["path_params"]["account"]
        sender = caller(scope, self._proxies)
        label = name if name in self._callbacks else UNKNOWN
        return Exchange("push", label, event, sender.shown if sender else None), sender

    async def _echo(self, scope: Scope, sender: Caller | None, exchange: Exchange) -> Response:
        _, gate = self._callback(scope, sender)
        query = read_query(scope["query_string"])
        gate.check_plain(query)
        exchange.is_known = True
        echo = query.get("echostr", ())
        if len(echo) != 1 or not echo[0]:
            raise Refusal(Answer.FORGED, "no echostr")
        return PlainTextResponse(echo[0], headers={"X-Content-Type-Options": "nosniff"})

    async def _take(self, scope: Scope, receive: Receive, sender: Caller | None, exchange: Exchange) -> Response | None:
        callback, gate = self._callback(scope, sender)
        async with gate.admit(read_query(scope["query_string"]), lambda: _read_body(receive)) as push:
            exchange.is_known = True
            return await self._pass(callback, push, scope, exchange)

    async def _pass(self, callback: Callback, push: Push, scope: Scope, exchange: Exchange) -> Response | None:
        event = _read(push, callback)
        _note(event, exchange)
        if event is not None and not await self._hand_over(callback.appid, event):
            exchange.answer = Answer.REPEATED
        if callback.forward_to is None or (event is not None and not callback.forward_results):
            return None
        key = digest(callback.appid.encode(), push.content)
        try:
            response = await self._forwarder.pass_on(callback.forward_to, Request(scope), push.body, key)
        except ForwardError as error:
            raise Refusal(Answer.UNAVAILABLE, str(error)) from None
        if response is None:
            exchange.answer = Answer.REPEATED
        else:
            exchange.answer, exchange.forwarded_status = Answer.FORWARDED, response.status_code
        return response

    def _callback(self, scope: Scope, sender: Caller | None) -> tuple[Callback, Gate]:
        callback = self._callbacks.get(scope["path_params"]["account"])
        if callback is None or callback.gate is None:
            raise Refusal(Answer.UNKNOWN_ACCOUNT, "no account of this name has a [callback] with a token")
        if callback.sources is not None and not callback.sources.admit(sender):
            raise Refusal(Answer.STRANGER, "the address is not among the account's sources")
        return callback, callback.gate


class Reports:
    """`/wechat/<account>/events` of all accounts that have an `events_token`."""

    def __init__(self, callbacks: Mapping[str, Callback], hand_over: Handover, desk: Desk) -> None:
        self._callbacks = {name: callback for name, callback in callbacks.items() if callback.events_tokens}
        self._hand_over = hand_over
        self._desk = desk
        self._nobodys_tokens = (secrets.token_urlsafe(),)

    async def receive(self, request: Request) -> Response:
        """`POST`: an event, decrypted, in XML or JSON. `success`: Temporal has it, or it is none of a mass send."""
        name: str = request.path_params["account"]
        label = name if name in self._callbacks else UNKNOWN
        exchange = Exchange("report", label, UNKNOWN, request.client.host if request.client else None)
        return await self._desk.answer(exchange, self._take(request, exchange))

    async def _take(self, request: Request, exchange: Exchange) -> None:
        callback = self._authorize(request)
        exchange.is_known = True
        try:
            event = parse_event(await _read_body(request.receive))
        except EventError as error:
            raise Refusal(Answer.MALFORMED, str(error)) from None
        _note(event, exchange)
        if event is not None and event.to_user_name:
            callback.check_recipient(event.to_user_name)
        if event is not None and not await self._hand_over(callback.appid, event):
            exchange.answer = Answer.REPEATED

    def _authorize(self, request: Request) -> Callback:
        callback = self._callbacks.get(request.path_params["account"])
        tokens = callback.events_tokens if callback else self._nobodys_tokens
        given = request.headers.getlist("authorization")
        bearer = _BEARER.fullmatch(given[0]) if len(given) == 1 else None
        shown = bearer[1].encode() if bearer else b""
        fits = [hmac.compare_digest(token.encode(), shown) for token in tokens]  # each, also where the first one does
        if callback is None:
            raise Refusal(Answer.UNKNOWN_ACCOUNT, "no account of this name has an events_token")
        if not any(fits):
            raise Refusal(Answer.UNAUTHORIZED, "the bearer token is missing, or is not the account's events_token")
        return callback


def _note(event: JobFinished | None, exchange: Exchange) -> None:
    """What was read, for the log and the metrics."""
    if event is None:
        exchange.event = OTHER
    else:
        exchange.event, exchange.msg_id, exchange.status = EVENT, event.msg_id, event.status


def _read(push: Push, callback: Callback) -> JobFinished | None:
    """The result in a push, if it is one.

    The other system gets a genuine push that cannot be read, unless it may be a result, or does harm. Nobody gets it
    where an `original_id` is configured: whose it is cannot be read either.
    """
    try:
        texts = read_document(push.content)
        callback.check_recipient(texts.get("ToUserName", ""))
        return read_event(texts)
    except (HostileError, EncryptedError) as error:
        raise Refusal(Answer.MALFORMED, str(error)) from None
    except EventError as error:
        unclear = callback.original_id is not None or EVENT.encode() in push.content.upper()
        if callback.forward_to is None or unclear:
            raise Refusal(Answer.MALFORMED, str(error)) from None
        return None


async def _read_body(receive: Receive) -> bytes:
    """The whole body. Raises Refusal where it is longer than `BODY_LIMIT`, or breaks off."""
    body, more = bytearray(), True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise Refusal(Answer.MALFORMED, "the caller hung up before the end of the body")
        body += message.get("body", b"")
        if len(body) > BODY_LIMIT:
            raise Refusal(Answer.TOO_LARGE, f"the body is longer than {BODY_LIMIT} bytes")
        more = message.get("more_body", False)
    return bytes(body)
