"""``Account``: the entity of one appid. It says who may submit and when, and whose a push is.

It runs for ever, continues as new early, and never raises. Messages only go to its inbox, and ``run`` applies them:

| step | when | the workflow task |
|---|---|---|
| apply a slice of the inbox, and what time has brought | always | goes on |
| answer the wishes whose updates wait | there are any | goes on |
| say what there is to be said, and hear who was there | there is something | another one |
| wait for a signal, or a timer | the inbox holds more | another one |
| wait for a signal, an update, or what is due | nothing is left | another one |

In a flood a task has to be short, and must not fail. After a hundred signals that come during a task, and where one
comes while a run ends, Temporal has the task fail. The next task comes with the answer to a task that is done; after
one that has failed it waits until the flood is over. So a task applies one slice of what is left, and a run ends in a
lull.

There is no local activity: with a query that comes beside it, a replay gets its answer in another task than the run.
"""

import asyncio
import contextlib
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Any, Final

from temporalio import workflow
from temporalio.common import RawValue, SearchAttributeKey
from temporalio.exceptions import ApplicationError, FailureError

with workflow.unsafe.imports_passed_through():
    from qunfa.account import people, show
    from qunfa.account.budget import trimmed
    from qunfa.account.inbox import take
    from qunfa.account.leases import due, expired, settle
    from qunfa.account.outbox import Outgoing, delivered, not_found, outgoing
    from qunfa.account.people import caught_up, marked, why_not_caught_up
    from qunfa.account.records import unsearched
    from qunfa.account.state import AccountState
    from qunfa.contract.grants import PATIENCE, Granted, Wish
    from qunfa.contract.ids import ACCOUNT, parse_account_id
    from qunfa.contract.ledger import Forgotten, FreezeAnswer, LedgerView, Restored
    from qunfa.contract.operators import CaughtUp, Forget, Freeze, Restore, Unfreeze
    from qunfa.contract.refusal import Unreadable
    from qunfa.contract.steps import LedgerAnswer, LedgerQuestion
    from workflows.account_page import account_page, misheard
    from workflows.refusal import invalid_request, parsed, update_refused
    from workflows.waiting import Signals, has_long_history, is_full, look_now, readable

MESSAGES_PER_RUN: Final = 400
"""Temporal takes 2,000 updates and 10,000 signals in a run; far fewer keep histories short to read."""
ANSWERED_WITHIN: Final = timedelta(seconds=5)
"""Most tries are, from the beginning of their leases on."""
_SOONEST: Final = timedelta(milliseconds=10)
_LATEST: Final = timedelta(days=30)
"""Of a timer: whoever wishes may name a time in a thousand years."""
_PHASE: Final = SearchAttributeKey.for_keyword("MassSendPhase")
_RUN_ID: Final = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
"""Temporal refuses a workflow task that signals a run of any other name, again and again."""


@dataclass
class Waiting:
    """A wish whose update waits for the answer. ``number``: of its message in the inbox."""

    wish: Wish
    number: int
    is_over: bool = False
    answer: Granted | None = None


@workflow.defn(name=ACCOUNT)
class Account:
    """The ledger, the queue, the routing and the switch of one appid; see :mod:`qunfa.account`."""

    @workflow.init
    def __init__(self, carried: Any = None, *more: Any) -> None:
        appid = parse_account_id(workflow.info().workflow_id) or workflow.info().workflow_id
        self._state = AccountState(appid=appid, since=workflow.now())
        self._inbox = Signals()
        if workflow.info().continued_run_id and carried is not None:
            self._state = AccountState.model_validate(carried)
            self._inbox = Signals(*more[:1])
        self._waiting: list[Waiting] = []
        self._loop = asyncio.get_running_loop()
        self._alarms: dict[datetime, asyncio.Task[None]] = {}
        self._changed = self._ends = False
        self._rang_at = 0
        """How long the history was when a timer rang last."""
        self._lately = 1
        """How many signals have come since the last slice was applied."""
        self._messages = 0
        self._misheard = ""

    @workflow.run
    async def run(self, carried: Any = None, *_more: Any) -> None:
        """Apply what comes and say what follows, until this run has seen enough; then continue as new."""
        if isinstance(carried, Unreadable):
            raise invalid_request([carried.sentence])
        # A new seed is how a run learns that it was reset: the runs of the sends may know more than is left of it. It
        # listens from here and not from `__init__`, which comes before the seed of a reset to the first task where an
        # update was refused in that task, and after it in a replay.
        workflow.register_random_seed_callback(self._note_reset)
        life = asyncio.ensure_future(self._live())
        while True:
            try:
                await asyncio.shield(life)
            except asyncio.CancelledError:
                if life.cancelled():
                    raise
                workflow.logger.warning("an account cannot be cancelled, since its ledger would be lost; freeze it")

    @workflow.signal(description="wants: what a send wishes, as its activity sends it")
    def wants(self, raw: Any = None, *more: Any) -> None:
        """Keep a wish for its turn."""
        self._inbox.append("wants", raw, *more)

    @workflow.signal(description="told: what a submitting activity or a workflow reports")
    def told(self, raw: Any = None, *more: Any) -> None:
        """Keep a report for its turn."""
        self._inbox.append("told", raw, *more)

    @workflow.signal(description="push: WeChat's MASSSENDJOBFINISH, as the receiver parsed it")
    def push(self, raw: Any = None, *more: Any) -> None:
        """Keep WeChat's word on a job for its turn."""
        self._inbox.append("push", raw, *more)

    @workflow.signal(dynamic=True)
    def unknown(self, name: str, _inputs: Sequence[RawValue]) -> None:
        """Drop a signal that nobody knows; the page tells of one that is named as an update."""
        self._inbox.drop(name)
        if name in {"freeze", "unfreeze"}:
            self._misheard = misheard(name, workflow.now())

    @workflow.signal(description='restored: {"by": "li", "reason": "…", "taken": "…"}, after a restore')
    async def restored(self, raw: Any = None, *more: Any) -> None:
        """Grant nothing to a key of which a try may be forgotten, from this task on: no lease is granted before.

        It comes after all that people have done in this task, and freezes the account: see :meth:`_kept`.
        """
        await asyncio.sleep(0)
        now = workflow.now()
        if not (heard := list(readable("restored", Restore, raw, *more))):
            self._inbox.came += 1
        for asked in heard:
            self._become(marked(expired(self._state, now), asked, now))

    @workflow.update(description='caught_up: {"by": "li"}, after a restore: what is started from now on is new')
    def caught_up(self, raw: Any = None) -> Restored | None:
        """What was forgotten has come up again; the answer is the restore that is over."""
        asked = parsed(CaughtUp, raw)
        workflow.logger.info("caught up, says %s", asked.by)
        self._become(caught_up(self._state, workflow.now()))
        return self._state.restored

    @caught_up.validator
    def _caught_up_fits(self, raw: Any = None) -> None:
        parsed(CaughtUp, raw)
        if why := why_not_caught_up(self._state):
            raise update_refused(why)

    @workflow.update(description='freeze: {"by": "li", "reason": "…"}')
    def freeze(self, raw: Any = None) -> FreezeAnswer:
        """Submit nothing more; the answer names what is in flight all the same."""
        asked, now = parsed(Freeze, raw), workflow.now()
        self._become(people.freeze(expired(self._state, now), asked.by, asked.reason, now))
        return show.switch(self._state)

    @freeze.validator
    def _freeze_fits(self, raw: Any = None) -> None:
        parsed(Freeze, raw)

    @workflow.update(description='unfreeze: {"by": "li"}')
    def unfreeze(self, raw: Any = None) -> FreezeAnswer:
        asked = parsed(Unfreeze, raw)
        workflow.logger.info("unfrozen by %s", asked.by)
        self._become(people.unfreeze(self._state, workflow.now()))
        return show.switch(self._state)

    @unfreeze.validator
    def _unfreeze_fits(self, raw: Any = None) -> None:
        parsed(Unfreeze, raw)

    @workflow.update(description='forget: {"by": "li", "reason": "…", "key": "…"}')
    async def forget(self, raw: Any = None) -> Forgotten:
        """Forget what is known of a key, with what came before; the answer is the line that stays."""
        asked = parsed(Forget, raw)
        await self._applied()
        if why := people.why_kept(self._state, asked.key):
            raise update_refused(why)
        self._become(people.forget(self._state, asked.key, asked.by, asked.reason, workflow.now()))
        return self._state.forgotten[-1]

    @forget.validator
    def _forget_fits(self, raw: Any = None) -> None:
        parsed(Forget, raw)

    @workflow.update(description="wish: what a send wishes, as its activity asks for it")
    async def wish(self, raw: Any = None) -> Granted | None:
        """The answer to a wish; none where there is none yet. The run gets that by the signal ``granted``."""
        waiting = Waiting(parsed(Wish, raw), await self._kept("wants", raw))
        self._waiting.append(waiting)
        self._changed = True
        await workflow.wait_condition(lambda: waiting.is_over or self._ends)
        self._waiting.remove(waiting)
        return waiting.answer

    @wish.validator
    def _wish_fits(self, raw: Any = None) -> None:
        parsed(Wish, raw)

    @workflow.update(description='ask: {"key": "…"}, or {"previewing": "…"} for one of today\'s previews')
    async def ask(self, raw: Any = None) -> LedgerAnswer:
        """What is known of a key, with what came before the question; or whether a preview may be made."""
        asked = parsed(LedgerQuestion, raw)
        if asked.key is not None:
            await self._applied()
        state, answer = show.answer_of(self._state, asked, workflow.now())
        self._become(state)
        return answer

    @ask.validator
    def _ask_fits(self, raw: Any = None) -> None:
        parsed(LedgerQuestion, raw)

    @workflow.query(description='ledger: everything, or {"key": "…"} or {"msg_id": 3147483650}')
    def ledger(self, wanted: Any = None) -> LedgerView:
        if isinstance(wanted, Unreadable):
            raise ApplicationError(wanted.sentence, type="InvalidQuery", non_retryable=True)
        return show.view(self._state, wanted if isinstance(wanted, dict) else {})

    async def _kept(self, *message: Any) -> int:
        """How many messages the inbox has had, with this one, once it has all signals of this task.

        After a reset, signals of the same task may come behind an update that a replay has before it. The handlers of
        all of them are one step each.
        """
        await asyncio.sleep(0)
        if message:
            self._inbox.append(*message)
        return self._inbox.kept

    async def _applied(self) -> None:
        """Await that all is applied which came before. A worker that is new to the run may have it in this task.

        Raises:
            ApplicationError: the run ends before that, and the next one has to be asked.
        """
        came = await self._kept()
        await workflow.wait_condition(lambda: self._inbox.taken >= came or self._ends)
        if self._inbox.taken < came:
            raise update_refused("it is just continuing as new")

    async def _live(self) -> None:
        while True:
            if self._is_worn_out() and self._may_end():
                self._ends = True
                await self._until(workflow.all_handlers_finished)
                self._continue()
                self._ends = False
            self._changed = False
            length = workflow.info().get_current_history_length()
            self._apply()
            self._answer()
            came = self._inbox.came
            if said := outgoing(self._state, workflow.now()):
                await self._say(said)
            elif not self._inbox:
                self._set_alarm(due(self._state))
                await self._until(partial(self._is_woken, came, length))
            else:
                self._set_alarm(workflow.now())
                await self._until(partial(self._is_over, came, length))
            self._lately = self._inbox.came - came

    def _apply(self) -> None:
        now = workflow.now()
        count, messages = self._inbox.next_slice()
        for message in messages:
            self._state = take(self._state, message, now)
        self._messages += count
        self._state = settle(self._state, now)
        self._show()

    def _answer(self) -> None:
        """Answer the wishes whose updates wait: what is said to them needs no signal.

        Nobody waits any more for what was asked long ago, as before a reset: a signal finds out who is still there.
        """
        if not self._waiting:
            return
        now = workflow.now()
        said = [one for one in outgoing(self._state, now) if isinstance(one.payload, Granted)]
        for waiting in self._waiting:
            if waiting.is_over or waiting.number > self._inbox.taken:
                continue
            waiting.is_over = True
            if waiting.wish.asked_at is not None and now > waiting.wish.asked_at + PATIENCE:
                continue
            mine = (waiting.wish.run_id, waiting.wish.wish)
            for one in said:
                if isinstance(one.payload, Granted) and (one.run_id, one.payload.wish) == mine:
                    waiting.answer = one.payload
                    self._state = delivered(self._state, one)

    async def _say(self, said: tuple[Outgoing, ...]) -> None:
        """Send these signals, all at once, and note who was there; meanwhile an update may have changed the state."""
        heard = await asyncio.gather(*map(_is_heard, said))
        for one, there in zip(said, heard, strict=True):
            state = self._state
            self._state = delivered(state, one) if there else not_found(state, one, workflow.now())

    async def _until(self, fits: Callable[[], bool]) -> None:
        """Wait for it, or for a cancellation, which changes nothing."""
        with contextlib.suppress(asyncio.CancelledError):
            await workflow.wait_condition(fits)

    def _is_over(self, came: int, length: int) -> bool:
        """Whether another task has begun.

        A timer that rings in the same one had maybe rung in a task of its own before, which brought nothing: see
        :meth:`_set_alarm`. It begins no second slice.
        """
        return self._rang_at > length or self._inbox.came > came

    def _is_woken(self, came: int, length: int) -> bool:
        return bool(self._inbox) or self._changed or self._is_over(came, length)

    def _set_alarm(self, at: datetime | None) -> None:
        """See to it that a timer rings at this time, or before. None is ever cancelled: each costs events.

        One whose time is over counts no more. It may ring behind an update of this task, and did so in a task of its
        own before: where that task brought nothing, a worker that is new to the run is given both at once.
        """
        now = workflow.now()
        if self._is_worn_out():
            at = min(at or self._answered(), self._answered())
        if at is None:
            return
        at = min(max(at, now + _SOONEST), now + _LATEST)
        if not any(now < other <= at for other in self._alarms):
            self._alarms[at] = asyncio.ensure_future(self._ring(at, at - now))

    async def _ring(self, at: datetime, after: timedelta) -> None:
        await workflow.sleep(after, summary="something is due")
        del self._alarms[at]
        self._rang_at = workflow.info().get_current_history_length()

    def _is_worn_out(self) -> bool:
        return has_long_history(workflow.info()) or self._messages >= MESSAGES_PER_RUN

    def _may_end(self) -> bool:
        """Whether nothing is likely to come while Temporal takes the end of the run; or it has to be tried."""
        is_calm = not self._lately and workflow.now() >= self._answered()
        return is_calm or is_full(workflow.info())

    def _answered(self) -> datetime:
        """Until when the answer to the try under way is likely to come, at any moment."""
        lease = self._state.lease
        return lease.not_before + ANSWERED_WITHIN if lease else workflow.now()

    def _continue(self) -> None:
        """Continue as new, unless more has come than can be carried on: that is applied first."""
        if (rest := self._inbox.carried()) is not None:
            workflow.continue_as_new(args=[trimmed(self._state, workflow.now()), rest])

    def _note_reset(self, _seed: int) -> None:
        self._state = unsearched(self._state)
        self._changed = True
        look_now(self._loop)

    def _become(self, state: AccountState) -> None:
        self._state = state
        self._messages += 1
        self._changed = True

    def _show(self) -> None:
        """The page, and by what a frozen account can be found."""
        workflow.set_current_details(account_page(self._state, workflow.now(), self._misheard))
        phase = "frozen" if self._state.frozen else None
        if workflow.info().typed_search_attributes.get(_PHASE) != phase:
            workflow.upsert_search_attributes([_PHASE.value_set(phase) if phase else _PHASE.value_unset()])


async def _is_heard(said: Outgoing) -> bool:
    """Send a signal; whether there was somebody to hear it."""
    if said.run_id is not None and not _RUN_ID.fullmatch(said.run_id):
        return False
    handle = workflow.get_external_workflow_handle(said.workflow_id, run_id=said.run_id)
    try:
        await handle.signal(said.signal, said.payload)
    except FailureError:
        workflow.logger.info("%s of key %s not sent: %s is closed", said.signal, said.key, said.workflow_id)
        return False
    return True
