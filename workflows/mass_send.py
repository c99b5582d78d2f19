"""``MassSend``: one logical mass send, from the request to WeChat's verdict.

What comes next is :func:`qunfa.send.plan.plan`'s to say, and what has happened is taken in by
:func:`qunfa.send.apply.apply`. Here is the one wait: for the effect of the step, for a message, or for a time.
"""

import asyncio
import contextlib
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Final, TypeVar

from pydantic import BaseModel, ValidationError
from temporalio import workflow
from temporalio.exceptions import ApplicationError, is_cancelled_exception

with workflow.unsafe.imports_passed_through():
    from qunfa.contract.facts import Known
    from qunfa.contract.grants import Granted, LedgerLost
    from qunfa.contract.ids import MASS_SEND
    from qunfa.contract.operators import Status
    from qunfa.contract.pictures import SourcesSeen
    from qunfa.contract.refusal import full_stop, sentences
    from qunfa.contract.request import MassSendRequest
    from qunfa.contract.result import ASK_AGAIN, COMPLETES, MASS_SEND_FAILED, JobFinished, MassSendResult
    from qunfa.send import events, show, steps
    from qunfa.send.answers import refusal as misfit
    from qunfa.send.apply import apply
    from qunfa.send.asking import deadline
    from qunfa.send.instant import at_once
    from qunfa.send.plan import plan
    from qunfa.send.state import Case, Reply, SendState
    from workflows.effects import Effects
    from workflows.notices import Board, Notices
    from workflows.people import People
    from workflows.refusal import Refusal, handed_on, read_request, refusal, refuse
    from workflows.waiting import Alarm

HISTORY_MAX: Final = 4_000
"""Events after which a send continues as new: Temporal ends a workflow at 51,200."""
PUSHES_MAX: Final = 200
"""Pushes that are taken in within one activation; the account forwards the newest of each job alone."""

SOON: Final = timedelta(seconds=10)
"""How long what is soon done is left alone before it is cancelled; it would end just as it is cancelled, as a rule."""
_SHORT: Final = (steps.SendWish, steps.Report, steps.LookUp, steps.AskWechat)

ModelT = TypeVar("ModelT", bound=BaseModel)


@dataclass
class UnderWay:
    """An effect that is being carried out, since when, what was known then, and what is shown of it."""

    effect: steps.Effect
    task: "asyncio.Task[events.Event | None]"
    since: datetime
    knew: Known
    lost_at: datetime | None
    resets: int
    what: str = ""

    @property
    def soon_done(self) -> datetime | None:
        """Until when it is left alone, although something else comes next."""
        return self.since + SOON if isinstance(self.effect, _SHORT) else None


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
        self._inbox: list[events.Event] = []
        self._replies: dict[str, Reply] = {}
        self._resets = 0
        self._under_way: UnderWay | None = None
        self._alarm = Alarm()
        self._ended: steps.End | None = None
        self._refused_as: ApplicationError | None = None
        self._goes_on = False
        self._is_over = False
        self._shown_at = workflow.now()
        self._board = Board(Notices(self._say))
        self._loop = asyncio.get_running_loop()

    @workflow.run
    async def run(self, request: Any = None, *carried: Any) -> MassSendResult:  # noqa: ARG002  as `__init__` has it
        """Carry the send to its end; a cancellation ends it only while nothing can have been delivered."""
        # A new seed is how a run learns that it was reset. It listens from here and not from `__init__`, which comes
        # before the seed of a reset to the first task where an update was refused in that task, and after it in a
        # replay.
        workflow.register_random_seed_callback(self._note_reset)
        life = asyncio.ensure_future(self._live())
        while True:
            try:
                return await asyncio.shield(life)
            except asyncio.CancelledError:
                if life.done():
                    raise
                self.hear(events.Cancelled(workflow.cancellation_reason() or "no reason given"))

    async def _live(self) -> MassSendResult:
        if self._refusal is not None:
            raise await self._refused(await self._refusal.ended(self._board))
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

    def _take_inbox(self) -> steps.Step | steps.End:
        """What comes next, once all that has come was taken in."""
        while self._inbox:
            came, self._inbox = sorted(self._inbox, key=_rank), []
            for event in came:
                self._apply(event)
        return plan(self._asked, self._state, workflow.now())

    async def _next(self, step: steps.Step) -> None:
        """Until the effect of the step has come to something, or a message has come, or the time.

        What takes no time is not shown, and neither is the moment that the account's configuration takes: each show may
        cost an event.
        """
        if step.effect is not None and self._under_way is None:
            carrying = Effects(self._asked, self).carry_out(step.effect, self._state)
            task, now = asyncio.create_task(carrying), workflow.now()
            self._under_way = UnderWay(step.effect, task, now, self._state.known, self._state.lost_at, self._resets)
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
            await self._stop()

    async def _change(self, step: steps.Step, under_way: UnderWay) -> None:
        """Something else comes next than what is under way: that is awaited for a moment, or cancelled."""
        if self._is_answered(under_way):
            await self._next(step)
        elif (until := under_way.soon_done) is not None and workflow.now() < until:
            await self._next(replace(step, until=min(step.until or until, until)))
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
        event = _outcome(under_way.task)
        if isinstance(event, events.LookedUp) and self._resets != under_way.resets:
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
        self._replies |= {reply.id: reply for reply in state.replies}
        self._state = state.changed(replies=())
        if isinstance(event, events.WasPut | events.Shown):
            self._tell(event)

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
            wants = self._state.pinned.notices if self._state.pinned else ()
            self._board.tell_end(wants, asked, self._status_at(self._state, end), result)
        self._show(end)
        await self._board.notices.started()
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
        raise ApplicationError(_why(result), result, type=MASS_SEND_FAILED, non_retryable=True)

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
        await self._board.notices.started()
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
        for event in () if self._is_over else sorted(self._inbox, key=_rank):
            state = apply(self._asked, state, event, workflow.now())
        return state

    def _status_at(self, state: SendState, step: steps.Step | steps.End) -> Status:
        under_way = self._under_way
        if isinstance(step, steps.Step) and under_way and under_way.what and under_way.effect == step.effect:
            step = replace(step, why=under_way.what)
        return show.status(self._asked, state, step, workflow.now())

    def _show(self, step: steps.Step | steps.End) -> None:
        asked, now = self._asked, workflow.now()
        self._shown_at = now
        ended = isinstance(step, steps.End) and not step.refused
        result = show.result(asked, self._state, step, now) if ended and isinstance(step, steps.End) else None
        found_by = show.searchable(asked, self._state, step, now)
        self._board.show(asked, self._status_at(self._state, step), found_by, result)

    def _tell(self, event: events.WasPut | events.Shown) -> None:
        """Have told that a person is asked."""
        asked, state, now = self._asked, self._state, workflow.now()
        wants = state.pinned.notices if state.pinned else ()
        step = plan(asked, state, now)
        case = Case(asked, state, now)
        if isinstance(step, steps.End) or not wants:
            return
        status = self._status_at(state, step)
        if isinstance(event, events.Shown):
            self._board.tell(
                wants, asked, status, what="awaiting_approval", event="awaiting_approval",
                in_doubt=case.in_doubt, answer_by=step.until,
            )  # fmt: skip
        elif state.asking is not None:
            asking = state.asking
            self._board.tell(
                wants, asked, status, what="needs_operator",
                event=f"needs_operator {asking.number} {asking.problem} {asking.generation}",
                in_doubt=case.in_doubt, answer_by=deadline(case, asking)[0],
            )  # fmt: skip

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
        status = self._status_at(state, step)
        return status if self._inbox else status.model_copy(update={"updated_at": self._shown_at})

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
        self._inbox.append(event)

    def _note_reset(self, _seed: int) -> None:
        self._resets += 1
        self.hear(events.WasReset())
        # A wait looks at its condition only after something has run. It has to look now: later, an update that is
        # refused would decide whether it looks before or after what else has come, and no replay would know of that.
        self._loop.call_soon(_nothing)

    @workflow.signal(description="granted: what the account answers to a wish of this run")
    def granted(self, raw: Any = None, *more: Any) -> None:
        """Take the account's answer."""
        if (heard := _well_formed(Granted, raw, *more)) is not None:
            self.hear(events.Heard(heard))

    @workflow.signal(description="job_finished: WeChat's push, as the account forwards it")
    def job_finished(self, raw: Any = None, *more: Any) -> None:
        """Take WeChat's word on one of our jobs; kept where it is on none (yet)."""
        if (pushed := _well_formed(JobFinished, raw, *more)) is None:
            return
        if sum(isinstance(one, events.Pushed) for one in self._inbox) >= PUSHES_MAX:
            workflow.logger.warning("push on msg_id %s dropped: too many came at once", pushed.msg_id)
            return
        self.hear(events.Pushed(pushed))

    @workflow.signal(description="ledger_lost: the account was closed, and this run may have waited for its turn there")
    def ledger_lost(self, raw: Any = None, *more: Any) -> None:
        """Ask for the turn again."""
        lost = _well_formed(LedgerLost, raw, *more)
        if lost is not None and not any(isinstance(one, events.QueueLost) and one.at >= lost.at for one in self._inbox):
            self.hear(events.QueueLost(lost.at))

    async def take(self, answer: events.Answering) -> Status:
        """Put a person's answer into the inbox, and await what comes of it."""
        update = workflow.current_update_info()
        identity = update.id if update else str(workflow.uuid4())
        self.hear(events.Updated(identity, answer))
        await workflow.wait_condition(lambda: identity in self._replies)
        if why := self._replies.pop(identity).refusal:
            raise refusal(why)
        return self.status()

    async def taken_on(self) -> Status:
        """Await whether the request is accepted: it is once the ledger has told what its key has done before."""
        await workflow.wait_condition(lambda: self._is_taken_on() or self._refused_as is not None or self._goes_on)
        if self._refused_as is not None:
            raise self._refused_as
        if not self._is_taken_on():
            raise ApplicationError("the send goes on as another run: ask that one", type=ASK_AGAIN, non_retryable=True)
        return self.status()

    def _is_taken_on(self) -> bool:
        return self._state.joined_at is not None or self._ended is not None

    def fit(self, answer: events.Answering) -> None:
        """Judge an answer by all that has come."""
        if self._request is None or self._refusal is not None:
            raise refusal("this send is done")
        if why := misfit(self._request, self._folded(), workflow.now(), answer):
            raise refusal(why)


def _rank(event: events.Event) -> int:
    """In which order is taken in what has come at a time: a replay may hear of an update earlier than the run did.

    A reset goes first, where it is heard of in time: what the account has said was said to the run before.
    """
    return {events.WasReset: 0, events.Updated: 2, events.Cancelled: 3}.get(type(event), 1)


def _outcome(task: "asyncio.Task[events.Event | None]") -> events.Event | None:
    """What the effect came to; nothing where it was cancelled."""
    error = None if task.cancelled() else task.exception()
    if task.cancelled() or (error is not None and is_cancelled_exception(error)):
        return None
    return task.result()


def _first_state(carried: tuple[Any, ...]) -> SendState:
    info = workflow.info()
    if info.continued_run_id and len(carried) == 1 and not handed_on(carried):
        return SendState.model_validate(carried[0])
    return SendState(namespace=info.namespace, life=info.first_execution_run_id)


def _well_formed(model: type[ModelT], raw: Any, *more: Any) -> ModelT | None:
    """``raw`` as ``model``; what does not fit is logged and dropped: a signal must never fail."""
    if more:
        workflow.logger.warning("%s with %s inputs dropped: it takes one", model.__name__, 1 + len(more))
        return None
    try:
        return model.model_validate(raw)
    except ValidationError as error:
        workflow.logger.warning("malformed %s dropped: %s", model.__name__, "; ".join(sentences(error)))
        return None


def _why(result: MassSendResult) -> str:
    said = f": {result.problem.sentence}" if result.problem else ""
    perhaps = "It may have been delivered." if result.may_have_been_delivered else "Nothing was delivered."
    ended = full_stop(f'mass send "{result.key}" of account {result.account} ended as {result.outcome}{said}')
    return f"{ended} {perhaps}"


def _nothing() -> None:
    pass
