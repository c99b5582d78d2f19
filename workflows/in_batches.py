"""``MassSendInBatches``: a send whose audience is resolved into batches, each of which is a ``MassSend`` of its own.

A ``MassSend`` with such an audience goes on as this, under the same id. What comes next is
:func:`qunfa.batches.plan.plan`'s to say. The one wait is in :mod:`workflows.sending`.
"""

import asyncio
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Any, Final

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from qunfa.batches import show, steps
    from qunfa.batches.answers import refusal
    from qunfa.batches.apply import apply
    from qunfa.batches.plan import plan
    from qunfa.batches.state import BatchesState, Case
    from qunfa.contract.audience import Version, is_long
    from qunfa.contract.batches import BatchSaid
    from qunfa.contract.checks import SourcesSeen
    from qunfa.contract.grants import Granted
    from qunfa.contract.ids import MASS_SEND_IN_BATCHES
    from qunfa.contract.request import MassSendRequest
    from qunfa.contract.result import MassSendResult
    from qunfa.contract.steps import AccountFacts
    from qunfa.rules.outcome import not_known
    from qunfa.rules.problems import PLAN_MISSING
    from workflows.batch_effects import BatchEffects
    from workflows.refusal import NO_ACCOUNT, used_before
    from workflows.sending import Core, Sending
    from workflows.waiting import UnderWay, has_long_history
    from workflows.whole import carry_batch, follow_batch

CORE: Final = Core(BatchesState, steps.Put, plan, apply, refusal, show.status, show.searchable, show.result)
BatchesUnderWay = UnderWay[steps.Effect, steps.Event]


class _Carrying:
    """The batch under way, as this run has begun or follows it. ``since``: how long the history was then."""

    def __init__(self, number: int, request: MassSendRequest, facts: AccountFacts) -> None:
        self.number = number
        self.request = request
        self.facts = facts
        self.since = workflow.info().get_current_history_length()
        self.tasks: list[asyncio.Task[None]] = []


@dataclass(frozen=True)
class _Unread:
    """How a batch has ended cannot be read, for this error."""

    number: int
    error: BaseException


@workflow.defn(name=MASS_SEND_IN_BATCHES)
class MassSendInBatches(Sending[BatchesState, steps.Step, steps.Event, BatchesUnderWay]):
    """``preparing → scheduled → submitting → done``, with ``needs_operator`` and ``paused`` between two batches."""

    @workflow.init
    def __init__(self, request: Any = None, *carried: Any) -> None:
        super().__init__(CORE, request, carried)
        self._heard: dict[str, Granted | None] = {}
        self._carrying: _Carrying | None = None

    @workflow.run
    async def run(self, request: Any = None, *carried: Any) -> MassSendResult:  # noqa: ARG002  as `__init__` has it
        """Carry the send to its end; a cancellation acts between two batches."""
        return await self._lived()

    def _misfits(self, request: MassSendRequest) -> list[str]:
        audience = request.audience
        return [] if is_long(audience) else [f"audience.kind: {audience.kind} is not sent in batches"]

    async def _live(self) -> MassSendResult:
        if self._refusal is not None:
            raise await self._refused(await self._refusal.ended(self._board))
        while True:
            await self._hear_the_batch()
            step, under_way = self._take_inbox(), self._under_way
            self._carry()
            if under_way is not None and (isinstance(step, steps.End) or under_way.effect != step.effect):
                self._show(step)
                await self._stop()
            elif isinstance(step, steps.End):
                if (result := await self._finish(step)) is not None:
                    return result
            elif self._is_long():
                self._show(step)
                await self._continue()
            elif isinstance(step.effect, steps.Begin) and await self._hears_cancellation():
                continue
            elif (event := steps.at_once(step.effect)) is not None:
                self._apply(event)
            else:
                await self._next(step)

    async def _hear_the_batch(self) -> None:
        """Take in what the batch took before its end, which may come in one workflow task with that.

        What it has refused is judged by its end: an abort is for the rest then.
        """
        under_way = self._under_way
        if under_way is None or not under_way.task.done() or not isinstance(under_way.effect, steps.PassOn):
            return
        if under_way.outcome == steps.WasPassed(under_way.effect.passing.id):
            await self._stop()

    def _begun(self, effect: steps.Effect) -> BatchesUnderWay:
        return UnderWay(effect, asyncio.create_task(self._effects.carry_out(effect, self._state)))

    @cached_property
    def _effects(self) -> BatchEffects:
        return BatchEffects(self._asked, self._heard, self._inbox.put)

    def _carry(self) -> None:
        """Have the batch under way carried out, which is never cancelled; its end comes into the inbox."""
        running, chosen, facts = self._state.running, self._state.plan, self._state.pinned
        if running is None or chosen is None or facts is None:
            self._carrying = None
        elif self._carrying is None:
            batch = Case(self._asked, self._state, workflow.now()).batch(running.number)
            carrying = _Carrying(running.number, batch, facts)
            self._carrying = carrying
            self._await_end(carrying, following=running.follows)

    def _await_end(self, carrying: _Carrying, *, following: bool) -> None:
        task = asyncio.create_task(self._ended_by(carrying, following=following))
        task.add_done_callback(lambda task: self._note_failure(carrying, task))
        carrying.tasks.append(task)

    def _note_failure(self, carrying: _Carrying, task: asyncio.Task[None]) -> None:
        """Nobody awaits the task: that it has failed is a message, or the send would wait for ever."""
        if not task.cancelled() and (error := task.exception()) is not None and self._carrying is carrying:
            self._inbox.put(_Unread(carrying.number, error))

    async def _ended_by(self, carrying: _Carrying, *, following: bool) -> None:
        carry = follow_batch if following else carry_batch
        row = await carry(carrying.request, carrying.number, carrying.facts)
        if self._carrying is carrying:
            self._inbox.put(steps.Ended(row))

    def _apply(self, event: steps.Event | _Unread) -> None:
        if isinstance(event, _Unread):
            # This fails the workflow task, which Temporal repeats until a worker can read how the batch has ended.
            msg = f"this worker cannot read how batch {event.number} has ended"
            raise RuntimeError(msg) from event.error  # noqa: TRY004  no type of ours is wrong
        super()._apply(event)
        if isinstance(event, steps.Ended):
            self._carrying = None
        if isinstance(event, steps.WasReset) and self._carrying is not None:
            self._carry_after_reset(self._carrying)

    def _carry_after_reset(self, carrying: _Carrying) -> None:
        """Temporal may tell the end of a batch to the run that had begun it alone.

        It applies a retry again before it tells of the reset: the batch that was begun by that is begun without it.
        """
        if carrying.since != workflow.info().get_current_history_length():
            self._await_end(carrying, following=True)
            return
        self._carrying = None
        for task in carrying.tasks:
            task.cancel()

    async def _finish(self, end: steps.End) -> MassSendResult | None:
        self._show(end)
        return await super()._finish(end)

    async def _reasons(self, end: steps.End) -> list[str]:
        facts, key = self._state.pinned, self._asked.key
        if facts is None:
            return [not_known(key, NO_ACCOUNT), *end.refused]
        said = (await used_before(facts, key))[1]
        return [*end.refused, *filter(None, [said])]

    @property
    def _was_cancelled(self) -> bool:
        return self._state.stop is not None and self._state.stop.what == "cancel"

    def _is_long(self) -> bool:
        """Whether the run is to go on as another one: between two batches, with nothing in hand.

        While a batch is under way its end is told to this run alone. So it stays, however long its history gets.
        """
        if self._state.running is not None or self._under_way is not None:
            return False
        return has_long_history(workflow.info())

    def _carried(self) -> BatchesState:
        return self._state.changed(contents=tuple(one.for_batches for one in self._state.contents))

    # What people see

    def _question(self, step: steps.Step) -> tuple[str, datetime | None] | None:
        asked = show.asked_as(Case(self._asked, self._state, workflow.now()), step)
        return (asked, step.until) if asked else None

    @property
    def _in_doubt(self) -> bool:
        """Also where an earlier run may have begun batches to which this one has not come yet."""
        chosen, obstacle = self._state.plan, self._state.obstacle
        if chosen is None:
            return obstacle is not None and obstacle.name == PLAN_MISSING
        return chosen.is_from_before or any(row.may_have_been_delivered for row in self._state.rows)

    @workflow.query(description='sources: the files of a message as they were found; "b" for that of group b')
    def sources(self, version: Version = "a") -> SourcesSeen:
        contents, number = self._state.contents, ("a", "b").index(version)
        material = contents[number].material if number < len(contents) else None
        if material is None:
            return SourcesSeen(digest=self._state.digest)
        return SourcesSeen(digest=self._state.digest, sources=material.sources, contents=material.contents)

    # What comes from outside

    @workflow.signal(description="batch_problem: what the batch under way needs a person for")
    def batch_problem(self, raw: Any = None, *more: Any) -> None:
        for said in self._inbox.read("batch_problem", BatchSaid, raw, *more):
            self._inbox.put(said)

    @workflow.signal(description="granted: what the account answers to a wish of this run")
    def granted(self, raw: Any = None, *more: Any) -> None:
        """Take the account's answer to the open wish. Any other one makes the history longer all the same."""
        for answer in self._inbox.read("granted", Granted, raw, *more):
            if answer.wish in self._heard:
                self._heard[answer.wish] = answer
            self._inbox.stir()

    @property
    def _is_taken_on(self) -> bool:
        """It is once its audience has a plan, or a person is asked for one."""
        return self._state.plan is not None or self._state.obstacle is not None or self._ended is not None
