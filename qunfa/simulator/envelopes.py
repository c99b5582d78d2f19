"""How an event is wrapped for an account's callback: the query of the URL and the body, by the callback's mode."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import dataclass
from hashlib import sha1

from qunfa.simulator.config import Callback


@dataclass(frozen=True)
class Envelope:
    """Query parameters and body of one push."""

    query: dict[str, str]
    body: bytes


def signature(*parts: str) -> str:
    """WeChat's signature: SHA-1, in hex, of the sorted parts joined together."""
    return sha1("".join(sorted(parts)).encode()).hexdigest()  # noqa: S324 - the algorithm is WeChat's


def seal(callback: Callback, xml: str, *, sender: str, timestamp: int, signed: bool = True) -> Envelope:
    """Wrap an event. Without `signed` the signature is that of another token, as a forger's would be."""
    token = callback.token.get_secret_value() if signed else secrets.token_hex(16)
    return _MODES[callback.mode](token, xml, sender, timestamp)


def _plain(token: str, xml: str, sender: str, timestamp: int) -> Envelope:
    nonce = str(secrets.randbelow(10**10))
    query = {
        "signature": signature(token, str(timestamp), nonce),
        "timestamp": str(timestamp),
        "nonce": nonce,
        "openid": sender,
    }
    return Envelope(query, xml.encode())


_MODES: dict[str, Callable[[str, str, str, int], Envelope]] = {"plain": _plain}
