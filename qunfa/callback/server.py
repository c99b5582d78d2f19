"""The receiver as a process: listening, connecting to Temporal, and stopping."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Final

import structlog
from starlette.applications import Starlette
from structlog.typing import FilteringBoundLogger
from temporalio.client import Client

from qunfa.callback.app import ReceiverError, create_app, create_metrics_app
from qunfa.callback.delivery import DeliveryError, TemporalDelivery
from qunfa.callback.metrics import ReceiverMetrics
from qunfa.callback.services import ListenError, Services
from qunfa.contract.result import JobFinished
from qunfa.settings import Settings
from qunfa.temporal.connection import TemporalError, connect, is_reachable

RECONNECT_FIRST: Final = timedelta(seconds=1)
RECONNECT_LAST: Final = timedelta(seconds=15)
READY_TIMEOUT: Final = timedelta(seconds=2)
_RECEIVER_KEYS: Final = "[receiver] host and port (QUNFA_RECEIVER__HOST, QUNFA_RECEIVER__PORT)"
_METRICS_KEY: Final = '[metrics] receiver (QUNFA_METRICS__RECEIVER) to a free "IP:port", or to "" for no metrics'
_LOG: Final[FilteringBoundLogger] = structlog.get_logger("qunfa.callback")


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
    url = _add(services, app, host or wanted.host, wanted.port if port is None else port, _RECEIVER_KEYS)
    if scraped:
        at, _, number = scraped.rpartition(":")
        _LOG.info("metrics", url=_add(services, create_metrics_app(metrics), at.strip("[]"), int(number), _METRICS_KEY))
    return url


def _add(services: Services, app: Starlette, host: str, port: int, keys: str) -> str:
    try:
        return services.add(app, host, port)
    except ListenError as error:
        raise ReceiverError(f"{error}; set {keys}") from None


def _stop_if_failed(connecting: asyncio.Task[None], services: Services) -> None:
    """A receiver that will never be connected must not go on refusing pushes in silence."""
    if not connecting.cancelled() and connecting.exception() is not None:
        services.stop()
