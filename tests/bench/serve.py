"""`python -m tests.bench.serve WHAT MODE`: one of the measured servers; its first line is its URL and its metrics'."""

import asyncio
import contextlib
import sys
from typing import get_args

from starlette.types import ASGIApp, Receive, Scope, Send

from qunfa.callback import ReceiverMetrics, create_app, create_metrics_app, run_receiver
from qunfa.callback.server import Services
from qunfa.contract.result import JobFinished
from qunfa.settings import MetricsSettings
from qunfa.telemetry import configure_logging
from tests.bench.requests import Mode, settings_of
from tests.ports import free_address

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


def main(what: str, mode: Mode) -> None:
    """Serves until SIGTERM."""
    configure_logging()
    address, metrics, settings = free_address(), ReceiverMetrics(), settings_of(mode)
    if what == "temporal":
        settings = settings.model_copy(update={"metrics": MetricsSettings(receiver=address)})
        asyncio.run(run_receiver(settings, host=_HOST, port=0, on_started=lambda url: _tell(url, address)))
    else:
        plain: dict[str, ASGIApp] = {"hello": hello, "sink": sink}
        app = plain.get(what) or create_app(settings, deliver_nowhere, metrics=metrics)
        asyncio.run(_serve(app, create_metrics_app(metrics), address))


async def _serve(app: ASGIApp, shown: ASGIApp, address: str) -> None:
    with contextlib.closing(Services()) as services:
        host, _, port = address.rpartition(":")
        services.add(shown, host, int(port))
        _tell(services.add(app, _HOST, 0), address)
        with services.stopping_on_signals():
            await services.run()


def _tell(url: str, metrics: str) -> None:
    sys.stdout.write(f"{url} http://{metrics}/metrics\n")
    sys.stdout.flush()


if __name__ == "__main__":
    (wanted,) = [mode for mode in get_args(Mode) if mode == sys.argv[2]]
    main(sys.argv[1], wanted)
