"""message/mass/speed: how fast an account's mass sends go out. It is told, but does not change deliveries here."""

from __future__ import annotations

from qunfa.simulator.calls import Call
from qunfa.simulator.endpoint import Answer, Endpoint
from qunfa.simulator.errors import Refusal
from qunfa.simulator.world import World

# Ten thousands of followers a minute, by speed.
_REAL = (80, 60, 45, 30, 10)


async def _get(_world: World, call: Call) -> Answer:
    return {"speed": call.owner.speed, "realspeed": _REAL[call.owner.speed]}


async def _set(_world: World, call: Call) -> Answer:
    body = call.json()
    if "speed" not in body:
        raise Refusal(45084)
    speed = body["speed"]
    if not isinstance(speed, int) or isinstance(speed, bool) or not 0 <= speed < len(_REAL):
        raise Refusal(45083)
    call.owner.speed = speed
    return {"errcode": 0, "errmsg": "ok"}


ENDPOINTS = (
    Endpoint("/cgi-bin/message/mass/speed/get", "POST", _get, "mass/speed", media_type="text/plain"),
    Endpoint("/cgi-bin/message/mass/speed/set", "POST", _set, "mass/speed", media_type="text/plain"),
)
