import base64
import contextlib
import json
import secrets
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from wechatpy.crypto import WeChatCrypto  # type: ignore[import-untyped]  # the library has no types
from wechatpy.exceptions import WeChatException  # type: ignore[import-untyped]  # the library has no types

from qunfa.callback import CipherError, MessageCipher, sign
from tests.callback.pushing import AES_KEY, APPID, FINISHED, OLD_AES_KEY, TOKEN, encrypted, framed

RECORDS = json.loads((Path(__file__).parent.parent / "data" / "crypto" / "vectors.json").read_text(encoding="utf-8"))
ENCRYPTED = [record for record in RECORDS if record["kind"] == "aes_encrypt_fixed_random"]
SIGNED = [record for record in RECORDS if record["kind"] == "sha1_sorted_concat"]
PUBLISHED = (
    "Q3stYC6hdFzMh9T8HCvyDFpaXGNHVnPAYeyR+S7fzhi8A7fJscHtr8kG36gWXT9pJm04D4sLQiWSFLAhIZYxhQ+YpIuDz/X8sb+EZPqGmUPa7O4g"
    "rE6CF5D+Bi+OroSo"
)
CIPHER = MessageCipher(AES_KEY, APPID)
THEIRS = WeChatCrypto(TOKEN, AES_KEY, APPID)
MESSAGES = st.text(st.characters(codec="utf-8", exclude_characters="\r\0"), max_size=300)


def _theirs(message: str) -> str:
    return str(THEIRS.encrypt_message(message, "nonce", "1700000000"))


def _between(text: str, start: str, end: str) -> str:
    return text.partition(start)[2].partition(end)[0]


@pytest.mark.parametrize("record", ENCRYPTED)
def test_recorded_ciphertexts(record: dict[str, Any]) -> None:
    """What another library encrypts is opened."""
    cipher = MessageCipher(record["encoding_aes_key"], record["app_id"])

    assert cipher.open(record["encrypt_b64"]).decode() == record["plaintext"]


@pytest.mark.parametrize("record", SIGNED)
def test_recorded_signatures(record: dict[str, Any]) -> None:
    """A signature covers any number of texts."""
    first, second, *more = record["inputs"]

    assert sign(first, second, "", *more) == record["sha1"]


def test_whole_push() -> None:
    """Ciphertext and both signatures of one push."""
    assert CIPHER.open(PUBLISHED) == b"<xml><MsgID>1000001625</MsgID></xml>"
    assert sign(TOKEN, "1700000000", "987654321", PUBLISHED) == "c16eb356199b333c038aa9f165821665a54b03cf"


@given(message=MESSAGES)
def test_wechatpy_opens_what_is_sealed(message: str) -> None:
    """Another library reads what is encrypted here, signature included."""
    text = CIPHER.seal(message.encode())
    signature = sign(TOKEN, "1700000000", "nonce", text)

    assert THEIRS.decrypt_message({"Encrypt": text}, signature, "1700000000", "nonce") == message


@given(message=MESSAGES)
def test_opens_what_wechatpy_seals(message: str) -> None:
    """What another library encrypts and signs is read here."""
    envelope = _theirs(message)
    text = _between(envelope, "<Encrypt><![CDATA[", "]]>")

    assert CIPHER.open(text).decode() == message
    assert _between(envelope, "<MsgSignature><![CDATA[", "]]>") == sign(TOKEN, "1700000000", "nonce", text)


@pytest.mark.parametrize("size", [0, 1, 11, 12, 13, 27, 28, 29, 31, 32, 33, 4096])
def test_every_length_of_padding(size: int) -> None:
    """The padding is 1 to 32 bytes, twice the cipher's block."""
    message = secrets.token_bytes(size)

    assert CIPHER.open(CIPHER.seal(message)) == message
    assert len(base64.b64decode(CIPHER.seal(message))) % 32 == 0


def test_same_message_twice() -> None:
    """Random bytes in front make each ciphertext another one."""
    assert CIPHER.seal(b"again") != CIPHER.seal(b"again")


def test_line_ends_within() -> None:
    """Base64 may be written in lines."""
    text = CIPHER.seal(FINISHED)

    assert CIPHER.open(f"\n{text[:76]}\r\n{text[76:]} ") == FINISHED


@pytest.mark.parametrize(
    "text",
    [
        "",
        "A",
        "AAAA",
        "not base64!",
        "群发",
        base64.b64encode(b"x" * 15).decode(),
        base64.b64encode(b"x" * 64).decode(),
        encrypted(b""),
        encrypted(b"x" * 19),
        encrypted(framed(b"message", length=8 + len(APPID))),
        encrypted(framed(b"message", length=2**32 - 1)),
        encrypted(framed(FINISHED), pad=b"\0" * (32 - len(framed(FINISHED)) % 32)),
        encrypted(framed(FINISHED), pad=b"\x21" * (32 - len(framed(FINISHED)) % 32)),
        encrypted(framed(FINISHED), OLD_AES_KEY),
    ],
    ids=lambda text: f"{len(text)} characters",
)
def test_a_malformed_ciphertext_is_refused(text: str) -> None:
    """Whatever is wrong with a ciphertext, the error is the same."""
    with pytest.raises(CipherError, match="does not open under the account's aes_key"):
        CIPHER.open(text)


@pytest.mark.parametrize(
    "before",
    [PUBLISHED, "", "AAAA", encrypted(b"x" * 19), encrypted(framed(FINISHED), OLD_AES_KEY), "A" * 64, "A" * 44],
    ids=["published", "empty", "short", "cut", "another key", "48 bytes", "33 bytes"],
)
def test_a_message_opens_whatever_was_opened_before(before: str) -> None:
    """A message opens in the same way whatever was opened before it, or did not open."""
    with contextlib.suppress(CipherError):
        CIPHER.open(before)

    assert CIPHER.open(encrypted(framed(FINISHED))) == FINISHED


@pytest.mark.parametrize("appid", ["wx0123456789abcdee", "", f"{APPID}0", APPID.upper()])
def test_other_appid(appid: str) -> None:
    """A message for another account with the same key is not taken."""
    with pytest.raises(CipherError, match="another appid"):
        CIPHER.open(encrypted(framed(FINISHED, appid)))
    with pytest.raises(WeChatException):
        THEIRS.decrypt_message(
            {"Encrypt": encrypted(framed(FINISHED, appid))},
            sign(TOKEN, "1", "1", encrypted(framed(FINISHED, appid))),
            "1",
            "1",
        )


@given(data=st.data())
def test_changed_ciphertexts(data: st.DataObject) -> None:
    """A byte changed, cut off or added never yields the message, nor another kind of error."""
    raw = bytearray(base64.b64decode(PUBLISHED))
    where = data.draw(st.integers(16, len(raw) - 1))
    raw[where] ^= data.draw(st.integers(1, 255))
    changed = bytes(raw[: data.draw(st.sampled_from([len(raw), where, 16]))])
    try:
        opened = CIPHER.open(base64.b64encode(changed).decode())
    except CipherError:
        return
    assert opened != b"<xml><MsgID>1000001625</MsgID></xml>"


@given(text=st.text(max_size=200))
def test_no_text_breaks_the_cipher_or_passes(text: str) -> None:
    """No text breaks it, or passes."""
    with pytest.raises(CipherError):
        CIPHER.open(text)
