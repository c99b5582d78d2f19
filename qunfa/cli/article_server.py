"""`qunfa article serve`: by HTTP the pages of `qunfa article preview`, so that an approval can link to them."""

import asyncio
from contextlib import closing
from typing import Final
from urllib.parse import urlsplit

from pydantic import ValidationError
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import Request
from starlette.responses import HTMLResponse, PlainTextResponse, Response
from starlette.routing import Route
from temporalio.client import Client
from temporalio.service import RPCError

from qunfa.callback.server import Bounds, ReceiverError, Services
from qunfa.cli.article import page_of
from qunfa.cli.connection import run, task_queue, temporal_client
from qunfa.cli.errors import Refused, WrongUse, explain
from qunfa.cli.options import send_id
from qunfa.cli.output import note
from qunfa.cli.typed import request as typed
from qunfa.contract.audience import Version
from qunfa.language import _
from qunfa.settings import load_settings

_WITHIN: Final = 60.0
"""Seconds for a page. Its pictures come by questions to the workers, a few with each."""
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
        run(_serve(given.host, given.port, queue, known))
    except ReceiverError as error:
        raise Refused(str(error)) from None


async def _serve(host: str, port: int, queue: str, known: str | None) -> None:
    client = await temporal_client()
    with closing(Services(Bounds(request=_WITHIN + 5))) as services:
        url = services.add(articles(client, queue, host, known), host, port, "--host and --port")
        note(_("Articles are shown at {url}/ACCOUNT/KEY. Ctrl-C ends this.").format(url=url))
        if known is None:
            note(_("No approval links there: set display.articles for the workers."))
        with services.stopping_on_signals():
            await services.run()


def articles(client: Client, queue: str, host: str, known: str | None) -> Starlette:
    """The application; `known` is where it is reached from elsewhere. Under other names of hosts it refuses to answer.

    So no page of the web can read it through a name of its own that leads to this machine.
    """
    at_work = asyncio.Semaphore(_AT_ONCE)

    async def shown(request: Request) -> Response:
        group: Version = "b" if request.query_params.get("group") == "b" else "a"
        try:
            send = send_id(request.path_params["key"], request.path_params["account"])
            async with asyncio.timeout(_WITHIN), at_work:
                page, _found = await page_of(client, send, group, queue, quietly=True)
        except (Refused, WrongUse) as error:
            return PlainTextResponse(str(error), 404, _HEADERS)
        except TimeoutError:
            return PlainTextResponse(_("The workers did not answer in time: try it again."), 503, _HEADERS)
        except (RPCError, ValidationError) as error:
            return PlainTextResponse(explain(error).line, 503, _HEADERS)
        return HTMLResponse(page, headers=_HEADERS)

    reached = urlsplit(known or "")
    hosts = {"localhost", "127.0.0.1", host, reached.hostname or host}
    routes = [Route(f"{below}/{{account}}/{{key}}", shown) for below in dict.fromkeys(("", reached.path))]
    return Starlette(routes=routes, middleware=[Middleware(TrustedHostMiddleware, allowed_hosts=sorted(hosts))])
