"""XML is read as the standard library's own tree has it, and refused where that refuses it."""

from collections import Counter
from xml.etree import ElementTree as ET

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from qunfa.callback.document import DEPTH_MAX, ELEMENTS_MAX, NAME_MAX, EventError, read_document

NAMES = st.sampled_from(["a", "b", "item", "A_1", "_", "xml", "é.-", "n" * NAME_MAX])
TEXTS = st.text("ab1 \t\n>['\"=/!-?;#群\x7f\x85\xa0\u2028\ufffd\U0001f600", max_size=5)
ODDITIES = st.sampled_from([
    "<a/>", "<a b='1'>x</a>", "<!-- a -->", "<?a b?>", "&amp;", "&lol;", "<![CDATA[]]>", "<![CDATA[<a>x</a>]]>", "]]>",
    "<a", "</a>", "<a>", "<a >x</a >", "<a>x<![CDATA[y]]></a>", "x", "<1>x</1>", "<a.b>x</a.b>", "\0", "\r", "\x0b",
    "\uffff",
])  # fmt: skip


def _inside(elements: list[tuple[str, str]]) -> str:
    return "".join(f"<{name}>{content}</{name}>" for name, content in elements)


ELEMENTS = st.recursive(
    TEXTS | TEXTS.map(lambda text: f"<![CDATA[{text}&]]>"),
    lambda inner: st.tuples(TEXTS, st.lists(st.tuples(NAMES, inner), min_size=1, max_size=5).map(_inside)).map("".join),
    max_leaves=15,
)


@st.composite
def changed(draw: st.DrawFn) -> str:
    """A document in which a piece is missing, doubled or odd."""
    document = f"<xml>{draw(ELEMENTS)}</xml>"
    start, end = sorted((draw(st.integers(0, len(document))), draw(st.integers(0, len(document)))))
    piece = draw(st.sampled_from(["", document[start:end] * 2, draw(ODDITIES)]))
    return document[:start] + piece + document[end:]


def _expected(element: ET.Element, place: str = "") -> list[tuple[str, str]]:
    own = "".join([element.text or "", *(inner.tail or "" for inner in element)]).strip()
    found, seen = [(place, own)] if own else [], Counter[str]()
    for inner in element:
        seen[inner.tag] += 1
        number = f"[{seen[inner.tag]}]" if seen[inner.tag] > 1 else ""
        found += _expected(inner, f"{place}/{inner.tag}{number}".removeprefix("/"))
    return found


@given(document=ELEMENTS.map(lambda inside: f"<xml>{inside}</xml>") | changed() | st.text("<>/ab!?[]-&; =\n"))
@example(document="<a><b>1</b></a><a><b>1</b></a>")
@example(document="<a><b></a></b>")
def test_xml_is_read_as_the_standard_library_reads_it(document: str) -> None:
    """The same texts, places and order; what it refuses is an EventError."""
    try:
        expected = _expected(ET.fromstring(document.strip()))  # noqa: S314 - what it reads is made here
    except ET.ParseError:
        with pytest.raises(EventError):
            read_document(document)
    else:
        assert list(read_document(document).items()) == expected


def test_documents_have_limits() -> None:
    """What stands too deep is left out, and a document with too many elements is refused."""
    for depth in (DEPTH_MAX, DEPTH_MAX + 1):
        found = read_document(f"<xml>{'<d>' * depth}x{'</d>' * depth}</xml>")
        assert list(found.values()) == ["x"] * (depth <= DEPTH_MAX)
    assert len(read_document(f"<xml>{'<a>1</a>' * ELEMENTS_MAX}</xml>")) == ELEMENTS_MAX
    with pytest.raises(EventError, match="elements"):
        read_document(f"<xml>{'<a>1</a>' * (ELEMENTS_MAX + 1)}</xml>")
