"""The receiver as an ASGI application."""

from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Final

from prometheus_client import CONTENT_TYPE_LATEST
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from qunfa.callback.delivery import Delivery
from qunfa.callback.metrics import ReceiverMetrics
from qunfa.callback.pushes import Pushes
from qunfa.settings import AccountSettings, Settings

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
) -> Starlette:
    """`/wechat/<account>` for WeChat; `/healthz`, `/readyz` and `/metrics` for those who run it.

    Args:
        settings: The accounts that have a `[callback]` are served, and only those.
        deliver: Takes each finished job; `success` is answered once it returns.
        ready: Whether a push could be delivered now; always when None.
        deadline: Reading and delivering a push may take this long; 503 afterwards.

    Raises:
        ReceiverError: No account has a callback, or one asks for what this version does not serve.
    """
    _check(settings)
    metrics = ReceiverMetrics()
    pushes = Pushes(settings.accounts, deliver, deadline, metrics)

    async def healthz(_: Request) -> Response:
        return PlainTextResponse("ok")

    async def readyz(_: Request) -> Response:
        if ready is None or await ready():
            return PlainTextResponse("ready")
        return PlainTextResponse("Temporal cannot be reached", status_code=503)

    async def show_metrics(_: Request) -> Response:
        return Response(metrics.text(), media_type=CONTENT_TYPE_LATEST)

    return Starlette(
        routes=[
            Route("/wechat/{account}", pushes.verify, methods=["GET"]),
            Route("/wechat/{account}", pushes.receive, methods=["POST"]),
            Route("/healthz", healthz, methods=["GET"]),
            Route("/readyz", readyz, methods=["GET"]),
            Route("/metrics", show_metrics, methods=["GET"]),
        ]
    )


def _check(settings: Settings) -> None:
    if not any(account.callback for account in settings.accounts.values()):
        raise ReceiverError(
            "no account has a callback: set [accounts.NAME.callback] token (or QUNFA_ACCOUNTS__NAME__CALLBACK__TOKEN) "
            "to the Token of WeChat's server configuration"
        )
    for name, account in settings.accounts.items():
        _check_account(name, account)


def _check_account(name: str, account: AccountSettings) -> None:
    if account.callback is None:
        return
    if account.callback.mode != "plain":
        raise ReceiverError(
            f'accounts.{name}.callback.mode is "{account.callback.mode}", and this version serves plain mode only: set '
            'mode = "plain" here, and plain mode (明文模式) in WeChat\'s server configuration of the account'
        )
    if account.callback.forward_to is not None:
        raise ReceiverError(
            f"accounts.{name}.callback.forward_to is set, and this version forwards nothing: it would answer success "
            "to every message that is not a mass send's and drop it. Remove forward_to if nobody needs those"
        )
