"""Debian's Chromium, for what only a browser can tell."""

import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from playwright.async_api import Browser, async_playwright

NAMES = ("chromium", "chromium-browser", "google-chrome")


def path() -> str:
    """Where it is; a test that needs it is skipped where it is not."""
    found = next(filter(None, map(shutil.which, NAMES)), None)
    if found is None:
        pytest.skip("no Chromium on this machine (Debian and Ubuntu: apt-get install chromium)")
    return found


@asynccontextmanager
async def started() -> AsyncIterator[Browser]:
    """A browser, without a window."""
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=path(), args=["--no-sandbox", "--disable-gpu"])
        yield browser
        await browser.close()
