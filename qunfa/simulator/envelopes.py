"""How pushes are wrapped for an account's callback, and what is in its answers, by the callback's mode and format.

| mode | body |
|---|---|
| plain | the event |
| compat | the event, and the event encrypted in `Encrypt` |
| safe | `ToUserName`, and the event encrypted in `Encrypt` |
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha1
from typing import Literal

from lxml import etree

from qunfa.simulator.config import Callback
from qunfa.simulator.documents import Fields, Format, write
from qunfa.simulator.encryption import EncryptionError, decrypt, encrypt

Forgery = Literal["signature", "clear"]
"""A push that is not right: signed with another token; or in the clear, whatever the callback's mode."""

_CONTENT_TYPES: dict[Format, str] = {"xml": "text/xml", "json": "application/json"}


@dataclass(frozen=True)
class Envelope:
    """Query parameters and body of one push."""

    query: dict[str, str]
    body: bytes
    content_type: str


def signature(*parts: str) -> str:
    """WeChat's signature: SHA-1, in hex, of the sorted parts joined together."""
    return sha1("".join(sorted(parts)).encode()).hexdigest()  # noqa: S324 - the algorithm is WeChat's


def signed_query(callback: Callback, timestamp: int, forged: Forgery | None = None) -> dict[str, str]:
    """`signature`, `timestamp` and `nonce` as every request has them."""
    return _query(_token(callback, forged), timestamp)


def seal(callback: Callback, appid: str, fields: Fields, *, timestamp: int, forged: Forgery | None = None) -> Envelope:
    """Wrap an event, which has at least `ToUserName` and `FromUserName`."""
    token = _token(callback, forged)
    query = {**_query(token, timestamp), "openid": str(fields["FromUserName"])}
    message = _written(callback, fields)
    if callback.aes_key is None or callback.mode == "plain" or forged == "clear":
        return Envelope(query, message, _CONTENT_TYPES[callback.format])
    encrypted = encrypt(callback.aes_key.get_secret_value(), appid, message)
    query["encrypt_type"] = "aes"
    query["msg_signature"] = signature(token, query["timestamp"], query["nonce"], encrypted)
    beside = fields if callback.mode == "compat" else {"ToUserName": fields["ToUserName"]}
    body = _written(callback, {**beside, "Encrypt": encrypted})
    return Envelope(query, body, _CONTENT_TYPES[callback.format])


def unseal(callback: Callback, appid: str, body: str) -> str | None:
    """What an encrypted answer says; None if it is not encrypted, or not rightly.

    It has the account's signature in `MsgSignature`, over `TimeStamp`, `Nonce` and `Encrypt`.
    """
    parts = _parts(body)
    encrypted = parts.get("Encrypt")
    if callback.aes_key is None or callback.mode == "plain" or not encrypted:
        return None
    expected = signature(_token(callback), parts.get("TimeStamp", ""), parts.get("Nonce", ""), encrypted)
    if not secrets.compare_digest(parts.get("MsgSignature", "").encode(), expected.encode()):
        return None
    try:
        return decrypt(callback.aes_key.get_secret_value(), appid, encrypted).decode()
    except (EncryptionError, UnicodeDecodeError):
        return None


def _query(token: str, timestamp: int) -> dict[str, str]:
    nonce = str(secrets.randbelow(10**10))
    return {"signature": signature(token, str(timestamp), nonce), "timestamp": str(timestamp), "nonce": nonce}


def _token(callback: Callback, forged: Forgery | None = None) -> str:
    return secrets.token_hex(16) if forged == "signature" else callback.token.get_secret_value()


def _written(callback: Callback, fields: Fields) -> bytes:
    return write(fields, callback.format, callback.json_lists).encode()


def _parts(body: str) -> dict[str, str]:
    """The parts of an answer in XML or JSON; none if it is neither."""
    try:
        found = json.loads(body) if body.lstrip().startswith("{") else _elements(body)
    except (ValueError, etree.XMLSyntaxError):
        return {}
    return {name: str(value) for name, value in found.items()} if isinstance(found, Mapping) else {}


def _elements(body: str) -> dict[str, str]:
    parser = etree.XMLParser(resolve_entities=False, no_network=True)
    return {str(child.tag): child.text or "" for child in etree.fromstring(body.encode(), parser)}
