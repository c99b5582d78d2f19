"""The rehearsal's Temporal: in a session of its own, so that Ctrl-C reaches the rehearsal alone, which then ends it."""

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

from temporalio.client import Client
from temporalio.runtime import Runtime

from qunfa.cli.demo.children import Child
from qunfa.cli.demo.ports import LOCALHOST
from qunfa.temporal.connection import TemporalUnreachable, connect
from qunfa.temporal.namespace import register_search_attributes
from tests.e2e.staging import temporal_at
from tests.looking import PATIENCE
from tests.ports import free_ports
from tests.temporal import FINE_TIMERS, binary

_ASK_AGAIN_SECONDS: Final = 0.05


@asynccontextmanager
async def own_server(folder: Path, runtime: Runtime) -> AsyncIterator[Client]:
    """A connection to a server that does not outlive the block, nor this process; its log goes to the folder."""
    [port] = free_ports(1)
    command = [
        *(binary("temporal"), "server", "start-dev", "--headless", "--ip", LOCALHOST, "--port", str(port)),
        *("--log-level", "error", "--dynamic-config-value", FINE_TIMERS),
    ]
    child = await Child.start("temporal", command, {**os.environ, "TEMPORAL_CONFIG_FILE": os.devnull}, folder)
    try:
        with temporal_at(f"{LOCALHOST}:{port}"):
            client = await _connected(child, runtime)
        await register_search_attributes(client)
        yield client
    finally:
        await child.stop()


async def _connected(child: Child, runtime: Runtime) -> Client:
    async with asyncio.timeout(PATIENCE):
        while True:
            try:
                return await connect(runtime=runtime)
            except TemporalUnreachable:
                await asyncio.wait({child.ended}, timeout=_ASK_AGAIN_SECONDS)
            if child.ended.done():
                raise child.died()
