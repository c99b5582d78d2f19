"""The activities by which a send speaks with its account and submits: timeouts, retries, summaries for the UI."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final, Generic, TypeVar

from temporalio import workflow
from temporalio.common import RetryPolicy
from temporalio.exceptions import ActivityError, is_cancelled_exception

with workflow.unsafe.imports_passed_through():
    from pydantic import ValidationError

    from qunfa.contract import ledger_steps as steps
    from qunfa.contract.facts import Known
    from qunfa.contract.grants import Report, Wish
    from qunfa.contract.job import Answer
    from qunfa.contract.ledger_steps import LookUpStep, SubmitStep, TellStep, WishStep
    from qunfa.contract.steps import AccountFacts

_PATIENT: Final = RetryPolicy(initial_interval=timedelta(seconds=1), maximum_interval=timedelta(seconds=30))
_ONCE: Final = RetryPolicy(maximum_attempts=1)
_SHORT: Final = timedelta(seconds=30)
_SEARCHING: Final = timedelta(minutes=2)
"""For a look at the earlier runs of the same workflow id."""
_IN_TIME: Final = timedelta(minutes=1)

Given = TypeVar("Given")


@dataclass(frozen=True)
class _Question(Generic[Given]):
    """An activity that Temporal repeats until it succeeds, and how long one attempt may take."""

    name: str
    answer: type[Given] | None
    within: timedelta = _SHORT


_WISH: Final = _Question(steps.WISH, Known)
_SEARCH: Final = _Question(steps.WISH, Known, _SEARCHING)
_LOOK_UP: Final = _Question(steps.LOOK_UP, Known, _SEARCHING)
_TELL: Final[_Question[None]] = _Question(steps.TELL, None)


async def _answered(facts: AccountFacts, question: _Question[Given], step: Any, what: str) -> Given:
    """What the activity gives, which Temporal repeats until it succeeds.

    An operator can end it all the same (`temporal activity fail`, or a limit on its attempts). It is begun again then:
    without it nobody would hear what has become of the message.
    """
    while True:
        try:
            result: Given = await workflow.execute_activity(
                question.name,
                step,
                result_type=question.answer,
                start_to_close_timeout=question.within,
                heartbeat_timeout=facts.timing.heartbeat,
                retry_policy=_PATIENT,
                summary=what,
            )
        except ActivityError as error:
            if is_cancelled_exception(error):
                raise
            workflow.logger.warning("%s: ended without an answer (%s); it is begun again", what, error.cause)
            await workflow.sleep(_SHORT)
        else:
            return result


async def wish(facts: AccountFacts, wanted: Wish, *, search: bool) -> Known:
    """Tell the account what the run wishes; what earlier runs have left, where they are looked for."""
    step = WishStep(appid=facts.appid, wish=wanted, search=search)
    what = "ask the account for a turn" if wanted.turn else "ask the account's ledger"
    return await _answered(facts, _SEARCH if search else _WISH, step, what)


async def tell(facts: AccountFacts, report: Report) -> None:
    """Tell the ledger what only the run knows."""
    what = f"tell the ledger: {report.ended.outcome if report.ended else 'what is known'}"
    await _answered(facts, _TELL, TellStep(appid=facts.appid, report=report), what)


async def look_up(facts: AccountFacts, key: str, workflow_id: str) -> Known:
    """What the key has done before; nothing is changed."""
    step = LookUpStep(appid=facts.appid, key=key, workflow_id=workflow_id)
    return await _answered(facts, _LOOK_UP, step, f"what key {key} has done before")


async def look_up_in_time(facts: AccountFacts, key: str, workflow_id: str) -> Known | None:
    """As :func:`look_up`, for a request that is refused anyway; ``None`` where nobody answers within a minute."""
    try:
        found: Known = await workflow.execute_activity(
            steps.LOOK_UP,
            LookUpStep(appid=facts.appid, key=key, workflow_id=workflow_id),
            result_type=Known,
            schedule_to_close_timeout=_IN_TIME,
            heartbeat_timeout=facts.timing.heartbeat,
            retry_policy=_PATIENT,
            summary=f"what key {key} has done before",
        )
    except ActivityError as error:
        if is_cancelled_exception(error):
            raise
        return None
    return found


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
        summary=f"submit try {step.lease.number} as {step.lease.clientmsgid}",
    )
    try:
        return Answer.model_validate(answer)
    except ValidationError:
        return Answer(kind="unknown", at=workflow.now(), detail="an operator has completed the try by hand", told=False)
