"""How long each connection may take, and how many there may be.

uvicorn's own limits do not suffice:

- `timeout_keep_alive` begins after an answer, and any byte stops it. Who never ends the head of a request stays.
- `limit_concurrency` counts idle connections too, leaves them alone, and answers 503 to whoever comes next: to WeChat.
- `h11_max_incomplete_event_size` (16 KiB) bounds how long a head is in bytes, and not in time.
- Nothing bounds how long an answer may wait for a reader.
"""

import asyncio
import errno
import resource
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final

import structlog
from structlog.typing import FilteringBoundLogger
from uvicorn.protocols.http.flow_control import CLOSE_HEADER
from uvicorn.protocols.http.h11_impl import H11Protocol, RequestResponseCycle

CONNECTIONS_MAX: Final = 1000
_OUT_OF_DESCRIPTORS: Final = frozenset({errno.EMFILE, errno.ENFILE})
_EVERY: Final = 60.0
_LOG: Final[FilteringBoundLogger] = structlog.get_logger("qunfa.callback")
Handler = Callable[[asyncio.AbstractEventLoop, dict[str, Any]], object]


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
        """Whether no request is being answered."""
        cycle: RequestResponseCycle | None = self.cycle  # uvicorn does not say that there is none at first
        return cycle is None or cycle.response_complete

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
