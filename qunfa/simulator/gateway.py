"""The gateway: the endpoints in one table; each takes a call in, lets faults strike, and answers or spoils it."""

from __future__ import annotations

import asyncio
import json
import socket
import struct
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Literal

from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from qunfa.simulator import basics, mass, media
from qunfa.simulator.config import AccountConfig, QuotaName
from qunfa.simulator.errors import Refusal
from qunfa.simulator.plans import Fault, Stage
from qunfa.simulator.uploads import read_form
from qunfa.simulator.world import Answer, Call, World

TRANSPORT = "qunfa.simulator.transport"
_CUT_OFF = 8
_RESET_ON_CLOSE = struct.pack("ii", 1, 0)
# Its token is refused once the body has been read.
_STRANGER = AccountConfig.model_validate({"appid": "nobody", "secret": "nothing"})


@dataclass(frozen=True)
class Endpoint:
    """One path of the API.

    Attributes:
        path: below the host.
        verb: the only one it takes; another is answered with 43001 or 43002.
        handle: carries out a call and returns the answer's JSON object, or raises `Refusal`.
        quota: name of the daily quota; endpoints may share one.
        with_token: whether calls carry an access token.
        late_quota: whether the handler itself checks the quota, after its other checks.
        stages: which faults of some endpoints can strike: `upload` where it takes a file, `articles` where it takes
            articles, `lifetime` where it makes a media_id.
        media_type: of the answer's header. It is JSON whatever the header says.
    """

    path: str
    verb: Literal["GET", "POST"]
    handle: Callable[[World, Call], Awaitable[Answer]]
    quota: QuotaName
    with_token: bool = True
    late_quota: bool = False
    stages: tuple[Stage, ...] = ()
    media_type: str = "application/json; encoding=utf-8"

    @property
    def takes_file(self) -> bool:
        """Whether its body is a multipart form with a file."""
        return "upload" in self.stages

    def has(self, stage: Stage) -> bool:
        """Whether faults of that stage can strike here."""
        return stage in self.stages or stage in {"before", "after"}


@dataclass(frozen=True)
class Gateway:
    """One endpoint as an ASGI application."""

    endpoint: Endpoint

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        world: World = request.app.state.simulator.world
        call = _begin(request, world)
        if self.endpoint.takes_file:
            world.calls.open(call)
        try:
            await _read(request, world, self.endpoint, call)
            if not self.endpoint.takes_file:
                world.calls.open(call)
            answer = await self._respond(world, call)
            await answer(scope, receive, send)
        except ClientDisconnect:
            return
        except _ConnectionBroken:
            await reset(scope, receive, send)
        finally:
            world.calls.close(call)

    async def _respond(self, world: World, call: Call) -> ASGIApp:
        fault = world.take_fault(call, "before")
        if fault is not None and fault.kind != "slow":
            return self._strike(world, call, fault, {})
        if fault is not None:
            await world.pause(fault.seconds or 0)
            if world.closing.is_set():
                return reset
        try:
            body = await self._carry_out(world, call)
        except Refusal as refusal:
            return self._refused(call, refusal)
        call.errcode = 0
        fault = world.take_fault(call, "after")
        if fault is None:
            return render(body, self.endpoint.media_type)
        world.changes.notify()
        if fault.kind == "slow":
            await world.pause(fault.seconds or 0)
        return self._strike(world, call, fault, body)

    def _strike(self, world: World, call: Call, fault: Fault, body: Answer) -> ASGIApp:
        if fault.kind.startswith("errcode"):
            return self._refused(call, Refusal(fault.errcode))
        if fault.kind not in {"slow", "ok_without_msg_id"}:
            call.errcode = None
        return spoil(fault, body, self.endpoint.media_type, world.closing)

    def _refused(self, call: Call, refusal: Refusal) -> ASGIApp:
        call.errcode = refusal.errcode
        return render(refusal.body(), self.endpoint.media_type)

    async def _carry_out(self, world: World, call: Call) -> Answer:
        endpoint = self.endpoint
        if call.method != endpoint.verb:
            raise Refusal(43001 if endpoint.verb == "GET" else 43002)
        if endpoint.with_token:
            basics.check_token(world, call)
            day = world.clock.day()
            call.owner.calls.add(endpoint.quota, day)
            if not endpoint.late_quota:
                call.owner.calls.check(endpoint.quota, day)
        return await endpoint.handle(world, call)


class _ConnectionBroken(Exception):
    """The connection is to be reset before the call has come in as a whole."""


def _begin(request: Request, world: World) -> Call:
    """A call of which only the head has come."""
    call = Call(
        time=world.clock.now(),
        path=request.url.path,
        method=request.method,
        query=request.query_params,
        raw=b"",
        client=request.client.host if request.client else "",
    )
    token = call.query.get("access_token")
    if token is not None:
        call.account = world.account_of_token(token)
    return call


async def _read(request: Request, world: World, endpoint: Endpoint, call: Call) -> None:
    """Read a call's body: a multipart form where the endpoint takes files, else as it is.

    Raises:
        ClientDisconnect: the client has gone before the end.
        _ConnectionBroken: a fault or the end of the world struck meanwhile.
    """
    if endpoint.takes_file:
        await _read_file(request, world, call)
        return
    call.raw = await request.body()
    if "access_token" not in call.query:
        appid = call.query.get("appid") or call.peek("appid")
        call.account = world.account_of_appid(appid) if appid else None
    call.clientmsgid = call.peek("clientmsgid")


async def _read_file(request: Request, world: World, call: Call) -> None:
    limits = (call.account.config if call.account is not None else _STRANGER).limits.media
    fault, loop = world.take_fault(call, "upload"), asyncio.get_running_loop()
    kind, seconds, started = fault and fault.kind, (fault and fault.seconds) or 0.0, loop.time()

    async def on_progress(received: int, announced: int) -> None:
        call.received = received
        world.changes.notify()
        share = received / announced if announced else 1.0
        if kind == "slow_upload":
            await world.pause(started + seconds * min(share, 1.0) - loop.time())
        if world.closing.is_set() or (kind == "reset_in_upload" and share >= 1 / 2):
            raise _ConnectionBroken

    try:
        call.file = await read_form(request, on_progress, most=limits.body, sounds_up_to=limits.voice)
    except Refusal as refusal:
        call.file = refusal


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


async def _quota(world: World, call: Call) -> Answer:
    path = call.json().get("cgi_path")
    endpoint = BY_PATH.get(path) if isinstance(path, str) else None
    if endpoint is None:
        raise Refusal(76021)
    calls, limits = call.owner.calls, call.owner.config.limits
    used, limit = calls.used(endpoint.quota, world.clock.day()), calls.limit(endpoint.quota)
    answer: Answer = {
        "errcode": 0,
        "errmsg": "ok",
        "quota": {"daily_limit": limit, "used": min(used, limit), "remain": max(0, limit - used)},
    }
    if endpoint.quota == "mass":
        answer["rate_limit"] = {"call_count": limits.mass_per_minute, "refresh_second": 60}
    return answer


_UPLOAD: tuple[Stage, ...] = ("upload", "lifetime")
_ARTICLES: tuple[Stage, ...] = ("articles", "lifetime")
_TEXT = "text/plain"
ENDPOINTS = (
    Endpoint("/cgi-bin/token", "GET", basics.get_classic, "token", with_token=False),
    Endpoint("/cgi-bin/stable_token", "POST", basics.get_stable, "stable_token", with_token=False),
    Endpoint("/cgi-bin/message/mass/sendall", "POST", mass.sendall, "mass", late_quota=True, media_type=_TEXT),
    Endpoint("/cgi-bin/message/mass/send", "POST", mass.send, "mass", late_quota=True, media_type=_TEXT),
    Endpoint("/cgi-bin/message/mass/get", "POST", mass.get, "mass/get", media_type=_TEXT),
    Endpoint("/cgi-bin/message/mass/preview", "POST", mass.preview, "mass/preview", media_type=_TEXT),
    Endpoint("/cgi-bin/message/mass/delete", "POST", mass.delete, "mass/delete", media_type=_TEXT),
    Endpoint("/cgi-bin/message/mass/speed/get", "POST", mass.get_speed, "mass/speed", media_type=_TEXT),
    Endpoint("/cgi-bin/message/mass/speed/set", "POST", mass.set_speed, "mass/speed", media_type=_TEXT),
    Endpoint("/cgi-bin/media/upload", "POST", media.upload, "media/upload", stages=_UPLOAD, media_type=_TEXT),
    Endpoint("/cgi-bin/media/uploadimg", "POST", media.upload_picture, "media/uploadimg", stages=("upload",)),
    Endpoint("/cgi-bin/media/uploadvideo", "POST", media.convert, "media/uploadvideo", stages=("lifetime",)),
    Endpoint("/cgi-bin/draft/add", "POST", media.add_draft, "draft/add", stages=_ARTICLES),
    Endpoint("/cgi-bin/draft/get", "POST", media.get_draft, "draft/get"),
    Endpoint("/cgi-bin/media/uploadnews", "POST", media.upload_news, "media/uploadnews", stages=_ARTICLES),
    Endpoint(
        "/cgi-bin/material/add_material",
        "POST",
        media.add_material,
        "material/add_material",
        stages=_UPLOAD,
        media_type=_TEXT,
    ),
    Endpoint("/cgi-bin/tags/get", "GET", basics.tags, "tags/get"),
    Endpoint("/cgi-bin/user/tag/get", "POST", basics.tagged, "user/tag/get"),
    Endpoint("/cgi-bin/user/get", "GET", basics.everybody, "user/get"),
    Endpoint("/cgi-bin/callback/check", "POST", basics.check_callback, "callback/check"),
    Endpoint("/cgi-bin/getcallbackip", "GET", basics.own_addresses, "getcallbackip"),
    Endpoint("/cgi-bin/openapi/quota/get", "POST", _quota, "openapi/quota/get"),
)
BY_PATH = {endpoint.path: endpoint for endpoint in ENDPOINTS}


def check_fault(fault: Fault) -> None:
    """Let a fault pass that can strike.

    Raises:
        ValueError: no endpoint's path ends in the fault's `endpoint`, or nothing of that kind can happen there.
    """
    concerned = [endpoint for endpoint in ENDPOINTS if fault.concerns(endpoint.path)]
    if not concerned:
        raise ValueError(f"a fault is for endpoint {fault.endpoint!r}; there are {', '.join(BY_PATH)}")
    if not any(endpoint.has(fault.stage) for endpoint in concerned):
        possible = ", ".join(endpoint.path for endpoint in ENDPOINTS if endpoint.has(fault.stage))
        raise ValueError(f"{fault.kind} cannot happen at {fault.endpoint!r}, only at {possible}")
