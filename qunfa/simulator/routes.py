"""The endpoints of the API, one module for each family."""

from __future__ import annotations

from qunfa.simulator import (
    callback_endpoints,
    deletion_endpoints,
    draft_endpoints,
    follower_endpoints,
    mass_endpoints,
    material_endpoints,
    media_endpoints,
    preview_endpoints,
    speed_endpoints,
    token_endpoints,
)
from qunfa.simulator.calls import Call
from qunfa.simulator.endpoint import Answer, Endpoint
from qunfa.simulator.errors import Refusal
from qunfa.simulator.plans import Fault
from qunfa.simulator.world import World


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


ENDPOINTS = (
    *token_endpoints.ENDPOINTS,
    *mass_endpoints.ENDPOINTS,
    *preview_endpoints.ENDPOINTS,
    *deletion_endpoints.ENDPOINTS,
    *speed_endpoints.ENDPOINTS,
    *media_endpoints.ENDPOINTS,
    *draft_endpoints.ENDPOINTS,
    *material_endpoints.ENDPOINTS,
    *follower_endpoints.ENDPOINTS,
    *callback_endpoints.ENDPOINTS,
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
