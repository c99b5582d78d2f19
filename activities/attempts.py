"""One attempt of an activity: its clock, its sign of life, its failures, and what is carried out once.

Temporal retries most failures by itself. They are benign: the worker logs them at debug level only. The UI shows their
sentence at the pending activity.
"""

import asyncio
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any, Final, Protocol, TypeVar

from temporalio import activity
from temporalio.exceptions import ApplicationError, ApplicationErrorCategory

from qunfa.contract.notice import NOTICE_REFUSED, NOTICE_UNDELIVERED
from qunfa.contract.steps import (
    LEDGER_UNAVAILABLE,
    NOT_DECIDED,
    SOURCE_CHANGED,
    SOURCE_REFUSED,
    SOURCE_UNAVAILABLE,
    TRIED_BEFORE,
    WECHAT_UNAVAILABLE,
)

_BEATS: Final = 6
"""Heartbeats in the time after which Temporal takes a silent worker for lost."""
_UNASKED: Final = timedelta(seconds=30)

Result = TypeVar("Result")


class Clock(Protocol):
    """Now, and how to get later."""

    def now(self) -> datetime:
        """The time, with an offset."""

    async def sleep(self, span: timedelta) -> None:
        """Return when `span` has passed."""


class SystemClock:
    """The clock of this machine. Leases rely on it, so it must be kept right (NTP)."""

    def now(self) -> datetime:
        """The time in UTC."""
        return datetime.now(UTC)

    async def sleep(self, span: timedelta) -> None:
        """Return when `span` has passed."""
        await asyncio.sleep(span.total_seconds())


class Beat:
    """What the heartbeats of an activity tell."""

    def __init__(self) -> None:
        self.details: tuple[str, ...] = ()

    def tell(self, progress: str) -> None:
        """Heartbeat, and tell how far the activity is: Temporal's UI shows it."""
        self.details = (progress,)
        activity.heartbeat(*self.details)


@asynccontextmanager
async def heartbeats() -> AsyncIterator[Beat]:
    """Heartbeat regularly until the block ends: Temporal notices when the worker is lost.

    The first one comes after a while. Most activities have ended by then, and each heartbeat costs a call.
    """
    beat = Beat()
    every = (activity.info().heartbeat_timeout or _UNASKED) / _BEATS
    beating = asyncio.create_task(_beat(beat, every), name="heartbeats")
    try:
        yield beat
    finally:
        beating.cancel()
        await asyncio.wait({beating})


async def _beat(beat: Beat, every: timedelta) -> None:
    while True:
        await asyncio.sleep(every.total_seconds())
        activity.heartbeat(*beat.details)


def ledger_unavailable(sentence: str) -> ApplicationError:
    """The ledger, or what Temporal keeps of earlier runs, could not be asked; nothing was decided."""
    return _benign(sentence, LEDGER_UNAVAILABLE)


def wechat_unavailable(sentence: str) -> ApplicationError:
    """WeChat could not be asked just now."""
    return _benign(sentence, WECHAT_UNAVAILABLE)


def not_decided(sentence: str, next_retry_delay: timedelta) -> ApplicationError:
    """There is no verdict yet; Temporal asks again after the delay."""
    return _benign(sentence, NOT_DECIDED, next_retry_delay)


def tried_before(sentence: str) -> ApplicationError:
    """A call that must not be repeated is carried out once, whatever Temporal was told: it counts as lost."""
    return ApplicationError(sentence, type=TRIED_BEFORE, non_retryable=True)


def source_unavailable(sentence: str) -> ApplicationError:
    """A source could not be read just now."""
    return _benign(sentence, SOURCE_UNAVAILABLE)


def source_refused(sentence: str) -> ApplicationError:
    """A source may not be read, or is not there; a person has to change something first."""
    return ApplicationError(sentence, type=SOURCE_REFUSED, non_retryable=True)


def source_changed(place: str) -> ApplicationError:
    """A source is no longer what it was when the send was prepared."""
    return ApplicationError(f"{place} has other content now.", type=SOURCE_CHANGED, non_retryable=True)


def notice_undelivered(sentence: str, next_retry_delay: timedelta | None = None) -> ApplicationError:
    """The receiver of a notice has not taken it."""
    return _benign(sentence, NOTICE_UNDELIVERED, next_retry_delay)


def notice_refused(sentence: str) -> ApplicationError:
    """No workflow of ours has asked for the notice: nothing is told."""
    return ApplicationError(f"{sentence} Nothing is told.", type=NOTICE_REFUSED, non_retryable=True)


def _benign(sentence: str, failure_type: str, next_retry_delay: timedelta | None = None) -> ApplicationError:
    return ApplicationError(
        sentence, type=failure_type, next_retry_delay=next_retry_delay, category=ApplicationErrorCategory.BENIGN
    )


def refuse_a_second_time(what: str) -> None:
    """Refuse to begin `what` ("account demo: try 1") where an operator has Temporal carry the activity out again.

    He may have allowed it more attempts than one, or reset it, which counts from one. So does who pauses an activity
    that has not begun: that cannot be told apart.

    Raises:
        ApplicationError: `TriedBefore`, not retried: what came of the first time is not known.
    """
    info = activity.info()
    if info.attempt > 1 or info.current_attempt_scheduled_time > info.scheduled_time:
        raise tried_before(f"{what} was begun before and may have been carried out, so it was not begun again")


def put_off() -> bool:
    """Whether the activity was cancelled since an operator has paused or reset it: its workflow still awaits it."""
    details = activity.cancellation_details()
    return details is not None and (details.paused or details.reset)


async def to_its_end(work: Coroutine[Any, Any, Result]) -> Result:
    """The result of `work`, which is not interrupted when the one who waits for it is cancelled."""
    task = asyncio.create_task(work)
    while not task.done():
        try:
            await asyncio.shield(task)
        except asyncio.CancelledError:
            activity.logger.info("cancelled while a call was under way: it is ended first")
    return task.result()
