"""The way to an account's ledger, the `Account` workflow, which is started where there is none."""

import asyncio
from contextlib import suppress
from datetime import timedelta
from typing import Any, Final, TypeVar

from pydantic import BaseModel
from temporalio import activity
from temporalio.client import (
    Client,
    RPCTimeoutOrCancelledError,
    WithStartWorkflowOperation,
    WorkflowQueryFailedError,
    WorkflowQueryRejectedError,
    WorkflowUpdateFailedError,
    WorkflowUpdateRPCTimeoutOrCancelledError,
)
from temporalio.common import WorkflowIDConflictPolicy
from temporalio.exceptions import ApplicationError
from temporalio.service import RPCError, RPCStatusCode

from activities.earlier_runs import EarlierRuns, Found, found_by
from activities.failures import ledger_unavailable
from activities.heartbeat import heartbeats
from activities.notes import LedgerNotes
from qunfa.contract.ids import ACCOUNT, account_id
from qunfa.contract.ledger import (
    Claim,
    ClaimAnswer,
    LeaseAnswer,
    LedgerView,
    Owner,
    PreviewsLeft,
    Reserve,
    Told,
)
from qunfa.contract.steps import (
    CLAIM,
    KNOWN,
    OWNER_OF,
    RESERVE,
    TAKE_PREVIEW,
    TELL,
    ClaimStep,
    Known,
    KnownStep,
    OwnerStep,
    ReserveStep,
    TakePreviewStep,
    TellStep,
)
from qunfa.rules.course import merge

PATIENCE: Final = timedelta(seconds=12)
"""How long one call of the ledger may take before Temporal is left to repeat the activity."""

_UNREAD: Final = "unread"
"""The digest of a content that could not be read: it is no other's, so that nothing can be claimed with it."""

Given = TypeVar("Given", bound=BaseModel)


class Ledger:
    """Claims, leases and notes. Every step may be repeated: an update has the same id in each attempt."""

    def __init__(
        self, client: Client, task_queue: str, earlier: EarlierRuns, *, patience: timedelta = PATIENCE
    ) -> None:
        self._client = client
        self._task_queue = task_queue
        self._earlier = earlier
        self._notes = LedgerNotes(client, task_queue)
        self._patience = patience

    @activity.defn(name=CLAIM)
    @heartbeats()
    async def claim(self, step: ClaimStep) -> ClaimAnswer:
        """Take the key for its content.

        Where the ledger does not know the key, what earlier runs of the same workflow id have left is handed in with a
        second claim, so that a ledger that was lost knows again what Temporal still does.

        Raises:
            ApplicationError: `LedgerUnavailable`, retried.
        """
        answer = await self._update(step.appid, "claim", step.claim, ClaimAnswer)
        if answer.kind != "miss" or step.claim.searched:
            return answer
        runs = await self._earlier.find(step.claim.workflow_id, activity.info().workflow_run_id or "")
        found = found_by(runs)
        if found.digests - {step.claim.digest}:
            return ClaimAnswer(kind="reused")
        claim = step.claim.model_copy(update={"searched": True, "found": merge(step.claim.found, found.jobs)})
        answer = await self._update(step.appid, "claim", claim, ClaimAnswer, "searched")
        return await self._with_end(step, answer, found)

    @activity.defn(name=KNOWN)
    @heartbeats()
    async def known(self, step: KnownStep) -> Known:
        """What a key has done, for a send that ends before it can claim it; nothing is claimed.

        It is asked by a first claim, which takes no key that the ledger does not know, and none with another content.

        Raises:
            ApplicationError: `LedgerUnavailable`, retried.
        """
        asked = Claim(key=step.key, digest=_UNREAD, workflow_id=step.workflow_id)
        answer = await self._update(step.appid, "claim", asked, ClaimAnswer, "known")
        if answer.record is not None:
            return Known(jobs=answer.record.jobs)
        info = activity.info()
        asking = info.workflow_run_id if info.workflow_id == step.workflow_id else None
        runs = await self._earlier.find(step.workflow_id, asking or "")
        return Known(jobs=found_by(runs).jobs)

    @activity.defn(name=RESERVE)
    @heartbeats()
    async def reserve(self, step: ReserveStep) -> LeaseAnswer:
        """Ask for the lease of one try.

        Raises:
            ApplicationError: `LedgerUnavailable`, retried.
        """
        return await self._update(step.appid, "reserve", step.reserve, LeaseAnswer)

    @activity.defn(name=TAKE_PREVIEW)
    @heartbeats()
    async def take_preview(self, step: TakePreviewStep) -> PreviewsLeft:
        """Ask for one of the account's previews of today.

        Each attempt asks anew, since the first one's answer may be that of a worker of 0.1.0, which counts none.

        Raises:
            ApplicationError: `LedgerUnavailable`, retried.
        """
        ledger = account_id(step.appid)
        asked = Claim(key="previews", digest="preview", workflow_id=ledger, previewing=step.holder)
        answer = await self._update(step.appid, "claim", asked, ClaimAnswer, "preview", str(activity.info().attempt))
        if answer.previews is None:
            raise _unavailable(step.appid, "a worker of 0.1.0 has answered, which counts no previews")
        return answer.previews

    @activity.defn(name=TELL)
    @heartbeats()
    async def tell(self, step: TellStep) -> None:
        """Hand in a note.

        Raises:
            ApplicationError: `LedgerUnavailable`, retried.
        """
        await self._notes.tell(step.appid, step.note)

    @activity.defn(name=OWNER_OF)
    @heartbeats()
    async def owner_of(self, step: OwnerStep) -> Owner:
        """Whose job a msg_id is; nobody's where the ledger does not know it, or there is no ledger.

        It is asked by an update. A query that waits while its worker is lost is answered by another worker, which then
        has handled the newest signals before the updates that stand behind them; a replay has them the other way round,
        and the ledger could not go on (temporalio/sdk-python issue 1591). A ledger that is closed can
        answer a query only, and so can one whose worker is of 0.1.0.

        Raises:
            ApplicationError: `LedgerUnavailable`, retried.
        """
        ledger = account_id(step.appid)
        asked = Claim(key=f"msg_id-{step.msg_id}", digest="whose", workflow_id=ledger, whose=step.msg_id)
        handle = self._client.get_workflow_handle(ledger)
        try:
            answer: ClaimAnswer = await handle.execute_update(
                "claim",
                asked,
                id=_update_id("whose", str(step.msg_id)),
                result_type=ClaimAnswer,
                rpc_timeout=self._patience,
            )
        except RPCError as error:
            if error.status == RPCStatusCode.NOT_FOUND:
                return await self._owner_by_query(step)
            raise _cut_short() or _unavailable(step.appid, _why(error)) from None
        except (WorkflowUpdateFailedError, WorkflowUpdateRPCTimeoutOrCancelledError) as error:
            raise _cut_short() or _unavailable(step.appid, _why(error)) from None
        return answer.owner or await self._owner_by_query(step)

    async def _owner_by_query(self, step: OwnerStep) -> Owner:
        view = await self._view(step.appid, step.msg_id)
        if view is None:
            return Owner()
        jobs = ((record, job) for record in view.records for job in record.jobs if job.msg_id == step.msg_id)
        record, job = next(jobs, (None, None))
        if record is None or job is None:
            return Owner()
        return Owner(key=record.key, index=job.index, generation=job.generation)

    async def _with_end(self, step: ClaimStep, answer: ClaimAnswer, found: Found) -> ClaimAnswer:
        """The answer, and the ledger with it, with how the key ended before; a claim does not carry that."""
        claim, record = step.claim, answer.record
        if record is None or record.ended_as or not found.ended_as:
            return answer
        end: dict[str, Any] = {"ended_as": found.ended_as, "problem": found.problem}
        note = Told(key=claim.key, digest=claim.digest, workflow_id=claim.workflow_id, **end)
        await self._notes.tell(step.appid, note)
        return answer.model_copy(update={"record": record.model_copy(update=end)})

    async def _view(self, appid: str, msg_id: int) -> LedgerView | None:
        handle = self._client.get_workflow_handle(account_id(appid))
        try:
            view: LedgerView = await handle.query(
                "ledger", {"msg_id": msg_id}, result_type=LedgerView, rpc_timeout=self._patience
            )
        except RPCError as error:
            if error.status == RPCStatusCode.NOT_FOUND:
                return None
            raise _unavailable(appid, _why(error)) from None
        except (WorkflowQueryFailedError, WorkflowQueryRejectedError) as error:
            raise _unavailable(appid, str(error)) from None
        return view

    async def _update(
        self, appid: str, name: str, asked: Claim | Reserve, result_type: type[Given], *parts: str
    ) -> Given:
        start: WithStartWorkflowOperation[Any, Any] = WithStartWorkflowOperation(
            ACCOUNT,
            id=account_id(appid),
            task_queue=self._task_queue,
            id_conflict_policy=WorkflowIDConflictPolicy.USE_EXISTING,
        )
        try:
            given: Given = await self._client.execute_update_with_start_workflow(
                name,
                asked,
                start_workflow_operation=start,
                id=_update_id(name, *parts),
                result_type=result_type,
                rpc_timeout=self._patience,
            )
        except (RPCError, WorkflowUpdateFailedError, WorkflowUpdateRPCTimeoutOrCancelledError) as error:
            await _look_at(start)
            raise _cut_short() or _unavailable(appid, _why(error)) from None
        return given


def _cut_short() -> asyncio.CancelledError | None:
    """What to raise where the call failed because the activity was cancelled."""
    return asyncio.CancelledError() if activity.is_cancelled() else None


async def _look_at(start: WithStartWorkflowOperation[Any, Any]) -> None:
    """The operation repeats the error of its call; asyncio complains where nobody has looked at it."""
    with suppress(RPCError, RPCTimeoutOrCancelledError, TimeoutError, asyncio.CancelledError):
        async with asyncio.timeout(0):
            await start.workflow_handle()


def _why(error: Exception) -> str:
    match error:
        case RPCError():
            return f"Temporal answered {error.status.name}"
        case WorkflowUpdateFailedError(cause=ApplicationError(type="AcceptedUpdateCompletedWorkflow")):
            return "it was just continuing as new"
        case WorkflowUpdateFailedError():
            return str(error.cause)
        case _:
            return "it did not answer in time; is there a worker for it?"


def _update_id(*parts: str) -> str:
    """The same in every attempt of this activity, and in no other activity of any run."""
    info = activity.info()
    return ":".join((info.workflow_run_id or "", info.activity_id, *parts))


def _unavailable(appid: str, why: str) -> ApplicationError:
    return ledger_unavailable(f"the ledger {account_id(appid)} could not be asked: {why}. It is asked again.")
