"""Collaborators of a process that tell a watcher which places it passes."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final
from unittest.mock import patch

import httpx
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from temporalio import client, worker
from temporalio.client import (
    Client,
    OutboundInterceptor,
    StartWorkflowInput,
    StartWorkflowUpdateInput,
    StartWorkflowUpdateWithStartInput,
    WorkflowUpdateHandle,
)
from temporalio.worker import ActivityInboundInterceptor, ExecuteActivityInput

from qunfa.callback.app import create_app
from qunfa.contract.facts import Known, Try
from qunfa.contract.grants import Report
from qunfa.contract.result import Answer
from tests.faults.place import Place, Watcher

Around = tuple[Place | None, Place | None]

_AROUND: Final[dict[str, Around]] = {
    "wish": (Place.BEFORE_WISH, Place.AFTER_WISH),
    "wants": (Place.BEFORE_WISH, Place.AFTER_WISH),
    "push": (Place.BEFORE_PUSH, Place.AFTER_PUSH),
}
"""What lies before and after each update and signal to the account; reports see below."""
_NOWHERE: Final[Around] = (None, None)
_WRITING: Final = "http11.send_request_headers.started"
_WRITTEN: Final = "http11.send_request_body.complete"


def watched_client(client: Client, watcher: Watcher) -> Client:
    """The same connection, whose calls are watched, as are the activities of its workers."""
    config = client.config()
    config["interceptors"] = [_Watch(watcher)]
    return Client(**config)


def watch_http(http: httpx.AsyncClient, watcher: Watcher) -> None:
    """Watch the calls that submit something."""

    async def asking(request: httpx.Request) -> None:
        if _submits(request):
            request.extensions = {**request.extensions, "trace": _Trace(watcher, request.extensions.get("trace"))}
        else:
            # A submission then has a new connection, which the server does not give up while the process sleeps.
            request.headers["Connection"] = "close"

    async def answered(response: httpx.Response) -> None:
        if _submits(response.request):
            await watcher.passes(Place.AFTER_ACCEPTANCE)

    http.event_hooks = {"request": [asking], "response": [answered]}


def _submits(request: httpx.Request) -> bool:
    return request.url.path.endswith(("/mass/sendall", "/mass/send"))


class _Trace:
    """A trace for httpcore, in front of the one that the product has set."""

    def __init__(self, watcher: Watcher, following: Any) -> None:
        self._watcher = watcher
        self._following = following

    async def __call__(self, event: str, info: Mapping[str, Any]) -> None:
        if event == _WRITING:
            await self._watcher.passes(Place.BEFORE_WRITE)
        if self._following is not None:
            await self._following(event, info)
        if event == _WRITING:
            await self._watcher.passes(Place.AT_WRITE)
        if event == _WRITTEN:
            await self._watcher.passes(Place.AFTER_WRITE)


class _Watch(client.Interceptor, worker.Interceptor):
    def __init__(self, watcher: Watcher) -> None:
        self._watcher = watcher

    def intercept_client(self, next: OutboundInterceptor) -> OutboundInterceptor:  # noqa: A002  Temporal's own name
        return _Messages(next, self._watcher)

    def intercept_activity(self, next: ActivityInboundInterceptor) -> ActivityInboundInterceptor:  # noqa: A002
        return _Activities(next, self._watcher)


class _Messages(OutboundInterceptor):
    """Updates and signals to the account."""

    def __init__(self, next: OutboundInterceptor, watcher: Watcher) -> None:  # noqa: A002  Temporal's own name
        super().__init__(next)
        self._watcher = watcher

    async def start_workflow(self, input: StartWorkflowInput) -> Any:  # noqa: A002  Temporal's own name
        before, after = _around(input)
        await self._watcher.passes(before)
        handle = await super().start_workflow(input)
        await self._watcher.passes(after)
        return handle

    async def start_workflow_update(self, input: StartWorkflowUpdateInput) -> WorkflowUpdateHandle[Any]:  # noqa: A002
        before, after = _AROUND.get(input.update, _NOWHERE)
        await self._watcher.passes(before)
        handle = await super().start_workflow_update(input)
        await self._watcher.passes(after)
        return handle

    async def start_update_with_start_workflow(
        self,
        input: StartWorkflowUpdateWithStartInput,  # noqa: A002  Temporal's own name
    ) -> WorkflowUpdateHandle[Any]:
        before, after = _AROUND.get(input.update_workflow_input.update, _NOWHERE)
        await self._watcher.passes(before)
        handle = await super().start_update_with_start_workflow(input)
        await self._watcher.passes(after)
        return handle


def _around(call: StartWorkflowInput) -> Around:
    """A report is told apart by what it says: only one that WeChat has accepted the try is a place of its own."""
    match call.start_signal_args:
        case [Report(known=Known(tries=[Try(answer=Answer(kind="accepted"))]), ended=None)]:
            return Place.BEFORE_TOLD, Place.AFTER_TOLD
        case _:
            return _AROUND.get(call.start_signal or "", _NOWHERE)


class _Activities(ActivityInboundInterceptor):
    """The outermost layer around an activity: whatever it returns is reported only after it."""

    def __init__(self, next: ActivityInboundInterceptor, watcher: Watcher) -> None:  # noqa: A002  Temporal's own name
        super().__init__(next)
        self._watcher = watcher

    async def execute_activity(self, input: ExecuteActivityInput) -> Any:  # noqa: A002  Temporal's own name
        returned = await super().execute_activity(input)
        match returned:
            case Answer(kind="accepted"):
                await self._watcher.passes(Place.BEFORE_RETURN)
        return returned


@contextmanager
def watched_requests(watcher: Watcher) -> Iterator[None]:
    """The receivers that are started within the block are watched."""

    def watched(*arguments: Any, **options: Any) -> "_Reading":
        return _Reading(create_app(*arguments, **options), watcher)

    with patch("qunfa.callback.app.create_app", watched):
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
