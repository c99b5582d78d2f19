"""The activities as the workflow calls them: timeouts, retries and the summaries that the UI shows."""

from datetime import datetime, timedelta
from typing import Final

from temporalio import workflow
from temporalio.common import RetryPolicy

with workflow.unsafe.imports_passed_through():
    from qunfa.contract import steps
    from qunfa.contract.steps import (
        AccountFacts,
        AudienceFinding,
        AudienceStep,
        JobStatus,
        JobStatusStep,
        ResolveStep,
    )

_PATIENT: Final = RetryPolicy(initial_interval=timedelta(seconds=1), maximum_interval=timedelta(seconds=30))
_SHORT: Final = timedelta(seconds=30)


async def resolve_account(name: str) -> AccountFacts:
    """The account's facts, pinned from here on."""
    facts: AccountFacts = await workflow.execute_local_activity(
        steps.RESOLVE_ACCOUNT,
        ResolveStep(account=name),
        result_type=AccountFacts,
        start_to_close_timeout=_SHORT,
        retry_policy=_PATIENT,
    )
    return facts


async def job_status(facts: AccountFacts, msg_id: int) -> JobStatus:
    """Ask ``mass/get`` now; an ``ActivityError`` when WeChat cannot be asked within two minutes."""
    answer: JobStatus = await workflow.execute_activity(
        steps.JOB_STATUS,
        JobStatusStep(account=facts.pinned, msg_id=msg_id),
        result_type=JobStatus,
        start_to_close_timeout=timedelta(minutes=1),
        heartbeat_timeout=facts.timing.heartbeat,
        schedule_to_close_timeout=timedelta(minutes=2),
        retry_policy=_PATIENT,
        summary=f"mass/get of msg_id {msg_id}",
    )
    return answer


def check_audience(facts: AccountFacts, tag_id: int) -> "workflow.ActivityHandle[AudienceFinding]":
    """Look at the tag; Temporal repeats it until WeChat answers."""
    return workflow.start_activity(
        steps.CHECK_AUDIENCE,
        AudienceStep(account=facts.pinned, tag_id=tag_id),
        result_type=AudienceFinding,
        start_to_close_timeout=timedelta(minutes=2),
        heartbeat_timeout=facts.timing.heartbeat,
        retry_policy=RetryPolicy(initial_interval=timedelta(seconds=5), maximum_interval=timedelta(minutes=5)),
        summary=f"tags/get for tag {tag_id}",
    )


def await_verdict(
    facts: AccountFacts, msg_id: int, interval: timedelta, until: datetime
) -> "workflow.ActivityHandle[JobStatus]":
    """Ask ``mass/get`` until it has a verdict or ``until`` has come: one activity that Temporal repeats."""
    return workflow.start_activity(
        steps.AWAIT_VERDICT,
        JobStatusStep(account=facts.pinned, msg_id=msg_id, interval=interval, until=until),
        result_type=JobStatus,
        start_to_close_timeout=timedelta(minutes=2),
        heartbeat_timeout=facts.timing.heartbeat,
        retry_policy=RetryPolicy(initial_interval=interval, maximum_interval=timedelta(minutes=30)),
        summary=f"mass/get of msg_id {msg_id} until it is decided",
    )
