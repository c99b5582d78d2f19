"""Ports for what a test starts, and may kill and start again in the same place."""

import contextlib
import random
import socket
from typing import Final

from qunfa.cli.demo.ports import LOCALHOST

_PORTS: Final = range(20_000, 32_000)
"""Below those that systems give to outgoing connections, one of which may otherwise hold a port when it is needed."""


class NoFreePortsError(Exception):
    """This machine has not as many as were asked for."""


def free_ports(count: int) -> list[int]:
    """So many ports that nobody uses now, and that a process which is killed finds free again.

    Raises:
        NoFreePortsError: there are not so many.
    """
    found: list[int] = []
    for port in random.SystemRandom().sample(_PORTS, len(_PORTS)):
        with contextlib.suppress(OSError), socket.create_server((LOCALHOST, port)):
            found.append(port)
        if len(found) == count:
            return found
    msg = f"fewer than {count} ports of this machine are free between {_PORTS[0]} and {_PORTS[-1]}"
    raise NoFreePortsError(msg)


def free_address() -> str:
    """`127.0.0.1:20000`, or another of them.

    Raises:
        NoFreePortsError: there is none.
    """
    [port] = free_ports(1)
    return f"{LOCALHOST}:{port}"
