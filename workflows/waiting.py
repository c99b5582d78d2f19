"""What long workflows wait with: the signals that ``Account`` keeps, an alarm for one time, and an effect under way.

It keeps them as they came, and reads them when it is their turn. The timer of an alarm stays while its time
does, since each costs events.
"""

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final, Generic, NamedTuple, TypeVar

from pydantic import BaseModel, ValidationError
from temporalio import workflow
from temporalio.exceptions import is_cancelled_exception

with workflow.unsafe.imports_passed_through():
    from qunfa.account.budget import json_size, may_be_carried
    from qunfa.account.inbox import Message
    from qunfa.contract.grants import Report, Wish
    from qunfa.contract.refusal import sentences
    from qunfa.contract.result import JobFinished
    from qunfa.contract.steps import BEING_CANCELLED
    from qunfa.markdown import bare_line

SLICE: Final = 100
"""Messages that are applied at a time: of the dearest ones, in a full account, it takes a quarter of a second."""
SLICE_BYTES: Final = 256 * 1024
"""As many bytes, after which a slice takes no more."""
BYTES_MAX: Final = 128 * 1024
"""Of a signal or an update: a record is at most 16 KiB, and what a run knows of its key some times as much."""
TOO_BIG: Final = f"the input is too big: it may have at most {BYTES_MAX:,} bytes"
_CARRIED_MAX: Final = 200
HISTORY_MAX: Final = 4_000
"""Events after which a run ends as soon as it may: Temporal ends a workflow at 51,200."""
HISTORY_FULL: Final = 8_000
"""Events after which a run ends also in a flood, of which Temporal refuses what comes after 10,000 signals."""
BYTES_FULL: Final = 16 * 1024 * 1024
"""Bytes of a history after which the same is done: Temporal ends a workflow at 50 MB."""
ModelT = TypeVar("ModelT", bound=BaseModel)
EffectT = TypeVar("EffectT")
EventT = TypeVar("EventT")
_MODELS: Final[dict[str, type[BaseModel]]] = {"wants": Wish, "told": Report, "push": JobFinished}


def has_long_history(info: workflow.Info) -> bool:
    """Whether the run is to go on as another one; Temporal suggests so too, where a run has had most of its updates."""
    return info.get_current_history_length() > HISTORY_MAX or info.is_continue_as_new_suggested()


def is_full(info: workflow.Info) -> bool:
    """Whether the history is so long that the run has to end soon, whatever it waits for."""
    return info.get_current_history_length() > HISTORY_FULL or info.get_current_history_size() > BYTES_FULL


def is_too_big(raw: Any) -> bool:
    """Whether a signal or an update has more than it may have; to check all of it could take too long for a task."""
    return json_size(raw) > BYTES_MAX


class Signal(NamedTuple):
    """A signal: which one, and its input as it came, or as it was read."""

    name: str
    raw: Any


class Signals:
    """Signals in the order in which they came."""

    def __init__(self, carried: Any = None) -> None:
        """``carried``: what :meth:`carried` gave the run before, as JSON.

        A worker has read each of them. One that this worker cannot read fails the workflow task, until another can.
        """
        self._signals = [Signal(*pair[: len(Signal._fields)]) for pair in carried or ()]
        for name, raw in self._signals:
            _MODELS[name].model_validate(raw)
        self.came = 0
        """How many have come to this run, with those that were dropped."""
        self.kept = len(self._signals)
        """How many were ever in it."""

    def __bool__(self) -> bool:
        return bool(self._signals)

    def append(self, name: str, raw: Any, *more: Any) -> None:
        """One more; one that is too big, or has several inputs, is logged and dropped."""
        self.came += 1
        if _is_taken(name, raw, more):
            self._signals.append(Signal(name, raw))
            self.kept += 1

    def drop(self, name: str) -> None:
        """One that nobody knows was logged and dropped; it makes the history longer, too."""
        self.came += 1
        workflow.logger.warning("%s dropped: there is no such signal", name)

    @property
    def taken(self) -> int:
        """How many of those that were ever in it were taken out."""
        return self.kept - len(self._signals)

    def next_slice(self) -> tuple[int, list[Message]]:
        """How many signals were taken out, and those of them that can be read."""
        count, room = 0, SLICE_BYTES
        while count < min(SLICE, len(self._signals)) and room > 0:
            room -= json_size(self._signals[count].raw)
            count += 1
        taken, self._signals = self._signals[:count], self._signals[count:]
        return len(taken), [one.raw for one in _read(taken)]

    def carried(self) -> list[Signal] | None:
        """What the next run is to begin with; ``None`` where it is too much."""
        if len(self._signals) > _CARRIED_MAX:
            return None
        # Read before: what cannot be read again would keep the next run from its first task.
        rest = list(_read(self._signals))
        return rest if may_be_carried(rest) else None


def _read(signals: Iterable[Signal]) -> Iterable[Signal]:
    """Those that can be read."""
    for name, raw in signals:
        if (model := _MODELS.get(str(name))) is not None:
            yield from (Signal(name, one) for one in readable(name, model, raw))


def readable(name: str, model: type[ModelT], raw: Any, *more: Any) -> Iterable[ModelT]:
    """The input of a signal, where it can be read; what cannot is logged and dropped: a signal must never fail."""
    if not _is_taken(name, raw, more):
        return
    try:
        yield model.model_validate(raw)
    except ValidationError as error:
        workflow.logger.warning("malformed %s dropped: %s", name, "; ".join(sentences(error)))


def _is_taken(name: str, raw: Any, more: tuple[Any, ...]) -> bool:
    why = f"it takes one input, and not {1 + len(more)}" if more else TOO_BIG if is_too_big(raw) else ""
    if why:
        workflow.logger.warning("%s dropped: %s", name, why)
    return not why


def heed_cancellation() -> None:
    """Go no further in a task that was cancelled.

    Temporal's SDK loses a cancellation that comes in one workflow task with the end of the activity that is awaited.

    Raises:
        asyncio.CancelledError: the task was cancelled.
    """
    task = asyncio.current_task()
    if task is not None and task.cancelling():
        raise asyncio.CancelledError


async def pause(span: timedelta) -> None:
    """Wait so long before something is tried once more; at once over where the task was cancelled.

    Raises:
        asyncio.CancelledError: the task was cancelled.
    """
    heed_cancellation()
    await workflow.sleep(span)


def is_being_cancelled() -> bool:
    """Whether the workflow task brings a cancellation, of which the run may not have heard yet.

    Ask only before what leaves an event at once. A replay merges tasks without events, and may bring it with others.
    """
    return getattr(asyncio.get_running_loop(), BEING_CANCELLED, False)


def look_now(loop: asyncio.AbstractEventLoop) -> None:
    """Have the waits of a run look at their conditions now, which they do only after something has run.

    Later, an update that is refused would decide whether they look before or after what else has come, and no replay
    would know of that.
    """
    loop.call_soon(bool)


@dataclass
class UnderWay(Generic[EffectT, EventT]):
    """An effect that is being carried out."""

    effect: EffectT
    task: "asyncio.Task[EventT | None]"

    @property
    def outcome(self) -> EventT | None:
        """What it came to, once it is done; nothing where it was cancelled."""
        error = None if self.task.cancelled() else self.task.exception()
        if self.task.cancelled() or (error is not None and is_cancelled_exception(error)):
            return None
        return self.task.result()


class Alarm:
    """Rings at a time, once it is set."""

    def __init__(self) -> None:
        self._at: datetime | None = None
        self._timer: asyncio.Task[None] | None = None

    @property
    def rang(self) -> bool:
        """Whether the time has come that it was set to."""
        return self._timer is not None and self._timer.done()

    @property
    def is_due(self) -> bool:
        """Whether it is about to ring. What comes in that moment has to wait for that.

        A task that brought nothing, and one in which an update was refused, are one task in a replay, at the later
        time. What came before the time of the alarm comes after it then, and would cancel its timer.
        """
        return self._at is not None and not self.rang and workflow.now() >= self._at

    def set(self, at: datetime | None, why: str = "") -> None:
        """Ring at this time, or not at all; where it was set to it already, its timer goes on."""
        if at == self._at and not self.rang:
            return
        if self._timer is not None:
            self._timer.cancel()
        self._at = at
        left = max(at - workflow.now(), timedelta(0)) if at else None
        self._timer = None if left is None else asyncio.create_task(workflow.sleep(left, summary=bare_line(why)))
