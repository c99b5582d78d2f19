"""What a process that holds secrets does before all else, and what it leaves to those that it starts."""

import asyncio
import os
import resource
import signal
import sys
from asyncio.subprocess import PIPE
from typing import Any, Final

_KEPT: Final = ("LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "PATH", "TMPDIR")


def tell_nobody() -> None:
    """A core dump would hold AppSecrets, tokens and openids. Files with openids are for its user and group alone.

    Workers of several users, or people, may share the folder of `[store]` through a group.
    """
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    os.umask(os.umask(0o077) | 0o007)


def end_when_told() -> None:
    """End on SIGTERM from now on, until asyncio hears it: to the first process of a container it means nothing else."""
    signal.signal(signal.SIGTERM, lambda _number, _frame: sys.exit(0))


def bare_environment() -> dict[str, str]:
    """The environment of a process that runs our code and needs no secret: a worker's own may hold some."""
    kept = {name: os.environ[name] for name in _KEPT if name in os.environ}
    return {**kept, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path), "PYTHONUTF8": "1"}


async def run_alone(module: str, *arguments: str, **options: Any) -> tuple[int, bytes]:
    """The exit code and the output of our module in a process of its own, which ends with whoever waits for it.

    Its stdin stays open meanwhile.
    """
    command = (sys.executable, "-P", "-m", module, *arguments)  # nothing of the working directory is code
    process = await asyncio.create_subprocess_exec(*command, env=bare_environment(), stdout=PIPE, **options)
    if process.stdout is None:
        raise TypeError("the process has no pipe")
    try:
        answer = await process.stdout.read()
        return await process.wait(), answer
    finally:
        if process.returncode is None:
            process.kill()
            await process.communicate()
