"""What a process that holds secrets does before all else, and what it leaves to those that it starts."""

import os
import resource
import signal
import sys
from typing import Final

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
