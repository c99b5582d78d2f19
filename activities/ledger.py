"""The way to an account's ledger, the `Account` workflow.

| what | how | an `Account` is started |
|---|---|---|
| a wish | by update, or by signal | where there is none |
| a report | by signal | where there is none |
| a question about a key, a preview of today's | by update | where there is none |
| what the ledger knows | by query | never |

"""

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from datetime import timedelta
from typing import Any, Final
from uuid import uuid4

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
from temporalio.common import Priority, QueryRejectCondition, WorkflowIDConflictPolicy
from temporalio.exceptions import ApplicationError
from temporalio.service import RPCError

from activities.attempts import asking, heartbeats, passing
from activities.earlier_runs import VisibleRuns
from qunfa.contract import steps
from qunfa.contract.batches import batch_key
from qunfa.contract.facts import Known
from qunfa.contract.fields import Stored
from qunfa.contract.grants import PATIENCE, Granted, Report, Wish
from qunfa.contract.ids import ACCOUNT, FIRST, account_id
from qunfa.contract.ledger import LedgerView, PreviewsLeft
from qunfa.rules.memory import union
from qunfa.temporal.account import signal_account
from qunfa.temporal.connection import is_gone

_RPC: Final = timedelta(seconds=5)

AT_ONCE: Final = 1
"""Updates of one account that a worker makes at a time. Temporal takes ten of a workflow, and people need theirs."""


class LedgerNotes:
    """Signals to the `Account` of an appid, each any number of times. Temporal's client repeats a call by itself.

    Raises:
        ApplicationError: of all methods: `LedgerUnavailable`, retried.
    """

    def __init__(self, client: Client, task_queue: str) -> None:
        self._client = client
        self._task_queue = task_queue

    async def tell(self, appid: str, report: Report) -> None:
        await self._signal(appid, "told", report)

    async def wish(self, appid: str, wish: Wish) -> None:
        """Signal `wants`; its answer is the signal `granted` to the run that wishes."""
        await self._signal(appid, "wants", wish)

    async def _signal(self, appid: str, name: str, payload: Report | Wish) -> None:
        untold = f"the ledger {account_id(appid)} could not be told about key {payload.key}"
        with asking(lambda why: passing(steps.LEDGER_UNAVAILABLE, f"{untold}: {why}. It is told again.")):
            await signal_account(self._client, self._task_queue, account_id(appid), name, payload, within=_RPC)


class Ledger:
    """Wishes, reports and questions. Every step may be repeated.

    Raises:
        ApplicationError: of all methods: `LedgerUnavailable`, retried.
    """

    def __init__(
        self, client: Client, task_queue: str, earlier: VisibleRuns, *, patience: timedelta = PATIENCE
    ) -> None:
        self._client = client
        self._task_queue = task_queue
        self._earlier = earlier
        self._notes = LedgerNotes(client, task_queue)
        self._patience = patience
        self._gates: dict[str, asyncio.Semaphore] = defaultdict(lambda: asyncio.Semaphore(AT_ONCE))

    @activity.defn(name=steps.WISH)
    @heartbeats()
    async def wish(self, step: steps.WishStep) -> steps.Wished:
        """Tell the ledger what the run wishes; with `search`, also what earlier runs of its workflow id have left.

        What is returned is what those have left, and the ledger's answer. Where it has none yet, it comes to the run as
        the signal `granted`.
        """
        wish = step.wish
        if not step.search:
            return steps.Wished(granted=await self._wished(step.appid, wish))
        found = await self._earlier.find(wish.workflow_id, activity.info().workflow_run_id or "", step.appid)
        known = found.known_to(wish.digest)
        searched = {
            "searched": True,
            "known": union(wish.known, known),
            "digests": found.digests,
            "ended": found.ended_to(wish.digest),
            "started_at": found.began(wish.started_at),
        }
        granted = await self._wished(step.appid, wish.model_copy(update=searched))
        return steps.Wished(known=known, granted=granted, came_up_at=found.started_at)

    async def _wished(self, appid: str, wish: Wish) -> Granted | None:
        """The ledger's answer. In a crowd, and once it has not answered, it is signalled: that needs no answer."""
        if activity.info().attempt > 1 or self._gates[appid].locked():
            await self._notes.wish(appid, wish)
            return None
        asked = wish.model_copy(update={"asked_at": activity.info().started_time})
        answer: Granted | None = await self._updated(appid, "wish", asked, wish.wish, Granted)
        return answer

    @activity.defn(name=steps.LOOK_UP)
    @heartbeats()
    async def look_up(self, step: steps.LookUpStep) -> steps.Remembered:
        """What a key has done, for a send that ends before its content is known; the ledger is not changed."""
        known = await self.known(step)
        if not step.or_list:
            return known
        ids = {"key": batch_key(step.key, 1), "workflow_id": batch_key(step.workflow_id, 1)}
        first = await self.known(step.model_copy(update=ids))
        return known.model_copy(update={"first_batch": first})

    async def known(self, step: steps.LookUpStep) -> steps.Remembered:
        """As :meth:`look_up`, within another activity."""
        info, started_at = activity.info(), step.started_at
        is_own = info.workflow_id == step.workflow_id
        if not is_own and info.workflow_id is not None:  # a list asks about its batch, which is no older than the list
            came_up = started_at, await self._earlier.came_up(info.workflow_id)
            started_at = min(filter(None, came_up), default=None)
        found = await self._earlier.find(step.workflow_id, (is_own and info.workflow_run_id) or "", step.appid)
        question = steps.LedgerQuestion(
            key=step.key, started_at=found.began(started_at), with_batches=step.with_batches, and_later=step.and_later
        )
        what = f"known:{step.key}:{uuid4()}"  # what was told before may be from before a restore
        answer = await self._ask(step.appid, question, what)
        known = union(found.known, answer.known or Known())
        later = answer.later or (step.and_later and await self._earlier.has_later(step.workflow_id))
        has_record = answer.known is not None
        return steps.Remembered(**dict(known), has_record=has_record, reaching=answer.reaching, later=later)

    @activity.defn(name=steps.TELL)
    @heartbeats()
    async def tell(self, step: steps.TellStep) -> None:
        await self._notes.tell(step.appid, step.report)

    @activity.defn(name=steps.TAKE_PREVIEW)
    @heartbeats()
    async def take_preview(self, step: steps.TakePreviewStep) -> PreviewsLeft:
        """Ask for one of the account's previews of today."""
        question = steps.LedgerQuestion(previewing=step.holder, asked_at=activity.info().started_time)
        answer = await self._ask(step.appid, question, "preview")
        if answer.previews is None:
            raise _unavailable(step.appid, "it has not told how many previews are left")
        return answer.previews

    async def _ask(self, appid: str, question: steps.LedgerQuestion, what: str) -> steps.LedgerAnswer:
        """The answer to an update. A query may be answered ahead of a workflow task (temporalio/sdk-python 1591)."""
        answer: steps.LedgerAnswer = await self._updated(appid, "ask", question, what, steps.LedgerAnswer)
        return answer

    async def _updated(self, appid: str, name: str, payload: Stored, what: str, answer: type[Any]) -> Any:
        """What the account answers to an update; it is started where there is none."""
        start: WithStartWorkflowOperation[Any, Any] = WithStartWorkflowOperation(
            ACCOUNT,
            id=account_id(appid),
            task_queue=self._task_queue,
            id_conflict_policy=WorkflowIDConflictPolicy.USE_EXISTING,
            priority=Priority(priority_key=FIRST),
        )
        async with self._turn(appid):
            try:
                return await self._client.execute_update_with_start_workflow(
                    name,
                    payload,
                    start_workflow_operation=start,
                    id=_update_id(what),
                    result_type=answer,
                    rpc_timeout=self._patience,
                )
            except (RPCError, WorkflowUpdateFailedError, WorkflowUpdateRPCTimeoutOrCancelledError) as error:
                await _look_at(start)
                raise _cut_short() or _unavailable(appid, _why(error)) from None

    @asynccontextmanager
    async def _turn(self, appid: str) -> AsyncIterator[None]:
        """An update of the account, once it is its turn among those of this worker."""
        gate = self._gates[appid]
        try:
            async with asyncio.timeout(self._patience.total_seconds()):
                await gate.acquire()
        except TimeoutError:
            raise _unavailable(appid, "too many ask it at once") from None
        try:
            yield
        finally:
            gate.release()


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
    """In no other activity of any run. An attempt that gives the same parts again gets the same answer."""
    info = activity.info()
    return ":".join((info.workflow_run_id or "", info.activity_id, *parts))


def _unavailable(appid: str, why: str) -> ApplicationError:
    return passing(
        steps.LEDGER_UNAVAILABLE, f"the ledger {account_id(appid)} could not be asked: {why}. It is asked again."
    )


async def ledger_view(
    client: Client, appid: str, wanted: dict[str, Any] | None, *, patience: timedelta = PATIENCE, running: bool = False
) -> LedgerView | None:
    """The ledger of `appid`, or what of it is `wanted` (as its query takes it); None where there is none.

    With `running` there is none either where its workflow is closed: the next send begins another one.

    Raises:
        ApplicationError: `LedgerUnavailable`, retried.
    """
    handle = client.get_workflow_handle(account_id(appid))
    try:
        view: LedgerView = await handle.query(
            "ledger",
            wanted,
            result_type=LedgerView,
            reject_condition=QueryRejectCondition.NOT_OPEN if running else None,
            rpc_timeout=patience,
        )
    except RPCError as error:
        if is_gone(error):
            return None
        raise _unavailable(appid, f"Temporal answered {error.status.name}") from None
    except WorkflowQueryRejectedError:
        return None
    except WorkflowQueryFailedError as error:
        raise _unavailable(appid, str(error)) from None
    except (KeyError, RuntimeError, ValueError) as error:
        # What it says may hold what could not be read.
        raise _unavailable(appid, f"its answer cannot be read by this worker ({type(error).__name__})") from None
    return view
