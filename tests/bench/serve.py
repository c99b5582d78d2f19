"""`python -m tests.bench.serve WHAT MODE PORT METRICS`: one of the measured servers, and the port of its metrics."""

import asyncio
import contextlib
import sys
from typing import get_args

from starlette.types import ASGIApp, Receive, Scope, Send

from qunfa.callback.answers import ReceiverMetrics
from qunfa.callback.app import create_app, create_metrics_app, run_receiver
from qunfa.callback.server import Services
from qunfa.contract.result import JobFinished
from qunfa.settings import MetricsSettings
from qunfa.telemetry import configure_logging
from tests.bench.requests import Mode, settings_of

_HOST = "127.0.0.1"
_STORED = b'{"type":"video","media_id":"media-1","created_at":1700000000}'


async def hello(scope: Scope, receive: Receive, send: Send) -> None:
    """The least that an application can do: no framework, no look at the request."""
    await _answered(scope, receive, send, b"text/plain", b"hello")


async def sink(scope: Scope, receive: Receive, send: Send) -> None:
    """Takes a file as WeChat does, and keeps nothing of it."""
    while scope["type"] == "http" and (await receive()).get("more_body"):
        pass
    await _answered(scope, receive, send, b"application/json", _STORED)


async def _answered(scope: Scope, receive: Receive, send: Send, kind: bytes, body: bytes) -> None:
    if scope["type"] == "lifespan":
        while (await receive())["type"] != "lifespan.shutdown":
            await send({"type": "lifespan.startup.complete"})
        await send({"type": "lifespan.shutdown.complete"})
        return
    headers = [(b"content-type", kind), (b"content-length", b"%d" % len(body))]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})


async def deliver_nowhere(appid: str, event: JobFinished) -> None:
    """Temporal's part, left out."""


def main(what: str, mode: Mode, port: int, shown: int) -> None:
    """Serves until SIGTERM."""
    configure_logging()
    metrics, settings = ReceiverMetrics(), settings_of(mode)
    if what == "temporal":
        settings = settings.model_copy(update={"metrics": MetricsSettings(receiver=f"{_HOST}:{shown}")})
        asyncio.run(run_receiver(settings, host=_HOST, port=port))
    else:
        plain: dict[str, ASGIApp] = {"hello": hello, "sink": sink}
        app = plain.get(what) or create_app(settings, deliver_nowhere, metrics=metrics)
        asyncio.run(_serve({port: app, shown: create_metrics_app(metrics)}))


async def _serve(apps: dict[int, ASGIApp]) -> None:
    with contextlib.closing(Services()) as services:
        for port, app in apps.items():
            services.add(app, _HOST, port)
        with services.stopping_on_signals():
            await services.run()


if __name__ == "__main__":
    (wanted,) = [mode for mode in get_args(Mode) if mode == sys.argv[2]]
    main(sys.argv[1], wanted, *map(int, sys.argv[3:]))
