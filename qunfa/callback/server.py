"""Listening: which connections there may be, how long each may take, and the addresses of applications.

uvicorn's own limits do not suffice:

- `timeout_keep_alive` begins after an answer, and any byte stops it. Who never ends the head of a request stays.
- `limit_concurrency` counts idle connections too, leaves them alone, and answers 503 to whoever comes next: to WeChat.
- `h11_max_incomplete_event_size` (16 KiB) bounds how long a head is in bytes, and not in time.
- Nothing bounds how long an answer may wait for a reader.
"""

import asyncio
import contextlib
import errno
import resource
import signal
import socket
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial
from typing import Any, Final

import structlog
import uvicorn
from starlette.types import ASGIApp
from structlog.typing import FilteringBoundLogger
from uvicorn.protocols.http.flow_control import CLOSE_HEADER
from uvicorn.protocols.http.h11_impl import H11Protocol, RequestResponseCycle

CONNECTIONS_MAX: Final = 1000
_OUT_OF_DESCRIPTORS: Final = frozenset({errno.EMFILE, errno.ENFILE})
_EVERY: Final = 60.0
GRACE: Final = timedelta(seconds=10)
"""How long running pushes may finish after a stop: more than their own deadline."""
_BACKLOG: Final = 2048
_AT_ONCE: Final = 16
"""Connections that asyncio accepts before anything else happens, of which none is closed meanwhile."""
_LOG: Final[FilteringBoundLogger] = structlog.get_logger("qunfa.callback")
Handler = Callable[[asyncio.AbstractEventLoop, dict[str, Any]], object]


class ReceiverError(Exception):
    """The receiver cannot start. The message says what to change."""


def of_descriptors(share: int, most: int) -> int:
    """One part in `share` of the file descriptors that this process may have, and no more than `most`."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return most if soft == resource.RLIM_INFINITY else max(1, min(most, soft // share))


@dataclass(frozen=True, slots=True)
class Bounds:
    """Seconds for a head, also where nothing is said, and for all that follows; connections without a request, and all.

    WeChat gives up after five seconds. A request is answered within four, by `DEADLINE`.
    """

    head: float = 5.0
    request: float = 10.0
    idle: int = field(default_factory=lambda: of_descriptors(4, CONNECTIONS_MAX // 2))
    all: int = field(default_factory=lambda: of_descriptors(2, CONNECTIONS_MAX))


class Connections:
    """All connections of a process. One too many ends the oldest one that waits for its other side."""

    def __init__(self, bounds: Bounds) -> None:
        self._bounds = bounds
        self._open: set[Connection] = set()
        self._told = -_EVERY

    def __len__(self) -> int:
        return len(self._open)

    def add(self, connection: "Connection") -> None:
        """Counts a new one. It ends at once where all others have whole requests."""
        self._open.add(connection)
        if len(self._open) <= self._bounds.idle:
            return
        idle = [one for one in self._open if one.is_idle]
        if len(idle) > self._bounds.idle:
            self._end(min(idle, key=_since))
        elif len(self._open) > self._bounds.all:
            self._end_waiting_one()

    def discard(self, connection: "Connection") -> None:
        """Forgets one that has ended."""
        self._open.discard(connection)

    def end_late_ones(self) -> None:
        """Ends those that take longer than they may."""
        now = time.monotonic()
        for one in list(self._open):
            if now - one.since > (self._bounds.head if one.is_idle else self._bounds.request):
                self._end(one)

    def handler(self, other: Handler | None) -> Handler:
        """An event loop's handler of errors. Errors that are not about descriptors go to `other`.

        asyncio reports each connection that it cannot accept, many times a second. Here that is a line a minute.
        """

        def handle(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
            error = context.get("exception")
            if isinstance(error, OSError) and error.errno in _OUT_OF_DESCRIPTORS:
                self._make_room(error)
            elif other is not None:
                other(loop, context)
            else:
                loop.default_exception_handler(context)

        return handle

    def _make_room(self, error: OSError) -> None:
        self._end_waiting_one()
        if time.monotonic() - self._told >= _EVERY:
            self._told = time.monotonic()
            _LOG.error(
                "no connection accepted",
                reason=f"{error.strerror}: raise the limit of open files (ulimit -n, LimitNOFILE); told once a minute",
                connections=len(self._open),
            )

    def _end_waiting_one(self) -> None:
        """The one that has said nothing whole for the longest time. WeChat sends a body right after its head."""
        if waiting := [one for one in self._open if one.is_waiting]:
            self._end(min(waiting, key=_since))

    def _end(self, connection: "Connection") -> None:
        """It no longer counts, although asyncio closes it only in its next round."""
        self._open.discard(connection)
        connection.transport.abort()


class Connection(H11Protocol):
    """One connection. `since` is when what it does now began: to wait for a request, or to answer one."""

    def __init__(self, connections: Connections, **options: Any) -> None:
        super().__init__(**options)
        self._connections = connections
        self.since = time.monotonic()

    @property
    def is_idle(self) -> bool:
        """Whether no request is being answered: the last answer has been taken to its end."""
        cycle: RequestResponseCycle | None = self.cycle  # uvicorn does not say that there is none at first
        return cycle is None or (cycle.response_complete and not self.transport.get_write_buffer_size())

    @property
    def is_waiting(self) -> bool:
        """Whether a request is awaited, or the rest of one."""
        return self.is_idle or self.cycle.more_body

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as in uvicorn
        """Counts."""
        super().connection_made(transport)
        self._connections.add(self)

    def connection_lost(self, exc: Exception | None) -> None:
        """Counts no more."""
        self._connections.discard(self)
        super().connection_lost(exc)

    def handle_events(self) -> None:
        """Looks at what has come; afterwards a new request may have begun."""
        before = self.cycle
        super().handle_events()
        if self.cycle is not before:
            self.since = time.monotonic()
            names = {name for name, _ in self.headers}
            if b"content-length" in names and b"transfer-encoding" in names:  # RFC 9112, 6.1: who reads it otherwise
                self.headers.append(CLOSE_HEADER)  # would see another request behind it; none follows on this one

    def send_400_response(self, msg: str) -> None:
        """Ends a request whose rest is none: who answers it hears that nobody is there. uvicorn would answer twice."""
        cycle: RequestResponseCycle | None = self.cycle
        if cycle is not None and cycle.more_body:
            cycle.disconnected = True
            cycle.message_event.set()
            if cycle.response_started:
                self.transport.close()
                return
        super().send_400_response(msg)

    def on_response_complete(self) -> None:
        """The next request may begin, and its time."""
        self.since = time.monotonic()
        super().on_response_complete()


def _since(connection: Connection) -> float:
    return connection.since


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
    def stopping_on_signals(self, also: Callable[[], object] = bool) -> Iterator[None]:
        """SIGTERM and SIGINT mean `stop` within the block, and `also` this."""
        loop = asyncio.get_running_loop()

        def stop() -> None:
            self.stop()
            also()

        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, stop)
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
