"""The places between two steps of a send, and what happens to whoever passes one of them."""

import asyncio
import contextlib
import os
import signal
import sys
from enum import StrEnum
from typing import Final, NamedTuple, Protocol


class Place(StrEnum):
    """A place between two steps, by what has happened and what has not."""

    BEFORE_WISH = "before-wish"
    """The activity has begun, the account has not been told of the wish."""
    AFTER_WISH = "after-wish"
    """The wish is durable, its activity has not returned."""
    BEFORE_WRITE = "before-write"
    """The connection to WeChat stands; neither was the clock looked at nor a byte written."""
    AT_WRITE = "at-write"
    """The clock was looked at and the lease found good, and still no byte is written."""
    AFTER_WRITE = "after-write"
    """The request is written to its end, nothing of the answer is read."""
    AFTER_ACCEPTANCE = "after-acceptance"
    """The head of WeChat's answer has arrived, nobody has looked at it."""
    BEFORE_TOLD = "before-told"
    """WeChat's acceptance is understood, the ledger has not been told of it."""
    AFTER_TOLD = "after-told"
    """The ledger has been told of the acceptance, the activity has not returned."""
    BEFORE_RETURN = "before-return"
    """The submitting activity has returned the acceptance, and Temporal does not know it."""
    AFTER_BODY = "after-body"
    """The body of a push has come to its end, nothing of the receiver's has looked at it."""
    BEFORE_PUSH = "before-push"
    """The receiver has read and understood the push, and has not called Temporal."""
    AFTER_PUSH = "after-push"
    """The push is durable in Temporal, WeChat is not answered."""


class Stand(NamedTuple):
    """Where a send stands when something is struck: at the n-th passing of a place; `tag`: it is one to a tag."""

    place: Place
    passing: int = 1
    tag: bool = False


AT_WORK: Final = {
    "before the first wish": Stand(Place.BEFORE_WISH),
    "after the first wish": Stand(Place.AFTER_WISH),
    "before the wish for a turn": Stand(Place.BEFORE_WISH, passing=2, tag=True),
    "after the wish for a turn": Stand(Place.AFTER_WISH, passing=2, tag=True),
    "before the write": Stand(Place.BEFORE_WRITE),
    "at the write": Stand(Place.AT_WRITE),
    "after the write": Stand(Place.AFTER_WRITE),
    "after the acceptance": Stand(Place.AFTER_ACCEPTANCE),
    "before the ledger is told": Stand(Place.BEFORE_TOLD),
    "after the ledger was told": Stand(Place.AFTER_TOLD),
    "before the activity has returned": Stand(Place.BEFORE_RETURN),
}
"""A worker's places."""


class Watcher(Protocol):
    """Is told of every place that a process passes."""

    async def passes(self, place: Place | None) -> None:
        """The process is at `place`, and goes on when this returns."""


class Gate:
    """Holds whoever comes to a place from the n-th time on, until it is opened; the process itself goes on."""

    def __init__(self, place: Place, passing: int = 1) -> None:
        self.reached = asyncio.Event()
        self._open = asyncio.Event()
        self._place = place
        self._left = passing

    def open(self) -> None:
        """Let it pass."""
        self._open.set()

    async def passes(self, place: Place | None) -> None:
        """Returns when that is not the place, or the gate is open."""
        if place is not self._place:
            return
        self._left -= 1
        if self._left <= 0:
            self.reached.set()
            await self._open.wait()


SIGNALS: Final = {"kill": signal.SIGKILL, "stop": signal.SIGSTOP}
HOLD: Final = "hold"
"""Stay there and live, as heartbeats tell, until somebody kills the process: also when one's time is over."""


class Tripwire:
    """Ends, stops or holds its process when it passes a place for the n-th time; a line of its log says so before."""

    def __init__(self, arguments: list[str]) -> None:
        """From words: `<place> <kill|stop|hold> <n>`; at no passing where `n` is 0."""
        place, how, passing = arguments
        self._place, self._number = Place(place), None if how == HOLD else SIGNALS[how]
        self._left = int(passing)

    async def passes(self, place: Place | None) -> None:
        """Returns when that is not where the process is to end, or when it was woken."""
        if place is not self._place:
            return
        self._left -= 1
        if self._left == 0:
            sys.stderr.write(f"at {place}\n")
            sys.stderr.flush()
            if self._number is not None:
                os.kill(os.getpid(), self._number)
            while self._number is None:
                with contextlib.suppress(asyncio.CancelledError):
                    await asyncio.Event().wait()
