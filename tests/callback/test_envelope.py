import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qunfa.callback import EventError
from qunfa.callback.document import read_document
from qunfa.callback.envelope import encrypted_part
from tests.callback.pushing import enveloped

PIECES = st.sampled_from([
    "<xml>", "</xml>", "<ToUserName><![CDATA[gh_1]]></ToUserName>", "<Encrypt><![CDATA[aGk+/w==]]></Encrypt>", "\n",
    " ", "<Encrypt>aGk=</Encrypt>", "<Encrypt>", "</Encrypt>", "<Encrypt/>", "<![CDATA[", "]]>", "a", "=", "&amp;",
    "\ufeff", "<!-- a -->", "\0", "\x0b", "群",
])  # fmt: skip
BODIES = st.lists(PIECES, max_size=8) | st.lists(PIECES, max_size=3).map(
    lambda more: ["<xml>", *more[:1], "<Encrypt><![CDATA[aGk=]]></Encrypt>", *more[1:], "</xml>"]
)


def _by_reader(body: bytes) -> str | None:
    with contextlib.suppress(EventError):
        return read_document(body).first("Encrypt")
    return None


@given(body=BODIES.map(lambda pieces: "".join(pieces).encode()))
def test_same_as_the_reader(body: bytes) -> None:
    """The encrypted part is what the reader of documents finds there, and refused is what it refuses."""
    expected = _by_reader(body)
    if expected is None:
        with pytest.raises(EventError):
            encrypted_part(body)
    else:
        assert encrypted_part(body) == expected


@pytest.mark.parametrize("blank", [b"", b"\n    ", b"\r\n"])
def test_blanks(blank: bytes) -> None:
    """WeChat writes the envelope in one line or in several."""
    body = enveloped("aGk+/w==")["content"].replace(b"><", b">" + blank + b"<")
    assert encrypted_part(body) == encrypted_part(body + blank) == "aGk+/w=="
