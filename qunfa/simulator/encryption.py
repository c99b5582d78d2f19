"""WeChat's encryption of pushes and of the answers to them: AES-256-CBC under an EncodingAESKey, in Base64."""

from __future__ import annotations

import base64
import secrets
import struct

from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES256
from cryptography.hazmat.primitives.ciphers.modes import CBC

_BLOCK = 32
"""Texts are filled up to multiples of this, twice the cipher's own block."""
_PREFIX = 16


class EncryptionError(Exception):
    """A text is not what this account's key encrypts."""


def encrypt(aes_key: str, appid: str, message: bytes, prefix: bytes | None = None) -> str:
    """16 random bytes, the message's length in four bytes, the message and the appid, encrypted.

    Args:
        aes_key: EncodingAESKey, 43 characters.
        appid: whose message it is.
        message: what is said.
        prefix: instead of the 16 random bytes.
    """
    text = (prefix or secrets.token_bytes(_PREFIX)) + struct.pack(">I", len(message)) + message + appid.encode()
    filling = _BLOCK - len(text) % _BLOCK
    encryptor = _cipher(aes_key).encryptor()
    return base64.b64encode(encryptor.update(text + bytes([filling]) * filling) + encryptor.finalize()).decode()


def decrypt(aes_key: str, appid: str, encrypted: str) -> bytes:
    """The message in a text that `encrypt`, or a receiver, has made.

    Raises:
        EncryptionError: it was made under another key or for another appid, or is damaged.
    """
    decryptor = _cipher(aes_key).decryptor()
    try:
        text = decryptor.update(base64.b64decode(encrypted, validate=True)) + decryptor.finalize()
    except ValueError as error:
        raise EncryptionError("it is no Base64 of whole blocks") from error
    filling = text[-1] if text else 0
    if not 1 <= filling <= _BLOCK or text[-filling:] != bytes([filling]) * filling:
        raise EncryptionError("its filling is wrong")
    text = text[:-filling]
    if len(text) < _PREFIX + 4:
        raise EncryptionError("it is too short")
    (length,) = struct.unpack_from(">I", text, _PREFIX)
    message, owner = text[_PREFIX + 4 :][:length], text[_PREFIX + 4 :][length:]
    if owner != appid.encode():
        raise EncryptionError("it is for another appid")
    return message


def _cipher(aes_key: str) -> Cipher[CBC]:
    key = base64.b64decode(aes_key + "=")
    return Cipher(AES256(key), CBC(key[:16]))
