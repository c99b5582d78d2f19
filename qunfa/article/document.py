"""An article's HTML as a tree, and back, within limits on its size."""

import re
from collections.abc import Iterator
from typing import Final

from lxml import etree, html

DEPTH_MAX: Final = 200
"""Elements within elements. No editor nests a quarter as deep, and parsers lose what is too deep."""
ELEMENTS_MAX: Final = 7_000
ATTRIBUTES_MAX: Final = 10_000
STYLE_MAX: Final = 100_000
"""Characters in all `style` attributes together, without the pictures in them (`data:`)."""

_ABOVE: Final = 2
"""`html` and `body`."""
_DATA: Final = re.compile(r"data:[^\s\"'()]*", re.IGNORECASE)
_ATTRIBUTES: Final = """
    attributeName attributeType baseFrequency baseProfile calcMode clipPathUnits diffuseConstant edgeMode filterUnits
    glyphRef gradientTransform gradientUnits kernelMatrix kernelUnitLength keyPoints keySplines keyTimes lengthAdjust
    limitingConeAngle markerHeight markerUnits markerWidth maskContentUnits maskUnits numOctaves pathLength
    patternContentUnits patternTransform patternUnits pointsAtX pointsAtY pointsAtZ preserveAlpha preserveAspectRatio
    primitiveUnits refX refY repeatCount repeatDur requiredExtensions requiredFeatures specularConstant specularExponent
    spreadMethod startOffset stdDeviation stitchTiles surfaceScale systemLanguage tableValues targetX targetY textLength
    viewBox viewTarget xChannelSelector yChannelSelector zoomAndPan
"""
_TAGS: Final = """
    altGlyph altGlyphDef altGlyphItem animateColor animateMotion animateTransform clipPath feBlend feColorMatrix
    feComponentTransfer feComposite feConvolveMatrix feDiffuseLighting feDisplacementMap feDistantLight feDropShadow
    feFlood feFuncA feFuncB feFuncG feFuncR feGaussianBlur feImage feMerge feMergeNode feMorphology feOffset
    fePointLight feSpecularLighting feSpotLight feTile feTurbulence foreignObject glyphRef linearGradient
    radialGradient textPath
"""
_ATTRIBUTE: Final = {name.lower(): name for name in _ATTRIBUTES.split()}
_TAG: Final = {name.lower(): name for name in _TAGS.split()}
CHARACTERS_MAX: Final = 2_000_000
"""Longer text is not parsed: a hundred times what WeChat takes."""
_NOT_IN_TREES: Final = dict.fromkeys([*(code for code in range(0x20) if code not in {9, 10, 13}), 0xFFFE, 0xFFFF])
_URLS: Final = frozenset({"src", "href", "action"})
_UNSHOWN: Final = frozenset({"iframe", "noembed", "noframes"})
_VERBATIM: Final = frozenset({"xmp", "plaintext"})
_SIGNS: Final = ("<!doctype", "<html", "<head>", "<body")


class ArticleError(Exception):
    """The HTML cannot be worked on; the message says why, as the rest of a sentence."""


class Size:
    """Listens to lxml's parser, and stops it at the first limit. Takes time in proportion to the text.

    Raises:
        ArticleError: One of the limits is passed.
    """

    def __init__(self) -> None:
        self.elements = 0
        self.attributes = 0
        self.style = 0
        self._depth = 0

    def start(self, tag: str | bytes, attrib: dict[str | bytes, str | bytes]) -> None:  # noqa: ARG002  lxml's names
        style = str(attrib.get("style", ""))
        self.elements += 1
        self.attributes += len(attrib)
        self._depth += 1
        self.style += len(_DATA.sub("", style))
        if self._depth > DEPTH_MAX + _ABOVE:
            raise ArticleError(f"is nested more than {DEPTH_MAX} elements deep")
        if self.elements > ELEMENTS_MAX + _ABOVE:
            raise ArticleError(f"has more than {ELEMENTS_MAX:,} elements")
        if self.attributes > ATTRIBUTES_MAX:
            raise ArticleError(f"has more than {ATTRIBUTES_MAX:,} attributes")
        if self.style > STYLE_MAX:
            raise ArticleError(f"has more than {STYLE_MAX:,} characters in its style attributes")

    def end(self, tag: str | bytes) -> None:  # noqa: ARG002
        self._depth -= 1

    def data(self, data: str | bytes) -> None:
        """Text comes."""

    def comment(self, text: str | bytes) -> None:
        """A comment comes."""

    def close(self) -> None:
        """The parser has come to the end."""


def _restore_names(body: html.HtmlElement) -> None:
    """Spells the names in every drawing as SVG does; WeChat's articles animate with it."""
    for drawing in body.iter("svg"):
        for element in drawing.iter():
            if isinstance(element.tag, str):
                if element.tag in _TAG:
                    element.tag = _TAG[element.tag]
                if not _ATTRIBUTE.keys().isdisjoint(element.attrib):
                    _respell(element)


def _respell(element: html.HtmlElement) -> None:
    """Gives its attributes their names, in the order in which they stood."""
    attributes = list(element.attrib.items())
    element.attrib.clear()
    for name, value in attributes:
        element.attrib[_ATTRIBUTE.get(name, name)] = value


class Document:
    """The inside of an article's body.

    Text and attributes stay, without characters that no HTML can hold (controls, half surrogates). Writing normalises
    quotes, entities, the case of names, and tags that were left open. With `whole`, the content may be a whole
    document, of which only the body counts.

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
        _restore_names(self.body)

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
