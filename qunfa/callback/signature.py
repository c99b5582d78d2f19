"""Whether a request comes from WeChat, and when it was signed: what its query says."""

import hashlib
import hmac
import re
import time
from collections.abc import Mapping, Sequence
from datetime import timedelta
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
    """A query as it came in a request."""
    return parse_qs(raw.decode("latin-1"), keep_blank_values=True)


def is_genuine(tokens: Sequence[str], query: Query, *encrypted: str) -> bool:
    """Whether `query` carries WeChat's signature under one of `tokens`: each parameter once, in constant time.

    That is `signature`, or `msg_signature` where there is an encrypted part for it to cover.
    """
    names = ("msg_signature" if encrypted else "signature", "timestamp", "nonce")
    values = [query.get(name, ()) for name in names]
    if any(len(found) != 1 or not 0 < len(found[0]) <= _PARAMETER_MAX for found in values):
        return False
    (signature,), (timestamp,), (nonce,) = values
    signatures = [sign(token, timestamp, nonce, *encrypted) for token in tokens]
    return any([hmac.compare_digest(one.encode(), signature.encode()) for one in signatures])  # noqa: C419 - all of them


def age(query: Query) -> timedelta | None:
    """How long ago the query was signed by this machine's clock, negative in the future; None where it says nothing."""
    timestamp = query.get("timestamp", ("",))[-1]
    return timedelta(seconds=time.time() - int(timestamp)) if _TIMESTAMP.fullmatch(timestamp) else None
