"""Whether a request comes from WeChat, and when it was signed: what its query says."""

import hashlib
import hmac
import re
import time
from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple
from urllib.parse import parse_qs

Query = Mapping[str, Sequence[str]]
"""What stands behind the `?`: each name with all its values."""

_PARAMETER_MAX: Final = 64
"""WeChat's are at most 40 characters. The signature covers one joined text, so nothing may hide in a long nonce."""
_TIMESTAMP: Final = re.compile(r"[0-9]{10}", re.ASCII)
"""Seconds, from 2001 to 2286. Fewer or more digits would be cut off from the nonce, or lent to it."""


class Signed(NamedTuple):
    """A signature, and what it covers beside the Token. What does not stand there once, or is too long, is empty."""

    signature: str
    timestamp: str
    nonce: str


def sign(token: str, timestamp: str, nonce: str, *encrypted: str) -> str:
    """SHA-1 in hexadecimal of the texts, sorted and joined: `signature`, or `msg_signature` with the encrypted part."""
    joined = "".join(sorted((token, timestamp, nonce, *encrypted)))
    return hashlib.sha1(joined.encode()).hexdigest()  # noqa: S324 - WeChat's protocol


def read_query(raw: bytes) -> Query:
    """A query as it came in a request. WeChat's own hardly ever has anything encoded in it."""
    text = raw.decode("latin-1")
    if "%" in text or "+" in text:
        return parse_qs(text, keep_blank_values=True)
    query: dict[str, list[str]] = {}
    for pair in filter(None, text.split("&")):
        name, _, value = pair.partition("=")
        query.setdefault(name, []).append(value)
    return query


def read_signed(query: Query, name: str = "signature") -> Signed:
    """The signature that stands under `name`: `msg_signature` is the one that covers an encrypted part."""
    return Signed(_only(query, name), _only(query, "timestamp"), _only(query, "nonce"))


def is_genuine(tokens: Sequence[str], signed: Signed, *encrypted: str) -> bool:
    """Whether `signed` is WeChat's under one of `tokens`, compared in constant time."""
    if not all(signed):
        return False
    signatures = [sign(token, signed.timestamp, signed.nonce, *encrypted) for token in tokens]
    given = signed.signature.encode()
    return any([hmac.compare_digest(one.encode(), given) for one in signatures])  # noqa: C419 - all of them


def _only(query: Query, name: str) -> str:
    """A parameter that stands there once and is as short as WeChat's; empty where it is not."""
    values = query.get(name, ())
    return values[0] if len(values) == 1 and len(values[0]) <= _PARAMETER_MAX else ""


def age(timestamp: str) -> float | None:
    """Seconds that have passed since by this machine's clock, below zero in the future; None for no timestamp."""
    return time.time() - int(timestamp) if _TIMESTAMP.fullmatch(timestamp) else None
