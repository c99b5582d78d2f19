"""A send in Temporal: its queries, updates and end, with Temporal's errors as those of :mod:`qunfa.client.handle`."""

import asyncio
import contextlib
import logging
from collections.abc import Coroutine
from datetime import timedelta
from typing import Any, Final, NoReturn, TypeVar

from pydantic import BaseModel, ValidationError
from temporalio.api.history.v1 import WorkflowExecutionStartedEventAttributes
from temporalio.client import (
    Client,
    WorkflowExecutionStatus,
    WorkflowFailureError,
    WorkflowHandle,
    WorkflowQueryFailedError,
    WorkflowQueryRejectedError,
    WorkflowUpdateFailedError,
    WorkflowUpdateRPCTimeoutOrCancelledError,
)
from temporalio.common import QueryRejectCondition
from temporalio.exceptions import ApplicationError, CancelledError, TerminatedError
from temporalio.exceptions import TimeoutError as TimedOut
from temporalio.service import RPCError, RPCStatusCode

from qunfa.client.asked import Asked, differences
from qunfa.client.handle import (
    ClientTooOld,
    HowStopped,
    InvalidRequest,
    MassSendFailed,
    MassSendHandle,
    NoAnswer,
    NoSuchSend,
    SendStopped,
    UpdateRefused,
    check_within,
    goes_on,
    is_of_another_message,
    may_be_carried_out,
    may_have_been_sent,
)
from qunfa.contract.ids import MassSendId
from qunfa.contract.operators import Status
from qunfa.contract.refusal import sentences
from qunfa.contract.result import ASK_AGAIN, INVALID_REQUEST, MASS_SEND_FAILED, MassSendResult
from qunfa.temporal.connection import is_gone, is_unconnected

ANSWERS_WITHIN: Final = timedelta(seconds=30)
"""How long a query or an answer waits for a worker."""
_LOST: Final = frozenset(
    {
        RPCStatusCode.UNAVAILABLE,
        RPCStatusCode.DEADLINE_EXCEEDED,
        RPCStatusCode.CANCELLED,
        RPCStatusCode.FAILED_PRECONDITION,  # of a query: no worker polls, or its workflow tasks fail
        RPCStatusCode.RESOURCE_EXHAUSTED,  # of an update with start: its start may be taken
        RPCStatusCode.ABORTED,
        RPCStatusCode.INTERNAL,
        RPCStatusCode.UNKNOWN,
        RPCStatusCode.DATA_LOSS,
    }
)
"""Of an error that does not say what was taken: a call before it may have been, too, since the SDK repeats calls."""
_CUT_OFF: Final = "AcceptedUpdateCompletedWorkflow"
"""Temporal's own: of an update whose run has ended, or was ended, while it was at work on it."""
_RUN_IS_OVER: Final = frozenset({ASK_AGAIN, _CUT_OFF})
_STOPPED: Final[dict[WorkflowExecutionStatus | None, HowStopped]] = {
    WorkflowExecutionStatus.TERMINATED: "terminated",
    WorkflowExecutionStatus.TIMED_OUT: "timed out",
}
"""Of a run that was ended in its midst: what it says of itself is true no more."""
_LOGGER: Final = logging.getLogger("qunfa.client")

_ACCEPTED_ID: Final = "accepted"
"""Of the update of all who ask a run. It takes 2,000, and Temporal answers the same one from what it has stored."""

ResultT = TypeVar("ResultT")
ModelT = TypeVar("ModelT", bound=BaseModel)


class RunIsOverError(Exception):
    """The run that was asked has ended before it could answer."""


class TemporalHandle(MassSendHandle):
    """A send in Temporal; a continuation of its run is followed, and a reset of a running one.

    It stands for the run that it has met. One that has only a request stands for the newest run that sends the same.
    """

    def __init__(self, client: Client, account: str, key: str, asked: Asked | None = None, **found: Any) -> None:
        super().__init__(account, key, **found)
        self._client = client
        self._asked = asked

    async def status(self) -> Status:
        """Where the send stands.

        Raises:
            SendStopped: it was terminated, or has timed out.
        """
        return await self.bounded(self._status(), ANSWERS_WITHIN, "the status")

    async def accepted(self, *, within: timedelta | None = None) -> Status:
        """Wait until the request is accepted, or is found to have ended."""
        check_within(within)
        return await self.bounded(self._accepted(), within, "whether it is accepted")

    async def result(self, *, within: timedelta | None = None) -> MassSendResult:
        """Wait for the end."""
        check_within(within)
        return await self.bounded(self._ended(), within, "the result")

    async def ask_accepted(self) -> None:
        """Await whether the newest run is accepted.

        The answer may be an earlier one. One that the run goes on as another one is asked for anew: it may have stayed.

        Raises:
            RunIsOverError: it has ended, or ends.
            InvalidRequest: its request is refused.
        """
        try:
            await self._ask_accepted(_ACCEPTED_ID)
        except RunIsOverError:
            await self._ask_accepted(None)

    async def _ask_accepted(self, update_id: str | None) -> None:
        try:
            await self._newest().execute_update("accepted", id=update_id)
        except WorkflowUpdateFailedError as error:
            raise_refusal(error)
        except RPCError as error:
            if error.status is not RPCStatusCode.NOT_FOUND:
                raise
            raise RunIsOverError from None

    async def _status(self) -> Status:
        await self._compare()
        try:
            return self._read(Status, await self._asked_for_its_status())
        except WorkflowQueryFailedError as error:
            raise NoAnswer(self, f"the status: {error}") from None

    async def _asked_for_its_status(self) -> Any:
        """What the run says. Temporal refuses the first query of one that has ended badly, in the same call."""
        unless = QueryRejectCondition.NOT_COMPLETED_CLEANLY
        try:
            return await self._newest().query("status", reject_condition=unless, rpc_timeout=ANSWERS_WITHIN)
        except WorkflowQueryRejectedError as rejected:
            if rejected.status in _STOPPED:
                raise SendStopped(self.id, _STOPPED[rejected.status]) from None
        return await self._newest().query("status", rpc_timeout=ANSWERS_WITHIN)

    async def _compare(self, update: str | None = None) -> None:
        """Be sure that the newest run sends what was asked for, where this handle has met none, or answers it.

        Raises:
            NoAnswer: it is of another content.
            UpdateRefused: it is, and is to be answered.
            ClientTooOld: this client cannot read its request.
        """
        if self._asked is None or (self.run_id is not None and update is None):
            return
        newest = (await self._newest().describe()).run_id
        if newest == self.run_id or await self._goes_on_from(newest, self.run_id, self._asked):
            return
        theirs = await self.request_of(newest)
        try:
            differs = differences(self._asked, theirs)
        except InvalidRequest:
            # Whether ours was started is not known: nobody may take another key for it.
            why, then = is_of_another_message(self.id), may_have_been_sent(self.account)
            raise UpdateRefused(update, f"{why}. {then}") if update else NoAnswer(self, why, then) from None
        if differs is None:
            raise ClientTooOld(self.id, theirs, ["the request of the send under this key"])

    async def _goes_on_from(self, newest: str | None, met: str | None, asked: Asked) -> bool:
        """Whether the newest run follows the one that was met, or one of the very request. A list writes it anew."""
        first = (await self._start_of(newest)).first_execution_run_id
        if first == met:
            return True
        try:
            return bool(await self.request_of(first) == asked.raw)
        except RPCError as error:
            if not is_gone(error):
                raise
            return False

    async def _accepted(self) -> Status:
        await self._compare()
        while True:
            try:
                await self.ask_accepted()
            except RunIsOverError:
                if (await self._newest().describe()).close_time is not None:
                    return await self._status_after_its_end()
            else:
                return await self.status()

    async def _status_after_its_end(self) -> Status:
        """The status of a send that has ended otherwise than by a refusal."""
        with contextlib.suppress(MassSendFailed, SendStopped, ClientTooOld):
            await self._ended()
        return await self.status()

    async def _ended(self) -> MassSendResult:
        """The result of the run, or of that which has followed it: it was reset, or its content was sent again."""
        await self._compare()
        run_id = self.run_id or (await self._newest().describe()).run_id
        while True:
            try:
                return self._read(MassSendResult, await self._run(run_id).result())
            except WorkflowFailureError as error:
                followed = await self._followed(run_id) if isinstance(error.cause, TerminatedError) else None
                if followed is None:
                    raise self._failure(error) from None
            except RPCError as error:
                # Temporal forgets the first run of a list while the list still runs.
                followed = await self._followed(run_id) if is_gone(error) else None
                if followed is None:
                    raise
            run_id = followed

    async def _followed(self, run_id: str) -> str | None:
        """The newest run, if it is another one, and seen to send the same."""
        newest = (await self._newest().describe()).run_id
        if newest == run_id:
            return None
        asked = self._asked or Asked(await self.request_of(run_id), MassSendId(self.account, self.key))
        try:
            if await self._goes_on_from(newest, run_id, asked):
                return newest
            differs = differences(asked, await self.request_of(newest))
        except InvalidRequest:
            return None
        return None if differs is None else newest

    async def request_of(self, run_id: str | None) -> Any:
        """The request with which the run was started, as its history has it."""
        payloads = (await self._start_of(run_id)).input.payloads
        return next(iter(await self._client.data_converter.decode(payloads)), None)

    async def _start_of(self, run_id: str | None) -> WorkflowExecutionStartedEventAttributes:
        """With what the run was started."""
        async for event in self._run(run_id).fetch_history_events(page_size=1):
            return event.workflow_execution_started_event_attributes
        return WorkflowExecutionStartedEventAttributes()

    async def _give(self, update: str, answer: BaseModel) -> Status:
        then = may_be_carried_out(self.id, update)
        return await self.bounded(self._given(update, answer), ANSWERS_WITHIN, f"the answer to {update}", then)

    async def _given(self, update: str, answer: BaseModel) -> Status:
        said = answer.model_dump(mode="json")
        await self._compare(update)
        while True:
            try:
                return self._read(Status, await self._newest().execute_update(update, said))
            except WorkflowUpdateFailedError as error:
                kind = error.cause.type if isinstance(error.cause, ApplicationError) else None
                if kind == ASK_AGAIN:
                    continue  # a list goes on as another run, and this one has taken nothing in
                if kind == _CUT_OFF:
                    why = f"{update}: its run has ended before it said what became of it"
                    raise NoAnswer(self, why, may_be_carried_out(self.id, update)) from None
                raise UpdateRefused(update, sentence_of(error)) from None
            except RPCError as error:
                if error.status is not RPCStatusCode.NOT_FOUND:
                    raise
                await self._newest().describe()
                raise UpdateRefused(update, "this send has ended, so there is nothing to answer") from None

    async def bounded(
        self, call: Coroutine[Any, Any, ResultT], within: timedelta | None, waited_for: str, then: str | None = None
    ) -> ResultT:
        """What the call comes to; one that takes longer is given up, as is one whose caller is cancelled.

        ``then``: what who waits no longer must know, where it is something else than that the send goes on.

        Raises:
            NoAnswer: it takes longer, or Temporal does not answer.
            NoSuchSend: there is no such workflow.
        """
        calling = asyncio.ensure_future(call)
        try:
            await asyncio.wait({calling}, timeout=within.total_seconds() if within is not None else None)
            if calling.done():
                return calling.result()
        except asyncio.CancelledError as error:
            error.add_note(then or goes_on(self.id))
            _LOGGER.warning("waits no longer: %s", then or goes_on(self.id))
            raise
        except WorkflowUpdateRPCTimeoutOrCancelledError:
            raise NoAnswer(self, waited_for, then) from None
        except RPCError as error:
            raise self._explained(error, waited_for, then) from None
        except RuntimeError as error:
            if not is_unconnected(error):
                raise
            raise NoAnswer(self, f"{waited_for}: there is no connection to Temporal", then) from None
        finally:
            calling.cancel()
            await asyncio.gather(calling, return_exceptions=True)
        raise NoAnswer(self, f"{waited_for} within {within}", then)

    def _explained(self, error: RPCError, waited_for: str, then: str | None) -> Exception:
        if is_gone(error):
            return NoSuchSend(self.id)
        return NoAnswer(self, f"{waited_for}: {error.message}", then) if error.status in _LOST else error

    def _failure(self, error: WorkflowFailureError) -> Exception:
        match error.cause:
            case ApplicationError(type=kind, details=details, message=message) if kind == MASS_SEND_FAILED:
                return MassSendFailed(message, self._read(MassSendResult, details[0], message))
            case ApplicationError(type=kind) as cause if kind == INVALID_REQUEST:
                return InvalidRequest(problems_of(cause))
            case CancelledError():
                return SendStopped(self.id, "cancelled")
            case TerminatedError():
                return SendStopped(self.id, "terminated")
            case TimedOut():
                return SendStopped(self.id, "timed out")
            case _:
                return error

    def _read(self, model: type[ModelT], raw: Any, then: str | None = None) -> ModelT:
        try:
            return model.model_validate(raw)
        except ValidationError as error:
            raise ClientTooOld(self.id, raw, sentences(error), then) from None

    def _newest(self) -> WorkflowHandle[Any, Any]:
        return self._run(None)

    def _run(self, run_id: str | None) -> WorkflowHandle[Any, Any]:
        return self._client.get_workflow_handle(self.id, run_id=run_id)


def raise_refusal(error: WorkflowUpdateFailedError) -> NoReturn:
    """Why a request is not accepted.

    Raises:
        RunIsOverError: the run has ended before it could say.
        InvalidRequest: it is refused.
    """
    cause = error.cause
    if isinstance(cause, ApplicationError) and cause.type in _RUN_IS_OVER:
        raise RunIsOverError from None
    if isinstance(cause, ApplicationError) and cause.type == INVALID_REQUEST:
        raise InvalidRequest(problems_of(cause)) from None
    raise UpdateRefused("accepted", sentence_of(error)) from None


def problems_of(cause: ApplicationError) -> list[str]:
    """The sentences of an ``InvalidRequest``."""
    listed = cause.details[0] if cause.details else None
    return [str(one) for one in listed] if isinstance(listed, list) else [cause.message]


def sentence_of(error: WorkflowUpdateFailedError) -> str:
    """The workflow's own sentence."""
    return error.cause.message if isinstance(error.cause, ApplicationError) else str(error.cause)
