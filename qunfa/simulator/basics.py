"""WeChat's basic endpoints: access tokens, an account's tags and followers, and how its callback is reached.

Neither kind of token invalidates the other. A classic one (cgi-bin/token) is new with each call, and lets the earlier
one live for `overlap` more seconds. A stable one stays the same until it has `overlap` seconds left. A forced refresh
ends the old one at once.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
import secrets
import socket
import time
from bisect import bisect_right
from collections.abc import Sequence
from itertools import count
from urllib.parse import urlsplit

from qunfa.simulator.accounts import Account, Token
from qunfa.simulator.config import QuotaName, TokenRules
from qunfa.simulator.errors import Refusal
from qunfa.simulator.world import Answer, Call, World

_FORM = re.compile(r"\d+_[A-Za-z0-9_-]{100,}\Z")
_serial = count(60)
_PAGE = 10_000
_ACTIONS = ("dns", "ping", "all")
_OPERATORS = ("CHINANET", "UNICOM", "CAP", "DEFAULT")


async def get_classic(world: World, call: Call) -> Answer:
    """cgi-bin/token."""
    account = _authenticate(world, call, dict(call.query))
    _count(world, account, "token")
    now = world.clock.now()
    return _answer(_classic(account, world.config.tokens, now), now)


async def get_stable(world: World, call: Call) -> Answer:
    """cgi-bin/stable_token. A forced refresh that comes too soon after the last one is none."""
    body = call.json()
    account = _authenticate(world, call, body)
    now, day, rules = world.clock.now(), world.clock.day(), world.config.tokens
    account.stable_token_rate.take(now)
    _count(world, account, "stable_token")
    if body.get("force_refresh") is not True or now - account.tokens.forced_at < rules.forced_spacing:
        return _answer(stable_token(account, rules, now), now)
    if account.calls.used("forced", day) >= rules.forced_per_day:
        raise Refusal(45009)
    account.calls.add("forced", day)
    return _answer(force_token(account, rules, now), now)


def check_token(world: World, call: Call) -> None:
    """Let a call pass that has a token of an account.

    Raises:
        Refusal: 41001 there is none. 40014 it is no token at all. 42001 it has expired. 40001 it was replaced, or is
            nobody's.
    """
    value = call.query.get("access_token")
    if not value:
        raise Refusal(41001)
    if not _FORM.match(value):
        raise Refusal(40014)
    if call.account is None:
        raise Refusal(40001)
    token, now = call.account.tokens.issued[value], world.clock.now()
    if now >= token.expires_at:
        raise Refusal(42001)
    if now >= token.replaced_at:
        raise Refusal(40001)


def _classic(account: Account, rules: TokenRules, now: float) -> Token:
    """A token that replaces the earlier classic one after the overlap."""
    old = account.tokens.classic
    if old is not None:
        old.replaced_at = min(old.replaced_at, now + rules.overlap)
    account.tokens.classic = _issue(account, rules, now)
    return account.tokens.classic


def stable_token(account: Account, rules: TokenRules, now: float) -> Token:
    """The current stable token, or a new one if it has no more than the overlap left."""
    current = account.tokens.stable
    if current is None or current.expires_at - now <= rules.overlap or now >= current.replaced_at:
        account.tokens.stable = current = _issue(account, rules, now)
    return current


def force_token(account: Account, rules: TokenRules, now: float) -> Token:
    """A new stable token; the old one is invalid at once."""
    tokens = account.tokens
    if tokens.stable is not None:
        tokens.stable.replaced_at = now
    tokens.forced_at = now
    tokens.stable = _issue(account, rules, now)
    return tokens.stable


def _issue(account: Account, rules: TokenRules, now: float) -> Token:
    token = Token(f"{next(_serial)}_{secrets.token_urlsafe(96)}", now + rules.lifetime)
    account.tokens.issued[token.value] = token
    return token


def _authenticate(world: World, call: Call, given: dict[str, object]) -> Account:
    appid, secret = given.get("appid"), given.get("secret")
    if not isinstance(appid, str) or not appid:
        raise Refusal(41002)
    if not isinstance(secret, str) or not secret:
        raise Refusal(41004)
    if given.get("grant_type") != "client_credential":
        raise Refusal(40002)
    account = world.account_of_appid(appid)
    if account is None:
        raise Refusal(40013)
    if not secrets.compare_digest(secret.encode(), account.config.secret.get_secret_value().encode()):
        raise Refusal(40125)
    whitelist = account.config.ip_whitelist
    if whitelist is not None and call.client not in whitelist:
        raise Refusal(40164, f"invalid ip {call.client} ipv6 ::ffff:{call.client}, not in whitelist")
    return account


def _count(world: World, account: Account, quota: QuotaName) -> None:
    account.calls.add(quota, world.clock.day())
    account.calls.check(quota, world.clock.day())


def _answer(token: Token, now: float) -> Answer:
    return {"access_token": token.value, "expires_in": round(token.expires_at - now)}


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
