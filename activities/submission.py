"""The calls that reach people: one try to submit a mass send, and one preview to one person.

A try is one HTTP call, inside the lease or not at all. The ledger is told what came of it.
"""

import asyncio
from datetime import timedelta
from typing import Final, Protocol

import structlog
from structlog.typing import FilteringBoundLogger
from temporalio import activity
from temporalio.client import Client
from temporalio.exceptions import ApplicationError
from temporalio.service import RPCError

from activities.accounts import Accounts, change_of, pinned
from activities.attempts import Clock, SystemClock, heartbeats, put_off, refuse_a_second_time, to_its_end, tried_before
from activities.ledger import Notes
from activities.wire import Outcome, Write, answer_of, not_written, preview_of, write_of
from qunfa.contract.request import MassSendRequest, Openids, Previewed
from qunfa.contract.result import Answer
from qunfa.contract.steps import PREVIEW, SUBMIT, TRIED, Listed, PreviewStep, SubmitStep
from qunfa.rules.codes import CodeClass
from qunfa.settings import Settings
from qunfa.wechat import MaybeWritten, NoToken, NotWritten, PreviewBody, Refused, Token
from qunfa.wechat import Previewed as Shown

TELLING: Final = timedelta(seconds=10)
"""How long the answer waits for the ledger to be told; the lease runs out by itself where that fails."""
_RPC: Final = timedelta(seconds=10)
_LOG: Final[FilteringBoundLogger] = structlog.get_logger("qunfa.submission")


class Requests(Protocol):
    """Where the request of the submitting run stands."""

    async def openids(self) -> tuple[str, ...] | None:
        """The openids of its audience; nothing where they cannot be read."""


class OwnRequest:
    """The first event of the run whose activity asks: a list of 10,000 is written down once, and not for each try."""

    def __init__(self, client: Client) -> None:
        self._client = client

    async def openids(self) -> tuple[str, ...] | None:
        """The openids of its audience; nothing where they cannot be read."""
        info = activity.info()
        run = self._client.get_workflow_handle(info.workflow_id or "", run_id=info.workflow_run_id)
        try:
            async for event in run.fetch_history_events(page_size=1, rpc_timeout=_RPC):
                payloads = event.workflow_execution_started_event_attributes.input.payloads
                (raw, *_) = await self._client.data_converter.decode(list(payloads)) or [None]
                audience = MassSendRequest.model_validate(raw).audience
                return audience.openids if isinstance(audience, Openids) else None
        except (RPCError, ValueError):
            return None
        return None


class Submission:
    """The try. Its workflow gives it one attempt, and takes a try that is lost for one that may have been written."""

    def __init__(  # noqa: PLR0913, PLR0917  what it works with
        self,
        settings: Settings,
        accounts: Accounts,
        notes: Notes,
        requests: Requests,
        clock: Clock | None = None,
        telling: timedelta = TELLING,
    ) -> None:
        self._settings = settings
        self._accounts = accounts
        self._notes = notes
        self._requests = requests
        self._clock = clock or SystemClock()
        self._telling = telling

    @activity.defn(name=SUBMIT)
    @heartbeats()
    async def submit(self, step: SubmitStep) -> Answer:
        """Try once, between the lease's `not_before` and `write_before`.

        Nothing is written when the activity is cancelled before its call. A call under way is ended all the same (it is
        bounded by `http_timeout`), the ledger is told, and the answer is returned: an answer in hand is worth more
        than a quick end.

        Nothing is written either where the step comes again after a reset: the run before may have written it, and may
        be about to. It keeps its lease, and the ledger is not told. So it is where an operator has Temporal carry
        the activity out again. One that he pauses or resets before its call has written nothing, and says so: what
        holds up a send is its own `pause`, or a freeze.

        Raises:
            ApplicationError: `TriedBefore`; the workflow takes it for a lost try.
        """
        what, holder = f"account {step.account.name}: try {step.lease.number}", step.lease.holder
        if holder != activity.info().workflow_run_id:
            raise tried_before(
                f"{what}: nothing was written now, because run {holder}, which was reset, may have written it"
            )
        refuse_a_second_time(what)
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
        found = await self._with_openids(step)
        if found is None:
            why = "the openids of the request cannot be read, or are not those of this try"
            return not_written(self._clock.now(), f"account {step.account.name}: {why}")
        try:
            write = write_of(found, lambda: self._clock.now() < step.write_before)
        except ValueError as error:
            return not_written(self._clock.now(), f"account {step.account.name}: {error}")
        if write is None:
            what = f"a {step.message.msgtype} message to the audience {step.audience.kind}"
            return not_written(self._clock.now(), f"account {step.account.name}: this worker cannot send {what}")
        try:
            token = await self._accounts.token(step.account.name)
        except NoToken as no_token:
            return answer_of(no_token, self._clock.now())
        while (rest := step.lease.not_before - self._clock.now()) > timedelta(0):
            await self._clock.sleep(rest)
        return write, token

    async def _with_openids(self, step: SubmitStep) -> SubmitStep | None:
        """The step with the openids that it only names; nothing where they cannot be had."""
        if not isinstance(step.audience, Listed):
            return step
        openids = await self._requests.openids()
        if openids is None or Listed.of(openids) != step.audience:
            return None
        return step.model_copy(update={"audience": Openids(kind="openids", openids=openids)})

    async def _write(self, step: SubmitStep, write: Write, token: Token) -> Answer:
        now = self._clock.now()
        if now >= step.write_before:
            what = f"account {step.account.name}: nothing was written"
            late = f"{what}, since the lease of try {step.lease.number} had run out"
            return await self._told(step, not_written(now, late, at_once=True))
        outcome: Outcome
        try:
            outcome = await self._accounts.call(step.account.name, token, write)
        except (Refused, NotWritten, MaybeWritten) as error:
            outcome = error
        return await self._told(step, answer_of(outcome, self._clock.now()))

    async def _told(self, step: SubmitStep, answer: Answer) -> Answer:
        """The answer, once the ledger has been told of it; `told` is false where that did not succeed.

        The line of the log is what is left of it where Temporal's database is lost.
        """
        _LOG.info(
            TRIED,
            account=step.account.name,
            key=step.key,
            generation=step.lease.generation,
            number=step.lease.number,
            answer=answer.kind,
            msg_id=answer.msg_id,
            errcode=answer.errcode,
        )
        try:
            async with asyncio.timeout(self._telling.total_seconds()):
                await self._notes.tell(step.account.appid, step.report(answer))
        except (ApplicationError, TimeoutError) as error:
            activity.logger.warning(
                "account %s, key %s: the ledger could not be told of try %s (%s); the workflow has to tell it",
                step.account.name,
                step.key,
                step.lease.number,
                str(error) or "it took too long",
            )
            return answer.model_copy(update={"told": False})
        return answer


class Previews:
    """Previews. They cannot reach anybody but the one who is named."""

    def __init__(self, settings: Settings, accounts: Accounts) -> None:
        self._settings = settings
        self._accounts = accounts

    @activity.defn(name=PREVIEW)
    @heartbeats()
    async def preview(self, step: PreviewStep) -> Previewed:
        """What came of it; WeChat's refusal is an answer too, as is that nothing was heard.

        Raises:
            ApplicationError: `AccountChanged` and `TriedBefore`, not retried.
        """
        refuse_a_second_time(f"account {step.account.name}: the preview to {step.to.name}")
        pinned(self._settings, step.account)
        to = step.to.name
        try:
            shown = await self._shown(step.account.name, preview_of(step))
        except ValueError as error:
            return Previewed(to=to, sent=False, errmsg=str(error))
        except Refused as refused:
            return Previewed(to=to, sent=False, errcode=refused.errcode, errmsg=refused.errmsg, rid=refused.rid)
        except NotWritten as error:
            return Previewed(to=to, sent=False, errmsg=str(error))
        except MaybeWritten as error:
            return Previewed(to=to, sent=False, errmsg=f"it may have been shown, but no answer came ({error.reason})")
        return Previewed(to=to, sent=True, msg_id=shown.msg_id)

    async def _shown(self, account: str, body: PreviewBody) -> Shown:
        """One call, or a second one with a fresh token where WeChat has refused the first one's: that was not shown."""
        try:
            return await self._accounts.ask(account, lambda api, token: api.preview(token, body))
        except Refused as refused:
            if refused.code.code_class is not CodeClass.TOKEN:
                raise
        return await self._accounts.ask(account, lambda api, token: api.preview(token, body))
