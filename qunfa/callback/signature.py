"""Whether a request comes from WeChat: the signature that its query carries."""

import hashlib
import hmac
from typing import Final

from starlette.datastructures import QueryParams

_SIGNED: Final = ("signature", "timestamp", "nonce")


def sign(token: str, timestamp: str, nonce: str) -> str:
    """SHA-1 in hexadecimal of the three texts, sorted and joined, as WeChat computes it."""
    joined = "".join(sorted((token, timestamp, nonce)))
    return hashlib.sha1(joined.encode()).hexdigest()  # noqa: S324 - WeChat's protocol


def is_genuine(token: str, query: QueryParams) -> bool:
    """Whether `query` carries WeChat's signature under `token`: each parameter once, compared in constant time."""
    values = [query.getlist(name) for name in _SIGNED]
    if any(len(found) != 1 or not found[0] for found in values):
        return False
    (signature,), (timestamp,), (nonce,) = values
    return hmac.compare_digest(sign(token, timestamp, nonce).encode(), signature.encode())
