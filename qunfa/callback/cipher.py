"""WeChat's encryption of pushes: AES-256-CBC of 16 random bytes, a length, the message and the appid."""

import base64
import hmac
import secrets
from typing import Final

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

_BLOCK: Final = 32
"""What WeChat pads to, twice the cipher's block."""
_RANDOM: Final = 16
_LENGTH: Final = 4
_CLOSED: Final = "the encrypted part does not open under the account's aes_key"


class CipherError(Exception):
    """What was to be decrypted is not WeChat's for this account. The message is for a log, not for an answer."""


class MessageCipher:
    """Opens and seals messages of one account under one EncodingAESKey."""

    def __init__(self, aes_key: str, appid: str) -> None:
        key = base64.b64decode(f"{aes_key}=")
        self._cipher = Cipher(algorithms.AES(key), modes.CBC(key[:_RANDOM]))
        # One for all messages, as it costs more to make one than to use it. What was decrypted before has an effect
        # on the first sixteen bytes alone, which are random and not looked at.
        self._decryptor = self._cipher.decryptor()
        self._appid = appid.encode()

    def open(self, encrypted: str) -> bytes:
        """The message in an `Encrypt` element.

        Raises:
            CipherError: It is no ciphertext under this key, or it is for another appid.
        """
        try:
            ciphertext = base64.b64decode("".join(encrypted.split()), validate=True)
        except ValueError:
            ciphertext = b""
        if not ciphertext or len(ciphertext) % _BLOCK:
            raise CipherError(_CLOSED)
        padded = self._decryptor.update(ciphertext)
        padding = padded[-1]
        if not 0 < padding <= _BLOCK or not hmac.compare_digest(padded[-padding:], bytes([padding]) * padding):
            raise CipherError(_CLOSED)
        return self._message(padded[:-padding])

    def seal(self, message: bytes) -> str:
        """The `Encrypt` element of a message."""
        length = len(message).to_bytes(_LENGTH, "big")
        plain = secrets.token_bytes(_RANDOM) + length + message + self._appid
        padding = _BLOCK - len(plain) % _BLOCK
        encryptor = self._cipher.encryptor()
        padded = plain + bytes([padding]) * padding
        return base64.b64encode(encryptor.update(padded) + encryptor.finalize()).decode()

    def _message(self, plain: bytes) -> bytes:
        start = _RANDOM + _LENGTH
        end = start + int.from_bytes(plain[_RANDOM:start], "big")
        if not start <= end <= len(plain):
            raise CipherError(_CLOSED)
        if not hmac.compare_digest(plain[end:], self._appid):
            raise CipherError("the encrypted part is for another appid than the account's")
        return plain[start:end]
