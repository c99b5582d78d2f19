"""The activities as the workflow calls them: timeouts, retries and the summaries that the UI shows."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final, Generic, TypeVar

from temporalio import workflow
from temporalio.common import RetryPolicy
from temporalio.exceptions import ActivityError, is_cancelled_exception

with workflow.unsafe.imports_passed_through():
    from pydantic import ValidationError

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
_SEARCHING: Final = timedelta(minutes=2)
"""For a look at the earlier runs of the same workflow id."""
_IN_TIME: Final = timedelta(minutes=1)
_BEGUN_AGAIN: Final = "an-activity-that-was-ended-is-begun-again"

Given = TypeVar("Given")


@dataclass(frozen=True)
class _Question(Generic[Given]):
    """An activity that Temporal repeats until it succeeds, and how long one attempt may take."""

    name: str
    answer: type[Given] | None
    within: timedelta = _SHORT


_CLAIM: Final = _Question(steps.CLAIM, ClaimAnswer, _SEARCHING)
_RESERVE: Final = _Question(steps.RESERVE, LeaseAnswer)
_TELL: Final[_Question[None]] = _Question(steps.TELL, None)
_OWNER_OF: Final = _Question(steps.OWNER_OF, Owner)
_KNOWN: Final = _Question(steps.KNOWN, Known, _SEARCHING)


async def _answered(facts: AccountFacts, question: _Question[Given], step: Any, summary: str) -> Given:
    """What the activity gives.

    An operator can end it all the same (`temporal activity fail`, or a limit on its attempts). The send begins it again
    then: without it nobody would hear what has become of the message.
    """
    while True:
        try:
            given: Given = await workflow.execute_activity(
                question.name,
                step,
                result_type=question.answer,
                start_to_close_timeout=question.within,
                heartbeat_timeout=facts.timing.heartbeat,
                retry_policy=_PATIENT,
                summary=summary,
            )
        except ActivityError as error:
            if is_cancelled_exception(error) or not begun_again(question.name, summary, error):
                raise
            await workflow.sleep(_SHORT)
        else:
            return given


def begun_again(name: str, what: str, error: ActivityError) -> bool:
    """Whether an activity that was ended without an answer is begun again."""
    if not ending_counts_for_nothing(name, error):
        return False
    workflow.logger.warning("%s: ended without an answer (%s); it is begun again", what, error.cause)
    return True


def ending_counts_for_nothing(name: str, error: ActivityError) -> bool:
    """Whether the run goes on although an activity was ended without an answer: a run of an older worker has failed."""
    # A mark for each time: an update that has failed with one before this was known does not bind the others.
    return workflow.patched(f"{_BEGUN_AGAIN}-{name}-{error.activity_id}")


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
    step = ClaimStep(appid=facts.appid, claim=asked)
    return await _answered(facts, _CLAIM, step, f"claim key {asked.key}")


async def reserve(facts: AccountFacts, asked: Reserve) -> LeaseAnswer:
    """Ask for leave to submit."""
    step = ReserveStep(appid=facts.appid, reserve=asked)
    return await _answered(facts, _RESERVE, step, f"reserve try {asked.ask.attempt}")


def a_try_within(http_timeout: timedelta) -> timedelta:
    """How long Temporal waits for one try: its connections, its two calls, and telling the ledger of it."""
    return 6 * http_timeout + _SHORT


async def submit(facts: AccountFacts, step: SubmitStep) -> Answer:
    """One HTTP try. An ``ActivityError`` means that nobody knows whether it was written."""
    answer: Any = await workflow.execute_activity(
        steps.SUBMIT,
        step,
        start_to_close_timeout=a_try_within(facts.timing.http_timeout),
        heartbeat_timeout=facts.timing.heartbeat,
        retry_policy=_ONCE,
        summary=f"submit try {step.attempt} as {step.clientmsgid}",
    )
    try:
        return Answer.model_validate(answer)
    except ValidationError:
        return Answer(kind="unknown", at=workflow.now(), detail="an operator has completed the try by hand")


async def tell(facts: AccountFacts, note: Told) -> None:
    """Tell the ledger what only the workflow knows."""
    step, what = TellStep(appid=facts.appid, note=note), f"tell the ledger: {note.ended_as or 'the job'}"
    await _answered(facts, _TELL, step, what)


async def owner_of(facts: AccountFacts, msg_id: int) -> Owner:
    """Whose job the msg_id is by the ledger."""
    step = OwnerStep(appid=facts.appid, msg_id=msg_id)
    return await _answered(facts, _OWNER_OF, step, f"whose is msg_id {msg_id}")


async def known(facts: AccountFacts, key: str) -> Known:
    """What the key has done before; nothing is claimed."""
    step = KnownStep(appid=facts.appid, key=key, workflow_id=workflow.info().workflow_id)
    return await _answered(facts, _KNOWN, step, f"what key {key} has done before")


async def known_in_time(facts: AccountFacts, key: str, workflow_id: str) -> Known | None:
    """As :func:`known`, for a request that is refused anyway; ``None`` where nobody answers within a minute."""
    try:
        found: Known = await workflow.execute_activity(
            steps.KNOWN,
            KnownStep(appid=facts.appid, key=key, workflow_id=workflow_id),
            result_type=Known,
            schedule_to_close_timeout=_IN_TIME,
            heartbeat_timeout=facts.timing.heartbeat,
            retry_policy=_PATIENT,
            summary=f"what key {key} has done before",
        )
    except ActivityError:
        return None
    return found


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
