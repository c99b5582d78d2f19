"""The activities as the workflow calls them: timeouts, retries and the summaries that the UI shows."""

from datetime import datetime, timedelta
from typing import Final

from temporalio import workflow
from temporalio.common import RetryPolicy

with workflow.unsafe.imports_passed_through():
    from qunfa.contract import steps
    from qunfa.contract.job import Answer
    from qunfa.contract.ledger import Claim, ClaimAnswer, LeaseAnswer, Owner, Reserve, Told
    from qunfa.contract.steps import (
        AccountFacts,
        AudienceFinding,
        AudienceStep,
        ClaimStep,
        JobStatus,
        JobStatusStep,
        Known,
        KnownStep,
        OwnerStep,
        ReserveStep,
        ResolveStep,
        SubmitStep,
        TellStep,
    )

_PATIENT: Final = RetryPolicy(initial_interval=timedelta(seconds=1), maximum_interval=timedelta(seconds=30))
_ONCE: Final = RetryPolicy(maximum_attempts=1)
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


async def claim(facts: AccountFacts, asked: Claim) -> ClaimAnswer:
    """Claim the key; this may search the earlier runs of the same workflow id."""
    answer: ClaimAnswer = await workflow.execute_activity(
        steps.CLAIM,
        ClaimStep(appid=facts.appid, claim=asked),
        result_type=ClaimAnswer,
        start_to_close_timeout=timedelta(minutes=2),
        heartbeat_timeout=facts.timing.heartbeat,
        retry_policy=_PATIENT,
        summary=f"claim key {asked.key}",
    )
    return answer


async def reserve(facts: AccountFacts, asked: Reserve) -> LeaseAnswer:
    """Ask for leave to submit."""
    answer: LeaseAnswer = await workflow.execute_activity(
        steps.RESERVE,
        ReserveStep(appid=facts.appid, reserve=asked),
        result_type=LeaseAnswer,
        start_to_close_timeout=_SHORT,
        heartbeat_timeout=facts.timing.heartbeat,
        retry_policy=_PATIENT,
        summary=f"reserve try {asked.ask.attempt}",
    )
    return answer


async def submit(facts: AccountFacts, step: SubmitStep) -> Answer:
    """One HTTP try. An ``ActivityError`` means that nobody knows whether it was written."""
    answer: Answer = await workflow.execute_activity(
        steps.SUBMIT,
        step,
        result_type=Answer,
        start_to_close_timeout=6 * facts.timing.http_timeout + _SHORT,
        heartbeat_timeout=facts.timing.heartbeat,
        retry_policy=_ONCE,
        summary=f"submit try {step.attempt} as {step.clientmsgid}",
    )
    return answer


async def tell(facts: AccountFacts, note: Told) -> None:
    """Tell the ledger what only the workflow knows."""
    await workflow.execute_activity(
        steps.TELL,
        TellStep(appid=facts.appid, note=note),
        start_to_close_timeout=_SHORT,
        heartbeat_timeout=facts.timing.heartbeat,
        retry_policy=_PATIENT,
        summary=f"tell the ledger: {note.ended_as or 'the job'}",
    )


async def owner_of(facts: AccountFacts, msg_id: int) -> Owner:
    """Whose job the msg_id is by the ledger."""
    answer: Owner = await workflow.execute_activity(
        steps.OWNER_OF,
        OwnerStep(appid=facts.appid, msg_id=msg_id),
        result_type=Owner,
        start_to_close_timeout=_SHORT,
        heartbeat_timeout=facts.timing.heartbeat,
        retry_policy=_PATIENT,
        summary=f"whose is msg_id {msg_id}",
    )
    return answer


async def known(facts: AccountFacts, key: str) -> Known:
    """What the key has done before; nothing is claimed."""
    answer: Known = await workflow.execute_activity(
        steps.KNOWN,
        KnownStep(appid=facts.appid, key=key, workflow_id=workflow.info().workflow_id),
        result_type=Known,
        start_to_close_timeout=timedelta(minutes=2),
        heartbeat_timeout=facts.timing.heartbeat,
        retry_policy=_PATIENT,
        summary=f"what key {key} has done before",
    )
    return answer


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
