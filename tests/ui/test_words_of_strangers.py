"""What others have written, as Temporal's own UI shows it: as text, without a link, whatever it says."""

import random
import re
import string
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Final
from urllib.parse import quote

import pytest
import pytest_asyncio
from playwright.async_api import Browser, Page
from temporalio.client import Client, WorkflowHandle

from qunfa.cli.demo_folder import LOCALHOST
from qunfa.cli.request import details, summary
from qunfa.contract import parse_request
from qunfa.contract.notice import NotifyRequest
from qunfa.contract.operators import Status, StoryLine
from qunfa.contract.recall import RecallStatus
from qunfa.markdown import code, plain
from qunfa.printable import printable
from tests.e2e.stage import Stage
from tests.ui.window import Window
from tests.words import CORPUS, KEPT
from workflows.pages import notify_page, recall_page, send_page

pytestmark = [pytest.mark.long, pytest.mark.xdist_group("browser")]

NOW = datetime(2026, 12, 1, tzinfo=UTC)
SEED, ROUNDS, AT_ONCE = 20261201, 12, 25
LINKS = (
    "https://evil.example/a", "HTTPS://EVIL.EXAMPLE", "http://evil.example", "ftp://evil.example",
    "file:///etc/passwd", "mailto:a@evil.example", "MAILTO:a@b.co", "www.evil.example", "a@evil.example",
    "<https://evil.example>", "<javascript:alert(1)>", "[l](https://evil.example)",
    "![i](https://evil.example/i.png)", "[a]: https://evil.example", "[^1]", "<a href='https://evil.example'>x</a>",
    "`](https://evil.example)[`", "x` [open](https://evil.example) `y",
)  # fmt: skip
MARKS = (
    *string.punctuation,
    "**", "__", "~~", "``", "```", "--", "---", "...", "(c)", "(TM)", "$x$", "$$", "1. ", "12345. ", "- ", "# ",
    "> ", "&lt;", "&#60;", "&amp;", "<b>", "<img src=x>", "<!--", "-->", "\\*", "\\", "1/2", "a", "b", "1", " ",
    "春", "{#id}", '"春季…"', "\n\n", "\t",
)  # fmt: skip
READ = """() => [...document.querySelectorAll('li, p, td:first-child')].map(one => [
    one.textContent, [...one.querySelectorAll('*')].map(inner => inner.localName).filter(name => !/su[bp]/.test(name))
])"""


@pytest.fixture
def ui(stage: Stage, ui_port: int) -> tuple[str, Client]:
    """The UI's address, and a client of its server."""
    return f"http://{LOCALHOST}:{ui_port}", stage.client


@pytest_asyncio.fixture(loop_scope="session")
async def page(browser: Browser) -> AsyncIterator[Page]:
    """A page of the browser."""
    page = await browser.new_page(viewport={"width": 1440, "height": 1200})
    yield page
    await page.close()


async def rendered(page: Page, address: str, markdown: str) -> list[tuple[str, list[str]]]:
    """The paragraphs, items and first cells that the UI makes of it: their text, and the elements within."""
    await page.goto(f"{address}/render?content={quote(markdown)}")
    return [(text, names) for text, names in await page.evaluate(READ)]


def as_set(text: str) -> str:
    """A text without the liberties that the UI takes: quotation marks, and fractions."""
    for curly, straight in (("“", '"'), ("”", '"'), ("‘", "'"), ("’", "'"), ("''", '"'), ("\u2044", "/")):
        text = text.replace(curly, straight)
    for vulgar, written in (("½", "1/2"), ("¼", "1/4"), ("¾", "3/4")):
        text = text.replace(vulgar, written)
    return " ".join(text.split())


def line_of(text: str) -> str:
    """How a text reads on a page."""
    return as_set(printable(" ".join(text.split())))


def corpus() -> list[str]:
    """Each by itself, and hundreds of them put together at random."""
    chance = random.Random(SEED)  # noqa: S311  the same each time
    pieces = (*LINKS, *MARKS, *MARKS, "\x1b[31m", "\u202e")
    mixed = ["".join(chance.choices(pieces, k=chance.randint(1, 8))) for _ in range(ROUNDS * AT_ONCE)]
    alone = [text.encode(errors="replace").decode() for text in (*LINKS, *MARKS, *CORPUS, *KEPT)]
    return [text for text in (*alone, *mixed) if text.split()]


TEMPLATES: Final[tuple[tuple[str, str, str, list[str]], ...]] = (
    ("", "- {}\n", "{}", []),
    ("", "{}\n\n", "{}", []),
    ("", "x **{}** y\n\n", "x {} y", ["strong"]),
    ("| a | b |\n|---|---|\n", "| {} | x |\n", "{}", []),
    ("", "- name: {}\n", "name: {}", []),
)
"""What stands above, how a text is written down, how it reads, and the elements in it that are ours."""


async def test_text_is_shown_as_it_is(page: Page, ui: tuple[str, Client]) -> None:
    """In items, paragraphs, bold type and cells: the same text, and no element in it that we have not put there."""
    texts = corpus()
    for start in range(0, len(texts), AT_ONCE):
        some = texts[start : start + AT_ONCE]
        parts = [head + "".join(template.format(plain(text)) for text in some) for head, template, *_ in TEMPLATES]
        shown = await rendered(page, ui[0], "\n\n# another part\n\n".join(parts))
        assert [(as_set(text), names) for text, names in shown] == [
            (as_set(around.format(line_of(text))), ours) for _, _, around, ours in TEMPLATES for text in some
        ]


async def test_a_value_in_code_type_is_one_value(page: Page, ui: tuple[str, Client]) -> None:
    """Nothing of it gets out of the code, not with a backtick either."""
    texts = [text for text in (*LINKS, *CORPUS[:4]) if code(text)]
    shown = await rendered(page, ui[0], "".join(f"- {code(text)} end\n" for text in texts))
    assert [(" ".join(text.split()), names) for text, names in shown] == [
        (f"{printable(' '.join(text.replace('`', chr(39)).split()))} end", ["code"]) for text in texts
    ]


async def test_no_page_of_ours_has_a_link(page: Page, ui: tuple[str, Client]) -> None:
    """A send's, a recall's and a notice's, with a link wherever somebody else has written something.

    All others are shown as text like these, whatever page they stand on.
    """
    for link in ("https://evil.example", "[l](https://evil.example)", "x` [open](https://evil.example) `y"):
        request = parse_request(
            {
                "account": "demo",
                "key": "k",
                "audience": {"kind": "openids", "openids": ["o1", "o2"]},
                "message": {"msgtype": "text", "content": link},
                "requested_by": link,
            }
        )
        story = (StoryLine(at=NOW, what=f"frozen by {link}", by=link, reason=link),)
        status = Status(phase="preparing", history=story, updated_at=NOW)
        recall = RecallStatus(phase="looking", url=link, by=link, reason=link, updated_at=NOW)
        notice = NotifyRequest(account="demo", name="n", webhook_id="w", workflow_id=link, run_id="r")
        for markdown in (
            send_page(request, status),
            recall_page("demo", recall),
            notify_page(notice),
            summary(request),
            details(request),
        ):
            await page.goto(f"{ui[0]}/render?content={quote(markdown)}")
            assert await page.locator("a, img, script, span, iframe").count() == 0, markdown


async def test_a_summary_reads_well_in_both_places(page: Page, ui: tuple[str, Client]) -> None:
    """As Markdown on User Metadata, and as it is written in the history: no backslash, no entity."""
    address, client = ui
    request = parse_request(
        {
            "account": "brand",
            "key": "spring-sale-2026",
            "audience": {"kind": "all"},
            "message": {"msgtype": "mpvideo", "title": "春季，50% off (now)", "media": {"uri": "file:/srv/a.mp4"}},
        }
    )
    handle: WorkflowHandle[object, object] = await client.start_workflow(
        "MassSend",
        id="mass-send:brand:spring-sale-2026",
        task_queue="nobody",
        static_summary=summary(request),
        static_details=details(request),
    )
    await page.goto(f"{address}/namespaces/default/workflows/{handle.id}/{handle.first_execution_run_id}/history")
    await Window(page, address, "en", None).see(page.locator("body"), 'Video "春季，50% off (now)" to all followers')
    await page.get_by_role("tab", name="User Metadata").click()
    frame = page.frame_locator("iframe[title=output]").first
    await Window(page, address, "en", None).see(
        frame.locator("main"), "Video “春季，50% off (now)” to all followers of brand"
    )
    details_frame = page.frame_locator("iframe[title=output]").nth(1)
    await Window(page, address, "en", None).see(details_frame.locator("main"), re.compile("key: spring-sale-2026"))
