"""One attempt of an activity: its clock, its place, its sign of life, its failures, and what is carried out once.

Temporal retries most failures by itself. They are benign: the worker logs them at debug level only. The UI shows their
sentence at the pending activity.
"""

import asyncio
import random
from collections import Counter
from collections.abc import AsyncIterator, Callable, Coroutine, Hashable, Iterator
from contextlib import asynccontextmanager, contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any, Final, Protocol, TypeVar

from pydantic import ValidationError
from temporalio import activity
from temporalio.exceptions import ApplicationError, ApplicationErrorCategory
from temporalio.service import RPCError

from qunfa.contract.refusal import sentences
from qunfa.contract.steps import TRIED_BEFORE

IN_ALL: Final = 20
"""Of the hundred activities that a worker carries out at a time."""
SOON: Final = timedelta(seconds=5), timedelta(seconds=30)
"""Between these, what found no place is tried again; later where that is too often."""
_BEATS: Final = 6
"""Heartbeats in the time after which Temporal takes a silent worker for lost."""
_UNASKED: Final = timedelta(seconds=30)
_NEARLY_A_DAY: Final = timedelta(hours=22)
"""The next attempt may come an hour or two later."""

Result = TypeVar("Result")


class Clock(Protocol):
    """Now, and how to get later."""

    def now(self) -> datetime:
        """The time, with an offset."""

    async def sleep(self, span: timedelta) -> None:
        """Return when `span` has passed."""


class SystemClock:
    """The clock of this machine. It must be kept right (NTP)."""

    def now(self) -> datetime:
        """The time in UTC."""
        return datetime.now(UTC)

    async def sleep(self, span: timedelta) -> None:
        """Return when `span` has passed."""
        await asyncio.sleep(span.total_seconds())


class TemporalsClock:
    """Temporal's time as the attempt began, and what has passed since on this worker's clock, which may be wrong."""

    def __init__(self, own: Clock) -> None:
        self._own = own
        self._ahead = activity.info().started_time - own.now()

    def now(self) -> datetime:
        """The time, with an offset."""
        return self._own.now() + self._ahead

    async def sleep(self, span: timedelta) -> None:
        """Return when `span` has passed."""
        await self._own.sleep(span)


class LaterClock(TemporalsClock):
    """The later of the two: this worker's clock, and Temporal's. Leases rely on it."""

    def __init__(self, own: Clock) -> None:
        super().__init__(own)
        self._ahead = max(self._ahead, timedelta(0))


class Places:
    """Places of a worker for what may take long, so that there is always room for what sends wait for.

    So many in all, and of each kind. Nobody waits for one, as that would take a place of an activity, too.
    """

    def __init__(self, of_each: int = IN_ALL) -> None:
        self._of_each = of_each
        self._taken: Counter[Hashable] = Counter()

    @contextmanager
    def one(self, failure_type: str, sentence: str, of: Hashable = None, latest: timedelta = SOON[1]) -> Iterator[None]:
        """One of them.

        Raises:
            ApplicationError: there is none. It is of this type, says this, and has Temporal come again.
        """
        if self._taken[of] >= self._of_each or self._taken.total() >= IN_ALL:
            raise passing(failure_type, sentence, _by_chance(latest))
        self._taken[of] += 1
        try:
            yield
        finally:
            self._taken[of] -= 1


def _by_chance(latest: timedelta) -> timedelta:
    """Not all at the same time."""
    soonest, usual = SOON
    return soonest + random.random() * (max(usual, latest) - soonest)  # noqa: S311  no secret


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
    every = _lost_after() / _BEATS
    beating = asyncio.create_task(_beat(beat, every), name="heartbeats")
    try:
        yield beat
    finally:
        beating.cancel()
        await asyncio.wait({beating})


def awake() -> timedelta:
    """For how long this attempt is the only one, whatever happens to its worker: its last heartbeat was just before."""
    return _lost_after() / 2


def _lost_after() -> timedelta:
    return activity.info().heartbeat_timeout or _UNASKED


async def _beat(beat: Beat, every: timedelta) -> None:
    while True:
        await asyncio.sleep(every.total_seconds())
        activity.heartbeat(*beat.details)


def passing(failure_type: str, sentence: str, after: timedelta | None = None) -> ApplicationError:
    """A failure that Temporal repeats the activity for, after this time where it is given."""
    return ApplicationError(
        sentence, type=failure_type, next_retry_delay=after, category=ApplicationErrorCategory.BENIGN
    )


def lasting(failure_type: str | None, sentence: str, *details: Any) -> ApplicationError:
    """A failure that no repeat helps against."""
    return ApplicationError(sentence, *details, type=failure_type, non_retryable=True)


def tried_for() -> timedelta:
    """From the first attempt to when this one was due, by Temporal's clock alone; an outage of the workers is later."""
    info = activity.info()
    return info.current_attempt_scheduled_time - info.scheduled_time


@asynccontextmanager
async def for_a_day() -> AsyncIterator[None]:
    """A block that Temporal repeats for a day: then its failure lasts, and a person is asked.

    An outage of the workers ends nothing. What was due before it is repeated after it.
    """
    try:
        yield
    except ApplicationError as error:
        if tried_for() < _NEARLY_A_DAY:
            raise
        raise lasting(error.type, error.message, *error.details) from None


@contextmanager
def asking(failure: Callable[[str], ApplicationError]) -> Iterator[None]:
    """A block that asks Temporal: where it refuses, `failure` is raised, of the words for that."""
    try:
        yield
    except RPCError as error:
        raise failure(f"Temporal answered {error.status.name}") from None


def unread(error: ValidationError, what: str) -> str:
    """Why a worker does nothing. A field that it does not know may say whom to spare. `what`: such as "sent"."""
    return f"this worker cannot read what is to be {what} ({'; '.join(sentences(error))}); another version may"


def refuse_a_second_time(what: str) -> None:
    """Refuse to begin `what` ("account demo: try 1") where an operator has Temporal carry the activity out again.

    He may have allowed it more attempts, or reset it, which counts from one. An activity that was paused before it has
    begun looks the same.

    Raises:
        ApplicationError: `TriedBefore`, not retried: what came of the first time is not known.
    """
    info = activity.info()
    if info.attempt > 1 or info.current_attempt_scheduled_time > info.scheduled_time:
        raise lasting(TRIED_BEFORE, f"{what} was begun before and may have been carried out, so it was not begun again")


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
