"""A place that kills the process or puts it to sleep."""

import os
import signal
import sys
from typing import Final

from tests.faults.place import Place

SIGNALS: Final = {"kill": signal.SIGKILL, "stop": signal.SIGSTOP}


class Tripwire:
    """Ends or stops its own process when it passes a place for the n-th time; a line on stdout says so before."""

    def __init__(self, place: Place, number: signal.Signals, passing: int = 1) -> None:
        self._place = place
        self._number = number
        self._left = passing

    @classmethod
    def of(cls, arguments: list[str]) -> "Tripwire":
        """From a command line: `<place> <kill|stop> [<n>]`."""
        place, how, *passing = arguments
        return cls(Place(place), SIGNALS[how], *map(int, passing))

    async def passes(self, place: Place | None) -> None:
        """Returns when that is not where the process is to end, or when it was woken."""
        if place is not self._place:
            return
        self._left -= 1
        if self._left == 0:
            sys.stdout.write(f"at {place}\n")
            sys.stdout.flush()
            os.kill(os.getpid(), self._number)
