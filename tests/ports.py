"""Ports for what a test starts, and may kill and start again in the same place."""

import contextlib
import os
import random
import socket
from typing import Final

from qunfa.cli.demo.folder import LOCALHOST

_PORTS: Final = range(20_000, 32_000)
"""Below those that systems give to outgoing connections, one of which may otherwise hold a port when it is needed."""
_WORKERS: Final = 12
_GIVEN: Final[set[int]] = set()
"""None is given twice by a process: it may not be in use yet."""


class NoFreePortsError(Exception):
    """This machine has not as many as were asked for."""


def free_ports(count: int) -> list[int]:
    """So many ports that nobody uses now, and that a process which is killed finds free again.

    Raises:
        NoFreePortsError: there are not so many.
    """
    found: list[int] = []
    mine = [port for port in _ours() if port not in _GIVEN]
    for port in random.SystemRandom().sample(mine, len(mine)):
        with contextlib.suppress(OSError), socket.create_server((LOCALHOST, port)):
            found.append(port)
        if len(found) == count:
            _GIVEN.update(found)
            return found
    msg = f"fewer than {count} ports of this machine are free between {_ours()[0]} and {_ours()[-1]}"
    raise NoFreePortsError(msg)


def _ours() -> range:
    """The part of the ports that belongs to this process of pytest-xdist, and to what it starts."""
    number = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
    return _PORTS[number % _WORKERS :: _WORKERS]


def free_address() -> str:
    """`127.0.0.1:20000`, or another of them.

    Raises:
        NoFreePortsError: there is none.
    """
    [port] = free_ports(1)
    return f"{LOCALHOST}:{port}"
