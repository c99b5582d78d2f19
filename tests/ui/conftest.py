"""Temporal's own UI on the stage's server, and Debian's Chromium to look at it."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import pytest_asyncio
from playwright.async_api import Browser

from qunfa.cli.demo_folder import LOCALHOST
from qunfa.config_file import Language
from qunfa.language.phrases import speak_by_default
from tests.chromium import path, started
from tests.e2e.stage import Scene, Stage
from tests.e2e.staging import scene_of, staged
from tests.ports import free_ports
from tests.temporal import development_server
from tests.ui.window import HEIGHT, PATIENCE_MILLISECONDS, WIDTH, Window

NAMES = ("atelier", "bakery", "brewery", "cafe", "cinema", "dairy", "demo")
"""The last one is taken first."""


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Pictures are drawn in both languages. Else what has some is shown in one: half of it in each."""
    if mark := metafunc.definition.get_closest_marker("pictures"):
        both = ["en", "zh"] if metafunc.config.getoption("--screenshots") else mark.args
        metafunc.parametrize("language", both, indirect=True)


@pytest.fixture(scope="session")
def chromium() -> str:
    return path()


@pytest.fixture(scope="session")
def ui_port() -> int:
    [port] = free_ports(1)
    return port


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def stage(chromium: str, ui_port: int, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stage]:
    async with (
        development_server(ui_port=ui_port) as client,
        staged(tmp_path_factory.mktemp("media"), client, names=NAMES) as stage,
    ):
        yield stage


@pytest.fixture
async def scene(stage: Stage) -> AsyncIterator[Scene]:
    async with scene_of(stage) as scene:
        yield scene


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def browser() -> AsyncIterator[Browser]:
    async with started() as browser:
        yield browser


@pytest.fixture
def language(request: pytest.FixtureRequest) -> Iterator[Language]:
    """The language that the worker's pages are in."""
    language: Language = getattr(request, "param", "en")
    speak_by_default(language)
    yield language
    speak_by_default("en")


@pytest.fixture
async def window(
    browser: Browser, ui_port: int, pytestconfig: pytest.Config, language: Language
) -> AsyncIterator[Window]:
    """A window of a browser that has never been in this UI; its pictures are kept with `--screenshots DIR`."""
    page = await browser.new_page(
        viewport={"width": WIDTH, "height": HEIGHT}, locale="en-GB", timezone_id="Asia/Shanghai"
    )
    page.set_default_timeout(PATIENCE_MILLISECONDS)
    folder = pytestconfig.getoption("--screenshots")
    yield Window(page, f"http://{LOCALHOST}:{ui_port}", language, Path(folder) if folder else None)
    await page.close()
