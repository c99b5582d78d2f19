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
        ("<p>a<mp-style-type></mp-style-type></p>", "<p>a<mp-style-type></mp-style-type></p>"),
        ("a<script>x()</script>b", "ab"),
        ('<p onclick="x()">a</p>', "<p>a</p>"),
    ],
)  # fmt: skip
def test_each_thing_is_shown_as_readers_see_it(content: str, shown: str) -> None:
    """Pictures from what was read, those of WeChat's page where its script puts them; links that lead nowhere."""
    assert on_a_phone(content, {"https://a/1.png": PIXEL}).html == shown


def test_what_was_taken_out_and_where_links_led_is_told() -> None:
    """And what only WeChat can show: a box stands in its place, and its own insides are no further ones."""
    shown = on_a_phone(
        '<script>x()</script><p onclick="x()"><a href="https://a/"> b <b>c</b></a></p>'
        '<iframe src="https://v.qq.com/v"></iframe><mp-a data-title="t"><mp-b></mp-b><a href="https://d/">e</a></mp-a>',
        {},
    )
    assert shown.removed == ("<script>", "onclick of <p>")
    assert shown.links[0] == ("b c", "https://a/")
    assert shown.boxes == ("<iframe> https://v.qq.com/v", "<mp-a> t")
    assert ("<iframe" in shown.html, "<mp-" in shown.html) == (False, False)
    assert shown.html.count("WeChat shows this:") == 2


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
