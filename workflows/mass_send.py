"""``MassSend``: one logical mass send, from the request to WeChat's verdict.

What comes next is :func:`qunfa.send.plan.plan`'s to say, and what has happened is taken in by
:func:`qunfa.send.apply.apply`. Here is the one wait: for the effect of the step, for a message, or for a time.
Messages come through :mod:`workflows.inbox`, and people see the send through :mod:`workflows.window`.
"""

import asyncio
import contextlib
from dataclasses import replace
from datetime import timedelta
from typing import Any, Final, NoReturn

from temporalio import workflow
from temporalio.exceptions import ApplicationError

with workflow.unsafe.imports_passed_through():
    from qunfa.contract.audience import Batch, is_long
    from qunfa.contract.ids import MASS_SEND, MASS_SEND_IN_BATCHES
    from qunfa.contract.operators import Status
    from qunfa.contract.pictures import SourcesSeen
    from qunfa.contract.request import MassSendRequest
    from qunfa.contract.result import COMPLETES, MassSendResult
    from qunfa.send import events, show, steps
    from qunfa.send.answers import fitting
    from qunfa.send.answers import refusal as misfit
    from qunfa.send.apply import apply
    from qunfa.send.instant import at_once
    from qunfa.send.plan import plan
    from qunfa.send.state import SendState
    from workflows.effects import Effects, UnderWay
    from workflows.inbox import Inbox
    from workflows.people import People
    from workflows.refusal import Refusal, ask_again, handed_on, read_request, refusal, refuse
    from workflows.waiting import Alarm
    from workflows.whole import Whole
    from workflows.window import Window, failure

HISTORY_MAX: Final = 4_000
"""Events after which a send continues as new: Temporal ends a workflow at 51,200."""


@workflow.defn(name=MASS_SEND)
class MassSend(People):
    """``preparing → scheduled → submitting → awaiting_result → done``, and ``needs_operator`` in between."""

    @workflow.init
    def __init__(self, request: Any = None, *carried: Any) -> None:
        self._request, problems = read_request(request, carried)
        self._state = _first_state(carried)
        self._refusal = (
            Refusal(carried[0] if handed_on(carried) else request, self._request, problems) if problems else None
        )
        self._inbox = Inbox()
        self._under_way: UnderWay | None = None
        self._alarm = Alarm()
        self._ended: steps.End | None = None
        self._refused_as: ApplicationError | None = None
        self._goes_on = False
        self._is_over = False
        self._window = Window(self._say)
        self._whole = _whole_of(self._request) if self._refusal is None else None

    @workflow.run
    async def run(self, request: Any = None, *carried: Any) -> MassSendResult:  # noqa: ARG002  as `__init__` has it
        """Carry the send to its end; a cancellation ends it only while nothing can have been delivered."""
        self._inbox.listen()
        life = asyncio.ensure_future(self._live())
        while True:
            try:
                return await asyncio.shield(life)
            except asyncio.CancelledError:
                if life.done():
                    raise
                self.hear(events.Cancelled(workflow.cancellation_reason() or "no reason given"))

    async def _live(self) -> MassSendResult:
        await self._begin()
        while True:
            step, under_way = self._take_inbox(), self._under_way
            if isinstance(step, steps.End):
                if under_way is not None:
                    self._show(step)
                if await self._settled() and (result := await self._finish(step)) is not None:
                    return result
            elif self._is_long(step):
                self._show(step)
                if await self._settled():
                    await self._continue()
            elif under_way is not None and under_way.effect != step.effect:
                self._show(step)
                await self._change(step, under_way)
            elif (event := self._at_once(step.effect)) is not None:
                self._apply(event)
            else:
                await self._next(step)

    async def _begin(self) -> None:
        """Leave a send that is refused, or that is one in batches."""
        if self._refusal is not None:
            raise await self._refused(await self._refusal.ended(self._window.board))
        if self._is_in_batches:
            await self._hand_over()

    @property
    def _is_in_batches(self) -> bool:
        return self._request is not None and is_long(self._request.audience)

    async def _hand_over(self) -> NoReturn:
        """Go on as a send in batches, under the same id."""
        self._goes_on = True
        await workflow.wait_condition(workflow.all_handlers_finished)
        asked = self._asked.model_dump(mode="json", exclude_unset=True)
        workflow.continue_as_new(workflow=MASS_SEND_IN_BATCHES, args=[asked])

    def _take_inbox(self) -> steps.Step | steps.End:
        """What comes next, once all that has come was taken in."""
        while self._inbox:
            for event in self._inbox.take():
                self._apply(event)
        return plan(self._asked, self._state, workflow.now())

    async def _next(self, step: steps.Step) -> None:
        """Until the effect of the step has come to something, or a message has come, or the time.

        What takes no time is not shown, and neither is the moment that the account's configuration takes: each show may
        cost an event.
        """
        if step.effect is not None and self._under_way is None:
            carrying = Effects(self._asked, self).carry_out(step.effect, self._state)
            task, now, resets = asyncio.create_task(carrying), workflow.now(), self._inbox.resets
            self._under_way = UnderWay(step.effect, task, now, self._state.known, self._state.lost_at, resets)
            await asyncio.sleep(0)
        under_way = self._under_way
        if under_way is None or not under_way.task.done():
            if not isinstance(step.effect, steps.Pin):
                self._show(step)
            self._alarm.set(step.wakes_at, step.why)
            await workflow.wait_condition(
                lambda: bool(self._inbox) or self._alarm.rang or (under_way is not None and under_way.task.done())
            )
        if not self._inbox and under_way is not None and under_way.task.done():
            await self._stop()

    async def _change(self, step: steps.Step, under_way: UnderWay) -> None:
        """Something else comes next than what is under way: that is awaited for a moment, or cancelled."""
        if self._is_answered(under_way):
            await self._next(step)
        elif (until := under_way.soon_done) is not None and workflow.now() < until:
            await self._next(replace(step, again=min(step.wakes_at or until, until)))
        else:
            await self._stop()

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
        if isinstance(event, events.LookedUp) and self._inbox.resets != under_way.resets:
            return  # the run before the reset may have done more since
        told = (self._state.known, self._state.lost_at) == (under_way.knew, under_way.lost_at)
        if isinstance(event, events.Reported) and not told:
            return  # something became known meanwhile, or the account was lost that was told: it is told again
        if event is not None:
            self._apply(event)

    def _is_answered(self, under_way: UnderWay) -> bool:
        """Whether it tells the account of a wish that is answered already: that is about to be done by itself."""
        effect, heard = under_way.effect, self._state.heard
        return isinstance(effect, steps.SendWish) and heard is not None and heard.wish == effect.wish

    async def _settled(self) -> bool:
        """Whether nothing is under way any more, and nothing has come meanwhile."""
        under_way = self._under_way
        if under_way is None:
            return not self._inbox
        if (until := under_way.soon_done) is not None and (left := until - workflow.now()) > timedelta(0):
            with contextlib.suppress(TimeoutError):
                await workflow.wait_condition(lambda: bool(self._inbox) or under_way.task.done(), timeout=left)
            if self._inbox:
                return False
        await self._stop()
        return False

    def _at_once(self, effect: steps.Effect | None) -> events.Event | None:
        return at_once(effect, self._state, lambda: str(workflow.uuid4()))

    def _apply(self, event: events.Event) -> None:
        state = apply(self._asked, self._state, event, workflow.now())
        self._inbox.reply(state.replies)
        self._state = state.changed(replies=())
        if isinstance(event, events.WasPut | events.Shown):
            self._window.tell(self._asked, self._state, event, self._under_way)

    async def _finish(self, end: steps.End) -> MassSendResult | None:
        """The result, told to all; nothing where something has come meanwhile."""
        asked = self._asked
        if end.refused:
            self._show(end)
            raise await self._refused(refuse(list(end.refused)))
        result = show.result(asked, self._state, end, workflow.now())
        if self._ended != end:
            self._ended = end
            self._apply(events.Finished(end.outcome))
            self._window.tell_end(asked, self._state, end, result, self._under_way)
        self._show(end)
        await self._told()
        await self._all_answered()
        if self._inbox:
            return None
        self._is_over = True
        # An earlier run may have been cancelled and have gone on: of this one Temporal would say that it had failed.
        cancelled = workflow.cancellation_reason() is not None and self._state.newest_act("cancel")
        if cancelled and self._state.stop is None and end.outcome == "aborted":
            raise asyncio.CancelledError
        if end.outcome in COMPLETES:
            return result
        raise failure(result)

    async def _told(self) -> None:
        await self._window.told()
        if self._whole is not None:
            await self._whole.told()

    async def _refused(self, error: ApplicationError) -> ApplicationError:
        """The failure of a refused run, once all who await whether it is accepted have heard of it."""
        self._refused_as = error
        await workflow.wait_condition(workflow.all_handlers_finished)
        return error

    async def _all_answered(self) -> None:
        """Until no update waits for its reply any more; or one has come meanwhile, which has to be taken in first."""
        await workflow.wait_condition(lambda: bool(self._inbox) or workflow.all_handlers_finished())

    def _is_long(self, step: steps.Step) -> bool:
        """Whether the run is to go on as another one: with nothing in hand, and not while the account is to answer."""
        info, state = workflow.info(), self._state
        if state.trying or state.lease or state.question:
            return False
        if state.wish is not None and not isinstance(step.effect, steps.Wish):
            return False
        return info.get_current_history_length() > HISTORY_MAX or info.is_continue_as_new_suggested()

    async def _continue(self) -> None:
        self._apply(events.Continued())
        await self._told()
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

    def _folded(self) -> SendState:
        """The state with all that has come, also where it was not taken yet; after the end nothing counts."""
        state = self._state
        for event in () if self._is_over else self._inbox:
            state = apply(self._asked, state, event, workflow.now())
        return state

    def _show(self, step: steps.Step | steps.End) -> None:
        self._window.show(self._asked, self._state, step, self._under_way)
        if self._whole is not None and isinstance(step, steps.Step):
            asks = step.problem if step.phase == "needs_operator" else None
            answers = fitting(self._asked, self._state, workflow.now()) if asks else ()
            self._whole.tell(asks, answers, step.held)

    def _say(self, what: str) -> None:
        self._state = self._state.saying(workflow.now(), what)

    def doing(self, what: str) -> None:
        """Show what is being done."""
        if self._under_way is not None:
            self._under_way.what = what
            self._show(plan(self._asked, self._state, workflow.now()))

    @workflow.query(description="status: where the send stands")
    def status(self) -> Status:
        """Where the send stands."""
        if self._refusal is not None:
            return self._refusal.status()
        state = self._folded()
        over = self._ended if self._is_over else None
        step = over or plan(self._asked, state, workflow.now())
        status = self._window.status(self._asked, state, step, self._under_way)
        return status if self._inbox else status.model_copy(update={"updated_at": self._window.shown_at})

    @workflow.query(description="sources: the message's files as they were found, by SHA-256")
    def sources(self) -> SourcesSeen:
        """What was found at the sources of the message."""
        state = self._state
        if state.material is None:
            return SourcesSeen(digest=state.digest)
        return SourcesSeen(digest=state.digest, sources=state.material.sources, contents=state.material.contents)

    # What comes from outside

    def hear(self, event: events.Event) -> None:
        """Take in a message."""
        self._inbox.put(event)

    @workflow.signal(description="granted: what the account answers to a wish of this run")
    def granted(self, raw: Any = None, *more: Any) -> None:
        """Take the account's answer."""
        self._inbox.granted(raw, *more)

    @workflow.signal(description="job_finished: WeChat's push, as the account forwards it")
    def job_finished(self, raw: Any = None, *more: Any) -> None:
        """Take WeChat's word on one of our jobs; kept where it is on none (yet)."""
        self._inbox.job_finished(raw, *more)

    @workflow.signal(description="ledger_lost: the account was closed, and this run may have waited for its turn there")
    def ledger_lost(self, raw: Any = None, *more: Any) -> None:
        """Ask for the turn again."""
        self._inbox.ledger_lost(raw, *more)

    async def take(self, answer: events.Answering) -> Status:
        """Put a person's answer into the inbox, and await what comes of it."""
        if self._is_in_batches:
            raise ask_again()
        if why := await self._inbox.replied(answer):
            raise refusal(why)
        return self.status()

    async def taken_on(self) -> Status:
        """Await whether the request is accepted: it is once the ledger has told what its key has done before."""
        await workflow.wait_condition(lambda: self._is_taken_on() or self._refused_as is not None or self._goes_on)
        if self._refused_as is not None:
            raise self._refused_as
        if not self._is_taken_on():
            raise ask_again()
        return self.status()

    def _is_taken_on(self) -> bool:
        return self._state.joined_at is not None or self._ended is not None

    def fit(self, answer: events.Answering) -> None:
        """Judge an answer by all that has come."""
        if self._request is None or self._refusal is not None:
            raise refusal("this send is done")
        if self._is_in_batches:
            return  # it is told to ask again
        if why := misfit(self._request, self._folded(), workflow.now(), answer):
            raise refusal(why)


def _first_state(carried: tuple[Any, ...]) -> SendState:
    info = workflow.info()
    if info.continued_run_id and len(carried) == 1 and not handed_on(carried):
        return SendState.model_validate(carried[0])
    return SendState(namespace=info.namespace, life=info.first_execution_run_id)


def _whole_of(request: MassSendRequest | None) -> Whole | None:
    """The send in batches that this one is a batch of."""
    audience = request.audience if request else None
    return Whole(audience, request.account) if request and isinstance(audience, Batch) else None
