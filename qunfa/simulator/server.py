"""The HTTP application, and how it is run: in the current event loop for tests, or as a process of its own."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import signal
import socket
from collections.abc import Callable, Iterator
from types import TracebackType
from typing import Final, Self

import uvicorn
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.routing import Route
from uvicorn.protocols.http.h11_impl import H11Protocol

from qunfa.simulator import control, reports
from qunfa.simulator.config import SimulatorConfig
from qunfa.simulator.gateway import ENDPOINTS, TRANSPORT, Gateway, check_fault
from qunfa.simulator.jobs import MsgIds
from qunfa.simulator.world import World

_IDLE: Final = 75
"""Seconds for which an idle connection stays open, as with nginx. Where both sides wait equally long (httpx and uvicorn
take five), a call may meet the end of its connection."""


class _Protocol(H11Protocol):
    """Hands the connection on to the application, which may have to reset it."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn narrows it
        self.app_state = {**self.app_state, TRANSPORT: transport}
        # URLs carry access tokens; whoever configures logging later must not switch their log on.
        self.access_log = False
        super().connection_made(transport)


class _Server(uvicorn.Server):
    """A server that leaves signals alone and lets held calls go before it stops."""

    def __init__(self, config: uvicorn.Config, close: Callable[[], object]) -> None:
        super().__init__(config)
        self.ready = asyncio.Event()
        self._close = close

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.ready.set()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self._close()
        await super().shutdown(sockets)


class Simulator:
    """A simulator on a port of this machine, in the current event loop.

    Use it as an async context manager, or call `start` and `close`. Its state is kept in memory: nothing survives
    `close`.

    Args:
        config: accounts, times and limits; without it there are no accounts.
        host: address to listen on.
        port: port; 0 takes a free one.
    """

    def __init__(self, config: SimulatorConfig | None = None, host: str = "127.0.0.1", port: int = 0) -> None:
        """Raises ValueError where a fault of the configuration is for an endpoint that does not exist."""
        self._world = _begin(config or SimulatorConfig())
        self._address = host, port
        self._server: _Server | None = None
        self._serving: asyncio.Task[None] | None = None
        self._url = ""

    @property
    def url(self) -> str:
        """Where it listens, without a slash at the end; takes the place of https://api.weixin.qq.com."""
        return self._url

    @property
    def world(self) -> World:
        """Its state, to look at and to plan faults in. `reset` replaces it, so do not keep it."""
        return self._world

    async def reset(self, config: SimulatorConfig | None = None) -> None:
        """Begin anew on the same port, with another configuration if one is given; msg_ids go on where they stood."""
        old = self._world
        self._world = _begin(config or old.config, old.msg_ids)
        await old.close()

    async def start(self) -> None:
        """Listen.

        Raises:
            OSError: the address cannot be had.
        """
        listener = _listen(*self._address)
        host, port = listener.getsockname()[:2]
        self._url = f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
        apis = [Route(endpoint.path, Gateway(endpoint)) for endpoint in ENDPOINTS]
        app = Starlette(
            routes=[*apis, *control.ROUTES, *reports.ROUTES], exception_handlers={HTTPException: control.refuse}
        )
        app.state.simulator = self
        config = uvicorn.Config(
            app,
            http=_Protocol,
            ws="none",
            log_config=None,
            access_log=False,
            lifespan="off",
            server_header=False,
            timeout_keep_alive=_IDLE,
        )
        self._server = _Server(config, self._let_go)
        self._serving = asyncio.create_task(self._server.serve([listener]))
        await self._server.ready.wait()

    async def close(self) -> None:
        """Stop listening and everything that runs."""
        if self._server is not None and self._serving is not None:
            self._server.should_exit = True
            await self._serving
            self._server = self._serving = None
        await self._world.close()

    def _let_go(self) -> None:
        self._world.let_go()

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()


def serve(
    config: SimulatorConfig,
    host: str = "127.0.0.1",
    port: int = 0,
    *,
    on_started: Callable[[str], object] | None = None,
) -> None:
    """Run a simulator until SIGINT or SIGTERM.

    Args:
        config: accounts, times and limits.
        host: address to listen on.
        port: port; 0 takes a free one.
        on_started: called with the URL once it listens.

    Raises:
        OSError: the address cannot be had.
    """
    # httpx logs the URL of each push, and with it a signature that could be replayed.
    for name in ("httpx", "uvicorn"):
        logging.getLogger(name).setLevel(logging.WARNING)
    asyncio.run(_serve(config, host, port, on_started))


async def _serve(config: SimulatorConfig, host: str, port: int, on_started: Callable[[str], object] | None) -> None:
    stop, loop = asyncio.Event(), asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    async with Simulator(config, host, port) as simulator:
        if on_started is not None:
            on_started(simulator.url)
        await stop.wait()


def _listen(host: str, port: int) -> socket.socket:
    listener = socket.create_server((host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET)
    # asyncio sets it only where it made the socket; without it each answer waits 40 ms for an ACK.
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return listener


def _begin(config: SimulatorConfig, msg_ids: MsgIds | None = None) -> World:
    for fault in config.faults:
        check_fault(fault)
    return World(config, msg_ids)
