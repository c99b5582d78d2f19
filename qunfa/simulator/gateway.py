"""The gateway: takes a call in, checks verb, token and quota, lets faults strike, and answers."""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import dataclass

from starlette.requests import ClientDisconnect, Request
from starlette.types import ASGIApp, Receive, Scope, Send

from qunfa.simulator import faults
from qunfa.simulator.calls import Call
from qunfa.simulator.endpoint import Answer, Endpoint
from qunfa.simulator.errors import Refusal
from qunfa.simulator.plans import Fault
from qunfa.simulator.tokens import is_well_formed
from qunfa.simulator.world import World


@dataclass(frozen=True)
class Gateway:
    """One endpoint as an ASGI application."""

    endpoint: Endpoint

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one call."""
        request = Request(scope, receive)
        world: World = request.app.state.simulator.world
        try:
            call = await _read(request, world)
        except ClientDisconnect:
            return
        world.calls.open(call)
        try:
            answer = await self._respond(world, call)
            await answer(scope, receive, send)
        finally:
            world.calls.close(call)

    async def _respond(self, world: World, call: Call) -> ASGIApp:
        fault = world.take_fault(call, after=False)
        if fault is not None and fault.kind != "slow":
            return self._strike(world, call, fault, {})
        if fault is not None:
            await self._delay(world, call, fault)
            if world.closing.is_set():
                return faults.reset
        try:
            body = await self._carry_out(world, call)
        except Refusal as refusal:
            call.errcode = refusal.errcode
            return faults.render(refusal.body(), self.endpoint)
        call.errcode = 0
        fault = world.take_fault(call, after=True)
        if fault is None:
            return faults.render(body, self.endpoint)
        world.changes.notify()
        if fault.kind == "slow":
            await self._delay(world, call, fault)
        return self._strike(world, call, fault, body)

    async def _delay(self, world: World, call: Call, fault: Fault) -> None:
        call.fault = fault.kind
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(fault.seconds):
                await world.closing.wait()

    def _strike(self, world: World, call: Call, fault: Fault, body: Answer) -> ASGIApp:
        call.fault = fault.kind
        if fault.kind.startswith("errcode"):
            call.errcode = fault.errcode
        elif fault.kind not in {"slow", "ok_without_msg_id"}:
            call.errcode = None
        return faults.spoil(fault, body, self.endpoint, world.closing)

    async def _carry_out(self, world: World, call: Call) -> Answer:
        endpoint = self.endpoint
        if call.method != endpoint.verb:
            raise Refusal(43001 if endpoint.verb == "GET" else 43002)
        if endpoint.with_token:
            _check_token(world, call)
            day = world.clock.day()
            call.owner.calls.add(endpoint.quota, day)
            if not endpoint.late_quota:
                call.owner.calls.check(endpoint.quota, day)
        return await endpoint.handle(world, call)


async def _read(request: Request, world: World) -> Call:
    call = Call(
        time=world.clock.now(),
        path=request.url.path,
        method=request.method,
        query=request.query_params,
        raw=await request.body(),
        client=request.client.host if request.client else "",
    )
    token = call.query.get("access_token")
    if token is not None:
        call.account = world.account_of_token(token)
    else:
        appid = call.query.get("appid") or call.peek("appid")
        call.account = world.account_of_appid(appid) if appid else None
    call.clientmsgid = call.peek("clientmsgid")
    return call


def _check_token(world: World, call: Call) -> None:
    token = call.query.get("access_token")
    if not token:
        raise Refusal(41001)
    if not is_well_formed(token):
        raise Refusal(40014)
    if call.account is None:
        raise Refusal(40001)
    call.account.tokens.check(token, world.clock.now())
