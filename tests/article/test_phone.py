"""What a phone shows of an article: nothing of it leads elsewhere, is loaded, or runs."""

import re
from urllib.parse import unquote

import pytest
from hypothesis import given

from qunfa.article import ArticleError, Heading, ShownArticle, beginning, missing, on_a_phone, page, wanted
from qunfa.article.page import MARK
from tests.article.markup import WECHAT, articles, markup

PIXEL = "data:image/png;base64,iVBORw0KGgo="
MISSING = missing("picture")


@pytest.mark.parametrize(
    ("content", "shown"),
    [
        ('<img src="https://a/1.png">', f'<img src="{PIXEL}">'),
        ('<img data-src="https://a/1.png">', f'<img src="{PIXEL}">'),
        ('<img src="data:,x" data-src="https://a/1.png">', f'<img src="{PIXEL}">'),
        ('<img src="https://b/2.png" data-src="https://a/1.png">', f'<img src="{PIXEL}">'),
        ('<img src="https://b/2.png">', f'<img src="{MISSING}">'),
        (f'<img src="{WECHAT}">', f'<img src="{MISSING}">'),
        ('<a href="https://a/">b</a>', "<a>b</a>"),
        ('<svg><a xlink:href="https://a/"><text>b</text></a></svg>', "<svg><a><text>b</text></a></svg>"),
        ('<picture><source srcset="https://a/1.webp" type="image/webp"><track><img src="https://a/1.png"></picture>',
         f'<source type="image/webp"><track><img src="{PIXEL}"></track></source>'),
        ("<p>a<mp-style-type></mp-style-type></p>", "<p>a<mp-style-type></mp-style-type></p>"),
        ("a<script>x()</script>b", "ab"),
        ('<p onclick="x()">a</p>', "<p>a</p>"),
    ],
)  # fmt: skip
def test_each_thing_is_shown_as_readers_see_it(content: str, shown: str) -> None:
    """Pictures from what was read, those of WeChat's page where its script puts them; links that lead nowhere."""
    assert on_a_phone(content, {"https://a/1.png": PIXEL}).html == shown


def test_what_was_taken_out_and_where_links_led_is_told() -> None:
    """And what only WeChat can show: each stands in a box of its own, with all that it holds."""
    shown = on_a_phone(
        '<script>x()</script><p onclick="x()"><a href="https://a/"> b <b>c</b></a></p>'
        '<iframe src="https://v.qq.com/v"></iframe><mp-a data-title="t"><mp-b></mp-b><a href="https://d/">e</a></mp-a>',
        {},
    )
    assert shown.removed == ("<script>", "onclick of <p>")
    assert shown.links[0] == ("b c", "https://a/")
    assert shown.boxes == ('<iframe src="https://v.qq.com/v">', '<mp-a data-title="t">', "<mp-b>")
    assert ("<iframe" in shown.html, "<mp-" in shown.html) == (False, False)
    assert (shown.html.count("WeChat shows this:"), shown.html.count("<a>e</a>")) == (3, 1)


@pytest.mark.parametrize(
    ("element", "box"),
    [
        ('<mp-miniprogram class="a" data-miniprogram-appid="wx1" data-miniprogram-path="p?a&amp;b">', None),
        ('<mp-common-profile data-id="M=" data-nickname="x&quot; data-id=&quot;N">',
         '<mp-common-profile data-id="M=" data-nickname="x&quot; data-id=&quot;N">'),
        ('<iframe class="video_iframe" data-mpvid="wxv_1" style="width:1px">', '<iframe data-mpvid="wxv_1">'),
        ('<qqmusic musicid="1" music_name="x">', '<qqmusic musicid="1" music_name="x">'),
        ('<video><source src="https://a/1.mp4">', "<video>"),
    ],
)  # fmt: skip
def test_a_box_says_by_its_tag_what_wechat_shows(element: str, box: str | None) -> None:
    """No value passes for another one. A mark that shows nothing has no box."""
    named = box or '<mp-miniprogram data-miniprogram-appid="wx1" data-miniprogram-path="p?a&b">'
    shown = on_a_phone(f"<p>二<mpchecktext></mpchecktext>{element}", {})
    assert shown.boxes[0] == named
    assert shown.boxes[1:] == (('<source src="https://a/1.mp4">',) if box == "<video>" else ())


def test_a_box_tells_the_ends_of_long_values() -> None:
    """Every attribute has its name and a part, however many and long the others are."""
    decoys = " ".join(f'data-{number}="{"x" * 900}"' for number in range(20))
    card = (
        f'<mp-a {decoys} data-is="{"i" * 80}" data-src="https://a/{" " * 90}{"?" * 80}&amp;vid=&quot;1" data-id="M=">'
    )
    (box,) = on_a_phone(card, {}).boxes
    long = f"{'x' * 40}…{'x' * 39}"
    url = f"https://a/ {'?' * 29}…{'?' * 32}&vid=&quot;1"
    told = " ".join(f'data-{number}="{long}"' for number in range(20))
    assert box == f'<mp-a {told} data-is="{"i" * 80}" data-src="{url}" data-id="M=">'


def test_text_within_a_card_is_shown() -> None:
    """It goes out, and WeChat may show it."""
    assert "<p>限时</p>" in on_a_phone("<p>一</p><mp-note><p>限时</p></mp-note>", {}).html


@pytest.mark.parametrize(
    ("link", "links"),
    [
        ('<a data-miniprogram-path="p?a" href="https://a/" data-miniprogram-appid="wx1">b</a>',
         [("b", 'mini program appid="wx1" path="p?a"'), ("b", "https://a/")]),
        ('<p data-miniprogram-appid="wx1">b</p>', [("b", 'mini program appid="wx1"')]),
        ('<a href="https://a/ ”\u202e b">c</a>', [("c", "https://a/%20%E2%80%9D%E2%80%AE%20b")]),
        (f'<a href="https://a/">{"b" * 41}</a>', [("b" * 40 + "…", "https://a/")]),
    ],
)  # fmt: skip
def test_where_links_lead_is_told_as_wechat_opens_them(link: str, links: list[tuple[str, str]]) -> None:
    """A mini program before an address, an address as it is sent, and no more than the first words."""
    assert list(on_a_phone(link, {}).links) == links


@pytest.mark.parametrize(
    ("content", "asks"),
    [
        ('<p style="font-size:clamp(0px,calc((440px - 100vw) * 1000),17px)">a</p>', True),
        ('<p style="font-size:1\\44VMIN">a</p>', True),
        ('<p style="color-scheme:light dark">a</p>', True),
        ('<p style="color:light-dark(#fff,#000)">a</p>', True),
        ('<p style="color:color-mix(in srgb, CanvasText, #fff)">a</p>', True),
        ('<p style="padding:env(safe-area-inset-bottom)">a</p>', True),
        ('<p style="width:attr(data-w vw)">a</p>', True),
        ('<svg width="100vw"></svg>', True),
        ('<svg><text><animate attributeName="font-size" to="9vh"></animate></text></svg>', True),
        ('<svg style="color:canvas"></svg>', True),
        ('<svg fill="Canvas"><animate attributeName="fill" values="red;Highlight"></animate></svg>', True),
        ('<p style="animation:highlight 1s;color:canvas">a</p>', True),
        ('<p style="animation:a calc(1s * sign(100vw - 9px))">a</p>', True),
        ('<p style="--animation:canvas;animation-name:env;color:var(--animation)">a</p>', True),
        ('<p style="animation:highlight 1s;-webkit-animation-name:Canvas">a</p>', False),
        ('<svg id="Canvas" class="env" data-name="Highlight" aria-label="5vw" style="animation:env"></svg>', False),
        ('<svg title="env"><animate begin="canvas.click" end="env.click" attributeName="x" to="1"></svg>', False),
        ('<p style="width:calc(100% - 2em);color:#fff" class="5vw" title="5vw">5vw</p><svg width="9"></svg>', False),
    ],
)  # fmt: skip
def test_what_asks_for_the_screen_is_found(content: str, *, asks: bool) -> None:
    """How wide, high or dark it is: readers may see another text than the page shows."""
    assert on_a_phone(content, {}).by_screen is asks


def test_every_picture_that_readers_see_is_wanted() -> None:
    """WeChat's own as well, each once; one that only holds a place is none."""
    content = f"<img src='data:,x' data-src='https://a/1'><img src='{WECHAT}'><p style='background:url(https://a/1)'>"
    assert wanted(content) == ("https://a/1", WECHAT)
    assert beginning(f"<p>{'春' * 60}</p><script>x</script>", 54) == "春" * 54


@given(articles | markup)
def test_nothing_on_a_page_leads_or_loads(content: str) -> None:
    """Whatever stands in an article: each URL that is left is a picture in the page itself, or a part of a drawing."""
    try:
        shown = on_a_phone(content, {})
    except ArticleError:
        return
    left = [
        unquote(url).strip("\"'")
        for url in re.findall(r"(?i)(?:\bhref|\bsrc|poster|background)=\"([^\"]*)\"", shown.html)
    ]
    assert "template" not in re.findall(r"(?i)<\W*(\w+)", shown.html)  # which frames it on a page
    assert all(url == "" or url.startswith(("data:image/svg+xml,", "#")) for url in left), left


def test_a_page_says_what_it_says_of_itself_and_escapes_all() -> None:
    """One article has its digest below the cover, several have a row each; in the list each has one. All is words."""
    evil = "</title><script>hit()</script>"
    one = ShownArticle(evil, evil, evil, MISSING, cover_inside=True, content=on_a_phone("<p>a</p>", {}), notes=(evil,))
    heading = Heading(evil, (evil,), (evil,))
    single, double = page(heading, [one]), page(heading, [one, one])
    assert ("<script>" in single, "<script>" in double) == (False, False)
    assert single.startswith(f"<!DOCTYPE html>\n{MARK}\n")
    assert "default-src &#x27;none&#x27;; img-src data:" in single
    assert ('class="digest"' in single, 'class="digest"' in double) == (True, False)
    assert (single.count('class="row"'), double.count('class="row"')) == (1, 3)
    assert single.count(f'<img src="{MISSING}" alt="">') == 3
