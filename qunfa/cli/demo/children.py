"""The processes of the demo: none of them outlives it."""

import asyncio
import os
import signal
import sys
from asyncio.subprocess import DEVNULL, STDOUT, Process
from collections import deque
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from qunfa.cli.errors import Refused

_GUARD: Final = Path(__file__).with_name("guard.py")
_GRACE_SECONDS: Final = 5.0
_TAIL_LINES: Final = 15


class Child:
    """A process in a session of its own, so that Ctrl-C reaches the demo alone; its output goes to a file."""

    def __init__(self, name: str, process: Process, log: Path) -> None:
        self.name = name
        self.log = log
        self._process = process
        self.ended = asyncio.ensure_future(process.wait())

    @classmethod
    async def start(cls, name: str, command: Sequence[str], environment: Mapping[str, str], folder: Path) -> "Child":
        """Start `command` with `environment` in `folder`; its log is `folder`/`name`.log."""
        log = folder / f"{name}.log"
        guarded = [sys.executable, "-I", "-S", str(_GUARD), str(os.getpid()), *command]
        with log.open("wb") as output:
            process = await asyncio.create_subprocess_exec(
                *guarded,
                stdin=DEVNULL,
                stdout=output,
                stderr=STDOUT,
                cwd=folder,
                env=environment,
                start_new_session=True,
            )
        return cls(name, process, log)

    def died(self) -> Refused:
        """The sentence for a process that ended by itself, with the end of its log."""
        with self.log.open(encoding="utf-8", errors="replace") as lines:
            tail = "".join(deque(lines, _TAIL_LINES)).rstrip()
        said = f"the end of {self.log}:\n{tail}" if tail else f"{self.log} is empty"
        return Refused(f"The {self.name} ended with exit code {self._process.returncode}; {said}")

    async def stop(self) -> None:
        """Ask it to end; what has not ended soon is killed."""
        self._signal(signal.SIGTERM)
        await asyncio.wait({self.ended}, timeout=_GRACE_SECONDS)
        self._signal(signal.SIGKILL)
        await self.ended

    def _signal(self, number: signal.Signals) -> None:
        if self._process.returncode is None:
            os.killpg(self._process.pid, number)
