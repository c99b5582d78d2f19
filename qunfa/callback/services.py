"""Listening: several applications in one process that start and stop together."""

import asyncio
import contextlib
import signal
import socket
from collections.abc import Iterator
from datetime import timedelta
from functools import partial
from typing import Any, Final

import uvicorn
from starlette.types import ASGIApp

from qunfa.callback.connections import Bounds, Connection, Connections

GRACE: Final = timedelta(seconds=10)
"""How long running pushes may finish after a stop: more than their own deadline."""


_BACKLOG: Final = 2048
_AT_ONCE: Final = 16
"""Connections that asyncio accepts before anything else happens, of which none is closed meanwhile."""


class ListenError(Exception):
    """An address cannot be listened on. The message says which and why."""


def listen(host: str, port: int) -> socket.socket:
    """A listening socket whose connections send at once; port 0 takes a free one.

    Raises:
        ListenError: The address cannot be had.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        listener = socket.create_server((host, port), family=family, backlog=_BACKLOG)
    except OSError as error:
        raise ListenError(f"cannot listen on {host} port {port}: {error.strerror or error}") from None
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

    def add(self, app: ASGIApp, host: str, port: int) -> str:
        """Takes an address for an application, and answers with its URL; port 0 takes a free one.

        Raises:
            ListenError: The address cannot be had.
        """
        listener = listen(host, port)
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
    def stopping_on_signals(self) -> Iterator[None]:
        """SIGTERM and SIGINT mean `stop` within the block."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self.stop)
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
        log_level="warning",
        lifespan="on",
        ws="none",
        proxy_headers=False,
        server_header=False,
        timeout_graceful_shutdown=int(GRACE.total_seconds()),
    )
