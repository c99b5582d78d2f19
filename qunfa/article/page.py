"""One HTML file with articles as a phone shows them: in the chat, in the account's list, and each one opened.

The file loads nothing and runs nothing. Its Content-Security-Policy forbids both. Nothing in it leads elsewhere.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import Final
from urllib.parse import quote

from lxml import html

from qunfa.article.cleaning import DRAWING, PREFIXED, cleaned, is_wechats_own
from qunfa.article.document import Document, set_attribute
from qunfa.article.pictures import replaced, urls_in
from qunfa.article.styles import asks_for_the_screen
from qunfa.article.urls import normalised
from qunfa.language import _
from qunfa.printable import printable

_LED: Final = ("href", "xlink:href", "target")
_PROGRAM: Final = "data-miniprogram-"
_BOXES: Final = frozenset({"audio", "iframe", "video"})
_SOURCES: Final = frozenset({"source", "track"})
"""Boxes if they lead to something by themselves: those of a picture do not."""
_NAMES: Final = frozenset({"begin", "class", "end", "id", "title"})
"""Attributes of drawings in which any word is only a name."""
_UNSEEN: Final = frozenset({"mp-style-type", "mpchecktext"})
"""Marks of WeChat's editor, which show nothing."""
WORDS_MAX: Final = 40
"""Characters of a link's text that are told of it."""
VALUE_MAX: Final = 80
"""Characters of each value that are told of a box: its beginning and its end."""
_BOX: Final = "display:block;margin:8px 0;padding:16px;border:1px dashed #999;color:#666;text-align:center;"


@dataclass(frozen=True, slots=True)
class OnAPhone:
    """A content as it is shown: `html`; `removed`, as of `cleaned`; `links`, each as its text and where it leads.

    `boxes` names what WeChat alone can show, such as a video, by its tag. It stands in a box. `by_screen`: it may show
    something else on another screen.
    """

    html: str
    removed: tuple[str, ...]
    links: tuple[tuple[str, str], ...]
    boxes: tuple[str, ...]
    by_screen: bool = False


def wanted(content: str) -> tuple[str, ...]:
    """The normalised URL of every picture that readers will see, WeChat's own among them, each once.

    Raises:
        ArticleError: The content is too long or nested too deeply.
    """
    return tuple(dict.fromkeys(urls_in(_prepared(content)[0])))


def on_a_phone(content: str, pictures: Mapping[str, str]) -> OnAPhone:
    """The content with the `data:` URIs of its pictures; one that is not in `pictures` is shown as missing.

    Raises:
        ArticleError: The content is too long or nested too deeply.
    """
    document, removed = _prepared(content)
    by_screen = any(map(_asks_for_the_screen, document.elements()))
    links = [link for element in document.elements() if not _is_box(element) for link in _unlinked(element)]
    boxes = [_boxed(element) for element in [one for one in document.elements() if _is_box(one)]]
    urls = dict.fromkeys(urls_in(document))
    shown = {url: pictures.get(url) or missing("picture") for url in urls}
    return OnAPhone(replaced(str(document), shown), removed, tuple(links), tuple(boxes), by_screen)


def missing(what: str) -> str:
    """The `data:` URI of a grey field with these words."""
    drawn = (
        '<svg xmlns="http://www.w3.org/2000/svg" width="640" height="272"><rect width="640" height="272" fill="#ddd"/>'
        f'<text x="320" y="146" font-size="28" text-anchor="middle" fill="#555">{escape(what)}</text></svg>'
    )
    return f"data:image/svg+xml,{quote(drawn)}"


def beginning(content: str, characters: int) -> str:
    """The first words of a content: what WeChat shows for an article without a digest.

    Raises:
        ArticleError: The content is too long or nested too deeply.
    """
    return " ".join("".join(map(str, _prepared(content)[0].body.itertext())).split())[:characters]


def _prepared(content: str) -> tuple[Document, tuple[str, ...]]:
    """The cleaned content, with the pictures that WeChat's page loads by itself in their places."""
    clean = cleaned(content)
    document = Document(clean.content)
    for element in document.elements():
        lazy = element.attrib.pop("data-src", None) if element.tag == "img" else None
        if lazy is not None and normalised(str(lazy)):
            set_attribute(element, "src", str(lazy))
    return document, clean.removed


def _asks_for_the_screen(element: html.HtmlElement) -> bool:
    """Whether its style does, or what else a drawing has instead of one."""
    looks = {"style": element.attrib.get("style", "")} if element.tag not in DRAWING else element.attrib
    stated = (value for name, value in looks.items() if name not in _NAMES and not PREFIXED.fullmatch(name))
    return any(map(asks_for_the_screen, stated))


def _unlinked(element: html.HtmlElement) -> list[tuple[str, str]]:
    """Where the element leads; it does not any more. A mini program comes first, for WeChat opens that."""
    stated = sorted(element.attrib.items())
    program = {name.removeprefix(_PROGRAM): value for name, value in stated if name.startswith(_PROGRAM)}
    led = [_("mini program {named}").format(named=_written(program))] if program else []
    if element.tag == "a":
        led += [normalised(url) or url for name in _LED[:2] if (url := element.attrib.get(name))]
        for name in _LED:
            element.attrib.pop(name, None)
    words = " ".join("".join(map(str, element.itertext())).split()) if led else ""
    return [(words if len(words) <= WORDS_MAX else f"{words[:WORDS_MAX]}…", url) for url in led]


def _is_box(element: html.HtmlElement) -> bool:
    """Whether it is something that WeChat alone shows."""
    if element.tag in _SOURCES:
        return "src" in element.attrib
    return element.tag in _BOXES or (is_wechats_own(str(element.tag)) and element.tag not in _UNSEEN)


def _boxed(element: html.HtmlElement) -> str:
    """Puts what only WeChat can show in a box, with all it holds; what that is: its tag, without its look."""
    told = {name: _short(value) for name, value in element.attrib.items() if name not in {"class", "style"}}
    named = _written(told)
    what = f"<{' '.join(filter(None, (element.tag, named)))}>"
    element.attrib.clear()
    element.tag = "span"
    set_attribute(element, "style", _BOX)
    element.text = f"{printable(_('WeChat shows this: {what}').format(what=what))} {element.text or ''}"
    return what


def _short(value: str) -> str:
    """A value's beginning and end: an address often ends with what tells it from others."""
    words, half = " ".join(value.split()), VALUE_MAX // 2
    return words if len(words) <= VALUE_MAX else f"{words[:half]}…{words[1 - half :]}"


def _written(attributes: Mapping[str, str]) -> str:
    """Attributes as HTML has them, each of which is told from the others."""
    each = {name: " ".join(value.split()).replace('"', "&quot;") for name, value in attributes.items()}
    return " ".join(f'{name}="{value}"' for name, value in each.items())


MARK: Final = "<!-- Written by qunfa article preview. It may be written over. -->"
"""By this a page is known again."""
WIDTH: Final = 460
"""CSS pixels of a whole page."""
_POLICY: Final = "default-src 'none'; img-src data:; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"
_STYLE: Final = """
body { margin: 0; background: #eee; font: 15px/1.5 -apple-system, "PingFang SC", "Noto Sans CJK SC", sans-serif; }
body > main { width: 414px; margin: 0 auto; padding: 12px 0 40px; }
body > main > h2 { font-size: 14px; color: #666; margin: 28px 0 8px; }
body > main > aside { font-size: 13px; color: #333; overflow-wrap: anywhere; }
body > main > aside > p.wrong { color: #fff; background: #b00020; padding: 6px 10px; }
body > main > ul { font-size: 13px; padding-left: 18px; overflow-wrap: anywhere; }
body > main > section { background: #fff; overflow: hidden; border-radius: 6px; }
body > main > section > div.row { display: flex; padding: 12px; border-top: 1px solid #eee; }
body > main > section > div.row > span { flex: 1; font-size: 16px; padding-right: 12px; }
body > main > section > div.row > span > small { display: block; padding-top: 4px; color: #888; font-size: 13px; }
body > main > section > div.row > img { width: 56px; height: 56px; object-fit: cover; }
body > main > section > div.big { position: relative; }
body > main > section > div.big > img { display: block; width: 100%; height: 176px; object-fit: cover; }
body > main > section > div.big > b { position: absolute; left: 0; right: 0; bottom: 0; padding: 24px 12px 8px;
  color: #fff; font-size: 17px; background: linear-gradient(transparent, rgba(0, 0, 0, .7)); }
body > main > section > div.digest { padding: 10px 12px 14px; color: #888; font-size: 14px; }
body > main > article { background: #fff; padding: 20px 16px; border-radius: 6px; }
body > main > article > h1 { font-size: 22px; line-height: 1.4; margin: 0 0 14px; overflow-wrap: anywhere; }
body > main > article > p.meta { color: #888; font-size: 15px; margin: 0 0 22px; }
body > main > article > img { width: 100%; }
body > main > article > div.content { position: relative; contain: content; font-size: 17px; line-height: 1.6;
  overflow-wrap: break-word; }
body > main > article > p.below { color: #888; font-size: 14px; margin: 24px 0 0; }
"""
_OF_CONTENT: Final = "img { max-width: 100% !important; height: auto !important; } a { color: #576b95; }"


@dataclass(frozen=True, slots=True)
class ShownArticle:
    """An article as it is shown. `cover` is a `data:` URI; `below` are the lines at its foot."""

    title: str
    author: str
    digest: str
    cover: str
    cover_inside: bool
    content: OnAPhone
    below: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Heading:
    """What a page says of itself. `wrong` are sentences about what it cannot show as it will be sent."""

    title: str
    lines: tuple[str, ...]
    wrong: tuple[str, ...] = ()


def page(heading: Heading, articles: Sequence[ShownArticle]) -> str:
    in_the_list = _("In the list of the account's messages")
    parts = [
        "<!DOCTYPE html>",
        MARK,
        '<html lang="zh"><head><meta charset="utf-8">',
        f'<meta http-equiv="Content-Security-Policy" content="{escape(_POLICY)}">',
        '<meta name="viewport" content="width=device-width"><meta name="referrer" content="no-referrer">',
        f"<title>{escape(heading.title)}</title><style>{_STYLE}</style></head><body><main>",
        "<aside>",
        *(f"<p>{_told(line)}</p>" for line in heading.lines),
        *(f'<p class="wrong">{_told(line)}</p>' for line in heading.wrong),
        f"</aside><h2>{_('In the chat')}</h2>",
        _in_the_chat(articles),
        f"<h2>{escape(in_the_list, quote=False)}</h2>",
        _in_the_list(articles),
        *(_opened(number, len(articles), article) for number, article in enumerate(articles, start=1)),
        "</main></body></html>",
    ]
    return "\n".join(parts) + "\n"


def _told(sentence: str) -> str:
    """What the page says of itself: nothing in it turns the words around it."""
    return escape(printable(sentence))


def _in_the_chat(articles: Sequence[ShownArticle]) -> str:
    first, *others = articles
    rows = [f'<div class="big"><img src="{escape(first.cover)}" alt=""><b>{escape(first.title)}</b></div>']
    if not others and first.digest:
        rows.append(f'<div class="digest">{escape(first.digest)}</div>')
    rows += [
        f'<div class="row"><span>{escape(one.title)}</span><img src="{escape(one.cover)}" alt=""></div>'
        for one in others
    ]
    return f"<section>{''.join(rows)}</section>"


def _in_the_list(articles: Sequence[ShownArticle]) -> str:
    """Each article by itself, with its digest also where there are several."""
    rows = (
        f'<div class="row"><span>{escape(one.title)}<small>{escape(one.digest)}</small></span>'
        f'<img src="{escape(one.cover)}" alt=""></div>'
        for one in articles
    )
    return f"<section>{''.join(rows)}</section>"


def _opened(number: int, several: int, article: ShownArticle) -> str:
    cover = f'<img src="{escape(article.cover)}" alt="">' if article.cover_inside else ""
    meta = f'<p class="meta">{escape(article.author)}</p>' if article.author else ""
    below = "".join(f'<p class="below">{escape(line)}</p>' for line in article.below)
    notes = "".join(f"<li>{_told(note)}</li>" for note in article.notes or (_("Nothing was taken out."),))
    # Whatever a browser makes of a content: no tag in it ends a template, and nothing in it outlives one.
    framed = f'<template shadowrootmode="open"><style>{_OF_CONTENT}</style><div>{article.content.html}</div></template>'
    heading = _("Article {number} of {several}").format(number=number, several=several)
    about = _("About article {number} of {several}").format(number=number, several=several)
    return (
        f"<h2>{heading}</h2><article><h1>{escape(article.title)}</h1>{meta}{cover}"
        f'<div class="content">{framed}{escape(_("This browser is too old to show it."))}</div>{below}</article>'
        f"<h2>{about}</h2><ul>{notes}</ul>"
    )
