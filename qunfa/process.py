"""What a process that holds secrets does before all else."""

import resource
import signal
import sys


def leave_no_core() -> None:
    """A core dump would hold AppSecrets, tokens and openids."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def end_when_told() -> None:
    """End on SIGTERM from now on, until asyncio hears it: to the first process of a container it means nothing else."""
    signal.signal(signal.SIGTERM, lambda _number, _frame: sys.exit(0))
