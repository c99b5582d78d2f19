"""What is read at one go is what the parser reads: of a push, and of the envelope around one."""

from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from qunfa.callback.document import read_document
from qunfa.callback.envelope import encrypted_part
from qunfa.callback.malformed import DEPTH_MAX, ELEMENTS_MAX, NAME_MAX, EventError
from qunfa.callback.usual_xml import read_usual
from qunfa.callback.xml_document import read_any
from tests.callback.pushing import FINISHED, HELLO, enveloped

DATA = Path(__file__).parent.parent / "data" / "callbacks"
RECORDED = sorted(path.name for path in DATA.glob("*.xml") if "must_be_rejected" not in path.name)
NAMES = st.sampled_from(["a", "b", "c", "item", "A_1", "_", "xml", "n" * NAME_MAX])
TEXTS = st.text("ab1 \t\n>['\"=/!-?;#群\x7f\x85\xa0\u2028\ufffd\U0001f600", max_size=5)
CDATA = TEXTS.map(lambda text: f"<![CDATA[{text}&]]>")
BLANKS = st.sampled_from(["", "", "\n", " \r\n\t"])
ODDITIES = st.sampled_from([
    "<a/>", "<a b='1'>x</a>", "<!-- a -->", "<?a b?>", "&amp;", "&lol;", "<![CDATA[]]>", "<![CDATA[<a>x</a>]]>", "]]>",
    "<a", "</a>", "<a>", "<a >x</a >", "<a>x<![CDATA[y]]></a>", "<!DOCTYPE a>", "<a>x]]></a>", "<a><![CDATA[x</a>", "x",
    "<1>x</1>", "<a.b>x</a.b>", "<a:b>x</a:b>", "<é>x</é>", f"<{'n' * 65}>x</{'n' * 65}>", "\0", "\r", "\x0b", "\uffff",
])  # fmt: skip
PIECES = st.sampled_from([
    "<xml>", "</xml>", "<ToUserName><![CDATA[gh_1]]></ToUserName>", "<Encrypt><![CDATA[aGk+/w==]]></Encrypt>", "\n",
    " ", "<Encrypt>aGk=</Encrypt>", "<Encrypt>", "</Encrypt>", "<Encrypt/>", "<![CDATA[", "]]>", "a", "=", "&amp;",
    "\ufeff", "<!-- a -->", "\0", "\x0b", "群",
])  # fmt: skip
ENVELOPES = st.lists(PIECES, max_size=8) | st.lists(PIECES, max_size=3).map(
    lambda more: ["<xml>", *more[:1], "<Encrypt><![CDATA[aGk=]]></Encrypt>", *more[1:], "</xml>"]
)


def _inside(elements: list[tuple[str, str, str]]) -> str:
    return "".join(f"<{name}>{content}</{name}>{blank}" for name, content, blank in elements)


def _beginning_blank(inside: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    return st.tuples(BLANKS, st.lists(st.tuples(NAMES, inside, BLANKS), min_size=1, max_size=5).map(_inside)).map(
        "".join
    )


ELEMENTS = _beginning_blank(st.recursive(TEXTS | CDATA, _beginning_blank, max_leaves=15))


def _by_parser(text: str) -> list[tuple[str, str]] | None:
    """What the parser finds, in order; None where it refuses the document."""
    try:
        return [(place, found) for place, found in read_any(text).items() if found]
    except EventError:
        return None


def _at_one_go(text: str) -> list[tuple[str, str]] | None:
    usual = read_usual(text)
    return None if usual is None else [(place, found) for place, found in usual.items() if found]


@given(elements=ELEMENTS)
def test_the_usual_form_is_read_as_the_parser_reads_it(elements: str) -> None:
    """The same texts, places and order."""
    document = f"<xml>{elements}</xml>"
    assert _at_one_go(document) == _by_parser(document) is not None


@st.composite
def changed(draw: st.DrawFn) -> str:
    """A document of the usual form in which a piece is missing, doubled or odd."""
    document = f"<xml>{draw(ELEMENTS)}</xml>"
    start, end = sorted((draw(st.integers(0, len(document))), draw(st.integers(0, len(document)))))
    oddity = draw(ODDITIES)
    piece = draw(st.sampled_from(["", document[start:end] * 2, oddity, oddity + document[start:end]]))
    return document[:start] + piece + document[end:]


@given(document=changed() | changed() | st.text("<>/ab!?[]-&; =\n", max_size=40))
@example(document="")
@example(document="<a></a>")
@example(document="<a><b>1</b></a><a><b>1</b></a>")
@example(document="<a><b>1</b></a></a><a>")
@example(document="<a><b></a></b>")
@example(document="</a><b>1</b><//a>")
def test_no_text_is_read_that_the_parser_refuses(document: str) -> None:
    """What it refuses, or reads in another way, is left to it, whatever the oddity and wherever it stands."""
    assert _at_one_go(document) in (None, _by_parser(document))


@pytest.mark.parametrize("form", ["{}", "<![CDATA[{}]]>", "x{}x", "<![CDATA[x{}x]]>"])
def test_every_character_is_read_as_the_parser_reads_it(form: str) -> None:
    """A character that the parser refuses, changes or understands is left to it."""
    edges = (0xD7FF, 0xE000, 0xFDD0, 0xFFFD, 0xFFFE, 0xFFFF, 0x10000, 0x1FFFE, 0x1FFFF, 0x10FFFF)
    for character in map(chr, (*range(0x3100), *edges)):
        document = f"<xml><a>{form.format(character)}</a></xml>"
        assert _at_one_go(document) in (None, _by_parser(document)), ascii(character)


def test_what_wechat_writes_is_of_the_usual_form() -> None:
    """Its results, messages and envelopes; recorded pushes with all their blocks and items, too."""
    for body in (FINISHED, HELLO, enveloped("abc+/=")["content"]):
        assert read_usual(body.decode()) is not None
    for name in RECORDED:
        document = (DATA / name).read_text(encoding="utf-8").strip()
        assert _at_one_go(document) == _by_parser(document) is not None


def test_what_is_too_deep_or_long_is_left_to_the_parser() -> None:
    """Deeper or longer than anything of WeChat's."""
    for depth in range(1, DEPTH_MAX + 3):
        document = f"<xml>{'<d>' * depth}x{'</d>' * depth}</xml>"
        assert _at_one_go(document) == (_by_parser(document) if depth <= DEPTH_MAX else None)
    assert read_usual(f"<xml>{'<a>1</a>' * (ELEMENTS_MAX - 2)}</xml>") is not None
    assert read_usual(f"<xml>{'<a>1</a>' * (ELEMENTS_MAX - 1)}</xml>") is None


@given(body=ENVELOPES.map(lambda pieces: "".join(pieces).encode()))
def test_an_envelope_is_read_as_the_parser_reads_it(body: bytes) -> None:
    """The encrypted part is what the reader of documents finds there, and refused is what it refuses."""
    try:
        expected = read_document(body).first("Encrypt")
    except EventError:
        with pytest.raises(EventError):
            encrypted_part(body)
    else:
        assert encrypted_part(body) == expected


@pytest.mark.parametrize("blank", [b"", b"\n    ", b"\r\n"])
def test_an_envelope_may_be_written_in_several_lines(blank: bytes) -> None:
    """WeChat does both."""
    body = enveloped("aGk+/w==")["content"].replace(b"><", b">" + blank + b"<")
    assert encrypted_part(body) == encrypted_part(body + blank) == "aGk+/w=="
