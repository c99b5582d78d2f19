"""callback/check and getcallbackip: what WeChat sees of an account's callback, and where pushes come from."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import time
from urllib.parse import urlsplit

from qunfa.simulator.calls import Call
from qunfa.simulator.endpoint import Answer, Endpoint
from qunfa.simulator.errors import Refusal
from qunfa.simulator.world import World

_ACTIONS = ("dns", "ping", "all")
_OPERATORS = ("CHINANET", "UNICOM", "CAP", "DEFAULT")


async def _check(world: World, call: Call) -> Answer:
    body = call.json()
    action, operator = body.get("action"), body.get("check_operator")
    if action not in _ACTIONS:
        raise Refusal(40202)
    if operator not in _OPERATORS:
        raise Refusal(40203)
    callback = call.owner.config.callback
    if callback is None:
        raise Refusal(40201)
    network = "UNICOM" if operator == "DEFAULT" else str(operator)
    host, port = _endpoint(callback.url)
    addresses = await _addresses(host, port)
    answer: Answer = {}
    if action != "ping":
        answer["dns"] = [{"ip": ip, "real_operator": network} for ip in addresses]
    if action != "dns":
        deadline = world.config.push.deadline
        answer["ping"] = [await _ping(ip, port, network, deadline) for ip in addresses]
    return answer


async def _sources(world: World, _call: Call) -> Answer:
    return {"ip_list": list(world.config.push.addresses)}


def _endpoint(url: str) -> tuple[str, int]:
    parts = urlsplit(url)
    return parts.hostname or "", parts.port or (443 if parts.scheme == "https" else 80)


async def _addresses(host: str, port: int) -> list[str]:
    """The addresses of a host; none if there is no such host."""
    try:
        found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        return []
    return list(dict.fromkeys(str(each[4][0]) for each in found))


async def _ping(ip: str, port: int, network: str, deadline: float) -> Answer:
    """A connection to the callback's port stands in for the ping."""
    started = time.perf_counter()
    try:
        async with asyncio.timeout(deadline):
            _, writer = await asyncio.open_connection(ip, port)
    except (TimeoutError, OSError):
        return {"ip": ip, "from_operator": network, "package_loss": "100%", "time": ""}
    spent = time.perf_counter() - started
    writer.close()
    with contextlib.suppress(OSError):
        await writer.wait_closed()
    return {"ip": ip, "from_operator": network, "package_loss": "0%", "time": f"{spent * 1000:.3f}ms"}


ENDPOINTS = (
    Endpoint("/cgi-bin/callback/check", "POST", _check, "callback/check"),
    Endpoint("/cgi-bin/getcallbackip", "GET", _sources, "getcallbackip"),
)
