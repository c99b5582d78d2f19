"""Victims are forked from one process that has imported all they need: imports cost more than all that they do.

`python -m tests.faults.nursery` says the port on which it is asked for them.
"""

import asyncio
import json
import os
import signal
import socket
import sys
from asyncio.subprocess import DEVNULL, PIPE
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from tests.faults import victim
from tests.temporal import bare_environment

LOCALHOST: Final = "127.0.0.1"


@dataclass(frozen=True)
class Forked:
    """A process whose parent is in the nursery, by the names that asyncio gives to what it tells of its own."""

    pid: int
    _end: asyncio.Task[int]

    @property
    def returncode(self) -> int | None:
        return self._end.result() if self._end.done() else None

    async def wait(self) -> int:
        return await asyncio.shield(self._end)

    def send_signal(self, number: signal.Signals) -> None:
        os.kill(self.pid, number)


@dataclass(frozen=True)
class Nursery:
    """Where victims are asked for."""

    port: int

    @asynccontextmanager
    async def forked(self, words: Sequence[str], environment: Mapping[str, str], log: Path) -> AsyncIterator[Forked]:
        """A victim with these words, which does not outlive the block; its log goes to a file."""
        reader, writer = await asyncio.open_connection(LOCALHOST, self.port)
        asked = {"words": list(words), "environment": dict(environment), "log": str(log)}
        writer.write(json.dumps(asked).encode() + b"\n")
        pid = int(await reader.readline())
        end = asyncio.create_task(_code(reader))
        try:
            yield (process := Forked(pid, end))
        finally:
            if process.returncode is None:
                process.send_signal(signal.SIGKILL)
                await process.wait()
            writer.close()


async def _code(reader: asyncio.StreamReader) -> int:
    return int(await reader.readline())


@asynccontextmanager
async def nursery() -> AsyncIterator[Nursery]:
    """The process from which they are forked."""
    command = (sys.executable, "-m", __name__)
    process = await asyncio.create_subprocess_exec(*command, env=bare_environment(), stdin=DEVNULL, stdout=PIPE)
    assert process.stdout is not None
    try:
        yield Nursery(int(await process.stdout.readline()))
    finally:
        process.kill()
        await process.wait()


def _born() -> Any:
    """What a victim is to be. It returns in the victims alone: this process and their parents stay here."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C ends those who ask, and they kill their victims
    with socket.create_server((LOCALHOST, 0)) as listening:
        print(listening.getsockname()[1], flush=True)  # noqa: T201
        signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody asks how a parent has ended
        while True:
            connection, _ = listening.accept()
            with connection:
                if os.fork() == 0:
                    return _forked_again(connection)


def _forked_again(connection: socket.socket) -> Any:
    """Tell its pid, wait for it, and tell its exit code; in the child, return."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    with connection.makefile("rw", encoding="utf-8") as stream:
        asked = json.loads(stream.readline())
        Path(asked["log"]).touch()
        pid = os.fork()
        if pid == 0:
            return asked
        print(pid, file=stream, flush=True)
        _, status = os.waitpid(pid, 0)
        print(os.waitstatus_to_exitcode(status), file=stream, flush=True)
    os._exit(0)


if __name__ == "__main__":
    given = _born()
    signal.signal(signal.SIGINT, signal.default_int_handler)
    os.dup2(os.open(given["log"], os.O_WRONLY | os.O_APPEND), sys.stderr.fileno())
    os.environ.clear()
    os.environ.update(given["environment"])
    victim.main(given["words"])
