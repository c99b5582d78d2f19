"""`qunfa article serve`: by HTTP the pages of `qunfa article preview`, so that an approval can link to them."""

import asyncio
from collections.abc import Iterable
from contextlib import closing
from typing import Final
from urllib.parse import unquote, urlsplit

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import Request
from starlette.responses import HTMLResponse, PlainTextResponse, Response
from starlette.routing import Route
from temporalio.client import Client
from temporalio.service import RPCError

from qunfa.callback.server import Bounds, ReceiverError, Services
from qunfa.cli import typed
from qunfa.cli.article import page_of
from qunfa.cli.connection import task_queue, with_client
from qunfa.cli.errors import Refused, WrongUse, explain
from qunfa.cli.options import send_id
from qunfa.cli.output import note
from qunfa.contract.audience import Version
from qunfa.language import _
from qunfa.settings import load_settings

_WITHIN: Final = 600.0
"""Seconds for a page, and to take it. Its pictures come by questions to the workers, a few with each."""
_AT_ONCE: Final = 2
"""Pages that are made at the same time: each asks the workers."""
_HEADERS: Final = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}


def serve(given: typed.ArticleServe) -> None:
    """Carry out `qunfa article serve`."""
    queue, known = task_queue(given.queue), load_settings("command").display.articles
    try:
        with_client(_serve, given.host, given.port, queue, known)
    except ReceiverError as error:
        raise Refused(str(error)) from None


async def _serve(client: Client, host: str, port: int, queue: str, known: str | None) -> None:
    ending = asyncio.Event()
    reached = urlsplit(known or "")
    app = articles(client, queue, {host, reached.hostname or host}, reached.path, ending)
    with closing(Services(Bounds(request=_WITHIN))) as services:
        bound = services.add(app, host, port, "--host and --port")
        url = f"http://{_bracketed(host)}:{bound.rpartition(':')[2]}"
        note(_("Articles are shown at {url}/ACCOUNT/KEY. Ctrl-C ends this.").format(url=url))
        if known is None:
            note(_("No approval links there: set display.articles for the workers."))
        with services.stopping_on_signals(ending.set):
            await services.run()


def articles(
    client: Client, queue: str, hosts: Iterable[str], below: str = "", ending: asyncio.Event | None = None
) -> Starlette:
    """The application; it answers at the root, and at the path `below` it. What it makes ends with `ending`.

    Under other names of hosts it refuses to answer. So no page of the web can read it through a name of its own that
    leads to this machine.
    """
    at_work, ended = asyncio.Semaphore(_AT_ONCE), ending or asyncio.Event()

    async def page(request: Request) -> Response:
        group: Version = "b" if request.query_params.get("group") == "b" else "a"
        try:
            send = send_id(request.path_params["key"], request.path_params["account"])
            async with at_work:
                text, _found = await page_of(client, send, group, queue, quietly=True)
        except (Refused, WrongUse) as error:
            return PlainTextResponse(str(error), 404, _HEADERS)
        except RPCError as error:
            return PlainTextResponse(explain(error).line, 503, _HEADERS)
        return HTMLResponse(text, headers=_HEADERS)

    async def shown(request: Request) -> Response:
        """The page, unless nobody waits for it any more: then it is not made to its end."""
        making = asyncio.create_task(page(request))
        others = asyncio.create_task(_left(request)), asyncio.create_task(ended.wait())
        try:
            await asyncio.wait((making, *others), return_when=asyncio.FIRST_COMPLETED)
            if making.done():
                return making.result()
            return PlainTextResponse(_("The page was not made: try it again."), 503, _HEADERS)
        finally:
            for one in (making, *others):
                one.cancel()
            await asyncio.gather(making, *others, return_exceptions=True)

    routes = [Route(f"{path}/{{account}}/{{key}}", shown) for path in dict.fromkeys(("", unquote(below)))]
    allowed = sorted({"localhost", "127.0.0.1", "[::1]", *map(_bracketed, hosts)})
    return Starlette(routes=routes, middleware=[Middleware(TrustedHostMiddleware, allowed_hosts=allowed)])


async def _left(request: Request) -> None:
    """Until whoever asked has gone."""
    while (await request.receive())["type"] != "http.disconnect":
        pass


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host
