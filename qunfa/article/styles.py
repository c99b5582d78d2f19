"""URLs in CSS, in `style` attributes."""

import re
from collections.abc import Callable, Iterator
from typing import Final

import tinycss2
from tinycss2.ast import (
    Declaration,
    DimensionToken,
    FunctionBlock,
    IdentToken,
    LiteralToken,
    Node,
    StringToken,
    URLToken,
)

NESTING_MAX: Final = 20
"""Brackets in brackets; deeper ones are not looked into."""
_SAFE: Final = frozenset("-._~:/?#@!$&*+,;=%")
_ENDLESS: Final = re.compile(r"[0-9]{400}")
_BETWEEN: Final = frozenset({"whitespace", "comment"})
_SHOWING: Final = re.compile(
    r"(-webkit-)?(background(-image)?|border-image(-source)?|clip-path|content|cursor|fill|filter|list-style(-image)?"
    r"|marker(-(start|mid|end))?|mask(-image|-border|-border-source|-box-image)?|stroke|shape-outside)"
    r"|--[a-z0-9_-]{1,60}"
)
"""Properties that show what a URL names."""
_CALLED: Final = """
    abs acos asin atan atan2 attr blur brightness calc circle clamp color color-mix color-stop conic-gradient contrast
    cos counter counters cubic-bezier drop-shadow ellipse env exp fit-content format from grayscale hsl hsla hue-rotate
    hwb hypot inset invert lab lch light-dark linear linear-gradient local log matrix matrix3d max min minmax mod oklab
    oklch opacity path perspective polygon pow radial-gradient rect rem repeat repeating-conic-gradient
    repeating-linear-gradient repeating-radial-gradient rgb rgba rotate rotate3d rotatex rotatey rotatez round saturate
    scale scale3d scalex scaley scalez sepia sign sin skew skewx skewy sqrt steps tan to translate translate3d
    translatex translatey translatez url var xywh -webkit-calc -webkit-gradient -webkit-linear-gradient
    -webkit-radial-gradient -webkit-repeating-linear-gradient -webkit-repeating-radial-gradient -moz-linear-gradient
    -moz-radial-gradient -o-linear-gradient -ms-linear-gradient
    """
_FUNCTIONS: Final = frozenset(_CALLED.split())
_OF_THE_SCREEN: Final = re.compile(
    r"[sld]?v(w|h|i|b|min|max)|cq(w|h|i|b|min|max)|light-dark|env|color-scheme|accentcolor(text)?|canvas(text)?"
    r"|(link|visited|active|field|gray|button|highlight|selecteditem)text|button(face|border)|highlight|selecteditem"
)
"""Units, functions, properties and colours that are others on another screen."""
_ANIMATED: Final = re.compile(r"(-[a-z]+-)?animation(-name)?")


def urls(css: str) -> list[str]:
    """The value of every `url(…)`, in order."""
    return list(_urls_in(_parsed(css)))


def with_urls(css: str, replacement: Callable[[str], str | None]) -> str:
    """The same CSS with other URLs where `replacement` knows one; untouched otherwise."""
    nodes = _parsed(css)
    if not _shallow(nodes):
        return css
    changed = False
    for token in _url_tokens(nodes):
        new = replacement(token.value)
        if new is not None:
            changed = True
            token.value = new
            token.representation = f'"{_escaped(new)}"' if isinstance(token, StringToken) else _written(new)
    return tinycss2.serialize(nodes) if changed else css


def allowed(css: str, is_picture: Callable[[str], bool]) -> str:
    """The declarations of the CSS that only show something.

    A declaration may call known functions only. It may name a URL only where a property shows one: a picture, or a part
    of the same drawing (`#id`). The CSS is untouched where all may stay.
    """
    nodes = tinycss2.parse_declaration_list(css) if _is_readable(css) else []
    stated = [one for one in nodes if one.type not in _BETWEEN]
    good = [one for one in stated if isinstance(one, Declaration) and _may_stay(one, is_picture)]
    return css if len(good) == len(stated) and (good or not css.strip()) else ";".join(one.serialize() for one in good)


def is_local(value: str) -> bool:
    """Whether a value of an SVG attribute leads to nothing but parts of its own drawing."""
    if "(" not in value and "\\" not in value:
        return True
    nodes = _parsed(value)
    return (
        bool(nodes) and _shallow(nodes) and _calls_known(nodes) and all(url.startswith("#") for url in _urls_in(nodes))
    )


def asks_for_the_screen(css: str) -> bool:
    """Whether it may show something else on a screen that is wider, higher or darker."""
    return any(_OF_THE_SCREEN.fullmatch(_name(node)) for node in _walk(list(_unnamed(_parsed(css)))))


def _unnamed(nodes: list[Node]) -> Iterator[Node]:
    """All but the words in declarations of animations: such a word may be a name of keyframes."""
    stated = ""
    for node in nodes:
        ended = isinstance(node, LiteralToken) and node.value == ";"
        stated = "" if ended else stated or _name(node)
        if not (isinstance(node, IdentToken) and _ANIMATED.fullmatch(stated)):
            yield node


def _name(node: Node) -> str:
    """The word or the unit that a node is, or the function that it calls, in small letters."""
    if isinstance(node, DimensionToken):
        return str(node.lower_unit)
    if isinstance(node, IdentToken):
        return str(node.lower_value)
    return str(node.lower_name) if isinstance(node, FunctionBlock) else ""


def _parsed(css: str) -> list[Node]:
    return tinycss2.parse_component_value_list(css) if _is_readable(css) else []


def _is_readable(css: str) -> bool:
    """Python makes no number of thousands of digits, and no style needs one."""
    return _ENDLESS.search(css) is None


def _url_tokens(nodes: list[Node]) -> Iterator[URLToken | StringToken]:
    for node in _walk(nodes):
        if isinstance(node, URLToken):
            yield node
        elif isinstance(node, FunctionBlock) and node.lower_name == "url":
            yield from (one for one in node.arguments if isinstance(one, StringToken))


def _walk(nodes: list[Node]) -> Iterator[Node]:
    """Every node and what it holds, in order, as deep as `NESTING_MAX`."""
    stack = [iter(nodes)]
    while stack:
        node = next(stack[-1], None)
        if node is None:
            stack.pop()
            continue
        yield node
        inner = _inner(node)
        if inner and len(stack) <= NESTING_MAX:
            stack.append(iter(inner))


def _inner(node: Node) -> list[Node]:
    inner: list[Node] | None = getattr(node, "arguments", None) or getattr(node, "content", None)
    return inner or []


def _shallow(nodes: list[Node]) -> bool:
    level = list(nodes)
    for _ in range(NESTING_MAX):
        level = [inner for node in level for inner in _inner(node)]
    return not level


def _may_stay(declaration: Declaration, is_picture: Callable[[str], bool]) -> bool:
    nodes = declaration.value
    if not (_shallow(nodes) and _calls_known(nodes)):
        return False
    urls = list(_urls_in(nodes))
    shown = not urls or _SHOWING.fullmatch(declaration.lower_name) is not None
    return shown and all(url.startswith("#") or is_picture(url) for url in urls)


def _calls_known(nodes: list[Node]) -> bool:
    """Whether all calls compute a colour, a number or a shape. An escaped name is not known."""
    return all(node.lower_name in _FUNCTIONS for node in _walk(nodes) if isinstance(node, FunctionBlock))


def _urls_in(nodes: list[Node]) -> Iterator[str]:
    return (token.value for token in _url_tokens(nodes))


def _written(url: str) -> str:
    bare = all(character in _SAFE or (character.isascii() and character.isalnum()) for character in url)
    return f"url({url})" if bare else f'url("{_escaped(url)}")'


def _escaped(url: str) -> str:
    return url.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\a ")
