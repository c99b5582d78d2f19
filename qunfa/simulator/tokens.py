"""Access tokens of one account: how they are issued, renewed, replaced and refused."""

from __future__ import annotations

import re
import secrets
from dataclasses import dataclass
from itertools import count

from qunfa.simulator.config import TokenRules
from qunfa.simulator.errors import Refusal

_FORM = re.compile(r"\d+_[A-Za-z0-9_-]{100,}\Z")
_serial = count(60)


@dataclass
class Token:
    """An access token; times in seconds since the epoch."""

    value: str
    expires_at: float
    replaced_at: float = float("inf")

    def remaining(self, now: float) -> int:
        """Whole seconds left, for `expires_in`."""
        return round(self.expires_at - now)


class TokenStore:
    """The stable and the classic tokens of an account. Neither kind invalidates the other.

    A classic token (cgi-bin/token) is new with each call and lets the earlier one live for `overlap` more seconds. A
    stable token stays the same until it has `overlap` seconds left, unless a refresh is forced: then it dies at once.
    """

    def __init__(self, rules: TokenRules) -> None:
        self._rules = rules
        self._issued: dict[str, Token] = {}
        self._classic: Token | None = None
        self._stable: Token | None = None
        self._forced_at = float("-inf")

    def classic(self, now: float) -> Token:
        """Issue a token that replaces the earlier classic one after the overlap."""
        if self._classic is not None:
            self._classic.replaced_at = min(self._classic.replaced_at, now + self._rules.overlap)
        self._classic = self._issue(now)
        return self._classic

    def stable(self, now: float) -> Token:
        """The current stable token, or a new one if it has no more than the overlap left."""
        if self._stable is None or not self._lasts(self._stable, now):
            self._stable = self._issue(now)
        return self._stable

    def may_force(self, now: float) -> bool:
        """Whether a forced refresh would refresh: the last one must not be too recent."""
        return now - self._forced_at >= self._rules.forced_spacing

    def force(self, now: float) -> Token:
        """Issue a new stable token; the old one is invalid at once."""
        if self._stable is not None:
            self._stable.replaced_at = now
        self._forced_at = now
        self._stable = self._issue(now)
        return self._stable

    def knows(self, value: str) -> bool:
        """Whether this account ever had that token."""
        return value in self._issued

    def check(self, value: str, now: float) -> None:
        """Let a token of this account pass.

        Raises:
            Refusal: 42001 it has expired, 40001 it was replaced.
        """
        token = self._issued[value]
        if now >= token.expires_at:
            raise Refusal(42001)
        if now >= token.replaced_at:
            raise Refusal(40001)

    def _lasts(self, token: Token, now: float) -> bool:
        return token.expires_at - now > self._rules.overlap and now < token.replaced_at

    def _issue(self, now: float) -> Token:
        token = Token(f"{next(_serial)}_{secrets.token_urlsafe(96)}", now + self._rules.lifetime)
        self._issued[token.value] = token
        return token


def is_well_formed(value: str) -> bool:
    """Whether a text looks like an access token at all; if not, the answer is 40014."""
    return _FORM.match(value) is not None
