"""Handing results over: each of them once, and no faster than an account may get them."""

import asyncio
import time
from collections import defaultdict
from datetime import timedelta
from functools import lru_cache
from typing import Final

from qunfa.callback.answers import Answer, Refusal
from qunfa.callback.delivery import Delivery, DeliveryError
from qunfa.callback.recent import Recent, Turns, digest
from qunfa.contract.result import JobFinished, Verdict
from qunfa.rules.verdict import judge

AT_A_TIME: Final = 10
"""Signals to one account that may be on their way. Its workflow task fails where some hundred come during it."""
_BURST_SECONDS: Final = 60
"""An account may get as many results at once as it may in a minute."""


class Rate:
    """So many a second, and those of a minute at once where there were none before."""

    def __init__(self, per_second: float) -> None:
        self._per_second = per_second
        self._most = self._left = max(1.0, per_second * _BURST_SECONDS)
        self._at = time.monotonic()

    def take(self) -> bool:
        """Whether there is one left now, which is taken then."""
        now = time.monotonic()
        self._left = min(self._most, self._left + (now - self._at) * self._per_second)
        self._at = now
        if self._left < 1:
            return False
        self._left -= 1
        return True

    def give_back(self) -> None:
        """What was taken has not been used."""
        self._left = min(self._most, self._left + 1)


class Handover:
    """Gives results to a delivery. It remembers what was delivered, and only that, for `span`."""

    def __init__(self, deliver: Delivery, per_second: float, span: timedelta) -> None:
        self._deliver = deliver
        self._per_second = per_second
        self._rates: defaultdict[str, Rate] = defaultdict(lambda: Rate(per_second))
        self._lines: defaultdict[str, asyncio.Semaphore] = defaultdict(lambda: asyncio.Semaphore(AT_A_TIME))
        self._delivered: Recent[int] = Recent(span)
        self._turns = Turns()

    async def __call__(self, appid: str, event: JobFinished) -> bool:
        """True once the result is durable; False where it was so already, and nobody needs it again.

        Raises:
            Refusal: It is not known to be durable, or the account has had too many.
        """
        turn = (appid, event.msg_id)
        await self._turns.take(turn)
        try:
            key = _key(appid, event)
            if self._delivered.get(key):
                return False
            await self._hand_over(appid, event)
            self._delivered.note(key, event.msg_id)
            return True
        finally:
            self._turns.leave(turn)

    async def _hand_over(self, appid: str, event: JobFinished) -> None:
        rate = self._rates[appid]
        if not rate.take():
            raise Refusal(
                Answer.TOO_MANY,
                f"more than {self._per_second:g} results a second for this account: WeChat has never that many, so "
                "somebody may have overheard or forged them; if they are real, raise [receiver] results_per_second",
            )
        try:
            async with self._lines[appid]:
                await self._deliver(appid, event)
        except BaseException as error:
            rate.give_back()
            if isinstance(error, DeliveryError):
                raise Refusal(Answer.UNAVAILABLE, str(error)) from error
            raise


def _key(appid: str, event: JobFinished) -> bytes:
    """A result whose status means nothing to anybody is wanted once of each job, whatever else stands in it."""
    wanted = event.model_dump_json() if _is_understood(event.status) else str(event.msg_id)
    return digest(appid.encode(), wanted.encode())


@lru_cache(maxsize=256)
def _is_understood(status: str) -> bool:
    return judge(Verdict(status=status, observed_by="push")) is not None
