"""The receiver as a process: listening, connecting to Temporal, and stopping."""

import asyncio
import contextlib
import signal
import socket
from collections.abc import Awaitable, Callable, Iterator
from datetime import timedelta
from functools import partial
from typing import Any, Final

import structlog
import uvicorn
from starlette.types import ASGIApp
from structlog.typing import FilteringBoundLogger
from temporalio.client import Client

from qunfa.callback.answers import ReceiverMetrics
from qunfa.callback.app import ReceiverError, create_app, create_metrics_app
from qunfa.callback.connections import Bounds, Connection, Connections
from qunfa.callback.delivery import DeliveryError, TemporalDelivery
from qunfa.contract.result import JobFinished
from qunfa.settings import Settings
from qunfa.temporal.connection import TemporalError, connect, is_reachable

RECONNECT_FIRST: Final = timedelta(seconds=1)
RECONNECT_LAST: Final = timedelta(seconds=15)
READY_TIMEOUT: Final = timedelta(seconds=2)
GRACE: Final = timedelta(seconds=10)
"""How long running pushes may finish after a stop: more than their own deadline."""
_BACKLOG: Final = 2048
_AT_ONCE: Final = 16
"""Connections that asyncio accepts before anything else happens, of which none is closed meanwhile."""
_RECEIVER_KEYS: Final = "[receiver] host and port (QUNFA_RECEIVER__HOST, QUNFA_RECEIVER__PORT)"
_METRICS_KEY: Final = '[metrics] receiver (QUNFA_METRICS__RECEIVER) to a free "IP:port", or to "" for no metrics'
_LOG: Final[FilteringBoundLogger] = structlog.get_logger("qunfa.callback")


def listen(host: str, port: int, keys: str = "another address") -> socket.socket:
    """A listening socket whose connections send at once; port 0 takes a free one.

    Raises:
        ReceiverError: The address cannot be had. The message says to set `keys`.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        listener = socket.create_server((host, port), family=family, backlog=_BACKLOG)
    except OSError as error:
        raise ReceiverError(f"cannot listen on {host} port {port}: {error.strerror or error}; set {keys}") from None
    # asyncio sets it only where it made the socket. Without it the body of each answer that follows another on its
    # connection waits some 40 ms for the other side's delayed acknowledgement of the head.
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return listener


class _Server(uvicorn.Server):
    """Leaves signals to others: uvicorn takes them all, and raises them again after a clean stop."""

    def __init__(self, config: uvicorn.Config, connections: Connections) -> None:
        super().__init__(config)
        self._connections = connections

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """What asyncio accepts at once it also lets wait; more may wait."""
        await super().startup(sockets=sockets)
        for listener in sockets or ():
            listener.listen(_BACKLOG)

    async def on_tick(self, counter: int) -> bool:
        """Comes ten times a second."""
        self._connections.end_late_ones()
        return await super().on_tick(counter)

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


class Services:
    """Applications with their addresses. Where one of them ends, all do."""

    def __init__(self, bounds: Bounds | None = None) -> None:
        """`bounds`: of the connections of all of them together."""
        self._connections = Connections(bounds or Bounds())
        self._servers: list[tuple[_Server, socket.socket]] = []

    def add(self, app: ASGIApp, host: str, port: int, keys: str = "another address") -> str:
        """Takes an address for an application, and answers with its URL, as `listen` does."""
        listener = listen(host, port, keys)
        config = _config(app, partial(Connection, self._connections))
        self._servers.append((_Server(config, self._connections), listener))
        host, port = listener.getsockname()[:2]
        return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"

    async def run(self) -> None:
        """Serves until `stop`, or until cancelled; running requests are finished first."""
        loop = asyncio.get_running_loop()
        handler = loop.get_exception_handler()
        loop.set_exception_handler(self._connections.handler(handler))
        serving = [asyncio.create_task(server.serve(sockets=[listener])) for server, listener in self._servers]
        for task in serving:
            task.add_done_callback(lambda _: self.stop())
        try:
            await asyncio.shield(asyncio.gather(*serving))
        finally:
            self.stop()
            await asyncio.gather(*serving, return_exceptions=True)
            loop.set_exception_handler(handler)

    def stop(self) -> None:
        """Asks all of them to end."""
        for server, _ in self._servers:
            server.should_exit = True

    @contextlib.contextmanager
    def stopping_on_signals(self) -> Iterator[None]:
        """SIGTERM and SIGINT mean `stop` within the block."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self.stop)
        try:
            yield
        finally:
            for number in (signal.SIGTERM, signal.SIGINT):
                loop.remove_signal_handler(number)

    def close(self) -> None:
        """Gives the addresses back."""
        for _, listener in self._servers:
            listener.close()


def _config(app: ASGIApp, protocol: Any) -> uvicorn.Config:
    return uvicorn.Config(
        app,
        http=protocol,
        backlog=_AT_ONCE,
        access_log=False,  # it would hold the query, whose signature can be replayed
        log_config=None,
        log_level="error",  # it warns of each request that is none, which anybody may send
        lifespan="on",
        ws="none",
        proxy_headers=False,
        server_header=False,
        timeout_graceful_shutdown=int(GRACE.total_seconds()),
    )


class Uplink:
    """A delivery that exists before its connection does: until then each push is refused, and WeChat tries again."""

    def __init__(self, task_queue: str, connect: Callable[[], Awaitable[Client]]) -> None:
        self._task_queue = task_queue
        self._connect = connect
        self._client: Client | None = None
        self._delivery: TemporalDelivery | None = None

    async def connect(self) -> None:
        """Tries until Temporal answers; afterwards the client finds its way back by itself."""
        wait = RECONNECT_FIRST
        while self._client is None:
            try:
                self._client = await self._connect()
            except TemporalError as error:
                _LOG.warning("not connected", reason=str(error), again_in_seconds=wait.total_seconds())
                await asyncio.sleep(wait.total_seconds())
                wait = min(wait * 2, RECONNECT_LAST)
        self._delivery = TemporalDelivery(self._client, self._task_queue)
        _LOG.info("connected", namespace=self._client.namespace)

    async def is_ready(self) -> bool:
        """Whether Temporal answers right now."""
        return self._client is not None and await is_reachable(self._client, READY_TIMEOUT)

    async def __call__(self, appid: str, event: JobFinished) -> None:
        """Raises DeliveryError while there is no connection."""
        if self._delivery is None:
            raise DeliveryError("not connected to Temporal yet")
        await self._delivery(appid, event)


async def run_receiver(  # noqa: PLR0913  each keyword is one thing that a caller may want otherwise
    settings: Settings,
    *,
    host: str | None = None,
    port: int | None = None,
    on_started: Callable[[str], None] | None = None,
    handle_signals: bool = True,
    connect: Callable[[], Awaitable[Client]] = connect,
) -> None:
    """Serves the callback URLs until SIGTERM or SIGINT, or until cancelled; running pushes are finished first.

    It starts without Temporal as well: pushes and `/readyz` are answered with 503 until there is a connection.

    Args:
        settings: The accounts; `[receiver]` unless host and port are given. Port 0 takes a free one.
        host: Address to listen on.
        port: Port to listen on.
        on_started: Called once with the URL under which the receiver listens.
        handle_signals: False where the caller has handlers of its own and cancels.
        connect: Opens the connection to Temporal; called again where it raises TemporalError.

    Raises:
        ReceiverError: The configuration cannot be served, or the address cannot be listened on.
    """
    uplink = Uplink(settings.task_queue, connect)
    with contextlib.closing(Services()) as services:
        url = _listen(services, settings, uplink, host, port)
        with services.stopping_on_signals() if handle_signals else contextlib.nullcontext():
            connecting = asyncio.create_task(uplink.connect())
            connecting.add_done_callback(lambda task: _stop_if_failed(task, services))
            _LOG.info("listening", url=url)
            if on_started is not None:
                on_started(url)
            try:
                await services.run()
            finally:
                connecting.cancel()
                await asyncio.gather(connecting, return_exceptions=True)
    if not connecting.cancelled():
        connecting.result()
    # Temporal's threads may still hold the interpreter when it ends (temporalio/sdk-python issue 300).
    await asyncio.sleep(0.05)


def _listen(services: Services, settings: Settings, uplink: Uplink, host: str | None, port: int | None) -> str:
    """Takes the addresses of the receiver, whose URL is the answer, and of its metrics."""
    scraped, metrics = settings.metrics.receiver, ReceiverMetrics()
    app = create_app(settings, uplink, ready=uplink.is_ready, metrics=metrics)
    wanted = settings.receiver
    url = services.add(app, host or wanted.host, wanted.port if port is None else port, _RECEIVER_KEYS)
    if scraped:
        at, _, number = scraped.rpartition(":")
        _LOG.info("metrics", url=services.add(create_metrics_app(metrics), at.strip("[]"), int(number), _METRICS_KEY))
    return url


def _stop_if_failed(connecting: asyncio.Task[None], services: Services) -> None:
    """A receiver that will never be connected must not go on refusing pushes in silence."""
    if not connecting.cancelled() and connecting.exception() is not None:
        services.stop()
