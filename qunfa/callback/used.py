"""Signatures that have been used: none is good for a second push, nor in another order of its parts.

WeChat signs Token, timestamp and nonce sorted and joined. So timestamp and nonce can be exchanged under a signature,
or digits moved from one to the other. In plain mode any body can stand below it. WeChat itself sends the same push
again under the same signature, after a failure and where it got no answer in time.
"""

from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import TypeVar

from qunfa.callback.answers import Answer, Refusal
from qunfa.callback.recent import Recent, Turns, digest
from qunfa.callback.signature import Signed

_R = TypeVar("_R")


class UsedSignatures:
    """The signatures of all accounts, since some may have the same Token."""

    def __init__(self, span: timedelta) -> None:
        """`span`: how long a signature could be good, from when it is first seen."""
        self._used: Recent[bytes] = Recent(span)  # the timestamp, and what stands for the push
        self._turns = Turns()

    def note(self, signed: Signed) -> None:
        """Remembers how the signature was made, of a request that is not taken, or changes nothing."""
        if self._used.get(signed.signature) is None:
            self._used.note(signed.signature, _time(signed))

    def check(self, signed: Signed) -> bytes:
        """What stands for the push that the signature belongs to; empty where it belongs to none.

        Raises:
            Refusal: It was seen with another timestamp.
        """
        used, timestamp = self._used.get(signed.signature), _time(signed)
        if used is not None and not used.startswith(timestamp):
            raise Refusal(Answer.FORGED, "the signature was seen with another timestamp: somebody has taken it apart")
        return (used or b"").removeprefix(timestamp)

    async def use(self, signed: Signed, account: str, body: bytes, take: Callable[[], Awaitable[_R]]) -> _R:
        """What `take` makes of a push. One at a time uses a signature; it belongs to this push once that went well.

        Raises:
            Refusal: It belongs to another push.
        """
        await self._turns.take(signed.signature)
        try:
            push, used = digest(account.encode(), body), self.check(signed)
            if used and used != push:
                raise Refusal(Answer.FORGED, "the signature was used for another push: somebody has overheard it")
            taken = await take()
            self._used.note(signed.signature, _time(signed) + push)
            return taken
        finally:
            self._turns.leave(signed.signature)


def _time(signed: Signed) -> bytes:
    return f"{signed.timestamp} ".encode()
