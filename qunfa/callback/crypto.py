"""WeChat's signatures and its encryption of pushes.

The encryption is AES-256-CBC of 16 random bytes, a length, the message and the appid.
"""

import base64
import hashlib
import hmac
import re
import secrets
import time
from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple
from urllib.parse import parse_qs

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.padding import PKCS7

Query = Mapping[str, Sequence[str]]
"""What stands behind the `?`: each name with all its values."""

_PARAMETER_MAX: Final = 64
"""WeChat's are at most 40 characters. The signature covers one joined text, so nothing may hide in a long nonce."""
_TIMESTAMP: Final = re.compile(r"[0-9]{10}", re.ASCII)
"""Seconds, from 2001 to 2286. With another number of digits, some could come from the nonce or go there."""
_PADDING: Final = PKCS7(32 * 8)
"""WeChat pads to 32 bytes, twice the cipher's block."""
_RANDOM: Final = 16
_LENGTH: Final = 4
_CLOSED: Final = "the encrypted part does not open under the account's aes_key"


class Signed(NamedTuple):
    """A signature, and what it covers beside the Token. A part that is too long or not there once is empty."""

    signature: str
    timestamp: str
    nonce: str


def sign(token: str, timestamp: str, nonce: str, *encrypted: str) -> str:
    """SHA-1 in hexadecimal of the texts, sorted and joined: `signature`, or `msg_signature` with the encrypted part."""
    joined = "".join(sorted((token, timestamp, nonce, *encrypted)))
    return hashlib.sha1(joined.encode()).hexdigest()  # noqa: S324 - WeChat's protocol


def read_query(raw: bytes) -> Query:
    """A query as it came in a request. WeChat's own rarely has anything encoded, and is read faster."""
    text = raw.decode("latin-1")
    if "%" in text or "+" in text:
        return parse_qs(text, keep_blank_values=True)
    query: dict[str, list[str]] = {}
    for pair in filter(None, text.split("&")):
        name, _, value = pair.partition("=")
        query.setdefault(name, []).append(value)
    return query


def read_signed(query: Query, name: str = "signature") -> Signed:
    """The signature that stands under `name`. `msg_signature` is the one that covers an encrypted part."""
    return Signed(_only(query, name), _only(query, "timestamp"), _only(query, "nonce"))


def _only(query: Query, name: str) -> str:
    values = query.get(name, ())
    return values[0] if len(values) == 1 and len(values[0]) <= _PARAMETER_MAX else ""


def is_genuine(tokens: Sequence[str], signed: Signed, *encrypted: str) -> bool:
    """Whether one of `tokens` made the signature. All of them are compared, in constant time."""
    if not all(signed):
        return False
    signatures = [sign(token, signed.timestamp, signed.nonce, *encrypted) for token in tokens]
    given = signed.signature.encode()
    return any([hmac.compare_digest(one.encode(), given) for one in signatures])  # noqa: C419 - all of them


def age(timestamp: str) -> float | None:
    """Seconds since the timestamp by this machine's clock, below zero in the future; None for no timestamp."""
    return time.time() - int(timestamp) if _TIMESTAMP.fullmatch(timestamp) else None


class CipherError(Exception):
    """What was to be decrypted is not WeChat's for this account. The message is for a log, not for an answer."""


class MessageCipher:
    """Opens and seals messages of one account under one EncodingAESKey."""

    def __init__(self, aes_key: str, appid: str) -> None:
        key = base64.b64decode(f"{aes_key}=")
        self._cipher = Cipher(algorithms.AES(key), modes.CBC(key[:_RANDOM]))
        self._appid = appid.encode()

    def open(self, encrypted: str) -> bytes:
        """The message in an `Encrypt` element.

        Raises:
            CipherError: It is no ciphertext under this key, or it is for another appid.
        """
        decryptor, unpadder = self._cipher.decryptor(), _PADDING.unpadder()
        try:
            ciphertext = base64.b64decode("".join(encrypted.split()), validate=True)
            padded = decryptor.update(ciphertext) + decryptor.finalize()
            plain = unpadder.update(padded) + unpadder.finalize()
        except ValueError:
            raise CipherError(_CLOSED) from None
        start = _RANDOM + _LENGTH
        end = start + int.from_bytes(plain[_RANDOM:start], "big")
        if not start <= end <= len(plain):
            raise CipherError(_CLOSED)
        if not hmac.compare_digest(plain[end:], self._appid):
            raise CipherError("the encrypted part is for another appid than the account's")
        return plain[start:end]

    def seal(self, message: bytes) -> str:
        """The `Encrypt` element of a message."""
        length = len(message).to_bytes(_LENGTH, "big")
        encryptor, padder = self._cipher.encryptor(), _PADDING.padder()
        padded = padder.update(secrets.token_bytes(_RANDOM) + length + message + self._appid) + padder.finalize()
        return base64.b64encode(encryptor.update(padded) + encryptor.finalize()).decode()
