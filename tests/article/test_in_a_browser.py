"""A cleaned article in a browser: what it makes of it is what was allowed, and nothing of it runs."""

import random
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from playwright.async_api import Browser, Page

from qunfa.article import Heading, ShownArticle, cleaned, missing, on_a_phone
from qunfa.article import page as page_of
from qunfa.article.cleaning import is_allowed, takes
from tests import chromium
from tests.article.markup import ATTACKS, TOKENS

pytestmark = pytest.mark.long
READ = """contents => contents.map(content => {
    document.body.innerHTML = content
    return [...document.body.querySelectorAll('*')].map(one => [one.localName, [...one.attributes].map(a => a.name)])
})"""
LAST = """() => new Promise(resolve => {
    const picture = document.createElement('img')
    picture.onerror = resolve
    picture.src = 'x'
    document.body.append(picture)
})"""
"""Over when a picture that comes after all others has failed to load, as they have."""
FRAME = """() => [
    [...document.querySelectorAll('body > *, main > *, article > *')].map(one => one.localName),
    [...document.querySelectorAll('div.content')].map(one => one.shadowRoot !== null && one.children.length === 0),
    [...document.querySelectorAll('main > ul > li')].map(one => one.innerHTML),
    [20, 300, 600].map(height => document.elementFromPoint(40, height).closest('div.content') !== null),
]"""
"""What stands around the contents of a page; whether each is in its place; what notes say; what covers the window."""
PAGE = "<!DOCTYPE html><html><head></head><body></body></html>"
SEED = 20260101


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def browser() -> AsyncIterator[Browser]:
    async with chromium.started() as found:
        yield found


@pytest_asyncio.fixture(loop_scope="session")
async def page(browser: Browser) -> tuple[Page, list[str]]:
    """A page, and what ran in it or was asked for from elsewhere."""
    seen: list[str] = []
    page = await browser.new_page()
    await page.expose_function("hit", lambda *_: seen.append("hit"))
    await page.route("**/*", lambda route: route.fulfill(body=PAGE, content_type="text/html"))
    await page.goto("https://mp.weixin.qq.com/s")
    page.on("dialog", lambda _: seen.append("dialog"))
    page.on("request", lambda request: seen.append(request.url) if "evil.example" in request.url else None)
    return page, seen


def corpus() -> list[str]:
    """Each attack alone, and hundreds of them put together at random."""
    pieces = (*ATTACKS, *TOKENS)
    chance = random.Random(SEED)  # noqa: S311  the same each time
    return [*ATTACKS, *("".join(chance.choices(pieces, k=chance.randint(2, 8))) for _ in range(600))]


async def test_the_attacks_are_real(page: tuple[Page, list[str]]) -> None:
    """Uncleaned, some of them run, and some load what they should not: so the test below can fail."""
    tab, seen = page
    await tab.evaluate(READ, list(ATTACKS))
    await tab.evaluate(LAST)
    assert "hit" in seen
    assert any("evil.example" in one for one in seen)


async def test_a_page_with_articles_runs_and_loads_nothing(browser: Browser) -> None:
    """However they were written: no request but for the page itself, and each content stays in its place."""
    contents = [on_a_phone(one, {}) for one in corpus()]
    fixed = on_a_phone('<p style="position:fixed;top:0;left:0;width:2000px;height:2000px;background:red">a</p>', {})
    shown = [ShownArticle("t", "a", "d", missing("x"), cover_inside=False, content=one) for one in (*contents, fixed)]
    text = page_of(Heading("t", ("said",)), shown)
    seen: list[str] = []
    tab = await browser.new_page()
    await tab.expose_function("hit", lambda *_: seen.append("hit"))
    await tab.route("**/*", lambda route: route.fulfill(body=text, content_type="text/html"))
    tab.on("request", lambda request: seen.append(request.url) if not request.url.startswith("data:") else None)
    await tab.goto("https://page.example/")
    await tab.wait_for_load_state("networkidle")
    around, in_place, notes, covered = await tab.evaluate(FRAME)
    each = ("h2", "article", "h1", "p", "div", "h2", "ul")
    assert seen == ["https://page.example/"]
    assert around == ["main", "aside", "h2", "section", "h2", "section", *each * len(shown)]
    assert (in_place, set(notes)) == ([True] * len(shown), {"Nothing was taken out."})
    assert covered == [False] * 3


async def test_a_browser_finds_nothing_in_it_that_is_not_allowed(page: tuple[Page, list[str]]) -> None:
    """Its own parser, with drawings and all: the elements and attributes are those of the list, and nothing runs."""
    tab, seen = page
    contents = [cleaned(one).content for one in corpus()]
    found = await tab.evaluate(READ, contents)
    for content, elements in zip(contents, found, strict=True):
        for tag, names in elements:
            assert is_allowed(tag.lower()), content
            assert all(takes(tag.lower(), name.lower()) for name in names), content
    await tab.evaluate(LAST)
    assert seen == []
