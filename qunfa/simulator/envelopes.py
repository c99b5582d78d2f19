"""How pushes are written, signed and encrypted for an account's callback, and how its answers are read.

| mode | body |
|---|---|
| plain | the event |
| compat | the event, and the event encrypted in `Encrypt` |
| safe | `ToUserName`, and the event encrypted in `Encrypt` |

XML is as WeChat writes it; JSON is the same tree.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from lxml import etree

from qunfa.callback.crypto import CipherError, MessageCipher, sign
from qunfa.simulator.config import Callback, Format, JsonLists

Value = str | int | Mapping[str, "Value"] | Sequence["Value"]
"""Text, a number, named parts, or a list of items."""
Fields = Mapping[str, Value]
Forgery = Literal["signature", "clear"]
"""A push that is not right: signed with another token; or in the clear, whatever the callback's mode."""

_CONTENT_TYPES: dict[Format, str] = {"xml": "text/xml", "json": "application/json"}


@dataclass(frozen=True)
class Envelope:
    """Query parameters and body of one push."""

    query: dict[str, str]
    body: bytes
    content_type: str


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
    encrypted = MessageCipher(callback.aes_key.get_secret_value(), appid).seal(message)
    query["encrypt_type"] = "aes"
    query["msg_signature"] = sign(token, query["timestamp"], query["nonce"], encrypted)
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
    expected = sign(_token(callback), parts.get("TimeStamp", ""), parts.get("Nonce", ""), encrypted)
    if not secrets.compare_digest(parts.get("MsgSignature", "").encode(), expected.encode()):
        return None
    try:
        return MessageCipher(callback.aes_key.get_secret_value(), appid).open(encrypted).decode()
    except (CipherError, UnicodeDecodeError):
        return None


def _query(token: str, timestamp: int) -> dict[str, str]:
    nonce = str(secrets.randbelow(10**10))
    return {"signature": sign(token, str(timestamp), nonce), "timestamp": str(timestamp), "nonce": nonce}


def _token(callback: Callback, forged: Forgery | None = None) -> str:
    return secrets.token_hex(16) if forged == "signature" else callback.token.get_secret_value()


def _written(callback: Callback, fields: Fields) -> bytes:
    """A body in the callback's format. How JSON has a list is told in `config.Callback`."""
    if callback.format == "xml":
        return f"<xml>{_xml(fields)}</xml>".encode()
    return json.dumps(_plain(fields, callback.json_lists), ensure_ascii=False).encode()


def _xml(value: Value) -> str:
    match value:
        case str():
            return f"<![CDATA[{value.replace(']]>', ']]]]><![CDATA[>')}]]>"
        case int():
            return str(value)
        case Mapping():
            return "".join(f"<{name}>{_xml(part)}</{name}>" for name, part in value.items())
    return "".join(f"<item>{_xml(item)}</item>" for item in value)


def _plain(value: Value, lists: JsonLists) -> object:
    if isinstance(value, str | int):
        return value
    if isinstance(value, Mapping):
        return {name: _plain(part, lists) for name, part in value.items()}
    items = [_plain(item, lists) for item in value]
    if lists == "items":
        return [{"item": item} for item in items]
    return items[0] if lists == "single" and len(items) == 1 else items


def _parts(body: str) -> dict[str, str]:
    """The parts of an answer in XML or JSON; none if it is neither."""
    try:
        found = json.loads(body) if body.lstrip().startswith("{") else _children(body)
    except (ValueError, etree.XMLSyntaxError):
        return {}
    return {name: str(value) for name, value in found.items()} if isinstance(found, Mapping) else {}


def _children(body: str) -> dict[str, str]:
    parser = etree.XMLParser(resolve_entities=False, no_network=True)
    return {str(child.tag): child.text or "" for child in etree.fromstring(body.encode(), parser)}
