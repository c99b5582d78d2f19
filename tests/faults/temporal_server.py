"""A Temporal server of its own, on a file: it may be killed and started again."""

import asyncio
import os
import signal
from asyncio.subprocess import DEVNULL, Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from temporalio.client import Client
from temporalio.service import RPCError

from qunfa.temporal.connection import TemporalUnreachable, connect, is_gone
from tests.e2e.staging import temporal_at
from tests.looking import PATIENCE
from tests.ports import free_address
from tests.temporal import server_command

_ASK_AGAIN_SECONDS = 0.1


class TemporalServer:
    """Always on the same port and the same file, which holds what was there before."""

    def __init__(self, file: Path) -> None:
        self.address = free_address()
        self._file = file
        self._process: Process | None = None

    async def start(self) -> Client:
        """Start it; a connection to it, once it answers."""
        self._process = await asyncio.create_subprocess_exec(
            *server_command(self.address, file=self._file),
            stdin=DEVNULL,
            stdout=DEVNULL,
            stderr=DEVNULL,
            env={**os.environ, "TEMPORAL_CONFIG_FILE": os.devnull},
        )
        ended = asyncio.ensure_future(self._process.wait())
        async with asyncio.timeout(PATIENCE):
            while (client := await self._connected()) is None:
                await asyncio.wait({ended}, timeout=_ASK_AGAIN_SECONDS)
                assert not ended.done(), "Temporal has ended by itself"
        ended.cancel()
        return client

    async def _connected(self) -> Client | None:
        """A connection, where it answers and each of its services knows of the namespace."""
        with temporal_at(self.address):
            try:
                client = await connect()
                await client.get_workflow_handle("nobody's").describe()
            except TemporalUnreachable:
                return None
            except RPCError as error:
                return client if is_gone(error) else None
        return client

    def stop(self) -> None:
        """Put it to sleep: its connections stand, and nobody answers. On a crowded machine that takes a moment."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)
        os.waitid(os.P_PID, self._process.pid, os.WSTOPPED | os.WNOWAIT)

    def wake(self) -> None:
        """Let it go on."""
        assert self._process is not None
        self._process.send_signal(signal.SIGCONT)

    async def kill(self) -> None:
        """End it at once, as when its machine fails."""
        if self._process is not None and self._process.returncode is None:
            self._process.kill()
            await self._process.wait()


@asynccontextmanager
async def temporal_server(file: Path) -> AsyncIterator[TemporalServer]:
    """One that does not outlive the block; it is not started yet."""
    server = TemporalServer(file)
    try:
        yield server
    finally:
        await server.kill()
