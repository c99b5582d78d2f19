"""The endpoints of the API, all in one table, and those that look at an account's quota and callback."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Literal
from urllib.parse import urlsplit

from qunfa.simulator import drafts, mass, media, tokens, users
from qunfa.simulator.calls import Answer, Call
from qunfa.simulator.config import QuotaName
from qunfa.simulator.errors import Refusal
from qunfa.simulator.plans import Fault, Stage
from qunfa.simulator.world import World

_ACTIONS = ("dns", "ping", "all")
_OPERATORS = ("CHINANET", "UNICOM", "CAP", "DEFAULT")


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


async def _check_callback(world: World, call: Call) -> Answer:
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


async def _own_addresses(_world: World, _call: Call) -> Answer:
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


_UPLOAD: tuple[Stage, ...] = ("upload", "lifetime")
_ARTICLES: tuple[Stage, ...] = ("articles", "lifetime")
_TEXT = "text/plain"
ENDPOINTS = (
    Endpoint("/cgi-bin/token", "GET", tokens.get_classic, "token", with_token=False),
    Endpoint("/cgi-bin/stable_token", "POST", tokens.get_stable, "stable_token", with_token=False),
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
    Endpoint("/cgi-bin/draft/add", "POST", drafts.add, "draft/add", stages=_ARTICLES),
    Endpoint("/cgi-bin/draft/get", "POST", drafts.get, "draft/get"),
    Endpoint("/cgi-bin/media/uploadnews", "POST", drafts.upload_news, "media/uploadnews", stages=_ARTICLES),
    Endpoint(
        "/cgi-bin/material/add_material", "POST", media.add, "material/add_material", stages=_UPLOAD, media_type=_TEXT
    ),
    Endpoint("/cgi-bin/tags/get", "GET", users.tags, "tags/get"),
    Endpoint("/cgi-bin/user/tag/get", "POST", users.tagged, "user/tag/get"),
    Endpoint("/cgi-bin/user/get", "GET", users.everybody, "user/get"),
    Endpoint("/cgi-bin/callback/check", "POST", _check_callback, "callback/check"),
    Endpoint("/cgi-bin/getcallbackip", "GET", _own_addresses, "getcallbackip"),
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
