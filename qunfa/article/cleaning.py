"""An article with nothing in it but what is allowed: what WeChat's editor and the common editors for it make.

The result is written anew from what may stay, so every parser reads the same elements in it. Comments go, and so do
elements whose inside parsers read in their own ways (`style`, `script`, `xmp`, a frame's inside). All names are in
small letters, as the HTML parser gives them.
"""

import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import Final

from lxml import etree, html

from qunfa.article import styles
from qunfa.article.document import Document, set_attribute
from qunfa.article.pictures import is_placeholder, replaced
from qunfa.article.urls import is_frame, is_link, is_picture

PLAYED: Final = frozenset({"audio", "source", "track", "video"})
"""What plays, from an address of its own."""
_WECHATS: Final = re.compile(r"mp[a-z0-9-]{0,60}|qqmusic")
"""Cards, voices, profiles: `mp-miniprogram`, `mpvoice`, `mp-common-profile` …"""
PREFIXED: Final = re.compile(r"(?:data|aria|mpa|tn|opera-tn)-[a-z0-9_.:-]{1,80}")
_OF_WECHATS: Final = re.compile(r"(?!on)[a-z][a-z0-9_-]{0,80}")
_URLS: Final = frozenset({"action", "background", "cite", "data-src", "href", "poster", "src", "xlink:href"})
_SOURCED: Final = frozenset({"img", "iframe", "audio", "video", "source", "track"})
_REFERRING: Final = frozenset({"image", "use", "mpath", "textpath", "pattern", "lineargradient", "radialgradient"})
PROSE: Final = frozenset({"alt", "title", "label", "summary", "abbr", "powered-by"})
"""Attributes that hold words for people."""
_SCRIPTS: Final = ("javascript:", "vbscript:", "data:text/html")
_VERBATIM: Final = frozenset({"listing", "plaintext", "xmp"})
_NAME_MAX: Final = 40


def _names(text: str) -> frozenset[str]:
    return frozenset(text.split())


_TEXT: Final = _names(
    """
    a abbr address article aside b bdi bdo big blockquote br caption center cite code col colgroup dd del details dfn
    div dl dt em fieldset figcaption figure font footer h1 h2 h3 h4 h5 h6 header hgroup hr i img ins kbd label legend li
    main mark menu nav ol p pre q rb rp rt rtc ruby s samp section small span strike strong sub summary sup table tbody
    td tfoot th thead time tr tt u ul var wbr
    """
)
DRAWING: Final = _names(
    """
    animate animatecolor animatemotion animatetransform circle clippath defs ellipse feblend fecolormatrix
    fecomponenttransfer fecomposite feconvolvematrix fediffuselighting fedisplacementmap fedistantlight fedropshadow
    feflood fefunca fefuncb fefuncg fefuncr fegaussianblur femerge femergenode femorphology feoffset fepointlight
    fespecularlighting fespotlight fetile feturbulence filter foreignobject g image line lineargradient marker mask
    mpath path pattern polygon polyline radialgradient rect set stop svg switch symbol text textpath tspan use
    """
)
_ELEMENTS: Final = _TEXT | PLAYED | {"iframe"} | DRAWING

_DROPPED: Final = _names(
    """
    applet base datalist desc embed frame frameset head input link math meta metadata noembed noframes noscript object
    optgroup option param script select style template textarea title
    """
)
"""Elements that go with all they hold. Any other that is not allowed goes alone: what it holds stays."""

_GEOMETRY: Final = _names(
    """
    alignment-baseline amplitude azimuth basefrequency baseline-shift bias clip-path clip-rule clippathunits
    color-interpolation color-interpolation-filters cursor cx cy d diffuseconstant direction display divisor
    dominant-baseline dx dy edgemode elevation exponent fill fill-opacity fill-rule filter filterunits flood-color
    flood-opacity font font-family font-size font-size-adjust font-stretch font-style font-variant font-weight fr fx fy
    gradienttransform gradientunits height image-rendering in in2 intercept isolation k1 k2 k3 k4 kernelmatrix
    kernelunitlength lengthadjust letter-spacing lighting-color limitingconeangle marker-end marker-mid marker-start
    markerheight markerunits markerwidth mask maskcontentunits maskunits mix-blend-mode mode numoctaves offset opacity
    operator order orient overflow paint-order patterncontentunits patterntransform patternunits pathlength
    pointer-events points pointsatx pointsaty pointsatz preservealpha preserveaspectratio primitiveunits r radius refx
    refy result rotate rx ry scale seed shape-rendering slope specularconstant specularexponent spreadmethod
    startoffset stddeviation stitchtiles stop-color stop-opacity stroke stroke-dasharray stroke-dashoffset
    stroke-linecap stroke-linejoin stroke-miterlimit stroke-opacity stroke-width surfacescale tablevalues targetx
    targety text-anchor text-decoration text-rendering textlength transform transform-origin type unicode-bidi
    vector-effect viewbox visibility width word-spacing writing-mode x x1 x2 xchannelselector y y1 y2 ychannelselector z
    """
)
_ANIMATION: Final = _names(
    """
    accumulate additive attributename attributetype begin by calcmode dur end from keypoints keysplines keytimes max min
    origin path repeatcount repeatdur restart rotate to values
    """
)
_ANYWHERE: Final = _names(
    """
    abbr align allowfullscreen alt autoplay autoskip bgcolor border bordercolor cellpadding cellspacing char charoff
    class clear color colspan compact contenteditable controls copyright crossorigin datetime decoding dir donone
    draggable face frame frameborder hasload headers height hidden hm_fix hspace id imgdata imgfileid imgurl interlabel
    label lang leaf linktype loading loop marginheight marginwidth muted name nodeleaf noshade nowrap open playsinline
    powered-by preload referrerpolicy rel reversed role rows rowspan rules scope scrolling size span spellcheck start
    summary tab tabindex target textstyle textvalue title topic-id translate type valign value version vid vspace
    wah-hotarea width xml:space xmlns xmlns:xlink _height _width
    """
)


def is_wechats_own(tag: str) -> bool:
    """Whether an element is none of HTML, and one of WeChat's."""
    return tag not in _ELEMENTS and _WECHATS.fullmatch(tag) is not None


def is_allowed(tag: str) -> bool:
    """Whether an element may stay."""
    return tag in _ELEMENTS or is_wechats_own(tag)


def takes(tag: str, name: str) -> bool:
    """Whether an element may have an attribute; what the attribute may say is another question."""
    if name in _URLS:
        return _takes_url(tag, name)
    if name in _ANYWHERE or name == "style" or PREFIXED.fullmatch(name):
        return True
    if tag in DRAWING:
        return name in _GEOMETRY or (name in _ANIMATION and tag.startswith(("animate", "set")))
    return tag not in _ELEMENTS and _OF_WECHATS.fullmatch(name) is not None


def _takes_url(tag: str, name: str) -> bool:
    match name:
        case "href" | "xlink:href":
            return tag == "a" or tag in _REFERRING or (name == "href" and tag not in _ELEMENTS)
        case "src":
            return tag in _SOURCED or tag not in _ELEMENTS
        case "cite":
            return tag in {"blockquote", "q", "del", "ins"}
        case "poster":
            return tag == "video" or tag not in _ELEMENTS
        case "data-src":
            return True
    return name == "background" and tag in {"table", "thead", "tbody", "tfoot", "tr", "td", "th"}


@dataclass(frozen=True, slots=True)
class Cleaned:
    """What may stay. `removed` says what went: `<script> (2 times)`, `onclick of <p>`.

    `said` is for recognising the article: the content as it was written where nothing went, `content` otherwise.
    """

    content: str
    removed: tuple[str, ...]
    said: str

    def digest(self, pictures: Mapping[str, str]) -> str:
        """SHA-256 of what it says, with the SHA-256 of each picture for its URI, wherever these stand.

        Raises:
            ArticleError: It is too long or nested too deeply.
        """
        names = {uri: f"sha256:{content}" for uri, content in pictures.items()}
        return sha256(replaced(self.said, names).encode()).hexdigest()


def cleaned(content: str) -> Cleaned:
    """The content without scripts and the like, and without comments.

    Raises:
        ArticleError: The content is too long, nested too deeply, or has too many elements or attributes.
    """
    document = Document(content)
    copy = _Copy()
    walk = etree.iterwalk(document.body, events=("start", "end", "comment", "pi"))
    for event, node in walk:
        if event == "start" and not copy.begin(node):
            walk.skip_subtree()
        elif event == "end":
            copy.end(node)
        elif event in {"comment", "pi"}:
            copy.text(node.tail)
    document.body = copy.body
    written = str(document)
    removed = tuple(what if times == 1 else f"{what} ({times} times)" for what, times in copy.removed.items())
    return Cleaned(written, removed, written if removed else content)


class _Copy:
    """The allowed part of a body, built while that is walked through."""

    def __init__(self) -> None:
        self.body: html.HtmlElement = html.HTMLParser(encoding="utf-8").makeelement("body")
        self.removed: Counter[str] = Counter()
        self._open = [self.body]
        self._kept: list[bool] = []
        self._last: html.HtmlElement | None = None
        self._text: list[str] = []

    def begin(self, element: html.HtmlElement) -> bool:
        """Takes an element over, or not. False: what it holds is passed over."""
        if not self._kept:  # the body itself
            self._kept.append(False)
            self.text(element.text)
            return True
        tag = str(element.tag)
        name = "pre" if tag in _VERBATIM else tag
        dropped = tag in _DROPPED or (tag == "iframe" and not shows_video(element))
        kept = not dropped and is_allowed(name)
        self._kept.append(kept)
        if not kept:
            self.removed[f"<{tag[:_NAME_MAX]}>"] += 1
        else:
            self._flush()
            self._open.append(etree.SubElement(self._open[-1], name))
            self._last = None
            self._take_attributes(element)
        if dropped or tag == "iframe":
            return False
        self.text(element.text)
        return True

    def end(self, element: html.HtmlElement) -> None:
        """An element ends, whether it was taken over or not."""
        if self._kept.pop():
            self._flush()
            self._last = self._open.pop()
        if self._kept:
            self.text(element.tail)
        else:
            self._flush()

    def text(self, text: str | None) -> None:
        """Text comes. It is in pieces where something between them went."""
        if text:
            self._text.append(text)

    def _flush(self) -> None:
        text = "".join(self._text) or None
        self._text.clear()
        if self._last is None:
            self._open[-1].text = text
        else:
            self._last.tail = text

    def _take_attributes(self, element: html.HtmlElement) -> None:
        tag = str(element.tag)
        for name, value in element.attrib.items():
            kept = _kept(element, tag, name, value)
            if kept is not None:
                set_attribute(self._open[-1], name, kept)
            if kept != value:
                self.removed[f"{name[:_NAME_MAX]} of <{tag[:_NAME_MAX]}>"] += 1


def _kept(element: html.HtmlElement, tag: str, name: str, value: str) -> str | None:
    """What stays of an attribute's value."""
    if not takes(tag, name) or (name == "src" and is_placeholder(element)):
        return None
    if name == "style":
        return styles.allowed(value, is_picture)
    return value if _may_say(tag, name, value) else None


def _may_say(tag: str, name: str, value: str) -> bool:
    if name in PROSE:
        return True
    if name == "attributename":  # no animation changes what leads elsewhere, a handler or a style sheet
        return value.strip().lower() in _GEOMETRY
    if tag in DRAWING and tag != "image" and name in {"href", "xlink:href"}:
        return value.strip().startswith("#")  # another part of its own drawing
    if name in _URLS and tag != "iframe":
        shown = tag in {"img", "image"} or name in {"poster", "background"}
        return is_picture(value) if shown else is_link(value)
    if tag in DRAWING and not name.startswith("data-"):
        return styles.is_local(value)
    return not any(_is_script(part) for part in value.split(";"))


def _is_script(url: str) -> bool:
    bare = "".join(character for character in url if character > " ").casefold()
    return bare.startswith(_SCRIPTS)


def shows_video(frame: html.HtmlElement) -> bool:
    """Whether every address of a frame is Tencent's. An id alone may name a video."""
    named = [frame.attrib[name] for name in ("src", "data-src") if frame.attrib.get(name, "").strip()]
    return all(map(is_frame, named)) and bool(named or frame.attrib.get("vid") or frame.attrib.get("data-mpvid"))
