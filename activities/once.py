"""What is carried out once, whatever Temporal is told to do with its activity."""

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

from temporalio import activity

from activities.failures import tried_before

Result = TypeVar("Result")


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
