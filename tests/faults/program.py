"""A process of the project, whose words are read as they come."""

import asyncio
import signal
import sys
from asyncio.subprocess import DEVNULL, PIPE, STDOUT, Process
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress

from tests.e2e.processes import ROOT
from tests.looking import PATIENCE


class Program:
    """A running process. Each line it has said is in `lines`."""

    def __init__(self, process: Process) -> None:
        self.lines: list[str] = []
        self._process = process
        self._over = False
        self._news = asyncio.Condition()
        self._reading = asyncio.create_task(self._read())

    @classmethod
    async def start(cls, command: list[str], environment: Mapping[str, str]) -> "Program":
        """Start `command`, whose stdout and stderr are read together."""
        process = await asyncio.create_subprocess_exec(
            *command, cwd=ROOT, env=environment, stdin=DEVNULL, stdout=PIPE, stderr=STDOUT
        )
        return cls(process)

    async def says(self, word: str) -> str:
        """The first line that holds `word`, once it has been said."""
        async with asyncio.timeout(PATIENCE), self._news:
            await self._news.wait_for(lambda: self._over or any(word in line for line in self.lines))
        found = [line for line in self.lines if word in line]
        assert found, f"the process ended without {word!r}; its last words: {self.lines[-5:]}"
        return found[0]

    def wake(self) -> None:
        """Let it go on after a stop."""
        self._process.send_signal(signal.SIGCONT)

    async def ended(self) -> int:
        """How it ended, once it has."""
        async with asyncio.timeout(PATIENCE):
            return await self._process.wait()

    async def finished(self) -> int:
        """Its exit code after SIGTERM, which lets it end what it is about."""
        self._process.send_signal(signal.SIGTERM)
        return await self.ended()

    async def kill(self) -> None:
        """End it at once; nothing of it is left."""
        if self._process.returncode is None:
            with suppress(ProcessLookupError):
                self._process.kill()
        await self._process.wait()
        await self._reading

    async def _read(self) -> None:
        assert self._process.stdout is not None
        async for line in self._process.stdout:
            async with self._news:
                self.lines.append(line.decode(errors="replace"))
                self._news.notify_all()
        async with self._news:
            self._over = True
            self._news.notify_all()


@asynccontextmanager
async def program(arguments: list[str], environment: Mapping[str, str]) -> AsyncIterator[Program]:
    """A Python process that does not outlive the block."""
    started = await Program.start([sys.executable, *arguments], environment)
    try:
        yield started
    finally:
        await started.kill()
