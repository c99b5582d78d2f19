"""What the workflows of all sends have in common, in batches or not.

A :class:`Core` of pure functions says what comes next and what has happened. Here is the one wait: for the effect of
the step, for a message, or for a time. Messages come through :mod:`workflows.inbox`, and people see the send by the
board of :mod:`workflows.notices`.
"""

import asyncio
from abc import abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Generic, TypeVar

from temporalio import workflow
from temporalio.exceptions import ApplicationError

with workflow.unsafe.imports_passed_through():
    from qunfa.contract.audience import Batch
    from qunfa.contract.notice import WantedNotice
    from qunfa.contract.operators import Status
    from qunfa.contract.request import MassSendRequest
    from qunfa.contract.result import COMPLETES, MASS_SEND_FAILED, MassSendResult
    from qunfa.rules.notices import type_of_end
    from qunfa.rules.outcome import failure_of
    from qunfa.send.answers import ENDED, WARNED
    from qunfa.send.events import Answering, Cancelled, Finished, Shown
    from qunfa.send.show import Searchable
    from qunfa.send.state import Kept
    from qunfa.send.steps import AnyStep, End, Pin
    from workflows.inbox import Inbox, People
    from workflows.notices import Board, Notices
    from workflows.pages import send_page
    from workflows.refusal import Refusal, ask_again, handed_on, invalid_request, read_request, update_refused
    from workflows.waiting import Alarm, UnderWay, is_being_cancelled


StateT = TypeVar("StateT", bound=Kept)
StepT = TypeVar("StepT", bound=AnyStep[Any])
EventT = TypeVar("EventT")
UnderWayT = TypeVar("UnderWayT", bound=UnderWay[Any, Any])


@dataclass(frozen=True)
class Core(Generic[StateT, StepT, EventT]):
    """The decisions about a send, as pure functions of its request, its state and the time.

    ``state`` is the type of its state. ``puts``: the type of the event that a person is asked from now on.
    """

    state: type[StateT]
    puts: type[Any]
    plan: Callable[[MassSendRequest, StateT, datetime], StepT | End]
    apply: Callable[[MassSendRequest, StateT, EventT, datetime], StateT]
    refusal: Callable[[MassSendRequest, StateT, datetime, Answering], str | None]
    status: Callable[[MassSendRequest, StateT, StepT | End, datetime], Status]
    searchable: Callable[[MassSendRequest, StateT, StepT | End, datetime], Searchable]
    result: Callable[[MassSendRequest, StateT, End, datetime], MassSendResult]


class Sending(People, Generic[StateT, StepT, EventT, UnderWayT]):
    """A send, in batches or not."""

    def __init__(self, core: Core[StateT, StepT, EventT], request: Any, carried: tuple[Any, ...]) -> None:
        self._core = core
        self._request, problems = read_request(request, carried)
        if self._request is not None:
            problems = [*problems, *self._misfits(self._request)]
        raw = carried[0] if handed_on(carried) else request
        self._refusal = Refusal(raw, self._request, problems) if problems else None
        self._state = self._first_state(carried)
        self._inbox = Inbox()
        self._under_way: UnderWayT | None = None
        self._alarm = Alarm()
        self._ended: End | None = None
        self._refused_as: ApplicationError | None = None
        self._goes_on = False
        self._is_cancelled = False
        self._is_over = False
        self._board = Board(Notices(self._say))
        self._shown_at = workflow.now()

    def _first_state(self, carried: tuple[Any, ...]) -> StateT:
        info = workflow.info()
        if info.continued_run_id and len(carried) == 1 and not handed_on(carried):
            return self._core.state.model_validate(carried[0])
        return new_state(self._core.state)

    def _misfits(self, _request: MassSendRequest) -> list[str]:
        """What this workflow cannot carry out of a request that can be read."""
        return []

    async def _lived(self) -> MassSendResult:
        """Carry the send to its end; a cancellation is a message like any other."""
        self._inbox.listen()
        life = asyncio.ensure_future(self._live())
        while True:
            try:
                return await asyncio.shield(life)
            except asyncio.CancelledError:
                if life.done():
                    raise
                self._is_cancelled = True
                self._inbox.put(Cancelled(workflow.cancellation_reason() or "no reason given"))

    @abstractmethod
    async def _live(self) -> MassSendResult:
        """Step by step, to the end."""

    # The one wait

    def _take_inbox(self) -> StepT | End:
        """What comes next, once all that has come was taken in."""
        while self._inbox:
            for event in self._inbox.take():
                self._apply(event)
        return self._plan(self._state)

    def _plan(self, state: StateT) -> StepT | End:
        return self._core.plan(self._asked, state, workflow.now())

    async def _next(self, step: StepT) -> None:
        """Until the effect of the step has come to something, or a message has come, or the time.

        What takes no time is not shown, and neither is the moment that the account's configuration takes: each show may
        cost an event.
        """
        stirred = self._inbox.stirred
        if step.effect is not None and self._under_way is None:
            self._under_way = self._begun(step.effect)
            await asyncio.sleep(0)
        under_way = self._under_way
        if not _is_done(under_way):
            if not isinstance(step.effect, Pin):
                self._show(step)
            self._alarm.set(step.wakes_at, step.why)
            await workflow.wait_condition(
                lambda: (
                    self._alarm.rang or (not self._alarm.is_due and (self._inbox.wakes(stirred) or _is_done(under_way)))
                )
            )
        if not self._inbox and _is_done(under_way):
            await self._stop()

    @abstractmethod
    def _begun(self, effect: Any) -> UnderWayT:
        """The effect, once it is being carried out."""

    async def _hears_cancellation(self) -> bool:
        """Whether a cancellation has come into the inbox that the workflow task brings after all else."""
        if self._is_cancelled or not is_being_cancelled():
            return False
        await workflow.wait_condition(lambda: bool(self._inbox))
        return True

    async def _stop(self) -> None:
        """Take in what the effect under way has come to. One that is not done is cancelled, and awaited."""
        under_way = self._under_way
        if under_way is None:
            return
        if not under_way.task.done():
            under_way.task.cancel()
            await workflow.wait_condition(under_way.task.done)
        self._under_way = None
        event = under_way.outcome
        if event is not None and self._counts(event, under_way):
            self._apply(event)

    def _counts(self, _event: EventT, _under_way: UnderWayT) -> bool:
        """Whether what an effect has come to still counts, after what has come meanwhile."""
        return True

    def _apply(self, event: Any) -> None:
        state = self._core.apply(self._asked, self._state, event, workflow.now())
        self._inbox.reply(state.replies)
        self._state = state.changed(replies=())
        if isinstance(event, Shown | self._core.puts):
            self._tell(event)

    # The end, and the next run

    async def _finish(self, end: End) -> MassSendResult | None:
        """The result, told to all; nothing where something has come meanwhile."""
        if end.refused:
            self._show(end)
            raise await self._refused(invalid_request(await self._reasons(end)))
        result = self._core.result(self._asked, self._state, end, workflow.now())
        if self._ended != end:
            self._ended = end
            self._apply(Finished(end.outcome))
            wants = () if isinstance(self._asked.audience, Batch) else self._wants
            self._board.tell(
                wants, self._asked, self._status(self._state, end),
                what=type_of_end(result.outcome), event=f"ended {result.outcome}",
                in_doubt=result.may_have_been_delivered, result=result,
            )  # fmt: skip
        self._show(end)
        await self._told()
        await self._all_answered()
        if self._inbox:
            return None
        self._is_over = True
        if workflow.cancellation_reason() is not None and end.outcome == "aborted" and self._was_cancelled:
            raise asyncio.CancelledError
        if end.outcome in COMPLETES:
            return result
        raise failure(result)

    async def _reasons(self, end: End) -> list[str]:
        """Why the request is refused, and what who reads it must know of the key."""
        return list(end.refused)

    @property
    @abstractmethod
    def _was_cancelled(self) -> bool:
        """Whether Temporal's cancellation has ended the send, and no person."""

    async def _told(self) -> None:
        await self._board.notices.started()

    async def _refused(self, error: ApplicationError) -> ApplicationError:
        """The failure of a refused run, once all who await whether it is accepted have heard of it."""
        self._refused_as = error
        await workflow.wait_condition(workflow.all_handlers_finished)
        return error

    async def _all_answered(self) -> None:
        """Until no update waits for its reply any more; or one has come meanwhile, which has to be taken in first."""
        await workflow.wait_condition(lambda: bool(self._inbox) or workflow.all_handlers_finished())

    async def _continue(self) -> None:
        """Go on as another run, unless something has come meanwhile."""
        await self._told()
        self._goes_on = True
        await self._all_answered()
        self._goes_on = False
        if not self._inbox and not await self._hears_cancellation():
            workflow.continue_as_new(args=[self._asked.model_dump(mode="json", exclude_unset=True), self._carried()])

    def _carried(self) -> StateT:
        """The state with which the next run begins."""
        return self._state

    # What people see

    @property
    def _asked(self) -> MassSendRequest:
        if self._request is None:
            msg = "the request cannot be read"
            raise RuntimeError(msg)
        return self._request

    def _folded(self) -> StateT:
        """The state with all that has come, also where it was not taken yet; after the end nothing counts."""
        state = self._state
        for event in () if self._is_over else self._inbox:
            state = self._core.apply(self._asked, state, event, workflow.now())
        return state

    def _status(self, state: StateT, step: StepT | End) -> Status:
        return self._core.status(self._asked, state, step, workflow.now())

    def _show(self, step: StepT | End) -> None:
        """Bring the page and the search attributes up to date; each change of these costs an event."""
        now, asked, state = workflow.now(), self._asked, self._state
        self._shown_at = now
        result = self._core.result(asked, state, step, now) if isinstance(step, End) and not step.refused else None
        found_by = self._core.searchable(asked, state, step, now)
        self._board.show(asked, self._status(state, step), found_by, result)

    def _tell(self, event: Any) -> None:
        """Have told that a person is asked: for an approval, or about a problem."""
        step = self._plan(self._state)
        if not self._wants or isinstance(step, End):
            return
        question = self._approval(step) if isinstance(event, Shown) else self._question(step)
        if question is not None:
            self._board.tell(
                self._wants, self._asked, self._status(self._state, step),
                what="awaiting_approval" if isinstance(event, Shown) else "needs_operator",
                event=question[0], in_doubt=self._in_doubt, answer_by=question[1],
            )  # fmt: skip

    def _approval(self, step: StepT) -> tuple[str, datetime | None] | None:
        """As :meth:`_question`, of an approval that is awaited."""
        return "awaiting_approval in_doubt" if self._in_doubt else "awaiting_approval", step.until

    @abstractmethod
    def _question(self, step: StepT) -> tuple[str, datetime | None] | None:
        """What tells the question that a person is asked from the others of the send, and until when it waits."""

    @property
    @abstractmethod
    def _in_doubt(self) -> bool:
        """Whether something may have been delivered."""

    @property
    def _wants(self) -> tuple[WantedNotice, ...]:
        return self._state.pinned.notices if self._state.pinned else ()

    def _say(self, what: str) -> None:
        self._state = self._state.saying(workflow.now(), what)

    @workflow.query(description="status: where the send stands")
    def status(self) -> Status:
        if self._refusal is not None:
            return self._refusal.status()
        state = self._folded()
        over = self._ended if self._is_over else None
        status = self._status(state, over or self._plan(state))
        return status if self._inbox else status.model_copy(update={"updated_at": self._shown_at})

    # What comes from people

    def misheard(self, what: str) -> None:
        """Say it in the story and on the page, once, and wake nobody."""
        if self._refusal is None and not any(line.what == what for line in self._state.story):
            self._say(what)
            workflow.set_current_details(send_page(self._request, self.status()))

    async def take(self, answer: Answering) -> Status:
        """Put a person's answer into the inbox, and await what comes of it."""
        if why := await self._inbox.replied(answer):
            raise update_refused(why)
        return self.status()

    async def taken_on(self) -> Status:
        """Await whether the request is accepted."""
        await workflow.wait_condition(lambda: self._is_taken_on or self._refused_as is not None or self._goes_on)
        self._inbox.stir()
        if self._refused_as is not None:
            raise self._refused_as
        if not self._is_taken_on:
            raise ask_again()
        return self.status()

    @property
    @abstractmethod
    def _is_taken_on(self) -> bool:
        """Whether the request is accepted."""

    def fit(self, answer: Answering) -> None:
        """Judge an answer by all that has come.

        An update that is refused here wakes nobody. So one for which something is to be shown first is refused later.
        """
        if self._request is None or self._refusal is not None:
            raise update_refused(ENDED)
        why = self._core.refusal(self._request, self._folded(), workflow.now(), answer)
        if why is not None and why != WARNED:
            raise update_refused(why)


def _is_done(under_way: UnderWay[Any, Any] | None) -> bool:
    return under_way is not None and under_way.task.done()


def new_state(kind: type[StateT]) -> StateT:
    """The state of a send to which nothing has happened."""
    info = workflow.info()
    life, started_at = info.first_execution_run_id, info.workflow_start_time
    return kind(namespace=info.namespace, life=life, started_at=started_at)


def failure(result: MassSendResult) -> ApplicationError:
    """How a send fails that has ended otherwise than its caller wanted: with a sentence, and with the result."""
    return ApplicationError(failure_of(result), result, type=MASS_SEND_FAILED, non_retryable=True)
