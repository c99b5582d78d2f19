"""The receiver as an ASGI application."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any, Final

from prometheus_client import CONTENT_TYPE_LATEST
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from qunfa.callback.answers import Desk, ReceiverMetrics
from qunfa.callback.delivery import Delivery, Handover
from qunfa.callback.forwarding import Forwarder
from qunfa.callback.gate import Gate, Sources, SourcesError, UsedSignatures
from qunfa.callback.pushes import Callback, Pushes, Reports
from qunfa.settings import CallbackSettings, Settings

DEADLINE: Final = timedelta(seconds=4)
"""WeChat hangs up after five seconds and tries again."""


class ReceiverError(Exception):
    """The receiver cannot start. The message says what to change."""


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
        ReceiverError: No account has a callback, or a list of addresses cannot be used.
    """
    span = 2 * settings.receiver.replay_window  # a signature of the near future is good for that long
    callbacks = _callbacks(settings, UsedSignatures(span))
    desk, forwarder = Desk(deadline, metrics or ReceiverMetrics()), Forwarder(span)
    hand_over = Handover(deliver, settings.receiver.results_per_second, span)
    pushes = Pushes(callbacks, settings.receiver.proxies, hand_over, forwarder, desk)
    reports = Reports(callbacks, hand_over, desk)

    async def healthz(_: Request) -> Response:
        return PlainTextResponse("ok")

    async def readyz(_: Request) -> Response:
        if ready is None or await ready():
            return PlainTextResponse("ready")
        return PlainTextResponse("Temporal cannot be reached", status_code=503)

    @asynccontextmanager
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
                events_token=callback.events_token.get_secret_value() if callback.events_token else None,
            )
    if not callbacks:
        raise ReceiverError(
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
        raise ReceiverError(f"{error}; correct the file, or sources_file under [accounts.NAME.callback]") from None
