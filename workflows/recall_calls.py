"""The activities of a recall, as its workflow calls them."""

from datetime import timedelta
from typing import Final

from temporalio import workflow
from temporalio.common import RetryPolicy
from temporalio.workflow import ActivityCancellationType

with workflow.unsafe.imports_passed_through():
    from qunfa.contract import recall
    from qunfa.contract.grants import Report
    from qunfa.contract.ledger_steps import TELL, TellStep
    from qunfa.contract.recall import DeleteStep, FindJobStep, KnownJob, LookStep, RecallCall
    from qunfa.contract.steps import AccountFacts, JobStatus
    from qunfa.printable import printable

_PATIENT: Final = RetryPolicy(initial_interval=timedelta(seconds=1), maximum_interval=timedelta(seconds=30))
_ONCE: Final = RetryPolicy(maximum_attempts=1)
_SHORT: Final = timedelta(seconds=30)
_A_MINUTE: Final = timedelta(minutes=1)


def find_job(facts: AccountFacts, step: FindJobStep) -> "workflow.ActivityHandle[KnownJob]":
    """What is known of the job; an ``ActivityError`` where the ledger does not answer within a minute."""
    return workflow.start_activity(
        recall.FIND_JOB,
        step,
        result_type=KnownJob,
        start_to_close_timeout=_SHORT,
        schedule_to_close_timeout=_A_MINUTE,
        heartbeat_timeout=facts.timing.heartbeat,
        retry_policy=_PATIENT,
        summary="which job is meant",
    )


def look_at_job(facts: AccountFacts, msg_id: int) -> "workflow.ActivityHandle[JobStatus]":
    """Ask ``mass/get``; an ``ActivityError`` where WeChat refuses for good, or does not answer within a minute."""
    return workflow.start_activity(
        recall.LOOK_AT_JOB,
        LookStep(account=facts.pinned, msg_id=msg_id),
        result_type=JobStatus,
        start_to_close_timeout=_A_MINUTE,
        schedule_to_close_timeout=_A_MINUTE,
        heartbeat_timeout=facts.timing.heartbeat,
        retry_policy=_PATIENT,
        summary=f"mass/get of msg_id {msg_id}",
    )


def delete_job(facts: AccountFacts, step: DeleteStep) -> "workflow.ActivityHandle[RecallCall]":
    """One ``mass/delete``. An ``ActivityError`` means that nobody knows whether it was written.

    But for its cancellation: that ends it only where it has not called, and otherwise waits for its answer.
    """
    return workflow.start_activity(
        recall.DELETE_JOB,
        step,
        result_type=RecallCall,
        start_to_close_timeout=6 * facts.timing.http_timeout + _SHORT,
        heartbeat_timeout=facts.timing.heartbeat,
        retry_policy=_ONCE,
        cancellation_type=ActivityCancellationType.WAIT_CANCELLATION_COMPLETED,
        summary=printable(f"mass/delete of {step.url or f'msg_id {step.msg_id}'}"),
    )


async def tell(facts: AccountFacts, report: Report) -> None:
    """Let the ledger know; an ``ActivityError`` where it does not answer within a minute."""
    await workflow.execute_activity(
        TELL,
        TellStep(appid=facts.appid, report=report),
        start_to_close_timeout=_SHORT,
        schedule_to_close_timeout=_A_MINUTE,
        heartbeat_timeout=facts.timing.heartbeat,
        retry_policy=_PATIENT,
        summary="tell the ledger of the recall",
    )
