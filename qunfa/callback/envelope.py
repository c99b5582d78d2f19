"""What stands around the encrypted part of a push."""

import re
from typing import Final

from qunfa.callback.document import read_document

_USUAL: Final = re.compile(
    rb"""
    <xml> [ \t\r\n]*+
    (?: <ToUserName><!\[CDATA\[ \w*+ \]\]></ToUserName> [ \t\r\n]*+ )?+
    <Encrypt><!\[CDATA\[ ( [A-Za-z0-9+/=]++ ) \]\]></Encrypt> [ \t\r\n]*+
    </xml> [ \t\r\n]*+
    """,
    re.VERBOSE,
)
"""In safe mode it is always this, and needs no reader of documents to find what is in it."""


def encrypted_part(body: bytes) -> str:
    """The text of `Encrypt`; empty where there is none.

    Raises:
        EventError: The body is neither well-formed XML nor a JSON object.
        HostileError: It carries a DOCTYPE, or is not UTF-8.
    """
    usual = _USUAL.fullmatch(body)
    return usual[1].decode() if usual else read_document(body).first("Encrypt")
