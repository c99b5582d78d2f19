"""Ports for what a test starts, and may kill and start again in the same place."""

import contextlib
import fcntl
import os
import random
import socket
import tempfile
from pathlib import Path
from typing import Final, TextIO

from qunfa.cli.demo_folder import LOCALHOST

_PORTS: Final = range(20_000, 32_000)
"""Below those that systems give to outgoing connections, one of which may otherwise hold a port when it is needed."""
_FOLDER: Final = Path(tempfile.gettempdir()) / f"qunfa-test-ports-{os.getuid()}"
"""A file of each port, which the process has locked that was given the port."""
_GIVEN: Final[dict[int, TextIO]] = {}


class NoFreePortsError(Exception):
    """This machine has not as many as were asked for."""


def free_ports(count: int) -> list[int]:
    """So many ports that nobody uses now, and that a process which is killed finds free again.

    None is given twice, by no process of the tests: it may not be in use yet.

    Raises:
        NoFreePortsError: there are not so many.
    """
    _FOLDER.mkdir(exist_ok=True)
    found: list[int] = []
    for port in random.SystemRandom().sample(_PORTS, len(_PORTS)):
        if _is_free(port):
            found.append(port)
        if len(found) == count:
            return found
    msg = f"fewer than {count} ports of this machine are free between {_PORTS[0]} and {_PORTS[-1]}"
    raise NoFreePortsError(msg)


def _is_free(port: int) -> bool:
    """Whether the port is this process's from now on."""
    if port in _GIVEN:
        return False
    with contextlib.suppress(OSError), contextlib.ExitStack() as stack:
        file = stack.enter_context((_FOLDER / f"{port}").open("w"))
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        socket.create_server((LOCALHOST, port)).close()
        stack.pop_all()
        _GIVEN[port] = file
    return port in _GIVEN


def free_address() -> str:
    """`127.0.0.1:20000`, or another of them.

    Raises:
        NoFreePortsError: there is none.
    """
    [port] = free_ports(1)
    return f"{LOCALHOST}:{port}"
