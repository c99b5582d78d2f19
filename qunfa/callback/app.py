"""The receiver: an ASGI application, and the process that serves it and is connected to Temporal."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import timedelta
from typing import Any, Final

import structlog
from prometheus_client import CONTENT_TYPE_LATEST
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send
from structlog.typing import FilteringBoundLogger
from temporalio.client import Client

from qunfa.callback.answers import Desk, ReceiverMetrics
from qunfa.callback.delivery import Delivery, DeliveryError, Handover, TemporalDelivery
from qunfa.callback.gate import Gate, Sources, SourcesError, UsedSignatures
from qunfa.callback.pushes import EVENTS, Callback, Forwarder, Pushes, Reports
from qunfa.callback.server import Services
from qunfa.contract.result import JobFinished
from qunfa.settings import CallbackSettings, Settings, SettingsError
from qunfa.temporal.connection import TemporalConfigError, TemporalError, connect, is_reachable

DEADLINE: Final = timedelta(seconds=4)
"""WeChat hangs up after five seconds and tries again."""
RECONNECT_FIRST: Final = timedelta(seconds=1)
RECONNECT_LAST: Final = timedelta(seconds=15)
READY_TIMEOUT: Final = timedelta(seconds=2)
_RECEIVER_KEYS: Final = "[receiver] host and port (QUNFA_RECEIVER__HOST, QUNFA_RECEIVER__PORT)"
_METRICS_KEY: Final = '[metrics] receiver (QUNFA_METRICS__RECEIVER) to a free "IP:port", or to "" for no metrics'
_LOG: Final[FilteringBoundLogger] = structlog.get_logger("qunfa.callback")


def create_app(
    settings: Settings,
    deliver: Delivery,
    *,
    ready: Callable[[], Awaitable[bool]] | None = None,
    deadline: timedelta = DEADLINE,
    metrics: ReceiverMetrics | None = None,
) -> Starlette:
    """`/wechat/<account>` for WeChat, `/wechat/<account>/events` for others; `/healthz` and `/readyz`.

    Args:
        settings: The accounts that have a `[callback]` are served, and only those.
        deliver: Takes each finished job; `success` is answered once it returns.
        ready: Whether a push could be delivered now; always when None.
        deadline: Reading, delivering and forwarding a push may take this long; 503 afterwards.
        metrics: Where pushes are counted. `create_metrics_app` shows them, at an address that strangers do not reach.

    Raises:
        SettingsError: No account has a callback, or a list of addresses cannot be used.
    """
    span = 2 * settings.receiver.replay_window  # a signature of the near future is good for that long
    callbacks = _callbacks(settings, UsedSignatures(span))
    metrics = metrics or ReceiverMetrics()
    metrics.begin(callbacks, EVENTS)
    desk, forwarder = Desk(deadline, metrics), Forwarder(span)
    hand_over = Handover(deliver, settings.receiver.results_per_second, span)
    pushes = Pushes(callbacks, settings.receiver.proxies, hand_over, forwarder, desk)
    reports = Reports(callbacks, hand_over, desk)

    async def healthz(_: Request) -> Response:
        return PlainTextResponse("ok")

    async def readyz(_: Request) -> Response:
        if ready is None or await ready():
            return PlainTextResponse("ready")
        return PlainTextResponse("Temporal cannot be reached", status_code=503)

    @contextlib.asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        try:
            yield
        finally:
            desk.close()
            await forwarder.close()

    return _Receiver(
        pushes,
        routes=[
            Route("/wechat/{account}", pushes.verify, methods=["GET"]),
            Route("/wechat/{account}", pushes.receive, methods=["POST"]),
            Route("/wechat/{account}/events", reports.receive, methods=["POST"]),
            Route("/healthz", healthz, methods=["GET"]),
            Route("/readyz", readyz, methods=["GET"]),
        ],
        lifespan=lifespan,
    )


def create_metrics_app(metrics: ReceiverMetrics) -> Starlette:
    """`/metrics` alone, for an address of its own."""

    async def show(_: Request) -> Response:
        return Response(metrics.text(), media_type=CONTENT_TYPE_LATEST)

    return Starlette(routes=[Route("/metrics", show, methods=["GET"])])


class _Receiver(Starlette):
    """Takes pushes past the router, which would add 27 µs to some 100 µs for a push.

    A middleware or a handler of exceptions that somebody adds is used for pushes too.
    """

    def __init__(self, pushes: Pushes, **options: Any) -> None:
        super().__init__(**options)
        self.router.redirect_slashes = False  # nobody follows, and the address of a redirect quotes the query
        self._pushes = pushes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers a push; everything else finds its route."""
        account = _pushed_to(scope)
        if account is None or self.user_middleware or self.exception_handlers:
            await super().__call__(scope, receive, send)
            return
        scope["path_params"] = {"account": account}
        response = await self._pushes.take(scope, receive)
        await response(scope, receive, send)


def _pushed_to(scope: Scope) -> str | None:
    """The account in `POST /wechat/<account>`, as the route of the same path would find it; None for all else."""
    if scope["type"] != "http" or scope["method"] != "POST" or scope.get("root_path"):
        return None
    before, _, account = scope["path"].rpartition("/")
    return account if before == "/wechat" and account else None


def _callbacks(settings: Settings, used: UsedSignatures) -> dict[str, Callback]:
    """The accounts that have a `[callback]`, by name."""
    callbacks = {}
    for name, account in settings.accounts.items():
        if (callback := account.callback) is not None:
            callbacks[name] = Callback(
                appid=account.appid,
                original_id=callback.original_id,
                gate=Gate(account.appid, callback, settings.receiver.replay_window, used) if callback.tokens else None,
                sources=_sources(callback),
                forward_to=callback.forward_to,
                forward_results=callback.forward_results,
                events_tokens=callback.events_tokens,
            )
    if not callbacks:
        raise SettingsError(
            "no account has a callback: set [accounts.NAME.callback] token (or QUNFA_ACCOUNTS__NAME__CALLBACK__TOKEN) "
            "to the Token of WeChat's server configuration"
        )
    return callbacks


def _sources(callback: CallbackSettings) -> Sources | None:
    if not (callback.sources or callback.sources_file):
        return None
    try:
        return Sources(callback.sources, callback.sources_file)
    except SourcesError as error:
        raise SettingsError(f"{error}; correct the file, or sources_file under [accounts.NAME.callback]") from None


class Uplink:
    """A delivery that exists before its connection does: until then each push is refused, and WeChat tries again."""

    def __init__(self, task_queue: str, connect: Callable[[], Awaitable[Client]]) -> None:
        self._task_queue = task_queue
        self._connect = connect
        self._client: Client | None = None
        self._delivery: TemporalDelivery | None = None

    async def connect(self) -> None:
        """Tries until Temporal answers; afterwards the client finds its way back by itself.

        Raises:
            TemporalConfigError: Its configuration cannot be read; no repeat helps.
        """
        wait = RECONNECT_FIRST
        while self._client is None:
            try:
                self._client = await self._connect()
            except TemporalConfigError:
                raise
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
        connect: Opens the connection to Temporal; called again after each TemporalError but TemporalConfigError.

    Raises:
        SettingsError: The configuration cannot be served.
        ReceiverError: The address cannot be listened on.
        TemporalConfigError: Temporal's own configuration cannot be read.
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
