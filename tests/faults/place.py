"""The places between two steps of a send."""

from enum import StrEnum
from typing import Protocol


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


class Watcher(Protocol):
    """Is told of every place that a process passes."""

    async def passes(self, place: Place | None) -> None:
        """The process is at `place`, and goes on when this returns."""
