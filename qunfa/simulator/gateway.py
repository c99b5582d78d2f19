"""The gateway: takes a call in, checks verb, token and quota, lets faults strike, and answers."""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import dataclass

from starlette.requests import ClientDisconnect, Request
from starlette.types import ASGIApp, Receive, Scope, Send

from qunfa.simulator import faults, intake
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
        call = intake.begin(request, world)
        if self.endpoint.takes_file:
            world.calls.open(call)
        try:
            await intake.read(request, world, self.endpoint, call)
            if not self.endpoint.takes_file:
                world.calls.open(call)
            answer = await self._respond(world, call)
            await answer(scope, receive, send)
        except ClientDisconnect:
            return
        except intake.ConnectionBroken:
            await faults.reset(scope, receive, send)
        finally:
            world.calls.close(call)

    async def _respond(self, world: World, call: Call) -> ASGIApp:
        fault = world.take_fault(call, "before")
        if fault is not None and fault.kind != "slow":
            return self._strike(world, call, fault, {})
        if fault is not None:
            await _delay(world, fault)
            if world.closing.is_set():
                return faults.reset
        try:
            body = await self._carry_out(world, call)
        except Refusal as refusal:
            call.errcode = refusal.errcode
            return faults.render(refusal.body(), self.endpoint)
        call.errcode = 0
        fault = world.take_fault(call, "after")
        if fault is None:
            return faults.render(body, self.endpoint)
        world.changes.notify()
        if fault.kind == "slow":
            await _delay(world, fault)
        return self._strike(world, call, fault, body)

    def _strike(self, world: World, call: Call, fault: Fault, body: Answer) -> ASGIApp:
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


async def _delay(world: World, fault: Fault) -> None:
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(fault.seconds):
            await world.closing.wait()


def _check_token(world: World, call: Call) -> None:
    token = call.query.get("access_token")
    if not token:
        raise Refusal(41001)
    if not is_well_formed(token):
        raise Refusal(40014)
    if call.account is None:
        raise Refusal(40001)
    call.account.tokens.check(token, world.clock.now())
