"""Collaborators of a process that tell a watcher which places it passes."""

from collections.abc import Mapping
from typing import Any, Final

import httpx
from temporalio import client, worker
from temporalio.client import Client, OutboundInterceptor, StartWorkflowInput, StartWorkflowUpdateWithStartInput
from temporalio.worker import ActivityInboundInterceptor, ExecuteActivityInput

from qunfa.contract.job import Answer
from qunfa.contract.ledger import Told
from qunfa.contract.steps import TellStep
from tests.faults.place import Place, Watcher

Around = tuple[Place | None, Place | None]

_AROUND: Final[dict[str, Around]] = {
    "claim": (Place.BEFORE_CLAIM, Place.AFTER_CLAIM),
    "reserve": (Place.BEFORE_RESERVE, Place.AFTER_LEASE),
    "push": (Place.BEFORE_PUSH, Place.AFTER_PUSH),
}
"""What lies before and after each message to the account's ledger; notes see below."""
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
    """Updates and signals to the account's ledger."""

    def __init__(self, next: OutboundInterceptor, watcher: Watcher) -> None:  # noqa: A002  Temporal's own name
        super().__init__(next)
        self._watcher = watcher

    async def start_update_with_start_workflow(self, input: StartWorkflowUpdateWithStartInput) -> Any:  # noqa: A002
        before, after = _AROUND.get(input.update_workflow_input.update, _NOWHERE)
        await self._watcher.passes(before)
        handle = await super().start_update_with_start_workflow(input)
        await self._watcher.passes(after)
        return handle

    async def start_workflow(self, input: StartWorkflowInput) -> Any:  # noqa: A002  Temporal's own name
        before, after = _around(input)
        await self._watcher.passes(before)
        handle = await super().start_workflow(input)
        await self._watcher.passes(after)
        return handle


def _around(call: StartWorkflowInput) -> Around:
    """A note is told apart by what it says: an answer that is no acceptance is no place of its own."""
    match call.start_signal_args:
        case [Told(answer=Answer(kind="accepted"))]:
            return Place.BEFORE_TOLD, Place.AFTER_TOLD
        case [Told(ended_as=str())]:
            return None, Place.AFTER_END
        case _:
            return _AROUND.get(call.start_signal or "", _NOWHERE)


class _Activities(ActivityInboundInterceptor):
    """The outermost layer around an activity: whatever it returns is reported only after it."""

    def __init__(self, next: ActivityInboundInterceptor, watcher: Watcher) -> None:  # noqa: A002  Temporal's own name
        super().__init__(next)
        self._watcher = watcher

    async def execute_activity(self, input: ExecuteActivityInput) -> Any:  # noqa: A002  Temporal's own name
        match input.args:
            case [TellStep(note=Told(ended_as=str()))]:
                await self._watcher.passes(Place.AFTER_RETURN)
        returned = await super().execute_activity(input)
        match returned:
            case Answer(kind="accepted"):
                await self._watcher.passes(Place.BEFORE_RETURN)
        return returned
