"""`qunfa article serve`: under which names it answers, who is waited for, and who may read slowly."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing, suppress
from typing import Any, cast

import httpx
import pytest
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Route
from temporalio.client import Client

from qunfa.callback.server import Bounds, Services
from qunfa.cli import article_server
from qunfa.cli.article_server import articles
from tests.cli.calls import DESERTED_QUEUE
from tests.looking import PATIENCE

NOBODY = cast("Client", None)
ADDRESS = "127.0.0.1"
OURS = "names no mass send"


@asynccontextmanager
async def served(app: Starlette, bounds: Bounds | None = None) -> AsyncIterator[int]:
    """Its port."""
    with closing(Services(bounds)) as services:
        port = int(services.add(app, ADDRESS, 0).rpartition(":")[2])
        serving = asyncio.create_task(services.run())
        yield port
        services.stop()
        await serving


@pytest.mark.parametrize(
    ("host", "path", "code", "said"),
    [
        ("localhost:8086", "/demo/!", 404, OURS),
        ("127.0.0.1", "/demo/!", 404, OURS),
        ("[::1]:8086", "/demo/!", 404, OURS),
        ("[2001:db8::1]", "/demo/!", 404, OURS),
        ("ops.example.com", "/文章/demo/!", 404, OURS),
        ("ops.example.com", "/demo/!", 404, OURS),
        ("ops.example.com", "/other/demo/!", 404, "Not Found"),
        ("ops.example.com.evil.example", "/demo/!", 400, "Invalid host header"),
        ("2001:db8::1", "/demo/!", 400, "Invalid host header"),
        ("", "/demo/!", 400, "Invalid host header"),
    ],
)
async def test_it_answers_under_its_own_names_alone(host: str, path: str, code: int, said: str) -> None:
    """With any port, and below the path of `display.articles` as well as where a proxy has taken that off."""
    app = articles(NOBODY, "q", {"2001:db8::1", "ops.example.com"}, "/%E6%96%87%E7%AB%A0")
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://x") as http:
        answer = await http.get(path, headers={"Host": host})
    assert (answer.status_code, said in answer.text) == (code, True)


async def test_a_page_that_nobody_can_make_says_so(client: Client) -> None:
    """No worker polls the service's own task queue: whoever asks is not left to wait for one."""
    app = articles(client, DESERTED_QUEUE, ())
    async with (
        asyncio.timeout(PATIENCE),
        httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://x") as http,
    ):
        answer = await http.get("/demo/spring", headers={"Host": "localhost"})
    assert (answer.status_code, DESERTED_QUEUE in answer.text) == (404, True)


@pytest.fixture
def making(monkeypatch: pytest.MonkeyPatch) -> dict[str, asyncio.Event]:
    """A page that takes for ever; `begun`, and `left` once it is not made any more."""
    events = {"begun": asyncio.Event(), "left": asyncio.Event()}

    async def page_of(*_given: Any, **_more: Any) -> None:
        events["begun"].set()
        try:
            await asyncio.Event().wait()
        finally:
            events["left"].set()

    monkeypatch.setattr(article_server, "page_of", page_of)
    return events


async def test_no_page_is_made_for_who_has_gone(making: dict[str, asyncio.Event]) -> None:
    """Two pages are made at a time: nobody is to wait for those of whom nobody waits."""
    async with asyncio.timeout(PATIENCE), served(articles(NOBODY, "q", ())) as port:
        _, writer = await asyncio.open_connection(ADDRESS, port)
        writer.write(b"GET /demo/spring HTTP/1.1\r\nHost: localhost\r\n\r\n")
        await making["begun"].wait()
        writer.close()
        await making["left"].wait()


async def test_a_page_that_is_made_ends_with_its_service(making: dict[str, asyncio.Event]) -> None:
    """With an answer, and at once: Ctrl-C does not wait for the workers."""
    ending = asyncio.Event()
    async with (
        asyncio.timeout(PATIENCE),
        served(articles(NOBODY, "q", (), ending=ending)) as port,
        httpx.AsyncClient(base_url=f"http://localhost:{port}", timeout=PATIENCE) as http,
    ):
        asking = asyncio.create_task(http.get("/demo/spring"))
        await making["begun"].wait()
        ending.set()
        assert (await asking).status_code == 503
    assert making["left"].is_set()


async def begun(port: int) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """A connection on which an answer has begun; a crowded machine may lose some before."""
    while True:
        reader, writer = await asyncio.open_connection(ADDRESS, port, limit=1024)
        writer.write(b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        with suppress(ConnectionError, asyncio.IncompleteReadError):
            await reader.readuntil(b"\r\n\r\n")
            return reader, writer
        writer.close()


async def until_closed(port: int) -> None:
    """Until the service has closed a connection of somebody who says nothing."""
    reader, writer = await asyncio.open_connection(ADDRESS, port)
    assert await reader.read() == b""
    writer.close()


async def test_a_slow_reader_gets_the_whole_page() -> None:
    """Half a page looks like a whole one. The time of a request counts until all of it was taken."""
    page = "春" * 10_000_000

    async def shown(_request: object) -> PlainTextResponse:
        return PlainTextResponse(page)

    bounds = Bounds(head=0.1, request=PATIENCE)
    async with asyncio.timeout(PATIENCE), served(Starlette(routes=[Route("/", shown)]), bounds) as port:
        reader, writer = await begun(port)
        await until_closed(port)
        assert len(await reader.read()) == len(page.encode())
        writer.close()
