"""Signatures and encryption: against recordings, another library, and whatever somebody may send."""

import base64
import contextlib
import json
import secrets
from itertools import permutations
from pathlib import Path
from urllib.parse import parse_qs

import pytest
from hypothesis import given
from hypothesis import strategies as st
from wechatpy.crypto import WeChatCrypto  # type: ignore[import-untyped]  # the library has no types

from qunfa.callback.crypto import CipherError, MessageCipher, Signed, is_genuine, read_query, sign
from tests.callback.pushing import AES_KEY, APPID, FINISHED, OLD_AES_KEY, TOKEN, encrypted, framed

RECORDS = json.loads((Path(__file__).parent.parent / "data" / "crypto" / "vectors.json").read_text(encoding="utf-8"))
PUBLISHED = (
    "Q3stYC6hdFzMh9T8HCvyDFpaXGNHVnPAYeyR+S7fzhi8A7fJscHtr8kG36gWXT9pJm04D4sLQiWSFLAhIZYxhQ+YpIuDz/X8sb+EZPqGmUPa7O4g"
    "rE6CF5D+Bi+OroSo"
)
CIPHER = MessageCipher(AES_KEY, APPID)
THEIRS = WeChatCrypto(TOKEN, AES_KEY, APPID)
WORDS = st.text(max_size=20)
MESSAGES = st.text(st.characters(codec="utf-8", exclude_characters="\r\0"), max_size=300)
UNPADDED = -len(framed(FINISHED)) % 32 or 32


def test_recorded_ciphertexts_and_signatures_are_read() -> None:
    """What other libraries encrypt is opened, and what they sign is signed alike, as in pushes that were recorded."""
    for record in (each for each in RECORDS if each["kind"] == "aes_encrypt_fixed_random"):
        cipher = MessageCipher(record["encoding_aes_key"], record["app_id"])
        assert cipher.open(record["encrypt_b64"]).decode() == record["plaintext"]
    for record in (each for each in RECORDS if each["kind"] == "sha1_sorted_concat"):
        first, second, *more = record["inputs"]
        assert sign(first, second, "", *more) == record["sha1"]
    assert CIPHER.open(PUBLISHED) == b"<xml><MsgID>1000001625</MsgID></xml>"
    assert sign(TOKEN, "1700000000", "987654321", PUBLISHED) == "c16eb356199b333c038aa9f165821665a54b03cf"
    for token, timestamp, nonce, signature in (
        ("AAAAA", "1714036504", "1514711492", "f464b24fc39322e44b38aa78f5edd27bd1441696"),
        ("AAAAA", "1714037059", "486452656", "899cf89e464efb63f54ddac96b0a0a235f53aa78"),
        ("wxtoken0001", "1700000000", "987654321", "5543dc8e9df5648421f77e12f99650628eecf5c6"),
        ("a", "b", "c", "a9993e364706816aba3e25717850c26c9cd0d89d"),
    ):
        assert sign(token, timestamp, nonce) == signature
        assert is_genuine([token], Signed(signature, timestamp, nonce))


@given(token=WORDS, signature=WORDS, timestamp=WORDS, nonce=WORDS)
def test_no_text_passes_for_a_signature(token: str, signature: str, timestamp: str, nonce: str) -> None:
    """No text, of whatever characters, breaks the check or passes it; the three that are signed are sorted first."""
    assert not is_genuine([token], Signed(signature, timestamp, nonce))
    assert len({sign(*order) for order in permutations((token, timestamp, nonce))}) == 1


@given(raw=st.text("ab=&;%+ 1\u00e9", max_size=20).map(lambda text: text.encode("latin-1")))
def test_a_query_is_read_as_the_standard_library_does(raw: bytes) -> None:
    """With something encoded in it or without."""
    assert read_query(raw) == parse_qs(raw.decode("latin-1"), keep_blank_values=True)


@given(message=MESSAGES)
def test_another_library_reads_and_writes_the_same(message: str) -> None:
    """What is sealed here is opened there, and what is sealed there is opened here, signatures included."""
    text = CIPHER.seal(message.encode())
    signature = sign(TOKEN, "1700000000", "nonce", text)
    assert THEIRS.decrypt_message({"Encrypt": text}, signature, "1700000000", "nonce") == message
    envelope = str(THEIRS.encrypt_message(message, "nonce", "1700000000"))
    text = envelope.partition("<Encrypt><![CDATA[")[2].partition("]]>")[0]
    assert CIPHER.open(text).decode() == message
    assert f"<MsgSignature><![CDATA[{sign(TOKEN, '1700000000', 'nonce', text)}]]>" in envelope


@pytest.mark.parametrize("size", [*range(33), 4096])
def test_every_length_of_padding_is_read(size: int) -> None:
    """It is 1 to 32 bytes. Random bytes in front make each ciphertext another one; Base64 may be in lines."""
    message = secrets.token_bytes(size)
    text = CIPHER.seal(message)
    assert CIPHER.open(f"\n{text[:12]}\r\n{text[12:]} ") == message
    assert len(base64.b64decode(text)) % 32 == 0
    assert CIPHER.seal(message) != text


@pytest.mark.parametrize(
    "text",
    [
        "", "A", "AAAA", "A" * 44, "A" * 64, "not base64!", "群发",
        base64.b64encode(b"x" * 15).decode(), base64.b64encode(b"x" * 64).decode(),
        encrypted(b""), encrypted(b"x" * 19), encrypted(framed(FINISHED), OLD_AES_KEY),
        encrypted(framed(b"message", length=8 + len(APPID))), encrypted(framed(b"message", length=2**32 - 1)),
        encrypted(framed(FINISHED), pad=b"\0" * UNPADDED), encrypted(framed(FINISHED), pad=b"\x21" * UNPADDED),
    ],
    ids=lambda text: f"{len(text)} characters",
)  # fmt: skip
def test_a_malformed_ciphertext_is_refused(text: str) -> None:
    """Whatever is wrong with it, the error is the same, and the next one is opened as ever."""
    with pytest.raises(CipherError, match="does not open under the account's aes_key"):
        CIPHER.open(text)
    assert CIPHER.open(encrypted(framed(FINISHED))) == FINISHED


@pytest.mark.parametrize("appid", ["wx0123456789abcdee", "", f"{APPID}0", APPID.upper()])
def test_other_appid(appid: str) -> None:
    """A message for another account with the same key is not taken."""
    with pytest.raises(CipherError, match="another appid"):
        CIPHER.open(encrypted(framed(FINISHED, appid)))


@given(data=st.data())
def test_a_changed_ciphertext_never_yields_the_message(data: st.DataObject) -> None:
    """A byte changed or cut off is an error, of no other kind, or another message."""
    raw = bytearray(base64.b64decode(PUBLISHED))
    where = data.draw(st.integers(16, len(raw) - 1))
    raw[where] ^= data.draw(st.integers(1, 255))
    changed = bytes(raw[: data.draw(st.sampled_from([len(raw), where, 16]))])
    with contextlib.suppress(CipherError):
        assert CIPHER.open(base64.b64encode(changed).decode()) != b"<xml><MsgID>1000001625</MsgID></xml>"
