"""The ports of the demo: those that were asked for, otherwise the usual ones where they are free."""

import contextlib
import socket
from collections.abc import Mapping
from typing import Final, NamedTuple

from qunfa.cli.errors import Refused
from qunfa.language import _

LOCALHOST: Final = "127.0.0.1"


class Ports(NamedTuple):
    """Where the demo's processes listen on this machine."""

    temporal: int = 7233
    ui: int = 8233
    receiver: int = 8088
    simulator: int = 8089


USUAL: Final = Ports()
ANY: Final = Ports(0, 0, 0, 0)


def choose_ports(wanted: Ports = USUAL, named: Mapping[str, int] | None = None) -> Ports:
    """The port that is `named` for a process; for the others the wanted one where nothing listens, else a free one.

    0 is a free one, too.

    Raises:
        Refused: A named port cannot be had.
    """
    with contextlib.ExitStack() as held:
        ports = {process: _held_as_named(held, process, port) for process, port in (named or {}).items()}
        for process, port in wanted._asdict().items():
            if process not in ports:
                ports[process] = _held(held, port) or _held(held, 0)
        return Ports(**ports)


def _held_as_named(held: contextlib.ExitStack, process: str, port: int) -> int:
    found = _held(held, port)
    if not found:
        said = _(
            "The demo cannot have the port {port} ({option}): it is taken, or not allowed. Name another one, or 0 for a"
            " free one."
        )
        raise Refused(said.format(port=port, option=f"--{process}-port"))
    return found


def _held(held: contextlib.ExitStack, port: int) -> int:
    """The port, which stays taken until all have been chosen, so that no two are the same; 0 where it is taken."""
    holder = held.enter_context(socket.socket())
    holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        holder.bind((LOCALHOST, port))
        holder.listen()
    except OSError:
        return 0
    taken: int = holder.getsockname()[1]
    return taken
