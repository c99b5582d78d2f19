"""An article's HTML as a tree, and back."""

from collections.abc import Iterator
from typing import Final

from lxml import etree, html

from qunfa.article import svg
from qunfa.article.size import ArticleError, Size

CHARACTERS_MAX: Final = 2_000_000
"""Longer text is not parsed: a hundred times what WeChat takes."""
_NOT_IN_TREES: Final = dict.fromkeys([*(code for code in range(0x20) if code not in {9, 10, 13}), 0xFFFE, 0xFFFF])

_URLS: Final = frozenset({"src", "href", "action"})
_UNSHOWN: Final = frozenset({"iframe", "noembed", "noframes"})
_VERBATIM: Final = frozenset({"xmp", "plaintext"})
_SIGNS: Final = ("<!doctype", "<html", "<head>", "<body")


class Document:
    """The inside of an article's body.

    Text and attributes come through unchanged, save that characters no HTML can hold (controls, half surrogates) are
    dropped. What is written is normalised: quotes, entities, the case of names, tags that were left open. With `whole`,
    the content may be a whole document, of which only the body counts.

    Raises:
        ArticleError: It is too long, is nested too deeply, or has too many elements or attributes, or too much style.
    """

    def __init__(self, content: str, *, whole: bool = False) -> None:
        if len(content) > CHARACTERS_MAX:
            raise ArticleError(f"has {len(content):,} characters; more than {CHARACTERS_MAX:,} are not read")
        self.root = _tree(content.translate(_NOT_IN_TREES).encode(errors="ignore"), whole=whole and _has_body(content))
        found = self.root.find("body")
        self.body = etree.SubElement(self.root, "body") if found is None else found
        if "&#" in content:
            self._drop_controls()

    def elements(self) -> Iterator[html.HtmlElement]:
        """Every element within the body, in order, without comments."""
        return (node for node in self.body.iterdescendants() if isinstance(node.tag, str))

    def __str__(self) -> str:
        self.body.attrib.clear()
        self.body.tail = None
        self._prepare()
        written = str(html.tostring(self.body, encoding="unicode"))
        return written.removeprefix("<body>").removesuffix("</body>")

    def _prepare(self) -> None:
        """Puts right what the serializer would write wrongly."""
        for element in self.elements():
            if element.tag in _UNSHOWN:
                element.text = None  # it would be escaped, and is read without entities
            elif element.tag in _VERBATIM:
                element.tag = "pre"
            for name in _URLS.intersection(element.attrib):
                set_attribute(element, name, element.attrib[name].strip())  # blanks would become %20
        svg.restore_names(self.body)

    def _drop_controls(self) -> None:
        """Drops what numeric entities brought into texts (`&#1;`): such a tree cannot be changed."""
        for node in self.body.iter():
            if node.text and isinstance(node.tag, str):
                node.text = node.text.translate(_NOT_IN_TREES)
            if node.tail:
                node.tail = node.tail.translate(_NOT_IN_TREES)


def _has_body(content: str) -> bool:
    start = content.casefold()
    return any(sign in start for sign in _SIGNS)


def set_attribute(element: html.HtmlElement, name: str, value: str) -> None:
    """Gives an attribute another value, without characters that no HTML can hold."""
    element.attrib[name] = value.translate(_NOT_IN_TREES)


def _tree(data: bytes, *, whole: bool) -> html.HtmlElement:
    # The prefix keeps text at the beginning outside of any paragraph that the parser would otherwise invent.
    prefixed = data if whole else b"<html><body>" + data
    # Counted first, since the tree of an element with many attributes takes hours to make.
    etree.fromstring(prefixed, html.HTMLParser(encoding="utf-8", huge_tree=True, target=Size()))
    try:
        return html.document_fromstring(prefixed, parser=html.HTMLParser(encoding="utf-8", huge_tree=True))
    except etree.ParserError:  # nothing but a comment that never ends
        return html.document_fromstring(b"<html><body>", parser=html.HTMLParser(encoding="utf-8"))
