"""The ports of the demo: the usual ones where they are free."""

import contextlib
import socket
from typing import Final, NamedTuple

LOCALHOST: Final = "127.0.0.1"


class Ports(NamedTuple):
    """Where the demo's processes listen on this machine."""

    temporal: int = 7233
    ui: int = 8233
    receiver: int = 8088
    simulator: int = 8089


USUAL: Final = Ports()
ANY: Final = Ports(0, 0, 0, 0)


def choose_ports(wanted: Ports = USUAL) -> Ports:
    """The wanted port of each where nothing listens, a free one elsewhere and for 0."""
    with contextlib.ExitStack() as held:
        return Ports(*(_hold(held, port) for port in wanted))


def _hold(held: contextlib.ExitStack, port: int) -> int:
    """A port that stays taken until all have been chosen, so that no two are the same."""
    holder = held.enter_context(socket.socket())
    holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        holder.bind((LOCALHOST, port))
        holder.listen()
    except OSError:
        return _hold(held, 0)
    taken: int = holder.getsockname()[1]
    return taken
