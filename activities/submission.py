"""One try to submit: one HTTP call, inside the lease or not at all, and the ledger is told what came of it."""

import asyncio
from datetime import datetime, timedelta
from typing import Final

from temporalio import activity
from temporalio.exceptions import ApplicationError

from activities.accounts import Accounts
from activities.answers import Outcome, answer_of, not_written
from activities.clock import Clock, SystemClock
from activities.configuration import change_of
from activities.heartbeat import heartbeats
from activities.notes import Notes
from activities.once import put_off, refuse_a_second_time, to_its_end
from activities.writing import Write, write_of
from qunfa.contract.audience import All
from qunfa.contract.job import Answer
from qunfa.contract.ledger import Told
from qunfa.contract.steps import SUBMIT, SubmitStep
from qunfa.settings import Settings
from qunfa.wechat import MaybeWritten, NoToken, NotWritten, Refused, Token

TELLING: Final = timedelta(seconds=10)
"""How long the answer waits for the ledger to be told; the lease runs out by itself where that fails."""


class Submission:
    """The try. Its workflow gives it one attempt, and takes a try that is lost for one that may have been written."""

    def __init__(
        self,
        settings: Settings,
        accounts: Accounts,
        notes: Notes,
        clock: Clock | None = None,
        telling: timedelta = TELLING,
    ) -> None:
        self._settings = settings
        self._accounts = accounts
        self._notes = notes
        self._clock = clock or SystemClock()
        self._telling = telling

    @activity.defn(name=SUBMIT)
    @heartbeats()
    async def submit(self, step: SubmitStep) -> Answer:
        """Try once, between `not_before` and `write_before`.

        Nothing is written when the activity is cancelled before its call. A call under way is ended all the same (it is
        bounded by `http_timeout`), the ledger is told, and the answer is returned: an answer in hand is worth more
        than a quick end.

        Nothing is written either where the step comes again after a reset: the run before may have written it, and may
        be about to. It keeps its lease, and the ledger is not told. So it does where an operator has Temporal carry
        the activity out again. One that he pauses or resets before its call has written nothing, and says so: what
        holds up a send is its own `pause`, or a freeze.

        Raises:
            ApplicationError: `TriedBefore`; the workflow takes it for a lost try.
        """
        if step.holder not in {None, activity.info().workflow_run_id}:
            return _begun_before(step, self._clock.now())
        refuse_a_second_time(f"account {step.account.name}: try {step.attempt}")
        try:
            ready = await self._ready(step)
        except asyncio.CancelledError:
            if not put_off():
                raise
            ready = not_written(self._clock.now(), "an operator has paused or reset the activity before its call")
        if isinstance(ready, Answer):
            return await self._told(step, ready)
        write, token = ready
        return await to_its_end(self._write(step, write, token))

    async def _ready(self, step: SubmitStep) -> Answer | tuple[Write, Token]:
        """The call and its token, when the lease has begun; or why nothing is written."""
        if change := change_of(self._settings, step.account):
            return Answer(kind="refused", at=self._clock.now(), token_endpoint=True, detail=change)
        try:
            write = write_of(step, lambda: self._clock.now() < step.write_before)
        except ValueError as error:
            return not_written(self._clock.now(), f"account {step.account.name}: {error}")
        if write is None:
            what = f"a {step.message.msgtype} message to the audience {step.audience.kind}"
            return not_written(self._clock.now(), f"account {step.account.name}: this worker cannot send {what}")
        try:
            token = await self._accounts.token(step.account.name)
        except NoToken as no_token:
            return answer_of(no_token, self._clock.now())
        while (rest := step.not_before - self._clock.now()) > timedelta(0):
            await self._clock.sleep(rest)
        return write, token

    async def _write(self, step: SubmitStep, write: Write, token: Token) -> Answer:
        now = self._clock.now()
        if now >= step.write_before:
            late = (
                f"account {step.account.name}: nothing was written, since the lease of try {step.attempt} had run out"
            )
            return await self._told(step, not_written(now, late, at_once=True))
        outcome: Outcome
        try:
            outcome = await self._accounts.call(step.account.name, token, write)
        except (Refused, NotWritten, MaybeWritten) as error:
            outcome = error
        return await self._told(step, answer_of(outcome, self._clock.now()))

    async def _told(self, step: SubmitStep, answer: Answer) -> Answer:
        """The answer, once the ledger has been told of it; `told` is false where that did not succeed."""
        answer = answer.model_copy(update={"sole": step.holder is not None})
        note = Told(
            key=step.key,
            digest=step.digest,
            workflow_id=step.workflow_id,
            index=step.index,
            generation=step.generation,
            attempt=step.attempt,
            clientmsgid=step.clientmsgid,
            answer=answer,
            to_all=isinstance(step.audience, All),
        )
        try:
            async with asyncio.timeout(self._telling.total_seconds()):
                await self._notes.tell(step.account.appid, note)
        except (ApplicationError, TimeoutError) as error:
            activity.logger.warning(
                "account %s, key %s: the ledger could not be told of try %s (%s); the workflow has to tell it",
                step.account.name,
                step.key,
                step.attempt,
                str(error) or "it took too long",
            )
            return answer.model_copy(update={"told": False})
        return answer


def _begun_before(step: SubmitStep, at: datetime) -> Answer:
    detail = (
        f"nothing was written, since run {step.holder}, which was reset, had begun this try and may have written it"
    )
    return Answer(kind="unknown", at=at, detail=f"account {step.account.name}: {detail}", told=False, sole=True)
