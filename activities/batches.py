"""What a send in batches asks of a batch whose workflow it did not begin itself, or that is to be given an answer."""

import asyncio
from collections.abc import Mapping
from contextlib import suppress
from datetime import timedelta
from functools import partial
from typing import Any, Final, get_args

from temporalio import activity
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
from temporalio.common import SearchAttributeKey
from temporalio.exceptions import ApplicationError, TerminatedError
from temporalio.service import RPCError

from activities.attempts import Beat, Places, asking, heartbeats, lasting, passing
from activities.earlier_runs import VisibleRuns
from activities.run_history import input_of, request_in, start_of
from qunfa.batches.answers import JUST_ENDED
from qunfa.batches.rows import row_of, row_of_closed, row_of_failure, row_of_reused
from qunfa.contract import batches
from qunfa.contract.audience import Batch
from qunfa.contract.content import differing
from qunfa.contract.ids import parse_mass_send_id
from qunfa.contract.operators import Held, Status, StoryLine
from qunfa.contract.request import MassSendRequest
from qunfa.contract.result import UPDATE_REFUSED, MassSendResult
from qunfa.rules.digest import batch_digest
from qunfa.rules.submission import OF_HOURS
from qunfa.send.apply import ASKS
from qunfa.temporal.connection import UnlessGone, is_gone

PATIENCE: Final = timedelta(seconds=30)
"""How long one attempt waits for the batch's word on an answer."""
FOLLOWED: Final = timedelta(minutes=10)
"""How long one attempt follows a batch, before Temporal begins the next one."""
HEARD: Final = "the batch has heard that it is to abort"
TOLD: Final = "the list has heard how the batch stands"
"""What heartbeats tell the next attempt."""
NOT_ENDED: Final = "BatchNotEnded"
"""Failure type, retried by Temporal: the batch is still under way, or could not be asked."""
_PROBLEM: Final = SearchAttributeKey.for_keyword("MassSendProblem")
_RPC: Final = timedelta(seconds=10)


class Batches:
    """Answers for batches, and how they end."""

    def __init__(self, client: Client, *, followed: timedelta = FOLLOWED) -> None:
        self._client = client
        self._runs = VisibleRuns(client)
        self._followed = followed
        self._places = Places()

    @activity.defn(name=batches.ANSWER_BATCH)
    @heartbeats()
    async def answer_batch(self, step: batches.AnswerBatchStep) -> Status:
        """The status of the batch once it has taken the answer. The same answer may be given any number of times.

        A list that was reset may have given it before its reset, and the batch may ask another thing by now.
        """
        info = activity.info()
        if step.holder not in {None, info.workflow_run_id}:
            raise lasting(UPDATE_REFUSED, f"run {step.holder}, which was reset, may have given {step.update} before")
        identity = f"{batches.OF_LIST}{info.workflow_run_id}:{info.activity_id}"
        handle: WorkflowHandle[Any, Any] = self._client.get_workflow_handle(step.workflow_id)
        try:
            status: Status = await handle.execute_update(
                step.update, step.answer, id=identity, result_type=Status, rpc_timeout=PATIENCE
            )
        except WorkflowUpdateFailedError as error:
            said = error.cause.message if isinstance(error.cause, ApplicationError) else str(error.cause)
            raise lasting(UPDATE_REFUSED, said) from None
        except WorkflowUpdateRPCTimeoutOrCancelledError:
            raise passing(NOT_ENDED, f"{step.workflow_id} did not answer in time; it is asked again") from None
        except RPCError as error:
            if is_gone(error):
                raise lasting(UPDATE_REFUSED, JUST_ENDED) from None
            raise _unasked(step.workflow_id, f"Temporal answered {error.status.name}") from None
        return status

    @activity.defn(name=batches.FOLLOW_BATCH)
    async def follow_batch(self, step: batches.FollowBatchStep) -> batches.BatchRow:
        """How the batch has ended. What it needs a person for now is told to the workflow that asks.

        A send of another content under the batch's key is none of it: that is `key_reused`. So is the batch of another
        plan, or with the other message of a split test, which may reach the same people.
        """
        async with heartbeats() as beat:
            if TOLD in activity.info().heartbeat_details:
                beat.tell(TOLD)
            handle = await self._newest(step.workflow_id)
            if await self._is_of(step, handle.run_id) is False:
                return await self._reused(step, handle.run_id)
            return await self._followed_to_its_end(handle, step, beat)

    @activity.defn(name=batches.LOOK_BACK)
    async def look_back(self, step: batches.FollowBatchStep) -> batches.BatchFound:
        """Whether another run has begun the batch, and how it has ended; one that is under way is told to abort.

        One that has heard that, and then asks a person, is not told again: the person may be looking in the console.
        What it needs the person for is told to the workflow that asks.

        The batch of another plan is `key_reused`, as `follow_batch` has it. Where the plan is not known, it is told
        whether the run that has begun it had another message or audience; such a batch is let alone.
        """
        async with heartbeats() as beat:
            return await self._look_back(step, beat)

    async def _look_back(self, step: batches.FollowBatchStep, beat: Beat) -> batches.BatchFound:
        handle = await self._newest(step.workflow_id)
        ours = await self._is_of(step, handle.run_id)
        if ours is False and (reused := await self._reused(step, handle.run_id)).may_have_been_delivered:
            return batches.BatchFound(row=reused)
        if not ours:
            return batches.BatchFound(forgotten=True, is_hidden=ours is False)
        if step.plan is None and await self._is_of_another_request(handle):
            return batches.BatchFound(is_reused=True)
        if step.abort is not None:
            await self._abort(handle, step.abort, beat)
        return batches.BatchFound(row=await self._followed_to_its_end(handle, step, beat))

    async def _abort(self, batch: WorkflowHandle[Any, Any], answer: dict[str, str], beat: Beat) -> None:
        """Tell it; what it says to that shows in how it ends. The next attempt knows whether it has heard."""
        info = activity.info()
        if HEARD in info.heartbeat_details:
            beat.tell(HEARD)
            with suppress(RPCError, WorkflowQueryFailedError, WorkflowQueryRejectedError):
                status: Status = await batch.query("status", result_type=Status, rpc_timeout=_RPC)
                if status.phase == "needs_operator" or any(map(_asked, status.history)):
                    return  # a person decides, or has decided
        with suppress(RPCError, WorkflowUpdateRPCTimeoutOrCancelledError):
            with suppress(WorkflowUpdateFailedError):
                identity = f"{batches.OF_LIST}{info.workflow_run_id}:{info.activity_id}"
                await batch.execute_update("abort", answer, id=identity, rpc_timeout=PATIENCE)
            beat.tell(HEARD)

    async def _newest(self, workflow_id: str) -> WorkflowHandle[Any, Any]:
        """The newest run that was not refused, as one did nothing that was; where there is none, the newest."""
        newest = await self._runs.newest(workflow_id)
        return self._client.get_workflow_handle(workflow_id, run_id=newest.run_id if newest else None)

    async def _is_of(self, step: batches.FollowBatchStep, run_id: str | None) -> bool | None:
        """Whether the run is that of the batch; `None` where there is none."""
        with asking(partial(_unasked, step.workflow_id)), UnlessGone():
            of = activity.info().workflow_id or ""
            run = self._client.get_workflow_handle(step.workflow_id, run_id=run_id)
            batch = await request_in(self._client.data_converter, await start_of(run), of)
            whole = parse_mass_send_id(of)
            if batch is None or whole is None or not isinstance(audience := batch.audience, Batch):
                return False
            named = (audience.key, audience.number) == (whole.key, step.number)
            content = batch_digest(batch) if step.content is not None else None
            return named and step.plan in {None, audience.plan} and content in {None, step.content}
        return None

    async def _is_of_another_request(self, handle: WorkflowHandle[Any, Any]) -> bool:
        """Whether the run that has begun the batch had another message or audience; False where nobody knows."""
        info = activity.info()
        with asking(partial(_unasked, handle.id)), UnlessGone():
            batch = await start_of(handle)
            whole = batch.parent_workflow_execution
            if whole.workflow_id != info.workflow_id:
                return False
            runs = (whole.run_id, info.workflow_run_id)
            raw = [await input_of(self._client, whole.workflow_id, run) for run in runs]
            try:
                found = differing(*(MassSendRequest.model_validate(request) for request in raw))
            except ValueError:
                return False
            return "audience" in found.fields or bool(found.fields and not found.in_uris)
        return False

    async def _reused(self, step: batches.FollowBatchStep, run_id: str | None) -> batches.BatchRow:
        """The batch's key stands for something else; if that is another batch of the list, it may reach the same."""
        perhaps = await self._is_of(step.model_copy(update={"plan": None, "content": None}), run_id) is True
        return row_of_reused(step.number, perhaps=perhaps)

    async def _followed_to_its_end(
        self, handle: WorkflowHandle[Any, Any], step: batches.FollowBatchStep, beat: Beat
    ) -> batches.BatchRow:
        if await self._status(handle) is not WorkflowExecutionStatus.RUNNING:
            return await self._end_of(handle, step)
        with self._places.one(NOT_ENDED, f"{step.workflow_id}: this worker follows too many batches; it is soon asked"):
            await self._tell(handle, step.number, beat)
            return await self._end_of(handle, step)

    async def _end_of(self, handle: WorkflowHandle[Any, Any], step: batches.FollowBatchStep) -> batches.BatchRow:
        try:
            async with asyncio.timeout(self._followed.total_seconds()):
                result: Any = await handle.result()
        except TimeoutError:
            raise passing(NOT_ENDED, f"{step.workflow_id} is still under way; it is followed further") from None
        except WorkflowFailureError as error:
            # A reset terminates the run before.
            if isinstance(error.cause, TerminatedError) and (await self._newest(handle.id)).run_id != handle.run_id:
                raise passing(NOT_ENDED, f"{step.workflow_id} was reset: its new run is followed") from None
            named = parse_mass_send_id(step.workflow_id)
            return row_of_failure(step.number, named.key if named else "", error.cause)
        except RPCError as error:
            if is_gone(error):
                return row_of_closed(step.number, "broken")
            raise _unasked(step.workflow_id, f"Temporal answered {error.status.name}") from None
        if not isinstance(result, Mapping | MassSendResult):
            return row_of_closed(step.number, "broken")
        return row_of(step.number, MassSendResult.model_validate(result))

    async def _status(self, handle: WorkflowHandle[Any, Any]) -> WorkflowExecutionStatus | None:
        """How its newest run stands; `None` where Temporal has none."""
        with asking(partial(_unasked, handle.id)), UnlessGone():
            return (await handle.describe(rpc_timeout=_RPC)).status
        return None

    async def _tell(self, batch: WorkflowHandle[Any, Any], number: int, beat: Beat) -> None:
        """Tell the list how the batch stands, also that it asks nothing any more: an earlier run may have heard that.

        What the batch has told meanwhile is overtaken by that, so it is looked at again.

        Who had paused the list is told once. Who pauses the batch by its own key does not pause the list.
        """
        whole = self._client.get_workflow_handle(activity.info().workflow_id or "")
        told: batches.BatchSaid | None = None
        with suppress(RPCError, WorkflowQueryFailedError, WorkflowQueryRejectedError):
            while (stands := await _as_it_stands(batch, number)) != told:
                said = stands.model_copy(update={"paused_by": None}) if beat.details else stands
                await whole.signal(batches.BATCH_PROBLEM, said, rpc_timeout=_RPC)
                told = stands
                if not beat.details:
                    beat.tell(TOLD)


async def _as_it_stands(batch: WorkflowHandle[Any, Any], number: int) -> batches.BatchSaid:
    """What the batch asks or waits for, and who had paused its list."""
    status: Status = await batch.query("status", result_type=Status, rpc_timeout=_RPC)
    said = batches.BatchSaid(number=number, paused_by=status.list_paused_by)
    if status.phase == "needs_operator" and status.problem is not None:
        return said.model_copy(update={"problem": status.problem, "answers": status.answers})
    waits = status.waiting_for if status.phase == "scheduled" else None
    held = await _held(batch)
    opens = waits.until if waits is not None and (held == "quota_exhausted" or waits.reason == OF_HOURS) else None
    return said.model_copy(update={"held": held, "opens": opens})


def _unasked(workflow_id: str, why: str) -> ApplicationError:
    return passing(NOT_ENDED, f"{workflow_id}: {why}")


async def _held(batch: WorkflowHandle[Any, Any]) -> str | None:
    """What holds it back that is no problem, as it is found by."""
    said = (await batch.describe(rpc_timeout=_RPC)).typed_search_attributes.get(_PROBLEM)
    return said if said in get_args(Held) else None


def _asked(line: StoryLine) -> bool:
    """Whether the batch says there that it has asked a person."""
    return line.what.startswith(ASKS)
