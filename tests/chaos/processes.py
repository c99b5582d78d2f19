"""Processes that are killed and come back: each is started again, as a supervisor would, until it is let go."""

import asyncio
import contextlib
import os
import signal
import sys
import time
from asyncio.subprocess import DEVNULL, STDOUT, Process
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from qunfa.cli.demo_stack import GUARD

ROOT: Final = Path(__file__).parents[2]
RESTART_SECONDS: Final = 0.3


class Child:
    """One process that is kept running; its output is appended to a log."""

    def __init__(self, name: str, command: Sequence[str], environment: Mapping[str, str], folder: Path) -> None:
        self.name = name
        self.log = folder / f"{name}.log"
        self.starts = 0
        self.stopped = False
        self.held_until = 0.0
        # The kernel ends a child together with the harness, however that ends.
        self._command = [sys.executable, "-I", "-S", "-c", GUARD, str(os.getpid()), *command]
        self._environment = dict(environment)
        self._process: Process | None = None
        self._pause = RESTART_SECONDS
        self._keeping: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Keep it running from now on."""
        await self._spawn()
        self._keeping = asyncio.create_task(self._keep(), name=f"keep {self.name}")

    def kill(self, pause: float = RESTART_SECONDS) -> bool:
        """SIGKILL, and a new one after a pause; false where it is down already."""
        self._pause = pause
        return self._signal(signal.SIGKILL)

    async def hold(self, seconds: float) -> bool:
        """SIGSTOP, and SIGCONT after so long; false where it is down."""
        held = self._process
        if not self._signal(signal.SIGSTOP):
            return False
        self.stopped = True
        try:
            await asyncio.sleep(seconds)
        finally:
            self.stopped, self.held_until = False, time.time()
            if held is self._process:
                self._signal(signal.SIGCONT)
        return True

    async def let_go(self) -> None:
        """End it for good."""
        if self._keeping is not None:
            self._keeping.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._keeping
        if self._process is not None:
            self._signal(signal.SIGKILL)
            await self._process.wait()

    async def _keep(self) -> None:
        while self._process is not None:
            await self._process.wait()
            pause, self._pause = self._pause, RESTART_SECONDS
            await asyncio.sleep(pause)
            await self._spawn()

    async def _spawn(self) -> None:
        with self.log.open("ab") as output:
            self._process = await asyncio.create_subprocess_exec(
                *self._command,
                stdin=DEVNULL,
                stdout=output,
                stderr=STDOUT,
                cwd=ROOT,
                env=self._environment,
                start_new_session=True,
            )
        self.starts += 1

    def _signal(self, number: signal.Signals) -> bool:
        if self._process is None or self._process.returncode is not None:
            return False
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, number)
            return True
        return False
