"""What the hardest documents cost."""

import base64
import contextlib
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar
from xml.etree.ElementTree import ParseError, fromstring

import pytest

from qunfa.callback.crypto import CipherError, MessageCipher
from qunfa.callback.document import EventError
from qunfa.callback.event import parse_event
from qunfa.callback.pushes import BODY_LIMIT
from tests.callback.pushing import AES_KEY, APPID

pytestmark = pytest.mark.long

START = b"<xml><MsgType>event</MsgType><Event>MASSSENDJOBFINISH</Event><MsgID>7</MsgID><Status>s</Status>"
JSON = b'{"MsgType":"event","Event":"MASSSENDJOBFINISH","MsgID":7,"Status":"s",'
LAUGHS = b"".join(b'<!ENTITY l%d "%s">' % (n, b"&l%d;" % (n - 1) * 10 if n else b"lol") for n in range(12))
TIMES = 2
"""A document may take so many times what Python's own parser takes, on this machine, for the deepest one."""
MEGABYTES = 50
BodyT = TypeVar("BodyT")


def _filled(start: bytes, piece: bytes, end: bytes) -> bytes:
    """A document as long as one may be."""
    return start + piece * ((BODY_LIMIT - len(start) - len(end)) // len(piece)) + end


DEEPEST = _filled(b"<xml>", b"<d>", b"")


def hard_documents() -> dict[str, bytes]:
    """Documents that make a careless reader slow, or fat."""
    item = b"<item><ArticleIdx>1</ArticleIdx><ArticleUrl>u</ArticleUrl></item>"
    block = b"<ArticleUrlResult><ResultList>"
    attributes = b" ".join(b'a%d="%d"' % (n, n) for n in range(16_000))
    spaces = b" ".join(b'xmlns:a%d="u%d"' % (n, n) for n in range(10_000))
    behind, name = b"<!-- <a> --><!DOCTYPE xml [", b"n" * 40_000
    return {
        "elements": _filled(b"<xml>", b"<a/>", b"</xml>"),
        "elements of an event": _filled(START, b"<a/>", b"</xml>"),
        "items": _filled(START + block, item, b"</ResultList></ArticleUrlResult></xml>"),
        "one text": _filled(START + b"<a>", b"x", b"</a></xml>"),
        "one status": _filled(START, b" ", b"</xml>"),
        "long names": _filled(START + b"<" + name + b">", b"<a/>", b"</" + name + b"></xml>"),
        "depth": START + b"<d>" * 250 + b"</d>" * 250 + b"</xml>",
        "more depth": DEEPEST,
        "attributes": START + b"<a " + attributes + b"/></xml>",
        "namespaces": START + b"<a " + spaces + b"/></xml>",
        "character references": _filled(START + b"<a>", b"&#20013;", b"</a></xml>"),
        "character data": _filled(START + b"<a>", b"<![CDATA[]]>", b"</a></xml>"),
        "comments": _filled(START, b"<!---->", b"</xml>"),
        "instructions": _filled(START, b"<?a b?>", b"</xml>"),
        "open brackets": _filled(b"<xml>", b"<", b""),
        "doctypes": _filled(b"", b"<!DOCTYPE ", b""),
        "comments before a doctype": _filled(b"", b"<!-- <a> -->", b"<!DOCTYPE a><a/>"),
        "a billion laughs": b"<!DOCTYPE xml [" + LAUGHS + b"]>" + START + b"<a>&l11;</a></xml>",
        "laughs in an attribute": behind + LAUGHS + b"]>" + START + b'<a b="&l11;"/></xml>',
        "laughs by default": behind + LAUGHS + b'<!ATTLIST a b CDATA "&l11;">]>' + START + b"<a/></xml>",
        "entities declared": _filled(behind, b'<!ENTITY a "b">', b"]><xml/>"),
        "JSON lists": _filled(JSON + b'"a":[', b"[],", b"1]}"),
        "JSON objects": _filled(JSON + b'"a":[', b'{"b":1},', b"1]}"),
        "JSON depth": _filled(JSON + b'"a":', b"[", b""),
        "JSON depth of objects": _filled(b"", b'{"a":', b""),
        "JSON lists within lists": JSON + b'"a":' + b"[" * 900 + b"]" * 900 + b"}",
        "a long number": _filled(JSON + b'"a":', b"9", b"}"),
        "a long fraction": _filled(JSON + b'"a":0.', b"9", b"}"),
        "the same name": _filled(JSON, b'"a":1,', b'"b":1}'),
        "escapes": _filled(JSON + b'"a":"', b"\\ud83d", b'"}'),
        "backslashes": _filled(JSON + b'"a":"', b"\\", b'"}'),
        "blanks": _filled(b"", b" ", b"<xml/>"),
        "nothing": b"\0" * BODY_LIMIT,
    }


@pytest.mark.parametrize("body", hard_documents().values(), ids=hard_documents())
def test_time(body: bytes) -> None:
    """No document that is short enough to be read takes much more than Python's own parser does for the deepest."""
    assert any(_seconds(parse_event, body) < _bound() for _ in range(10))


def _bound() -> float:
    return TIMES * _seconds(fromstring, DEEPEST)


def _seconds(read: Callable[[BodyT], object], body: BodyT) -> float:
    """How long it takes of the processor to read this, or to refuse it."""
    started = time.thread_time()
    with contextlib.suppress(EventError, CipherError, ParseError):
        read(body)
    return time.thread_time() - started


@pytest.mark.parametrize("text", [base64.b64encode(b"x" * 196_608).decode(), "A" * BODY_LIMIT, " " * BODY_LIMIT])
def test_time_of_a_ciphertext(text: str) -> None:
    """Nor does a ciphertext, of whatever it is made."""
    cipher = MessageCipher(AES_KEY, APPID)
    with pytest.raises(CipherError):
        cipher.open(text)
    assert any(_seconds(cipher.open, text) < _bound() for _ in range(10))


MEMORY = """
import contextlib, resource
from qunfa.callback.document import EventError
from qunfa.callback.event import parse_event
from tests.callback.test_limits import hard_documents
def names(n):
    return b"".join(b"<n%d-%d-%s/>" % (n, m, b"0123456789" * 43) for m in range(400))
def grown_by(documents):
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for body in documents:
        with contextlib.suppress(EventError):
            parse_event(body)
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
"""


def _printed(program: str) -> int:
    """The number that a Python of its own prints."""
    root = Path(__file__).parents[2]
    command = [sys.executable, "-c", MEMORY + program]
    return int(subprocess.run(command, cwd=root, capture_output=True, text=True, check=True).stdout)


def test_memory() -> None:
    """All of them together let a process grow by less than 50 MB."""
    program = "documents = hard_documents().values(); grown_by([b'<xml/>']); print(grown_by(documents))"
    assert _printed(program) < MEGABYTES * 1024


def test_memory_of_names() -> None:
    """Strangers who send names that nobody has used before, 80 MB of them, fill no table of them."""
    program = (
        "grown_by(b'<xml>' + names(n) + b'</xml>' for n in range(21))\n"
        "print(grown_by(b'<xml>' + names(n) + b'</xml>' for n in range(21, 420)))\n"
    )
    assert _printed(program) < MEGABYTES * 1024
