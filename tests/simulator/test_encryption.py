import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from wechatpy.crypto import WeChatCrypto  # type: ignore[import-untyped]  # the library has no types

from qunfa.simulator.encryption import EncryptionError, decrypt, encrypt
from qunfa.simulator.envelopes import signature
from tests.simulator.api import APPID

AES_KEY = "abcdefghijklmnopqrstuvwxyz0123456789ABCDEFG"
OTHER_KEY = "GFEDCBA9876543210zyxwvutsrqponmlkjihgfedcba"
TOKEN = "wxtoken0001"
RECORDS = json.loads((Path(__file__).parent.parent / "data" / "crypto" / "vectors.json").read_text(encoding="utf-8"))
ENCRYPTED = [record for record in RECORDS if record["kind"] == "aes_encrypt_fixed_random"]
SIGNED = [record for record in RECORDS if record["kind"] == "sha1_sorted_concat"]


@pytest.mark.parametrize("record", ENCRYPTED)
def test_recorded_ciphertexts_are_reproduced(record: dict[str, Any]) -> None:
    """With the same 16 bytes, another library's ciphertext comes out, letter by letter."""
    key, appid, plain = record["encoding_aes_key"], record["app_id"], record["plaintext"].encode()

    assert encrypt(key, appid, plain, record["random16"].encode()) == record["encrypt_b64"]
    assert decrypt(key, appid, record["encrypt_b64"]) == plain


@pytest.mark.parametrize("record", SIGNED)
def test_recorded_signatures_are_reproduced(record: dict[str, Any]) -> None:
    """A signature covers any number of texts, in any order."""
    assert signature(*record["inputs"]) == record["sha1"]


@given(message=st.text(st.characters(codec="utf-8", exclude_characters="\r\0"), max_size=200))
def test_another_library_opens_a_push(message: str) -> None:
    """What is encrypted here is a push to wechatpy."""
    text = encrypt(AES_KEY, APPID, message.encode())
    push = f"<xml><ToUserName>g</ToUserName><Encrypt>{text}</Encrypt></xml>"
    signed = signature(TOKEN, "1700000000", "nonce", text)

    opened = WeChatCrypto(TOKEN, AES_KEY, APPID).decrypt_message(push, signed, "1700000000", "nonce")

    assert (opened.decode() if isinstance(opened, bytes) else opened) == message


@given(message=st.binary(max_size=100))
def test_what_is_encrypted_can_be_read(message: bytes) -> None:
    """Whatever the length; twice the same message is never the same text."""
    first, second = (encrypt(AES_KEY, APPID, message) for _ in range(2))
    assert decrypt(AES_KEY, APPID, first) == decrypt(AES_KEY, APPID, second) == message
    assert first != second


@pytest.mark.parametrize(
    "encrypted",
    [
        encrypt(OTHER_KEY, APPID, b"x"),
        encrypt(AES_KEY, "wx-another-appid00", b"x"),
        encrypt(AES_KEY, APPID, b"x")[:-24],
        "AAAA",
        "no Base64!",
        "",
    ],
    ids=["another key", "another appid", "cut", "half a block", "no Base64", "nothing"],
)
def test_what_is_not_the_accounts_cannot_be_read(encrypted: str) -> None:
    """Each way of being wrong is an error of one kind."""
    with pytest.raises(EncryptionError):
        decrypt(AES_KEY, APPID, encrypted)
