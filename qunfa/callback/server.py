"""The receiver as a process: listening, connecting to Temporal, and stopping."""

import asyncio
import contextlib
import signal
import socket
from collections.abc import Awaitable, Callable, Iterator
from datetime import timedelta
from typing import Final

import structlog
import uvicorn
from temporalio.client import Client

from qunfa import temporal
from qunfa.callback.app import ReceiverError, create_app
from qunfa.callback.delivery import DeliveryError, TemporalDelivery
from qunfa.contract.event import JobFinished
from qunfa.settings import Settings

RECONNECT_FIRST: Final = timedelta(seconds=1)
RECONNECT_LAST: Final = timedelta(seconds=15)
READY_TIMEOUT: Final = timedelta(seconds=2)
GRACE: Final = timedelta(seconds=10)
"""How long running pushes may finish after a stop: more than their own deadline."""

_LOG: Final = structlog.stdlib.get_logger("qunfa.callback")


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
            except temporal.TemporalError as error:
                _LOG.warning("not connected", reason=str(error), again_in_seconds=wait.total_seconds())
                await asyncio.sleep(wait.total_seconds())
                wait = min(wait * 2, RECONNECT_LAST)
        self._delivery = TemporalDelivery(self._client, self._task_queue)
        _LOG.info("connected", namespace=self._client.namespace)

    async def is_ready(self) -> bool:
        """Whether Temporal answers right now."""
        return self._client is not None and await temporal.is_reachable(self._client, READY_TIMEOUT)

    async def __call__(self, appid: str, event: JobFinished) -> None:
        """Raises DeliveryError while there is no connection."""
        if self._delivery is None:
            raise DeliveryError("not connected to Temporal yet")
        await self._delivery(appid, event)


class _Server(uvicorn.Server):
    """Leaves signals to others: uvicorn takes them all, and raises them again after a clean stop."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


async def run_receiver(  # noqa: PLR0913  each keyword is one thing that a caller may want otherwise
    settings: Settings,
    *,
    host: str | None = None,
    port: int | None = None,
    on_started: Callable[[str], None] | None = None,
    handle_signals: bool = True,
    connect: Callable[[], Awaitable[Client]] = temporal.connect,
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
    app = create_app(settings, uplink, ready=uplink.is_ready)
    listener = _listen(host or settings.receiver.host, settings.receiver.port if port is None else port)
    server = _Server(_config(app))
    with listener, _stopping(server) if handle_signals else contextlib.nullcontext():
        serving = asyncio.create_task(server.serve(sockets=[listener]))
        connecting = asyncio.create_task(uplink.connect())
        connecting.add_done_callback(lambda task: _stop_if_failed(task, server))
        _announce(listener, on_started)
        try:
            await asyncio.shield(serving)
        finally:
            server.should_exit = True
            connecting.cancel()
            await asyncio.gather(serving, connecting, return_exceptions=True)
    if not connecting.cancelled():
        connecting.result()
    # Temporal's threads may still hold the interpreter when it ends (temporalio/sdk-python issue 300).
    await asyncio.sleep(0.05)


def _stop_if_failed(connecting: asyncio.Task[None], server: uvicorn.Server) -> None:
    """A receiver that will never be connected must not go on refusing pushes in silence."""
    if not connecting.cancelled() and connecting.exception() is not None:
        server.should_exit = True


def _config(app: object) -> uvicorn.Config:
    return uvicorn.Config(
        app,  # type: ignore[arg-type]
        access_log=False,  # it would hold the query, whose signature can be replayed
        log_config=None,
        log_level="warning",
        lifespan="off",
        ws="none",
        proxy_headers=False,
        server_header=False,
        timeout_graceful_shutdown=int(GRACE.total_seconds()),
    )


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=2048)
    except OSError as error:
        raise ReceiverError(
            f"cannot listen on {host} port {port}: {error.strerror or error}; set [receiver] host and port "
            "(QUNFA_RECEIVER__HOST, QUNFA_RECEIVER__PORT)"
        ) from None


def _announce(listener: socket.socket, on_started: Callable[[str], None] | None) -> None:
    host, port = listener.getsockname()[:2]
    url = f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
    _LOG.info("listening", url=url)
    if on_started is not None:
        on_started(url)


@contextlib.contextmanager
def _stopping(server: uvicorn.Server) -> Iterator[None]:
    loop = asyncio.get_running_loop()

    def stop() -> None:
        server.should_exit = True

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop)
    try:
        yield
    finally:
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.remove_signal_handler(number)
