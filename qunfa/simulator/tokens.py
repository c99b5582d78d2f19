"""cgi-bin/token and cgi-bin/stable_token: how access tokens are issued, renewed, replaced and refused.

Neither kind invalidates the other. A classic token (cgi-bin/token) is new with each call, and lets the earlier one live
for `overlap` more seconds. A stable token stays the same until it has `overlap` seconds left. A forced refresh ends the
old one at once.
"""

from __future__ import annotations

import re
import secrets
from itertools import count

from qunfa.simulator.accounts import Account, Token
from qunfa.simulator.config import QuotaName, TokenRules
from qunfa.simulator.errors import Refusal
from qunfa.simulator.world import Answer, Call, World

_FORM = re.compile(r"\d+_[A-Za-z0-9_-]{100,}\Z")
_serial = count(60)


async def get_classic(world: World, call: Call) -> Answer:
    """cgi-bin/token."""
    account = _authenticate(world, call, dict(call.query))
    _count(world, account, "token")
    now = world.clock.now()
    return _answer(classic(account, world.config.tokens, now), now)


async def get_stable(world: World, call: Call) -> Answer:
    """cgi-bin/stable_token. A forced refresh that comes too soon after the last one is none."""
    body = call.json()
    account = _authenticate(world, call, body)
    now, day, rules = world.clock.now(), world.clock.day(), world.config.tokens
    account.stable_token_rate.take(now)
    _count(world, account, "stable_token")
    if body.get("force_refresh") is not True or now - account.tokens.forced_at < rules.forced_spacing:
        return _answer(stable(account, rules, now), now)
    if account.calls.used("forced", day) >= rules.forced_per_day:
        raise Refusal(45009)
    account.calls.add("forced", day)
    return _answer(force(account, rules, now), now)


def check(world: World, call: Call) -> None:
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


def classic(account: Account, rules: TokenRules, now: float) -> Token:
    """A token that replaces the earlier classic one after the overlap."""
    old = account.tokens.classic
    if old is not None:
        old.replaced_at = min(old.replaced_at, now + rules.overlap)
    account.tokens.classic = _issue(account, rules, now)
    return account.tokens.classic


def stable(account: Account, rules: TokenRules, now: float) -> Token:
    """The current stable token, or a new one if it has no more than the overlap left."""
    current = account.tokens.stable
    if current is None or current.expires_at - now <= rules.overlap or now >= current.replaced_at:
        account.tokens.stable = current = _issue(account, rules, now)
    return current


def force(account: Account, rules: TokenRules, now: float) -> Token:
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
