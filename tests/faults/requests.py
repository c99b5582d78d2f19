"""Requests to a receiver that tell a watcher when they have been read."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from unittest.mock import patch

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from qunfa.callback.app import create_app
from tests.faults.place import Place, Watcher


@contextmanager
def watched_requests(watcher: Watcher) -> Iterator[None]:
    """The receivers that are started within the block are watched."""

    def watched(*arguments: Any, **options: Any) -> "_Reading":
        return _Reading(create_app(*arguments, **options), watcher)

    with patch("qunfa.callback.server.create_app", watched):
        yield


class _Reading:
    """The application, between which and the network the body of a push is looked at as it comes."""

    def __init__(self, app: ASGIApp, watcher: Watcher) -> None:
        self._app = app
        self._watcher = watcher

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def receiving() -> Message:
            message = await receive()
            if message["type"] == "http.request" and not message.get("more_body", False):
                await self._watcher.passes(Place.AFTER_BODY)
            return message

        pushed = scope["type"] == "http" and scope["method"] == "POST"
        await self._app(scope, receiving if pushed else receive, send)
