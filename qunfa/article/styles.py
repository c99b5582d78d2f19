"""URLs in CSS, in `style` attributes."""

from collections.abc import Callable, Iterator
from typing import Final

import tinycss2
from tinycss2.ast import Declaration, FunctionBlock, Node, StringToken, URLToken

NESTING_MAX: Final = 20
"""Brackets in brackets; deeper ones are not looked into."""
_SAFE: Final = frozenset("-._~:/?#@!$&*+,;=%")
_DANGEROUS: Final = frozenset({"behavior", "-moz-binding"})


def urls(css: str) -> list[str]:
    """The value of every `url(…)`, in order."""
    return [token.value for token in _url_tokens(_parsed(css))]


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


def harmless(css: str, is_script: Callable[[str], bool]) -> str:
    """The same CSS without declarations that run something. Untouched where it has none."""
    declarations = tinycss2.parse_declaration_list(css)
    stated = [one for one in declarations if isinstance(one, Declaration)]
    good = [one for one in stated if _shallow(one.value) and not _runs(one, is_script)]
    if len(good) == len(stated) and _shallow(_parsed(css)):
        return css
    return ";".join(one.serialize() for one in good)


def _parsed(css: str) -> list[Node]:
    return tinycss2.parse_component_value_list(css)


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


def _runs(declaration: Declaration, is_script: Callable[[str], bool]) -> bool:
    if declaration.lower_name in _DANGEROUS:
        return True
    nodes = list(_walk(declaration.value))
    called = any(isinstance(one, FunctionBlock) and one.lower_name == "expression" for one in nodes)
    return called or any(is_script(token.value) for token in _url_tokens(declaration.value))


def _written(url: str) -> str:
    bare = all(character in _SAFE or (character.isascii() and character.isalnum()) for character in url)
    return f"url({url})" if bare else f'url("{_escaped(url)}")'


def _escaped(url: str) -> str:
    return url.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\a ")
