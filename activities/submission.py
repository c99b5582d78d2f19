"""The calls that reach people: one try to submit a mass send, and one preview to one person.

A try is one HTTP call, inside the lease or not at all. The ledger is told what came of it.
"""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from typing import Any, Final, Literal

import structlog
from pydantic import ValidationError
from structlog.typing import FilteringBoundLogger
from temporalio import activity
from temporalio.client import Client
from temporalio.exceptions import ApplicationError
from temporalio.service import RPCError

from activities.accounts import Accounts, evidence
from activities.attempts import (
    Clock,
    LaterClock,
    SystemClock,
    heartbeats,
    lasting,
    put_off,
    refuse_a_second_time,
    to_its_end,
    unread,
)
from activities.run_history import input_of
from qunfa.audience.plans import PlanLostError
from qunfa.audience.store import StoreUnavailable
from qunfa.contract.audience import All, Batch, Openids, Tag
from qunfa.contract.grants import Report
from qunfa.contract.request import MassSendRequest, Previewed
from qunfa.contract.result import Answer
from qunfa.contract.steps import (
    PREVIEW,
    SUBMIT,
    TRIED,
    TRIED_BEFORE,
    AnyPreview,
    AnyTry,
    Listed,
    PreviewStep,
    SubmitStep,
)
from qunfa.rules.codes import CodeClass
from qunfa.rules.terms import beside_the_picture
from qunfa.wechat import (
    MassBody,
    MaybeWritten,
    NoToken,
    NotWritten,
    OfficialAccount,
    Refused,
    Submitted,
    Token,
    TooLate,
    UnmadeError,
    mass_body,
    preview_body,
)

TELLING: Final = timedelta(seconds=10)
"""How long the answer waits for the ledger to be told; the lease runs out by itself where that fails."""
FINDING: Final = timedelta(seconds=30)
"""How long openids are looked for. A try that Temporal has given up by then would count as one that was written."""
_LOG: Final[FilteringBoundLogger] = structlog.get_logger("qunfa.submission")
Outcome = Submitted | Refused | NotWritten | MaybeWritten
_OPEN: Final = frozenset({CodeClass.UNKNOWN, CodeClass.CONFIRMING})
Tell = Callable[[str, Report], Awaitable[None]]
"""Hands in a report for the ledger of an appid; it may be handed in any number of times."""
FindOpenids = Callable[[SubmitStep], Awaitable[tuple[str, ...] | None]]
"""The openids that a step only names; None where they cannot be read.

Raises:
    PlanLostError: the store has no such batch; waiting does not help.
    StoreUnavailable: the store cannot be read now.
"""
FindBatch = Callable[[str, Batch], Awaitable[tuple[str, ...]]]
"""The openids of a batch, as the plan in the store has them; raises as `FindOpenids` does."""


class OwnRequest:
    """The request of the run whose activity asks. So a list of 10,000 is written down once, and not for each try.

    A batch has its openids in the store.
    """

    def __init__(self, client: Client, find_batch: FindBatch) -> None:
        self._client = client
        self._find_batch = find_batch

    async def openids(self, step: SubmitStep) -> tuple[str, ...] | None:
        """The openids of its audience, none where it has others; None where they cannot be read: see `FindOpenids`."""
        if isinstance(step.audience, Batch):
            return await self._find_batch(step.account.name, step.audience)
        info = activity.info()
        try:
            raw = await input_of(self._client, info.workflow_id or "", info.workflow_run_id)
            audience = MassSendRequest.model_validate(raw).audience
        except (RPCError, ValueError):
            return None
        return audience.openids if isinstance(audience, Openids) else ()


class Submission:
    """The try. Its workflow gives it one attempt, and takes a try that is lost for one that may have been written."""

    def __init__(
        self,
        accounts: Accounts,
        tell: Tell,
        find_openids: FindOpenids,
        clock: Clock | None = None,
        telling: timedelta = TELLING,
    ) -> None:
        self._accounts = accounts
        self._tell = tell
        self._find_openids = find_openids
        self._clock = clock or SystemClock()
        self._telling = telling

    @activity.defn(name=SUBMIT)
    @heartbeats()
    async def submit(self, raw: dict[str, Any]) -> Answer:
        """Try once, between the lease's `not_before` and `write_before`. `raw` is a `SubmitStep`.

        One that only another version can read has written nothing, and says so.
        Cancelled before its call, it writes nothing. A call under way is ended first, which `http_timeout` bounds. The
        ledger is told, and the answer is returned.

        Where the step comes again, after a reset of the run or of the activity, nothing is written: it may have been
        before. The lease is kept, and the ledger is not told. An activity that an operator pauses or resets before its
        call has written nothing, and says so.
        """
        a_try = AnyTry.model_validate(raw)
        what, holder = f"account {a_try.account.name}: try {a_try.lease.number}", a_try.lease.holder
        if holder != activity.info().workflow_run_id:
            raise lasting(
                TRIED_BEFORE,
                f"{what}: nothing was written now, because run {holder}, which was reset, may have written it",
            )
        refuse_a_second_time(what)
        clock = LaterClock(self._clock)
        try:
            step = SubmitStep.model_validate(raw)
        except ValidationError as error:
            why = f"account {a_try.account.name}: {unread(error, 'sent')}"
            return await self._told(a_try, not_written(clock.now(), why))
        try:
            ready = await self._ready(step, clock)
        except asyncio.CancelledError:
            if not put_off():
                raise
            ready = not_written(clock.now(), "an operator has paused or reset the activity before its call")
        if isinstance(ready, Answer):
            return await self._told(step, ready)
        body, token = ready
        return await to_its_end(self._write(step, clock, body, token))

    async def _ready(self, step: SubmitStep, clock: Clock) -> Answer | tuple[MassBody, Token]:
        """The body and its token, when the lease has begun; or why nothing is written."""
        if step.lease.not_before - clock.now() > step.lease.early:
            # Its time would say that the next try is long due.
            late = f"the lease of try {step.lease.number} begins too late to be waited for"
            return not_written(step.lease.not_before, f"account {step.account.name}: {late}")
        if change := self._accounts.change_of(step.account):
            return Answer(kind="refused", at=clock.now(), token_endpoint=True, detail=change)
        audience = await self._audience(step, clock)
        if isinstance(audience, Answer):
            return audience
        try:
            body = mass_body(
                audience, step.message, clientmsgid=step.lease.clientmsgid,
                send_ignore_reprint=step.send_ignore_reprint, image_via=step.image_via,
            )  # fmt: skip
        except UnmadeError:
            what = f"a {step.message.msgtype} message to the audience {step.audience.kind}"
            return not_written(clock.now(), f"account {step.account.name}: this worker cannot send {what}")
        except ValueError as error:
            return _never(step, "call_impossible", str(error), clock.now())
        try:
            token = await self._accounts.token(step.account.name)
        except NoToken as no_token:
            return answer_of(no_token, clock.now())
        while (rest := step.lease.not_before - clock.now()) > timedelta(0):
            await clock.sleep(rest)
        return body, token

    async def _audience(self, step: SubmitStep, clock: Clock) -> All | Tag | Openids | Answer:
        """The audience, with the openids that it may only name; or why nothing is written."""
        if not isinstance(step.audience, Listed | Batch):
            return step.audience
        try:
            async with asyncio.timeout(FINDING.total_seconds()):
                openids = await self._find_openids(step)
        except PlanLostError as lost:
            return _never(step, "batch_lost", str(lost), clock.now())
        except StoreUnavailable as error:
            return not_written(clock.now(), f"account {step.account.name}: {error}")
        except TimeoutError:
            why = f"account {step.account.name}: the openids could not be read in time"
            return not_written(clock.now(), why)
        if openids is None:
            why = f"account {step.account.name}: the openids of the request cannot be read"
            return not_written(clock.now(), why)
        if isinstance(step.audience, Listed) and Listed.of(openids) != step.audience:
            why = "the openids of the request are not those of this try"
            return _never(step, "call_impossible", why, clock.now())
        return Openids(kind="openids", openids=openids)

    async def _write(self, step: SubmitStep, clock: Clock, body: MassBody, token: Token) -> Answer:
        def in_time() -> bool:
            return clock.now() < step.write_before

        if not in_time():
            what = f"account {step.account.name}: nothing was written"
            late = f"{what}, since the lease of try {step.lease.number} had run out"
            return await self._told(step, not_written(clock.now(), late, at_once=True))
        outcome: Outcome
        try:
            outcome = await self._accounts.call(
                step.account.name, token, lambda api, token: api.submit(token, body, in_time=in_time)
            )
        except (Refused, NotWritten, MaybeWritten) as error:
            outcome = error
        return await self._told(step, answer_of(outcome, clock.now()))

    async def _told(self, step: AnyTry, answer: Answer) -> Answer:
        """The answer, once the ledger has been told of it; `told` is false where that did not succeed.

        Its time is one of the lease: a worker whose clock is ahead must not put off the next try of any run.
        The line of the log is what is left of it where Temporal's database is lost.
        """
        answer = answer.model_copy(update={"at": min(answer.at, step.lease.expires_at)})
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
                await self._tell(step.account.appid, step.report(answer))
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


def _never(step: SubmitStep, problem: str, why: str, at: datetime) -> Answer:
    """Nothing was written, and nothing will be until a person has decided about this problem."""
    detail = f"account {step.account.name}: {why}"
    return Answer(kind="refused", at=at, token_endpoint=True, detail=detail, problem=problem)


def answer_of(outcome: Outcome, at: datetime) -> Answer:
    """What came of the one call.

    | the client says | kind | with |
    |---|---|---|
    | `Submitted` | accepted | msg_id, msg_data_id |
    | 45065 with a msg_id | duplicate | msg_id, errcode |
    | 45065 without one; a code of class UNKNOWN or CONFIRMING | unknown | errcode, errmsg, rid |
    | any other errcode | refused | errcode, errmsg, rid |
    | `NoToken` with WeChat's refusal | refused, `token_endpoint` | errcode, errmsg, rid |
    | `NotWritten`, any other `NoToken` | not_written | detail |
    | `TooLate` | not_written | detail, at_once |
    | `MaybeWritten` | unknown | detail |
    """
    match outcome:
        case Submitted():
            return Answer(kind="accepted", at=at, msg_id=outcome.msg_id, msg_data_id=outcome.msg_data_id)
        case Refused():
            return _refusal(outcome, _kind_of(outcome), at)
        case NoToken(refused=Refused() as refused):
            return _refusal(refused, "refused", at).model_copy(update={"token_endpoint": True})
        case NoToken():
            return not_written(at, f"no access token could be had ({outcome.reason})")
        case NotWritten():
            late = isinstance(outcome, TooLate)
            return not_written(at, f"nothing could be written ({outcome.reason})", at_once=late)
        case MaybeWritten():
            return Answer(kind="unknown", at=at, detail=f"no usable answer came ({outcome.reason})")


def not_written(at: datetime, detail: str, *, at_once: bool = False) -> Answer:
    """The answer of a try of which nothing left this machine, for the reason in `detail`."""
    return Answer(kind="not_written", at=at, detail=detail, at_once=at_once)


def _kind_of(refused: Refused) -> Literal["duplicate", "unknown", "refused"]:
    if refused.code.code_class is CodeClass.DUPLICATE:
        return "unknown" if refused.msg_id is None else "duplicate"
    return "unknown" if refused.code.code_class in _OPEN else "refused"


def _refusal(refused: Refused, kind: Literal["duplicate", "unknown", "refused"], at: datetime) -> Answer:
    return Answer(kind=kind, at=at, **evidence(refused), msg_id=refused.msg_id if kind == "duplicate" else None)


class Previews:
    """Previews. They cannot reach anybody but the one who is named."""

    def __init__(self, accounts: Accounts) -> None:
        self._accounts = accounts

    @activity.defn(name=PREVIEW)
    @heartbeats()
    async def preview(self, raw: dict[str, Any]) -> Previewed:
        """What came of it; WeChat's refusal is an answer too, as is that nothing was heard. `raw` is a `PreviewStep`.

        One that only another version can read is shown to nobody.
        Cancelled before its call it writes nothing; a call under way is ended all the same, and its answer returned.
        """
        preview = AnyPreview.model_validate(raw, extra="ignore")
        refuse_a_second_time(f"account {preview.account.name}: the preview to {preview.to.name}")
        try:
            step = PreviewStep.model_validate(raw)
        except ValidationError as error:
            return Previewed(to=preview.to.name, sent=False, errmsg=unread(error, "sent"))
        self._accounts.pinned(step.account)
        return await to_its_end(self._previewed(step))

    async def _previewed(self, step: PreviewStep) -> Previewed:
        """Make the call, unless the activity was cancelled before it, and tell what came of it."""

        async def preview(api: OfficialAccount, token: Token) -> int | None:
            if activity.is_cancelled():
                raise asyncio.CancelledError
            return await api.preview(token, body)

        to = step.to.name
        try:
            body = preview_body(step.to, step.message, image_via=step.image_via)
            msg_id = await self._accounts.ask_twice(step.account.name, preview)
        except ValueError as error:
            return Previewed(to=to, sent=False, errmsg=str(error))
        except Refused as refused:
            return Previewed(to=to, sent=False, **evidence(refused))
        except NotWritten as error:
            return Previewed(to=to, sent=False, errmsg=str(error))
        except MaybeWritten as error:
            said = f"it may have been shown, but no answer came ({error.reason})"
            return Previewed(to=to, sent=False, perhaps=True, errmsg=said)
        return Previewed(to=to, sent=True, without=beside_the_picture(step.message), msg_id=msg_id)
