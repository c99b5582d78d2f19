"""Signatures that have been used: none is good for a second push, nor in another order of its parts.

WeChat signs Token, timestamp and nonce sorted and joined. So timestamp and nonce can be exchanged under a signature,
or digits moved from one to the other. In plain mode any body can stand below it. WeChat itself sends the same push
again under the same signature, after a failure and where it got no answer in time.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta

from qunfa.callback.answers import Answer, Refusal
from qunfa.callback.recent import Recent, Turns, digest
from qunfa.callback.signature import Signed


class UsedSignatures:
    """The signatures of all accounts, since some may have the same Token."""

    def __init__(self, span: timedelta) -> None:
        """`span`: how long a signature could be good, from when it is first seen."""
        self._used: Recent[tuple[str, bytes]] = Recent(span)
        self._turns = Turns()

    def note(self, signed: Signed) -> None:
        """Remembers how the signature was made, of a request that is not taken, or changes nothing."""
        if self._used.get(signed.signature) is None:
            self._used.note(signed.signature, (signed.timestamp, b""))

    def check(self, signed: Signed) -> None:
        """Raises Refusal where the signature was seen with another timestamp."""
        used = self._used.get(signed.signature)
        if used is not None and used[0] != signed.timestamp:
            raise Refusal(Answer.FORGED, "the signature was seen with another timestamp: somebody has taken it apart")

    @asynccontextmanager
    async def using(self, signed: Signed, account: str, body: bytes) -> AsyncIterator[None]:
        """One at a time uses a signature. It belongs to this push once the block has ended well.

        Raises:
            Refusal: It belongs to another push.
        """
        async with self._turns.taking(signed.signature):
            self.check(signed)
            push = digest(account.encode(), body)
            used = self._used.get(signed.signature)
            if used is not None and used[1] not in {b"", push}:
                raise Refusal(Answer.FORGED, "the signature was used for another push: somebody has overheard it")
            yield
            self._used.note(signed.signature, (signed.timestamp, push))
