"""Whether a request comes from WeChat, and when it was signed: what its query says."""

import hashlib
import hmac
import re
import time
from collections.abc import Mapping, Sequence
from typing import Final
from urllib.parse import parse_qs

Query = Mapping[str, Sequence[str]]
"""What stands behind the `?`: each name with all its values."""

_PARAMETER_MAX: Final = 64
"""WeChat's are at most 40 characters. The signature covers one joined text, so nothing may hide in a long nonce."""
_TIMESTAMP: Final = re.compile(r"[0-9]{1,12}", re.ASCII)


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


def is_genuine(tokens: Sequence[str], query: Query, *encrypted: str) -> bool:
    """Whether `query` carries WeChat's signature under one of `tokens`: each parameter once, in constant time.

    That is `signature`, or `msg_signature` where there is an encrypted part for it to cover.
    """
    signature = _only(query, "msg_signature" if encrypted else "signature").encode()
    timestamp, nonce = _only(query, "timestamp"), _only(query, "nonce")
    if not (signature and timestamp and nonce):
        return False
    signatures = [sign(token, timestamp, nonce, *encrypted) for token in tokens]
    return any([hmac.compare_digest(one.encode(), signature) for one in signatures])  # noqa: C419 - all of them


def _only(query: Query, name: str) -> str:
    """A parameter that stands there once and is as short as WeChat's; empty where it is not."""
    values = query.get(name, ())
    return values[0] if len(values) == 1 and len(values[0]) <= _PARAMETER_MAX else ""


def age(query: Query) -> float | None:
    """Seconds since the query was signed by this machine's clock, below zero in the future; None if it does not say."""
    timestamp = query.get("timestamp", ("",))[-1]
    return time.time() - int(timestamp) if _TIMESTAMP.fullmatch(timestamp) else None
