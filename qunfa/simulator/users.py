"""What an account is asked about itself: its tags and followers, page by page, and how its callback is reached."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import time
from bisect import bisect_right
from collections.abc import Sequence
from urllib.parse import urlsplit

from qunfa.simulator.accounts import Account
from qunfa.simulator.errors import Refusal
from qunfa.simulator.world import Answer, Call, World

_PAGE = 10_000
_ACTIONS = ("dns", "ping", "all")
_OPERATORS = ("CHINANET", "UNICOM", "CAP", "DEFAULT")


async def tags(_world: World, call: Call) -> Answer:
    """tags/get."""
    return {
        "tags": [{"id": tag.id, "name": tag.name, "count": len(tag.members())} for tag in call.owner.config.all_tags]
    }


async def tagged(_world: World, call: Call) -> Answer:
    """user/tag/get."""
    body = call.json()
    tag_id = body.get("tagid")
    members = call.owner.tagged(tag_id) if type(tag_id) is int else None
    if members is None:
        raise Refusal(45159)
    return _page(call.owner, members, body.get("next_openid"))


async def everybody(_world: World, call: Call) -> Answer:
    """user/get."""
    followers = call.owner.everybody()
    return {"total": len(followers), **_page(call.owner, followers, call.query.get("next_openid"))}


def _page(account: Account, members: Sequence[int], after: object) -> Answer:
    start = 0
    if after:
        number = account.number_of(after) if isinstance(after, str) else None
        if number is None:
            raise Refusal(40003)
        start = bisect_right(members, number)
    openids = account.openids(members[start : start + _PAGE])
    if not openids:
        return {"count": 0, "next_openid": ""}
    return {"count": len(openids), "data": {"openid": openids}, "next_openid": openids[-1]}


async def check_callback(world: World, call: Call) -> Answer:
    """callback/check."""
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
    host, port = _host(callback.url)
    addresses = await _addresses(host, port)
    answer: Answer = {}
    if action != "ping":
        answer["dns"] = [{"ip": ip, "real_operator": network} for ip in addresses]
    if action != "dns":
        deadline = world.config.push.deadline
        answer["ping"] = [await _ping(ip, port, network, deadline) for ip in addresses]
    return answer


async def own_addresses(_world: World, _call: Call) -> Answer:
    """Getcallbackip."""
    return {"ip_list": ["127.0.0.1", "::1"]}


def _host(url: str) -> tuple[str, int]:
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
