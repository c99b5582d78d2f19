"""The activities of a send as workflows call them: timeouts, retries, and the summaries that the UI shows.

They ask WeChat, speak with the account's ledger, submit, and make material. Temporal repeats most of them until there
is an answer. ``submit`` and ``preview`` are tried once.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final, Generic, TypeVar

from temporalio import workflow
from temporalio.common import Priority, RetryPolicy
from temporalio.exceptions import ActivityError, ApplicationError, is_cancelled_exception

with workflow.unsafe.imports_passed_through():
    from pydantic import ValidationError

    from qunfa.contract import steps
    from qunfa.contract.facts import Known
    from qunfa.contract.grants import Report, Wish
    from qunfa.contract.ids import FIRST
    from qunfa.contract.ledger import PreviewsLeft
    from qunfa.contract.message import Inspection, Made, Source, SourcedMessage, Uploaded
    from qunfa.contract.request import Previewed, PreviewMessage, PreviewRecipient
    from qunfa.contract.result import Answer
    from qunfa.contract.steps import (
        TAKE_PREVIEW,
        AccountFacts,
        AudienceFinding,
        AudienceStep,
        CheckDraftStep,
        ConvertStep,
        DraftFinding,
        DraftStep,
        InspectStep,
        JobStatus,
        JobStatusStep,
        LookUpStep,
        PictureOf,
        PreviewStep,
        ResolveStep,
        SubmitStep,
        TakePreviewStep,
        TellStep,
        UploadStep,
        Wished,
        WishStep,
    )
    from qunfa.printable import printable
    from qunfa.rules.material import CheckDraft, Convert, MakeDraft

_PATIENT: Final = RetryPolicy(initial_interval=timedelta(seconds=1), maximum_interval=timedelta(seconds=30))
_SHORT: Final = timedelta(seconds=30)

_ONCE: Final = RetryPolicy(maximum_attempts=1)
_SEARCHING: Final = timedelta(minutes=2)
"""For a look at the earlier runs of the same workflow id."""
_IN_TIME: Final = timedelta(minutes=1)

Given = TypeVar("Given")

_UNHURRIED: Final = RetryPolicy(initial_interval=timedelta(seconds=5), maximum_interval=timedelta(minutes=5))
_LONG: Final = timedelta(minutes=15)
_TWO_MINUTES: Final = timedelta(minutes=2)


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


@dataclass(frozen=True)
class _Question(Generic[Given]):
    """An activity that Temporal repeats until it succeeds, and how long one attempt may take."""

    name: str
    answer: type[Given] | None
    within: timedelta = _SHORT


_WISH: Final = _Question(steps.WISH, Wished)

_SEARCH: Final = _Question(steps.WISH, Wished, _SEARCHING)

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


async def wish(facts: AccountFacts, wanted: Wish, *, search: bool) -> Wished:
    """Tell the account what the run wishes; what it answers at once, and what earlier runs have left."""
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
        priority=Priority(priority_key=FIRST),
        summary=f"submit try {step.lease.number} as {step.lease.clientmsgid}",
    )
    try:
        return Answer.model_validate(answer)
    except ValidationError:
        return Answer(kind="unknown", at=workflow.now(), detail="an operator has completed the try by hand", told=False)


def inspect(facts: AccountFacts, message: SourcedMessage, *, fit_images: bool) -> "workflow.ActivityHandle[Inspection]":
    """Read, hash and check every source of the message."""
    return workflow.start_activity(
        steps.INSPECT,
        InspectStep(account=facts.pinned, message=message, news_via=facts.news_via, fit_images=fit_images),
        result_type=Inspection,
        start_to_close_timeout=_LONG,
        heartbeat_timeout=facts.timing.heartbeat,
        retry_policy=_UNHURRIED,
        summary="look at the material",
    )


def upload(facts: AccountFacts, source: Source) -> "workflow.ActivityHandle[Uploaded]":
    """Upload one file, if it still is what it was."""
    return workflow.start_activity(
        steps.UPLOAD,
        UploadStep(account=facts.pinned, source=source),
        result_type=Uploaded,
        start_to_close_timeout=_LONG,
        heartbeat_timeout=facts.timing.heartbeat,
        retry_policy=_UNHURRIED,
        summary=f"upload {source.place} as {source.use}",
    )


def make(facts: AccountFacts, work: MakeDraft | Convert, title: str, description: str) -> Any:
    """Make the one id that is sent: a draft, or a converted video (which has a title and a description).

    It is repeated as rarely as a submission: each call whose answer is lost may have left a draft in WeChat's console.
    """
    rarely = RetryPolicy(initial_interval=facts.timing.repeat, maximum_interval=facts.timing.repeat_max)
    if isinstance(work, Convert):
        name, summary = steps.CONVERT_VIDEO, printable(f"convert the video {work.media_id}")
        step: Any = ConvertStep(account=facts.pinned, media_id=work.media_id, title=title, description=description)
    else:
        name, summary = steps.MAKE_DRAFT, f"make a draft of {len(work.articles)} article(s)"
        pictures = tuple(PictureOf(uri=uri, url=url) for uri, url in work.pictures)
        step = DraftStep(
            account=facts.pinned,
            articles=work.articles,
            covers=work.covers,
            pictures=pictures,
            news_via=facts.news_via,
        )
    return workflow.start_activity(
        name,
        step,
        result_type=Made,
        start_to_close_timeout=_TWO_MINUTES,
        heartbeat_timeout=facts.timing.heartbeat,
        retry_policy=rarely,
        summary=summary,
    )


def check_draft(facts: AccountFacts, work: CheckDraft) -> "workflow.ActivityHandle[DraftFinding]":
    """Ask WeChat whether the draft still has all of its pictures."""
    return workflow.start_activity(
        steps.CHECK_DRAFT,
        CheckDraftStep(account=facts.pinned, media_id=work.made.media_id, pictures=work.made.pictures),
        result_type=DraftFinding,
        start_to_close_timeout=_TWO_MINUTES,
        heartbeat_timeout=facts.timing.heartbeat,
        retry_policy=_UNHURRIED,
        summary="draft/get: are all pictures there?",
    )


def take_preview(facts: AccountFacts, holder: str) -> "workflow.ActivityHandle[PreviewsLeft]":
    """One of the account's previews of today, from its ledger."""
    return workflow.start_activity(
        TAKE_PREVIEW,
        TakePreviewStep(appid=facts.appid, holder=holder),
        result_type=PreviewsLeft,
        start_to_close_timeout=_TWO_MINUTES,
        heartbeat_timeout=facts.timing.heartbeat,
        retry_policy=_UNHURRIED,
        summary="take one of today's previews",
    )


def preview(facts: AccountFacts, to: PreviewRecipient, message: PreviewMessage) -> "workflow.ActivityHandle[Previewed]":
    """One preview to one person; it is not repeated where nobody knows whether it went out."""
    return workflow.start_activity(
        steps.PREVIEW,
        PreviewStep(account=facts.pinned, to=to, message=message, image_via=facts.image_via),
        result_type=Previewed,
        start_to_close_timeout=_TWO_MINUTES,
        heartbeat_timeout=facts.timing.heartbeat,
        retry_policy=_ONCE,
        summary=printable(f"preview to {to.name}"),
    )


def why_unseen(error: ActivityError, within: timedelta) -> str:
    """What a person is told: the activity's own words, or that it took too long."""
    cause = cause_of(error)
    return cause.message if cause is not None else f"no answer within {within.total_seconds():.0f} s"


def cause_of(error: ActivityError) -> ApplicationError | None:
    """What an activity said; a timeout has the last attempt's failure as its cause."""
    cause: BaseException | None = error
    while cause is not None and not isinstance(cause, ApplicationError):
        cause = cause.__cause__
    return cause
