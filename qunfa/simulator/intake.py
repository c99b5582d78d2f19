"""Taking calls in: what comes before anybody looks at them, above all the body."""

from __future__ import annotations

import asyncio
import contextlib

from starlette.requests import Request

from qunfa.simulator.calls import Call
from qunfa.simulator.config import AccountConfig
from qunfa.simulator.endpoint import Endpoint
from qunfa.simulator.errors import Refusal
from qunfa.simulator.plans import Fault
from qunfa.simulator.uploads import Body, read_form
from qunfa.simulator.world import World

# Its token is refused once the body has been read.
_STRANGER = AccountConfig.model_validate({"appid": "nobody", "secret": "nothing"})


class ConnectionBroken(Exception):
    """The connection is to be reset before the call has come in as a whole."""


def begin(request: Request, world: World) -> Call:
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


async def read(request: Request, world: World, endpoint: Endpoint, call: Call) -> None:
    """Read a call's body: a multipart form where the endpoint takes files, else as it is.

    Raises:
        ClientDisconnect: the client has gone before the end.
        ConnectionBroken: a fault or the end of the world struck meanwhile.
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
    config = call.account.config if call.account is not None else _STRANGER
    limits = config.limits.media
    body = Body(request, limits.body, _Progress(world, call, world.take_fault(call, "upload")))
    try:
        call.form = await read_form(body, sounds_up_to=limits.voice, keep_in=world.upload_folder())
    except Refusal as refusal:
        call.form = refusal
    if config.uploads_need_length and not body.has_length:
        call.form = Refusal(41005)


class _Progress:
    """Notes how far an upload has come and lets faults strike on the way."""

    def __init__(self, world: World, call: Call, fault: Fault | None) -> None:
        self._world = world
        self._call = call
        self._fault = fault
        self._started = asyncio.get_running_loop().time()

    async def __call__(self, received: int, announced: int) -> None:
        self._call.received = received
        self._world.changes.notify()
        if self._world.closing.is_set():
            raise ConnectionBroken
        if self._fault is None:
            return
        share = received / announced if announced else 1.0
        if self._fault.kind == "slow_upload":
            await self._wait_until(self._started + (self._fault.seconds or 0) * min(share, 1.0))
        if self._world.closing.is_set() or (self._fault.kind == "reset_in_upload" and share >= 1 / 2):
            raise ConnectionBroken

    async def _wait_until(self, moment: float) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout_at(moment):
                await self._world.closing.wait()
