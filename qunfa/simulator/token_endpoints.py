"""cgi-bin/token and cgi-bin/stable_token."""

from __future__ import annotations

import secrets

from qunfa.simulator.accounts import Account
from qunfa.simulator.calls import Call
from qunfa.simulator.endpoint import Answer, Endpoint
from qunfa.simulator.errors import Refusal
from qunfa.simulator.limits import QuotaName
from qunfa.simulator.tokens import Token
from qunfa.simulator.world import World


async def _token(world: World, call: Call) -> Answer:
    account = _authenticate(world, call, dict(call.query))
    _count(world, account, "token")
    now = world.clock.now()
    return _answer(account.tokens.classic(now), now)


async def _stable_token(world: World, call: Call) -> Answer:
    body = call.json()
    account = _authenticate(world, call, body)
    now, day = world.clock.now(), world.clock.day()
    account.stable_token_rate.take(now)
    _count(world, account, "stable_token")
    if body.get("force_refresh") is not True or not account.tokens.may_force(now):
        return _answer(account.tokens.stable(now), now)
    if account.calls.used("forced", day) >= world.config.tokens.forced_per_day:
        raise Refusal(45009)
    account.calls.add("forced", day)
    return _answer(account.tokens.force(now), now)


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
    return {"access_token": token.value, "expires_in": token.remaining(now)}


ENDPOINTS = (
    Endpoint("/cgi-bin/token", "GET", _token, "token", with_token=False),
    Endpoint("/cgi-bin/stable_token", "POST", _stable_token, "stable_token", with_token=False),
)
