"""What may stand in an article: elements, attributes and what animations may change.

What WeChat's editor and the common editors for it make is in these lists. All names are in small letters, as the HTML
parser gives them; `svg.restore_names` spells those of drawings as browsers want them.
"""

import re
from typing import Final


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
_MEDIA: Final = frozenset({"audio", "iframe", "source", "track", "video"})
_DRAWING: Final = _names(
    """
    animate animatecolor animatemotion animatetransform circle clippath defs ellipse feblend fecolormatrix
    fecomponenttransfer fecomposite feconvolvematrix fediffuselighting fedisplacementmap fedistantlight fedropshadow
    feflood fefunca fefuncb fefuncg fefuncr fegaussianblur femerge femergenode femorphology feoffset fepointlight
    fespecularlighting fespotlight fetile feturbulence filter foreignobject g image line lineargradient marker mask
    mpath path pattern polygon polyline radialgradient rect set stop svg switch symbol text textpath tspan use
    """
)
_ELEMENTS: Final = _TEXT | _MEDIA | _DRAWING
_WECHATS: Final = re.compile(r"mp[a-z0-9-]{0,60}|qqmusic")
"""Cards, voices, profiles: `mp-miniprogram`, `mpvoice`, `mp-common-profile` …"""

DROPPED: Final = _names(
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
_PREFIXED: Final = re.compile(r"(?:data|aria|mpa|tn|opera-tn)-[a-z0-9_.:-]{1,80}")
_OF_WECHATS: Final = re.compile(r"(?!on)[a-z][a-z0-9_-]{0,80}")
URLS: Final = frozenset({"action", "background", "cite", "data-src", "href", "poster", "src", "xlink:href"})
_SOURCED: Final = frozenset({"img", "iframe", "audio", "video", "source", "track"})
_REFERRING: Final = frozenset({"image", "use", "mpath", "textpath", "pattern", "lineargradient", "radialgradient"})
PROSE: Final = frozenset({"alt", "title", "label", "summary", "abbr", "powered-by"})
"""Attributes that hold words for people."""


def is_allowed(tag: str) -> bool:
    """Whether an element may stay."""
    return tag in _ELEMENTS or _WECHATS.fullmatch(tag) is not None


def takes(tag: str, name: str) -> bool:
    """Whether an element may have an attribute; what the attribute may say is another question."""
    if name in URLS:
        return _takes_url(tag, name)
    if name in _ANYWHERE or name == "style" or _PREFIXED.fullmatch(name):
        return True
    if tag in _DRAWING:
        return name in _GEOMETRY or (name in _ANIMATION and tag.startswith(("animate", "set")))
    return tag not in _ELEMENTS and _OF_WECHATS.fullmatch(name) is not None


def may_be_animated(name: str) -> bool:
    """Whether an animation may change this attribute: nothing that leads elsewhere, no handler, no style sheet."""
    return name.strip().lower() in _GEOMETRY


def is_reference(tag: str, name: str) -> bool:
    """Whether an attribute leads to another part of its own drawing."""
    return tag in _DRAWING and tag != "image" and name in {"href", "xlink:href"}


def is_picture_slot(tag: str, name: str) -> bool:
    """Whether an attribute that holds a URL shows what is there, as a picture."""
    return tag in {"img", "image"} or name in {"poster", "background"}


def is_drawing(tag: str) -> bool:
    """Whether an element is one of SVG."""
    return tag in _DRAWING


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
