"""What a process that holds secrets does before all else."""

import os
import resource
import signal
import sys


def tell_nobody() -> None:
    """A core dump would hold AppSecrets, tokens and openids. Files with openids are for its user and group alone.

    Workers of several users, or people, may share the folder of `[store]` through a group.
    """
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    os.umask(os.umask(0o077) | 0o007)


def end_when_told() -> None:
    """End on SIGTERM from now on, until asyncio hears it: to the first process of a container it means nothing else."""
    signal.signal(signal.SIGTERM, lambda _number, _frame: sys.exit(0))
