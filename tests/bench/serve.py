"""`python -m tests.bench.serve WHAT MODE`: one of the measured servers, on a free port; the URL is its first line."""

import asyncio
import contextlib
import sys
from typing import get_args

from starlette.types import ASGIApp, Receive, Scope, Send

from qunfa.callback import create_app, run_receiver
from qunfa.callback.services import Services
from qunfa.contract.event import JobFinished
from qunfa.telemetry import configure_logging
from tests.bench.requests import Mode, settings_of

_HOST = "127.0.0.1"


async def hello(scope: Scope, receive: Receive, send: Send) -> None:
    """The least that an application can do: no framework, no look at the request."""
    if scope["type"] == "lifespan":
        while (await receive())["type"] != "lifespan.shutdown":
            await send({"type": "lifespan.startup.complete"})
        await send({"type": "lifespan.shutdown.complete"})
        return
    headers = [(b"content-type", b"text/plain"), (b"content-length", b"5")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": b"hello"})


async def deliver_nowhere(appid: str, event: JobFinished) -> None:
    """Temporal's part, left out."""


def main(what: str, mode: Mode) -> None:
    """Serves until SIGTERM."""
    configure_logging()
    if what == "temporal":
        asyncio.run(run_receiver(settings_of(mode), host=_HOST, port=0, on_started=_tell))
    else:
        app: ASGIApp = hello if what == "hello" else create_app(settings_of(mode), deliver_nowhere)
        asyncio.run(_serve(app))


async def _serve(app: ASGIApp) -> None:
    with contextlib.closing(Services()) as services:
        _tell(services.add(app, _HOST, 0))
        with services.stopping_on_signals():
            await services.run()


def _tell(url: str) -> None:
    sys.stdout.write(f"{url}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    (wanted,) = [mode for mode in get_args(Mode) if mode == sys.argv[2]]
    main(sys.argv[1], wanted)
