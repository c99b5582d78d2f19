"""``MassSendInBatches``: a send whose audience is resolved into batches, each of which is a ``MassSend`` of its own.

A ``MassSend`` with such an audience goes on as this, under the same id. What comes next is
:func:`qunfa.batches.plan.plan`'s to say. Here is the one wait, as in :mod:`workflows.mass_send`.
"""

import asyncio
from typing import Any, Final

from temporalio import workflow
from temporalio.exceptions import ApplicationError

with workflow.unsafe.imports_passed_through():
    from qunfa.batches import show, steps
    from qunfa.batches.answers import refusal as misfit
    from qunfa.batches.apply import apply
    from qunfa.batches.plan import plan
    from qunfa.batches.state import BatchesState, batch_of
    from qunfa.contract.audience import Version, is_long
    from qunfa.contract.batches import BatchSaid
    from qunfa.contract.grants import Granted
    from qunfa.contract.ids import MASS_SEND_IN_BATCHES
    from qunfa.contract.operators import Status
    from qunfa.contract.pictures import SourcesSeen
    from qunfa.contract.request import MassSendRequest
    from qunfa.contract.result import COMPLETES, MassSendResult
    from qunfa.contract.steps import AccountFacts
    from qunfa.send.events import Answering
    from workflows.batch_effects import BatchEffects, UnderWay
    from workflows.inbox import Inbox
    from workflows.people import People
    from workflows.refusal import Refusal, ask_again, handed_on, read_request, refusal, refuse, used_before
    from workflows.waiting import Alarm, readable
    from workflows.whole import carry_batch, follow_batch
    from workflows.window import BatchesWindow, failure

HISTORY_MAX: Final = 4_000
"""Events after which a send in batches continues as new: a batch costs about fifteen."""


class _Carrying:
    """The batch under way, as this run has begun or follows it."""

    def __init__(self, number: int, request: MassSendRequest, facts: AccountFacts) -> None:
        self.number = number
        self.request = request
        self.facts = facts
        self.tasks: list[asyncio.Task[None]] = []


@workflow.defn(name=MASS_SEND_IN_BATCHES)
class MassSendInBatches(People):
    """``preparing → scheduled → submitting → done``, with ``needs_operator`` and ``paused`` between two batches."""

    @workflow.init
    def __init__(self, request: Any = None, *carried: Any) -> None:
        self._request, problems = read_request(request, carried)
        if self._request is not None and not is_long(self._request.audience):
            problems = [*problems, f"audience.kind: {self._request.audience.kind} is not sent in batches"]
        self._state = _first_state(carried)
        raw = carried[0] if handed_on(carried) else request
        self._refusal = Refusal(raw, self._request, problems) if problems else None
        self._inbox = Inbox()
        self._heard: list[Granted] = []
        self._under_way: UnderWay | None = None
        self._carrying: _Carrying | None = None
        self._alarm = Alarm()
        self._ended: steps.End | None = None
        self._refused_as: ApplicationError | None = None
        self._goes_on = False
        self._is_over = False
        self._window = BatchesWindow(self._say)

    @workflow.run
    async def run(self, request: Any = None, *carried: Any) -> MassSendResult:  # noqa: ARG002  as `__init__` has it
        """Carry the send to its end; a cancellation acts between two batches."""
        self._inbox.listen()
        life = asyncio.ensure_future(self._live())
        while True:
            try:
                return await asyncio.shield(life)
            except asyncio.CancelledError:
                if life.done():
                    raise
                self._inbox.put(steps.Cancelled(workflow.cancellation_reason() or "no reason given"))

    async def _live(self) -> MassSendResult:
        if self._refusal is not None:
            raise await self._refused(await self._refusal.ended(self._window.board))
        while True:
            step, under_way = self._take_inbox(), self._under_way
            self._carry()
            if under_way is not None and (isinstance(step, steps.End) or under_way.effect != step.effect):
                self._show(step)
                await self._stop(under_way)
            elif isinstance(step, steps.End):
                if (result := await self._finish(step)) is not None:
                    return result
            elif self._is_long():
                self._show(step)
                await self._continue()
            elif (event := steps.at_once(step.effect)) is not None:
                self._apply(event)
            else:
                await self._next(step)

    def _take_inbox(self) -> steps.Step | steps.End:
        """What comes next, once all that has come was taken in."""
        while self._inbox:
            for event in self._inbox.take():
                self._apply(event)
        return plan(self._asked, self._state, workflow.now())

    async def _next(self, step: steps.Step) -> None:
        """Until the effect of the step has come to something, or a message has come, or the time."""
        if step.effect is not None and self._under_way is None:
            carrying = BatchEffects(self._asked, self._heard).carry_out(step.effect, self._state)
            self._under_way = UnderWay(step.effect, asyncio.create_task(carrying))
            await asyncio.sleep(0)
        under_way = self._under_way
        if under_way is None or not under_way.task.done():
            if not isinstance(step.effect, steps.Pin):
                self._show(step)
            self._alarm.set(step.until, step.why)
            await workflow.wait_condition(
                lambda: bool(self._inbox) or self._alarm.rang or (under_way is not None and under_way.task.done())
            )
        if not self._inbox and under_way is not None and under_way.task.done():
            await self._stop(under_way)

    async def _stop(self, under_way: UnderWay) -> None:
        """Take in what the effect under way has come to. One that is not done is cancelled, and awaited."""
        if not under_way.task.done():
            under_way.task.cancel()
            await workflow.wait_condition(under_way.task.done)
        self._under_way = None
        if (event := under_way.outcome) is not None:
            self._apply(event)

    def _carry(self) -> None:
        """Have the batch under way carried out, which is never cancelled; its end comes into the inbox."""
        running, chosen, facts = self._state.running, self._state.plan, self._state.pinned
        if running is None or chosen is None or facts is None:
            self._carrying = None
        elif self._carrying is None:
            batch = batch_of(self._asked, chosen, running.number, self._state.winner)
            carrying = _Carrying(running.number, batch, facts)
            self._carrying = carrying
            carrying.tasks.append(asyncio.create_task(self._ended_by(carrying)))

    async def _ended_by(self, carrying: _Carrying, *, following: bool = False) -> None:
        carry = follow_batch if following else carry_batch
        row = await carry(carrying.request, carrying.number, carrying.facts)
        if self._carrying is carrying:
            self._inbox.put(steps.Ended(row))

    def _apply(self, event: steps.Event) -> None:
        state = apply(self._asked, self._state, event, workflow.now())
        self._inbox.reply(state.replies)
        self._state = state.changed(replies=())
        if isinstance(event, steps.Ended):
            self._carrying = None
        if isinstance(event, steps.WasReset) and self._carrying is not None:
            # Temporal may tell the end of a batch to the run that had begun it alone.
            again = self._ended_by(self._carrying, following=True)
            self._carrying.tasks.append(asyncio.create_task(again))
        if isinstance(event, steps.WasPut | steps.Shown):
            self._window.tell(self._asked, self._state, event)

    async def _finish(self, end: steps.End) -> MassSendResult | None:
        """The result, told to all; nothing where something has come meanwhile."""
        asked = self._asked
        self._show(end)
        if end.refused:
            facts = self._state.pinned
            said = (await used_before(facts, asked.key))[1] if facts else None
            raise await self._refused(refuse([*end.refused, *filter(None, [said])]))
        result = show.result(asked, self._state, end, workflow.now())
        if self._ended != end:
            self._ended = end
            self._apply(steps.Finished(end.outcome))
            self._window.tell_end(asked, self._state, end, result)
            self._show(end)
        await self._window.told()
        await self._all_answered()
        if self._inbox:
            return None
        self._is_over = True
        stop, cancelled = self._state.stop, workflow.cancellation_reason() is not None
        if cancelled and stop is not None and stop.what == "cancel" and end.outcome == "aborted":
            raise asyncio.CancelledError
        if end.outcome in COMPLETES:
            return result
        raise failure(result)

    async def _refused(self, error: ApplicationError) -> ApplicationError:
        """The failure of a refused run, once all who await whether it is accepted have heard of it."""
        self._refused_as = error
        await workflow.wait_condition(workflow.all_handlers_finished)
        return error

    async def _all_answered(self) -> None:
        await workflow.wait_condition(lambda: bool(self._inbox) or workflow.all_handlers_finished())

    def _is_long(self) -> bool:
        """Whether the run is to go on as another one: between two batches, with nothing in hand."""
        if self._state.running is not None or self._under_way is not None:
            return False
        info = workflow.info()
        return info.get_current_history_length() > HISTORY_MAX or info.is_continue_as_new_suggested()

    async def _continue(self) -> None:
        await self._window.told()
        self._goes_on = True
        await self._all_answered()
        self._goes_on = False
        if not self._inbox:
            workflow.continue_as_new(args=[self._asked.model_dump(mode="json", exclude_unset=True), self._state])

    # What people see

    @property
    def _asked(self) -> MassSendRequest:
        if self._request is None:
            msg = "the request cannot be read"
            raise RuntimeError(msg)
        return self._request

    def _folded(self) -> BatchesState:
        """The state with all that has come, also where it was not taken yet; after the end nothing counts."""
        state = self._state
        for event in () if self._is_over else self._inbox:
            state = apply(self._asked, state, event, workflow.now())
        return state

    def _show(self, step: steps.Step | steps.End) -> None:
        self._window.show(self._asked, self._state, step)

    def _say(self, what: str) -> None:
        self._state = self._state.saying(workflow.now(), what)

    @workflow.query(description="status: where the send stands")
    def status(self) -> Status:
        """Where the send stands."""
        if self._refusal is not None:
            return self._refusal.status()
        state = self._folded()
        over = self._ended if self._is_over else None
        status = show.status(self._asked, state, over or plan(self._asked, state, workflow.now()), workflow.now())
        return status if self._inbox else status.model_copy(update={"updated_at": self._window.shown_at})

    @workflow.query(description='sources: the files of a message as they were found; "b" for that of group b')
    def sources(self, version: Version = "a") -> SourcesSeen:
        """What was found at the sources of a message."""
        contents, number = self._state.contents, ("a", "b").index(version)
        material = contents[number].material if number < len(contents) else None
        if material is None:
            return SourcesSeen(digest=self._state.digest)
        return SourcesSeen(digest=self._state.digest, sources=material.sources, contents=material.contents)

    # What comes from outside

    @workflow.signal(description="batch_problem: what the batch under way needs a person for")
    def batch_problem(self, raw: Any = None, *more: Any) -> None:
        """Take what a batch says."""
        for said in readable("batch_problem", BatchSaid, raw, *more):
            self._inbox.put(steps.Said(said.number, said.problem, said.answers, said.held))

    @workflow.signal(description="granted: what the account answers to a wish of this run")
    def granted(self, raw: Any = None, *more: Any) -> None:
        """Take the account's answer."""
        self._heard.extend(readable("granted", Granted, raw, *more))

    async def take(self, answer: Answering) -> Status:
        """Put a person's answer into the inbox, and await what comes of it."""
        if why := await self._inbox.replied(answer):
            raise refusal(why)
        return self.status()

    async def taken_on(self) -> Status:
        """Await whether the request is accepted: it is once its audience has a plan, or a person is asked for one."""
        await workflow.wait_condition(lambda: self._is_taken_on() or self._refused_as is not None or self._goes_on)
        if self._refused_as is not None:
            raise self._refused_as
        if not self._is_taken_on():
            raise ask_again()
        return self.status()

    def _is_taken_on(self) -> bool:
        return self._state.plan is not None or self._state.obstacle is not None or self._ended is not None

    def fit(self, answer: Answering) -> None:
        """Judge an answer by all that has come."""
        if self._request is None or self._refusal is not None:
            raise refusal("this send is done")
        if why := misfit(self._request, self._folded(), workflow.now(), answer):
            raise refusal(why)


def _first_state(carried: tuple[Any, ...]) -> BatchesState:
    info = workflow.info()
    if info.continued_run_id and len(carried) == 1 and not handed_on(carried):
        return BatchesState.model_validate(carried[0])
    return BatchesState(namespace=info.namespace, life=info.first_execution_run_id)
