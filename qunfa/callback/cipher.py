"""WeChat's encryption of pushes: AES-256-CBC of 16 random bytes, a length, the message and the appid."""

import base64
import binascii
import hmac
import secrets
from typing import Final

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.padding import PKCS7

_PADDING: Final = PKCS7(256)
"""WeChat pads to 32 bytes, twice the cipher's block."""
_RANDOM: Final = 16
_LENGTH: Final = 4


class CipherError(Exception):
    """What was to be decrypted is not WeChat's for this account. The message is for a log, not for an answer."""


class MessageCipher:
    """Opens and seals messages of one account under one EncodingAESKey."""

    def __init__(self, aes_key: str, appid: str) -> None:
        key = base64.b64decode(f"{aes_key}=")
        self._cipher = Cipher(algorithms.AES(key), modes.CBC(key[:16]))
        self._appid = appid.encode()

    def open(self, encrypted: str) -> bytes:
        """The message in an `Encrypt` element.

        Raises:
            CipherError: It is no ciphertext under this key, or it is for another appid.
        """
        try:
            ciphertext = base64.b64decode("".join(encrypted.split()), validate=True)
            decryptor = self._cipher.decryptor()
            padded = decryptor.update(ciphertext) + decryptor.finalize()
            unpadder = _PADDING.unpadder()
            plain = unpadder.update(padded) + unpadder.finalize()
        except (ValueError, binascii.Error):
            raise CipherError("the encrypted part does not open under the account's aes_key") from None
        return self._message(plain)

    def seal(self, message: bytes) -> str:
        """The `Encrypt` element of a message."""
        length = len(message).to_bytes(_LENGTH, "big")
        padder = _PADDING.padder()
        padded = padder.update(secrets.token_bytes(_RANDOM) + length + message + self._appid) + padder.finalize()
        encryptor = self._cipher.encryptor()
        return base64.b64encode(encryptor.update(padded) + encryptor.finalize()).decode()

    def _message(self, plain: bytes) -> bytes:
        start = _RANDOM + _LENGTH
        end = start + int.from_bytes(plain[_RANDOM:start], "big")
        if not start <= end <= len(plain):
            raise CipherError("the encrypted part does not open under the account's aes_key")
        if not hmac.compare_digest(plain[end:], self._appid):
            raise CipherError("the encrypted part is for another appid than the account's")
        return plain[start:end]
