"""What a worker does again and again; and its pulse.

Those who restart a worker see by its pulse that its event loop goes on, and that Temporal answers it.
"""

import asyncio
import os
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Final

import structlog
from structlog.typing import FilteringBoundLogger
from temporalio.client import Client

from qunfa.temporal.connection import is_reachable

EVERY: Final = timedelta(seconds=15)
_ANSWER_WITHIN: Final = timedelta(seconds=5)
_SOCKET: Final = "NOTIFY_SOCKET"
_LOG: Final[FilteringBoundLogger] = structlog.get_logger("qunfa.pulse")
Look = asyncio.Task[None]
"""What looks again and again. It is over once it is cancelled, or by a mistake."""


@asynccontextmanager
async def again_and_again(look: Callable[[], Awaitable[None]], every: timedelta, name: str) -> AsyncIterator[Look]:
    """Look now and then for as long as the block lasts. A mistake ends the looks, and is seen in the log."""

    async def looks() -> None:
        while True:
            await look()
            await asyncio.sleep(every.total_seconds())

    def log_end(task: asyncio.Task[None]) -> None:
        if not task.cancelled() and (error := task.exception()):
            _LOG.error("this worker looks no more, and so it ends; report this", looks=name, exc_info=error)

    task = asyncio.create_task(looks(), name=name)
    task.add_done_callback(log_end)
    try:
        yield task
    finally:
        task.cancel()
        await asyncio.wait({task})


class Pulse:
    """Touches a file while Temporal answers, and tells systemd's watchdog in any case.

    systemd kills at once: not for an outage of Temporal, in which a try may be under way. Who looks at the file's age
    stops the worker gently.
    """

    def __init__(self, client: Client, file: Path | None) -> None:
        self._client = client
        self._file = file

    @asynccontextmanager
    async def beating(self) -> AsyncIterator[Look]:
        """Beat for as long as the block lasts."""
        async with again_and_again(self.beat, EVERY, "pulse") as look:
            yield look

    async def beat(self) -> None:
        """Tell once that the event loop goes on, and whether Temporal answers."""
        _tell_systemd()
        if self._file is None or not await is_reachable(self._client, _ANSWER_WITHIN):
            return
        try:
            self._file.touch()
        except OSError as error:
            _LOG.warning("the file of [worker] alive cannot be written", file=str(self._file), error=error.strerror)


def _tell_systemd() -> None:
    """As `sd_notify` does; nothing where systemd does not ask for it."""
    address = os.environ.get(_SOCKET)
    if not address:
        return
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as end:
            end.settimeout(0)
            end.sendto(b"WATCHDOG=1", f"\0{address[1:]}" if address.startswith("@") else address)
    except OSError as error:
        _LOG.warning("systemd's watchdog cannot be told", error=error.strerror)
