"""A cleaned article in a browser: what it makes of it is what was allowed, and nothing of it runs."""

import random
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from playwright.async_api import Page

from qunfa.article import cleaned
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
PAGE = "<!DOCTYPE html><html><head></head><body></body></html>"
SEED = 20260101


@pytest_asyncio.fixture
async def page() -> AsyncIterator[tuple[Page, list[str]]]:
    """A page, and what ran in it or was asked for from elsewhere."""
    seen: list[str] = []
    async with chromium.started() as browser:
        page = await browser.new_page()
        await page.expose_function("hit", lambda *_: seen.append("hit"))
        await page.route("**/*", lambda route: route.fulfill(body=PAGE, content_type="text/html"))
        await page.goto("https://mp.weixin.qq.com/s")
        page.on("dialog", lambda _: seen.append("dialog"))
        page.on("request", lambda request: seen.append(request.url) if "evil.example" in request.url else None)
        yield page, seen


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
