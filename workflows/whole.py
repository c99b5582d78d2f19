"""A batch, and the send in batches that it is of: each is a workflow, and this is what passes between them.

| what | from | to |
|---|---|---|
| the child workflow, and its result | the whole | the batch |
| the signal ``batch_problem`` | the batch, when it needs a person or is held back, and when that is over | the whole |
| an update that a person has sent to the whole | the activity ``answer_batch`` | the batch |
| how a batch has ended that another run has begun | the activity ``follow_batch`` | the whole |
"""

import asyncio
from datetime import datetime, timedelta
from typing import Any, Final

from temporalio import workflow
from temporalio.common import WorkflowIDReusePolicy
from temporalio.exceptions import (
    ActivityError,
    ApplicationError,
    ChildWorkflowError,
    FailureError,
    WorkflowAlreadyStartedError,
    is_cancelled_exception,
)
from temporalio.workflow import ChildWorkflowCancellationType, ParentClosePolicy

with workflow.unsafe.imports_passed_through():
    from qunfa.batches.rows import looked_up, may_have_news, row_of, row_of_failure, settled
    from qunfa.batches.state import KEY_REUSED, Passing
    from qunfa.contract import batches
    from qunfa.contract.audience import Batch
    from qunfa.contract.ids import MASS_SEND, mass_send_id
    from qunfa.contract.operators import Held
    from qunfa.contract.request import MassSendRequest
    from qunfa.contract.result import UPDATE_REFUSED, MassSendResult, Problem
    from qunfa.contract.steps import AccountFacts
    from qunfa.markdown import plain
    from qunfa.rules.digest import batch_digest
    from workflows import calls
    from workflows.calls import Call

_TELLING: Final = timedelta(seconds=10)
_FOLLOW: Final = Call(batches.FOLLOW_BATCH, batches.BatchRow, within=timedelta(hours=1))
_LOOK_BACK: Final = Call(batches.LOOK_BACK, batches.BatchFound, within=timedelta(hours=1))
_ANSWER: Final[Call[Any]] = Call(batches.ANSWER_BATCH, None, overall=timedelta(minutes=3))
UNHEARD: Final = "the batch has not answered in time, and may still take it; look at the status, then decide"


class Whole:
    """As a batch sees the send that it is of: it is told what a person is needed for."""

    def __init__(self, batch: Batch, account: str) -> None:
        self._number = batch.number
        self._id = mass_send_id(account, batch.key)
        self._wanted = batches.BatchSaid(number=batch.number)
        self._told: batches.BatchSaid | None = self._wanted
        self._telling: asyncio.Task[None] | None = None

    def forget(self) -> None:
        """What was told before a reset may be overtaken: what stands now is told again."""
        self._told = None

    def tell(
        self, problem: Problem | None, answers: tuple[str, ...], held: Held | None, opens: datetime | None
    ) -> None:
        """Have it told, unless it knows; this returns at once. While all is well, nothing is told."""
        said = self._wanted = batches.BatchSaid(
            number=self._number, problem=problem, answers=answers, held=held, opens=opens
        )
        if said != self._told and (self._telling is None or self._telling.done()):
            self._telling = asyncio.create_task(self._tell())

    async def told(self) -> None:
        """Until it was told: what is still on its way when a run ends never arrives."""
        if self._telling is not None and not self._telling.done():
            try:
                await workflow.wait_condition(self._telling.done, timeout=_TELLING)
            except TimeoutError:
                workflow.logger.warning("%s could not be told what batch %s needs", self._id, self._number)

    async def _tell(self) -> None:
        while self._told != self._wanted:
            said = self._told = self._wanted
            try:
                await workflow.get_external_workflow_handle(self._id).signal(batches.BATCH_PROBLEM, said)
            except FailureError as error:
                workflow.logger.warning("%s could not be told what batch %s needs: %s", self._id, self._number, error)


async def carry_batch(batch: MassSendRequest, number: int, facts: AccountFacts) -> batches.BatchRow:
    """Send a batch, or follow the run that sends it already: how it has ended."""
    try:
        child = await workflow.start_child_workflow(
            MASS_SEND,
            batch.model_dump(mode="json", exclude_defaults=True),
            id=mass_send_id(batch.account, batch.key),
            id_reuse_policy=WorkflowIDReusePolicy.ALLOW_DUPLICATE,
            parent_close_policy=ParentClosePolicy.ABANDON,
            cancellation_type=ChildWorkflowCancellationType.ABANDON,
            static_summary=plain(f"batch {number} of {batch.key.rpartition('.')[0]}"),
        )
    except WorkflowAlreadyStartedError:
        return await follow_batch(batch, number, facts)
    try:
        return row_of(number, MassSendResult.model_validate(await child))
    except ChildWorkflowError as error:
        return row_of_failure(number, batch.key, error.cause)


async def follow_batch(batch: MassSendRequest, number: int, facts: AccountFacts) -> batches.BatchRow:
    """How a batch has ended that another run has begun; a person may end the asking, which is begun again then.

    Where its key stands for something else now, the ledger knows whether anything was submitted under it.
    """
    workflow_id = mass_send_id(batch.account, batch.key)
    plan = batch.audience.plan if isinstance(batch.audience, Batch) else None
    step = batches.FollowBatchStep(workflow_id=workflow_id, number=number, plan=plan, content=batch_digest(batch))
    row = await _FOLLOW.answered(facts, step, f"follow batch {number}")
    if row.problem != KEY_REUSED or row.may_have_been_delivered:
        return await _settled(row, batch, facts)
    known = await calls.look_up(facts, batch.key, workflow_id, _started_at(batch))
    perhaps = {"may_have_been_delivered": True, "job": "unknown"}
    return row.model_copy(update=perhaps) if known is None or known.was_submitted else row


async def _settled(row: batches.BatchRow, batch: MassSendRequest, facts: AccountFacts) -> batches.BatchRow:
    """With what the ledger has heard since the batch ended, where it answers in time."""
    if not may_have_news(row):
        return row
    return await news_of(row, batch.key, mass_send_id(batch.account, batch.key), _started_at(batch), facts) or row


def _started_at(batch: MassSendRequest) -> datetime | None:
    return batch.audience.started_at if isinstance(batch.audience, Batch) else None


async def news_of(
    row: batches.BatchRow, key: str, workflow_id: str, started_at: datetime | None, facts: AccountFacts
) -> batches.BatchRow | None:
    """What became of a batch that has ended so, as the ledger has heard since; ``None`` where that is silent."""
    known = await calls.look_up_in_time(facts, key, workflow_id, started_at)
    return settled(row, looked_up(row.number, key, known)) if known else None


async def look_back(step: batches.FollowBatchStep, facts: AccountFacts) -> batches.BatchFound:
    """Whether an earlier run has begun a batch, and how that has ended."""
    return await _LOOK_BACK.answered(facts, step, f"look back at batch {step.number}")


async def answer_batch(batch: MassSendRequest, passing: Passing, facts: AccountFacts) -> str | None:
    """Give a batch a person's answer: why it does not fit, or :data:`UNHEARD`; nothing where it was taken."""
    step = batches.AnswerBatchStep(
        workflow_id=mass_send_id(batch.account, batch.key),
        update=passing.name,
        answer=passing.answer,
        holder=workflow.info().run_id if passing.update is not None else None,
    )
    try:
        await _ANSWER.begin(facts, step, f"{passing.name} of {batch.key}")
    except ActivityError as error:
        if is_cancelled_exception(error):
            raise
        cause = error.cause
        return cause.message if isinstance(cause, ApplicationError) and cause.type == UPDATE_REFUSED else UNHEARD
    return None
