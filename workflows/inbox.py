"""What comes to a send, in batches or not: an inbox, where it waits for the one wait of its workflow; and updates.

A message changes nothing by itself. So a run does the same in a replay, where messages may come in other company.
"""

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from temporalio import workflow
from temporalio.common import RawValue

with workflow.unsafe.imports_passed_through():
    from qunfa.contract import operators
    from qunfa.contract.batches import BatchSaid
    from qunfa.send import events
    from qunfa.send.state import Reply
    from workflows.pages import EXAMPLES
    from workflows.refusal import A_CRON, invalid_request, parsed
    from workflows.waiting import EventT, ModelT, has_long_history, look_now, readable


class Inbox:
    """What has come, and was not taken in yet: signals, answers of people, a cancellation, a reset.

    It is true while there is some. Iterating leaves everything in it.
    """

    def __init__(self) -> None:
        self._came: list[Any] = []
        self._replies: dict[str, Reply] = {}
        self._loop = asyncio.get_running_loop()
        self.resets = 0
        """How often this run has learned that it was reset."""
        self.stirred = 0
        """How often something that is not in here has come to a run whose history is long."""

    def __bool__(self) -> bool:
        return bool(self._came)

    def __iter__(self) -> Iterator[Any]:
        return iter(sorted(self._came, key=_rank))

    def of(self, kind: type[EventT]) -> list[EventT]:
        return [one for one in self._came if isinstance(one, kind)]

    def put(self, event: object) -> None:
        """One more: an event of a send, or of a send in batches."""
        self._came.append(event)

    def take(self) -> list[Any]:
        """All of it, in the order in which it counts; then nothing is left."""
        taken, self._came = list(self), []
        return taken

    async def replied(self, answer: events.Answering) -> str | None:
        """Put in a person's answer, and await what comes of it: why it does not fit, or nothing where it was taken."""
        update = workflow.current_update_info()
        identity = update.id if update else str(workflow.uuid4())
        self.put(events.Updated(identity, answer))
        await workflow.wait_condition(lambda: identity in self._replies)
        return self._replies.pop(identity).refusal

    def reply(self, replies: Iterable[Reply]) -> None:
        """What came of people's answers."""
        self._replies |= {one.id: one for one in replies}

    def listen(self) -> None:
        """Hear of resets from now on: a new seed is how a run learns that it was reset.

        Call it from a workflow's `run` and not from its `__init__`. That comes before the seed of a reset to the first
        task where an update was refused in that task, and after it in a replay.
        """
        workflow.register_random_seed_callback(self._note_reset)

    def _note_reset(self, _seed: int) -> None:
        self.resets += 1
        self.put(events.WasReset())
        look_now(self._loop)

    def stir(self) -> None:
        """Have the wait end where the history is long, so that the run can go on as another one.

        It is called where something has come that is not put in here. Judge it only then: in a later task an update
        that is refused could decide it, and no replay would know of that.
        """
        if has_long_history(workflow.info()):
            self.stirred += 1

    def read(self, name: str, model: type[ModelT], raw: Any, *more: Any) -> list[ModelT]:
        """The input of a signal, where it can be read; what is dropped makes the history longer, too."""
        heard = list(readable(name, model, raw, *more))
        if not heard:
            self.stir()
        return heard

    def wakes(self, stirred: int) -> bool:
        """Whether there is some, or it was stirred more often than that."""
        return bool(self) or self.stirred > stirred


def _rank(event: object) -> int:
    """In which order is taken in what has come at a time: a replay may hear of an update earlier than the run did.

    A reset goes first, where it is heard of in time: what the account has said was said to the run before. So was what
    a batch has said, which the reset forgets.
    """
    ranks: dict[type[Any], int] = {BatchSaid: 0, events.WasReset: 1, events.Updated: 3, events.Cancelled: 4}
    return ranks.get(type(event), 2)


def _update(name: str, model: type[events.Answering], says: str) -> Any:
    """The update of this name with such an answer, which fits or is refused; ``says`` shows one."""

    @workflow.update(name=name, description=f"{name}: {says}")
    async def taken(self, raw: Any = None) -> operators.Status:  # type: ignore[no-untyped-def]  # noqa: ANN001  as Temporal reads it
        status: operators.Status = await self.take(parsed(model, raw))
        return status

    @taken.validator
    def _fits(self, raw: Any = None) -> None:  # type: ignore[no-untyped-def]  # noqa: ANN001  as above
        self.fit(parsed(model, raw))

    return taken


class People(ABC):
    """The updates of a send, and the signals that nobody knows."""

    _inbox: Inbox

    @workflow.signal(dynamic=True)
    def unknown(self, name: str, _inputs: Sequence[RawValue]) -> None:
        """Log and drop a signal that nobody knows: Temporal's SDK would keep it, and nobody would hear of it.

        Temporal tells who sends it that it has succeeded. So people hear of one that is named as an update.
        """
        workflow.logger.warning("%s dropped: there is no such signal", name)
        self._inbox.stir()
        if name in EXAMPLES:
            self.misheard(f"the signal {name} changed nothing: send it as an update")

    @abstractmethod
    def misheard(self, what: str) -> None:
        """Show that such a signal has changed nothing. It must cost no event: old histories have such signals, too."""

    @abstractmethod
    async def take(self, answer: events.Answering) -> operators.Status:
        """What has come of an answer."""

    @abstractmethod
    def fit(self, answer: events.Answering) -> None:
        """Nothing where it fits.

        Raises:
            ApplicationError: why it does not.
        """

    @abstractmethod
    async def taken_on(self) -> operators.Status:
        """Where the send stands, once its request is accepted.

        Raises:
            ApplicationError: why it is refused; or that the next run of the send is to be asked.
        """

    @workflow.update(description="accepted: without input; answers once the request is accepted, or says what is wrong")
    async def accepted(self, *_ignored: Any) -> operators.Status:
        """Await whether the request is accepted; who starts a send may ask for it in the same call."""
        return await self.taken_on()

    @accepted.validator
    def _accepted_fits(self, *_ignored: Any) -> None:
        # Such a run ends in its first task, by going on as another one: it has no time to answer.
        if workflow.info().cron_schedule:
            raise invalid_request([A_CRON])

    retry = _update(
        "retry", operators.Retry, '{"by": "li", "reason": "…"}, with "send_ignore_reprint" or "confirm_not_delivered"'
    )
    mark_sent = _update("mark_sent", operators.MarkSent, '{"by": "li", "reason": "…", "msg_id": 3147483650}')
    abort = _update("abort", operators.Abort, '{"by": "li", "reason": "…"}; in doubt with "confirm_not_delivered"')
    approve = _update("approve", operators.Approve, '{"by": "li"}; not who has asked for the send')
    reject = _update("reject", operators.Reject, '{"by": "li", "reason": "…"}')
    pause = _update("pause", operators.Pause, '{"by": "li", "reason": "…"}')
    resume = _update("resume", operators.Resume, '{"by": "li"}')
    reschedule = _update("reschedule", operators.Reschedule, '{"by": "li", "send_at": "2026-12-01T09:00:00+08:00"}')
    choose = _update("choose", operators.Choose, '{"by": "li", "winner": "a"}; what the rest of a split test gets')
