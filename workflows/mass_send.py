"""``MassSend``: one logical mass send, from the request to WeChat's verdict.

What comes next is :func:`qunfa.send.plan.plan`'s to say, and what has happened is taken in by
:func:`qunfa.send.apply.apply`. The one wait is in :mod:`workflows.sending`.
"""

import asyncio
import contextlib
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, Final, NoReturn

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from qunfa.contract.audience import Batch, is_long
    from qunfa.contract.batches import OF_LIST
    from qunfa.contract.checks import SourcesSeen
    from qunfa.contract.grants import Granted, LedgerLost
    from qunfa.contract.ids import MASS_SEND, MASS_SEND_IN_BATCHES
    from qunfa.contract.operators import Abort, Pause, Reschedule, Status
    from qunfa.contract.request import MassSendRequest
    from qunfa.contract.result import JobFinished, MassSendResult
    from qunfa.send import events, show, steps
    from qunfa.send.answers import asked, fitting, refusal
    from qunfa.send.apply import apply
    from qunfa.send.endings import bad, deadline
    from qunfa.send.plan import plan
    from qunfa.send.state import Case, SendState
    from qunfa.send.turns import approval_event
    from workflows.effects import Effects, SendUnderWay
    from workflows.in_batches import CORE as IN_BATCHES
    from workflows.refusal import ask_again
    from workflows.sending import Core, Sending, new_state
    from workflows.waiting import has_long_history, is_full
    from workflows.whole import Whole


def _misfit(request: MassSendRequest, state: SendState, now: datetime, answer: events.Answering) -> str | None:
    """Why the update that just came does not fit: a person has sent it, or the list of this batch."""
    update = workflow.current_update_info()
    return refusal(request, state, now, answer, of_list=update is not None and update.id.startswith(OF_LIST))


_CORE: Final = Core(SendState, steps.Put, plan, apply, _misfit, show.status, show.searchable, show.result)
_KEPT: Final = Abort | Pause | Reschedule
"""What a run takes that goes on as a send in batches: a reset of it brings what people have said to all later runs.

A resume is none of it: that may have answered a batch, and would lift a pause that still stood.
"""
_PUSHES_MAX: Final = 200
"""Pushes that are taken in within one activation; the account forwards the newest of each job alone."""


@workflow.defn(name=MASS_SEND)
class MassSend(Sending[SendState, steps.Step, events.Event, SendUnderWay]):
    """``preparing → scheduled → submitting → awaiting_result → done``, and ``needs_operator`` in between."""

    @workflow.init
    def __init__(self, request: Any = None, *carried: Any) -> None:
        super().__init__(_CORE, request, carried)
        self._whole = _whole_of(self._request) if self._refusal is None else None
        self._in_batches = new_state(IN_BATCHES.state)

    @workflow.run
    async def run(self, request: Any = None, *carried: Any) -> MassSendResult:  # noqa: ARG002  as `__init__` has it
        """Carry the send to its end; a cancellation ends it only while nothing can have been delivered."""
        return await self._lived()

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
            elif self._is_to_begin(step) and await self._hears_cancellation():
                continue
            elif (event := events.at_once(step.effect, self._state, lambda: str(workflow.uuid4()))) is not None:
                self._apply(event)
            else:
                await self._next(step)

    async def _begin(self) -> None:
        """Leave a send that is refused, or that is one in batches."""
        if self._refusal is not None:
            raise await self._refused(await self._refusal.ended(self._board))
        if self._is_in_batches:
            await self._hand_over()

    @property
    def _is_in_batches(self) -> bool:
        return self._request is not None and is_long(self._request.audience)

    async def _hand_over(self) -> NoReturn:
        """Go on as a send in batches, under the same id, with what that run would not be told of."""
        self._goes_on = True
        await self._all_answered()
        while self._inbox or await self._hears_cancellation():
            for event in self._inbox.take():
                if isinstance(event, events.Updated | events.Cancelled):
                    state = IN_BATCHES.apply(self._asked, self._in_batches, event, workflow.now())
                    self._inbox.reply(state.replies)
                    self._in_batches = state.changed(replies=())
            await self._all_answered()
        asked = self._asked.model_dump(mode="json", exclude_unset=True)
        carried = [self._in_batches] if self._in_batches.acts else []
        workflow.continue_as_new(workflow=MASS_SEND_IN_BATCHES, args=[asked, *carried])

    def _begun(self, effect: steps.Effect) -> SendUnderWay:
        carrying = Effects(self._asked, self._inbox.put, self._doing).carry_out(effect, self._state)
        task, now, resets = asyncio.create_task(carrying), workflow.now(), self._inbox.resets
        return SendUnderWay(effect, task, now, self._state.known, self._state.lost_at, resets)

    def _apply(self, event: Any) -> None:
        super()._apply(event)
        if isinstance(event, events.WasReset) and self._whole is not None:
            self._whole.forget()

    async def _change(self, step: steps.Step, under_way: SendUnderWay) -> None:
        """Something else comes next than what is under way: that is awaited for a moment, or cancelled."""
        if self._is_answered(under_way):
            await self._next(step)
        elif (until := under_way.soon_done) is not None and workflow.now() < until:
            await self._next(replace(step, look_at=min(step.wakes_at or until, until)))
        else:
            await self._stop()

    def _counts(self, event: events.Event, under_way: SendUnderWay) -> bool:
        """Whether what an effect has come to still counts.

        Where something became known meanwhile, or the account was lost that was told, it is told again. After a reset
        an earlier run may have done more than was found.
        """
        if isinstance(event, events.LookedUp):
            return self._inbox.resets == under_way.resets
        told = (self._state.known, self._state.lost_at) == (under_way.knew, under_way.lost_at)
        return told or not isinstance(event, events.Reported)

    def _is_answered(self, under_way: SendUnderWay) -> bool:
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

    def _is_to_begin(self, step: steps.Step) -> bool:
        """Whether a try comes next, which cannot be taken back."""
        return isinstance(step.effect, steps.Submit) and self._state.trying is None

    @property
    def _was_cancelled(self) -> bool:
        # An earlier run may have been cancelled and have gone on: of this one Temporal would say that it had failed.
        return self._state.newest_act("cancel") is not None and self._state.stop is None

    async def _told(self) -> None:
        await super()._told()
        if self._whole is not None:
            await self._whole.told()

    def _is_long(self, step: steps.Step) -> bool:
        """Whether the run is to go on as another one: with nothing in hand.

        Nor does it while the account is to answer, unless its history is too long: then the next run asks again.
        """
        info, state = workflow.info(), self._state
        if state.trying or state.lease or state.question:
            return False
        if state.wish is not None and not isinstance(step.effect, steps.Wish):
            return is_full(info)
        return has_long_history(info)

    def _carried(self) -> SendState:
        return self._core.apply(self._asked, self._state, events.Continued(), workflow.now())

    # What people see

    def _status(self, state: SendState, step: steps.Step | steps.End) -> Status:
        """Where the send stands; of the effect under way, what is just being done for it."""
        if self._is_in_batches:
            asked, kept, now = self._asked, self._in_batches, workflow.now()
            return IN_BATCHES.status(asked, kept, IN_BATCHES.plan(asked, kept, now), now)
        doing = self._under_way
        if isinstance(step, steps.Step) and doing and doing.what and doing.effect == step.effect:
            step = replace(step, why=doing.what)
        return super()._status(state, step)

    def _show(self, step: steps.Step | steps.End) -> None:
        super()._show(step)
        if self._whole is not None and isinstance(step, steps.Step):
            case = Case(self._asked, self._state, workflow.now())
            asks = asked(case, step) if step.phase == "needs_operator" else None
            answers = fitting(self._asked, self._state, workflow.now()) if asks else ()
            self._whole.tell(asks, answers, step.held, show.opens(case, step))

    def _approval(self, step: steps.Step) -> tuple[str, datetime | None] | None:
        event = approval_event(Case(self._asked, self._state, workflow.now()))
        return (event, step.until) if event else None

    def _question(self, _step: steps.Step) -> tuple[str, datetime | None] | None:
        asking = self._state.asking
        if asking is None:
            return None
        until = deadline(Case(self._asked, self._state, workflow.now()), asking)[0]
        return f"needs_operator {asking.number} {asking.problem} {asking.generation}", until

    @property
    def _in_doubt(self) -> bool:
        case = Case(self._asked, self._state, workflow.now())
        return case.in_doubt or bad(case, "aborted") == "unknown"

    def _doing(self, what: str) -> None:
        """Show what is being done."""
        if self._under_way is not None:
            self._under_way.what = what
            self._show(self._plan(self._state))

    @workflow.query(description="sources: the message's files as they were found, by SHA-256")
    def sources(self) -> SourcesSeen:
        state = self._state
        if state.material is None:
            return SourcesSeen(digest=state.digest)
        return SourcesSeen(digest=state.digest, sources=state.material.sources, contents=state.material.contents)

    # What comes from outside

    @workflow.signal(description="granted: what the account answers to a wish of this run")
    def granted(self, raw: Any = None, *more: Any) -> None:
        """Take the account's answer; dropped where it is none."""
        for heard in self._inbox.read("granted", Granted, raw, *more):
            self._inbox.put(heard)

    @workflow.signal(description="job_finished: WeChat's push, as the account forwards it")
    def job_finished(self, raw: Any = None, *more: Any) -> None:
        """Take WeChat's word on one of our jobs; kept where it is on none (yet), and dropped where too many came."""
        for pushed in self._inbox.read("job_finished", JobFinished, raw, *more):
            if len(self._inbox.of(JobFinished)) < _PUSHES_MAX:
                self._inbox.put(pushed)
            else:
                workflow.logger.warning("push on msg_id %s dropped: too many came at once", pushed.msg_id)

    @workflow.signal(description="ledger_lost: the account was closed, and this run may have waited for its turn there")
    def ledger_lost(self, raw: Any = None, *more: Any) -> None:
        """Ask for the turn again, once: of one loss several workers tell several times."""
        for lost in self._inbox.read("ledger_lost", LedgerLost, raw, *more):
            if not any(one.at >= lost.at for one in self._inbox.of(LedgerLost)):
                self._inbox.put(lost)

    async def take(self, answer: events.Answering) -> Status:
        """Put a person's answer into the inbox, and await what comes of it."""
        if self._is_in_batches and not isinstance(answer, _KEPT):
            raise ask_again()
        return await super().take(answer)

    @property
    def _is_taken_on(self) -> bool:
        """It is once the ledger has told what its key has done before."""
        return self._state.joined_at is not None or self._ended is not None

    def fit(self, answer: events.Answering) -> None:
        """Judge an answer by all that has come; a send that goes on in batches does so as it takes it."""
        if self._refusal is not None or not self._is_in_batches:
            super().fit(answer)


def _whole_of(request: MassSendRequest | None) -> Whole | None:
    audience = request.audience if request else None
    return Whole(audience, request.account) if request and isinstance(audience, Batch) else None
