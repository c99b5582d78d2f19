"""The activities of a send as workflows call them: timeouts, retries, and the summaries that the UI shows.

They ask WeChat, speak with the account's ledger, submit, and make material. Temporal repeats most of them until there
is an answer. ``submit`` and ``preview`` are tried once.
"""

from collections.abc import Generator
from datetime import datetime, timedelta
from typing import Any, Final, Generic, NamedTuple, TypeVar

from temporalio import workflow
from temporalio.common import Priority, RetryPolicy
from temporalio.exceptions import ActivityError, ApplicationError, is_cancelled_exception
from temporalio.workflow import ActivityCancellationType

with workflow.unsafe.imports_passed_through():
    from pydantic import BaseModel, ValidationError

    from qunfa.contract import steps
    from qunfa.contract.grants import Report, Wish
    from qunfa.contract.ids import FIRST, SECOND
    from qunfa.contract.ledger import PreviewsLeft
    from qunfa.contract.message import Inspection, Made, MpnewsMessage, Source, SourcedMessage, Uploaded
    from qunfa.contract.refusal import is_whole
    from qunfa.contract.request import Previewed, PreviewMessage, PreviewRecipient
    from qunfa.contract.result import Answer
    from qunfa.markdown import bare_line
    from qunfa.rules.material import CheckDraft, Convert, MakeDraft
    from workflows.waiting import heed_cancellation, pause

Given = TypeVar("Given")
ModelT = TypeVar("ModelT", bound=BaseModel)

PATIENT: Final = RetryPolicy(initial_interval=timedelta(seconds=1), maximum_interval=timedelta(seconds=30))
UNHURRIED: Final = RetryPolicy(initial_interval=timedelta(seconds=5), maximum_interval=timedelta(minutes=5))
ONCE: Final = RetryPolicy(maximum_attempts=1)

_SHORT: Final = timedelta(seconds=30)
_TWO_MINUTES: Final = timedelta(minutes=2)
_LONG: Final = timedelta(minutes=15)
_HOUR: Final = timedelta(hours=1)
_ONCE_MORE: Final = timedelta(minutes=1)
_SOON: Final = Priority(priority_key=SECOND)


class Call(NamedTuple, Generic[Given]):
    """An activity as a workflow calls it: what it gives, and how Temporal repeats it.

    ``within`` is for one attempt, ``overall`` for all of them.
    """

    name: str
    gives: type[Given] | None
    within: timedelta | None = None
    overall: timedelta | None = None
    retry: RetryPolicy = PATIENT
    priority: Priority = Priority.default
    cancellation: ActivityCancellationType = ActivityCancellationType.TRY_CANCEL

    def begin(self, facts: steps.AccountFacts | None, step: Any, what: str | None = None) -> "Begun[Given]":
        """The call, begun, unless the task was cancelled that asks for it. ``what`` is its summary in the UI.

        Without ``facts`` its worker need not be heard of while it tries.
        """
        heed_cancellation()
        handle: workflow.ActivityHandle[Any] = workflow.start_activity(
            self.name,
            step,
            start_to_close_timeout=self.within,
            schedule_to_close_timeout=self.overall,
            heartbeat_timeout=facts.timing.heartbeat if facts else None,
            retry_policy=self.retry,
            priority=self.priority,
            cancellation_type=self.cancellation,
            summary=None if what is None else bare_line(what),
        )
        return Begun(self, handle)

    def of_wechat(self, facts: steps.AccountFacts) -> "Call[Given]":
        """The same, with time for a try that takes as long as ``[timing] http_timeout`` lets it."""
        within = max(filter(None, (self.within, a_try_within(facts.timing.http_timeout))))
        return self._replace(within=within, overall=self.overall and max(self.overall, within))

    async def answered(self, facts: steps.AccountFacts, step: Any, what: str) -> Given:
        """What the activity gives, which Temporal repeats until it succeeds.

        An operator can end it all the same (`temporal activity fail` or `complete`, or a limit on its attempts). It is
        begun again then: without it nobody would hear what has become of the message.
        """
        while True:
            try:
                return await self.begin(facts, step, what)
            except ActivityError as error:
                if is_cancelled_exception(error):
                    raise
                workflow.logger.warning("%s: ended without an answer (%s); it is begun again", what, error.cause)
                await pause(_SHORT)

    async def answered_in_time(self, facts: steps.AccountFacts, step: Any, what: str) -> Given | None:
        """What the activity gives; ``None`` where nobody answers in time, or a person has ended it."""
        try:
            return await self.begin(facts, step, what)
        except ActivityError as error:
            if is_cancelled_exception(error):
                raise
            return None


def read_answer(name: str, model: type[ModelT], given: Any) -> ModelT | None:
    """What an activity has given, as ``model``; ``None`` where somebody has completed it by hand with something else.

    Raises:
        RuntimeError: a worker has given it, and this one cannot read it. The workflow task fails until another can.
    """
    if not is_whole(model, given):
        return None
    try:
        return model.model_validate(given)
    except ValidationError as error:
        msg = f"this worker cannot read what {name} has given"
        raise RuntimeError(msg) from error


class Begun(Generic[Given]):
    """A call under way. Awaited, it is what the activity gives, or an ``ActivityError``.

    Its type is not Temporal's to read: what somebody has completed by hand would fail the workflow task for ever.
    """

    def __init__(self, call: Call[Given], handle: "workflow.ActivityHandle[Any]") -> None:
        self._call = call
        self._handle = handle

    def __await__(self) -> Generator[Any, None, Given]:
        given: Any = yield from self._handle.__await__()
        gives: Any = self._call.gives
        if gives is None:
            return given  # type: ignore[no-any-return]
        found: Given | None = read_answer(self._call.name, gives, given)
        if found is None:
            raise self._completed_by_hand() from ApplicationError(
                f"somebody has completed {self._call.name} with something else than its answer"
            )
        return found

    def _completed_by_hand(self) -> ActivityError:
        return ActivityError(
            "Activity task completed by hand",
            scheduled_event_id=0,
            started_event_id=0,
            identity="",
            activity_type=self._call.name,
            activity_id="",
            retry_state=None,
        )

    def done(self) -> bool:
        return self._handle.done()

    def cancel(self) -> None:
        """Have it end, as its ``cancellation`` says."""
        self._handle.cancel()


_JOB_STATUS: Final = Call(steps.JOB_STATUS, steps.JobStatus, within=_TWO_MINUTES, overall=_TWO_MINUTES)
_CHECK_AUDIENCE: Final = Call(steps.CHECK_AUDIENCE, steps.AudienceFinding, within=_TWO_MINUTES, retry=UNHURRIED)
_WISH: Final = Call(steps.WISH, steps.Wished, within=_SHORT, priority=_SOON)
_SEARCH: Final = _WISH._replace(within=_TWO_MINUTES)
"""As ``_WISH``, with a look at the earlier runs of the same workflow id."""
_LOOK_UP_IN_TIME: Final = Call(steps.LOOK_UP, steps.Remembered, overall=_ONCE_MORE, priority=_SOON)
_LOOK_UP: Final = _LOOK_UP_IN_TIME._replace(within=_TWO_MINUTES, overall=timedelta(minutes=8))
_TELL: Final[Call[None]] = Call(steps.TELL, None, within=_SHORT, priority=_SOON)
_UPLOAD: Final = Call(steps.UPLOAD, Uploaded, within=_LONG, retry=UNHURRIED)
_CHECK_DRAFT: Final = Call(steps.CHECK_DRAFT, steps.DraftFinding, within=_TWO_MINUTES, retry=UNHURRIED)
_TAKE_PREVIEW: Final = Call(steps.TAKE_PREVIEW, PreviewsLeft, within=_TWO_MINUTES, retry=UNHURRIED)
_PREVIEW: Final = Call(
    steps.PREVIEW,
    Previewed,
    within=_TWO_MINUTES,
    retry=ONCE,
    cancellation=ActivityCancellationType.WAIT_CANCELLATION_COMPLETED,
)
"""Who cancels it hears what came of it: it is not to be made again where it was shown."""


async def resolve_account(name: str, whole: steps.Run | None = None) -> steps.AccountFacts:
    """The account's facts, pinned from here on."""
    facts: steps.AccountFacts = await workflow.execute_local_activity(
        steps.RESOLVE_ACCOUNT,
        steps.ResolveStep(account=name, first_run_id=workflow.info().first_execution_run_id, whole=whole),
        result_type=steps.AccountFacts,
        start_to_close_timeout=_SHORT,
        retry_policy=PATIENT,
    )
    return facts


async def job_status(facts: steps.AccountFacts, msg_id: int) -> steps.JobStatus:
    """Ask ``mass/get`` now; an ``ActivityError`` when WeChat cannot be asked within the time of a try."""
    step = steps.JobStatusStep(account=facts.pinned, msg_id=msg_id)
    return await _JOB_STATUS.of_wechat(facts).begin(facts, step, f"mass/get of msg_id {msg_id}")


def check_audience(facts: steps.AccountFacts, tag_id: int) -> Begun[steps.AudienceFinding]:
    """Look at the tag; Temporal repeats it until WeChat answers."""
    return _CHECK_AUDIENCE.of_wechat(facts).begin(
        facts, steps.AudienceStep(account=facts.pinned, tag_id=tag_id), f"tags/get for tag {tag_id}"
    )


def await_verdict(
    facts: steps.AccountFacts, msg_id: int, interval: timedelta, until: datetime
) -> Begun[steps.JobStatus]:
    """Ask ``mass/get`` until it has a verdict or ``until`` has come: one activity that Temporal repeats."""
    spaced = RetryPolicy(initial_interval=interval, maximum_interval=max(interval, timedelta(minutes=30)))
    step = steps.JobStatusStep(account=facts.pinned, msg_id=msg_id, interval=interval, until=until)
    asking = Call(steps.AWAIT_VERDICT, steps.JobStatus, within=_TWO_MINUTES, retry=spaced)
    return asking.of_wechat(facts).begin(facts, step, f"mass/get of msg_id {msg_id} until it is decided")


async def wish(facts: steps.AccountFacts, wanted: Wish, *, search: bool) -> steps.Wished:
    """Tell the account what the run wishes; what it answers at once, and what earlier runs have left."""
    step = steps.WishStep(appid=facts.appid, wish=wanted, search=search)
    return await (_SEARCH if search else _WISH).answered(facts, step, _asked_for(wanted))


async def wish_in_time(
    facts: steps.AccountFacts, wanted: Wish, *, search: bool, within: timedelta
) -> steps.Wished | None:
    """As :func:`wish`, for a send that ends; ``None`` where it cannot be told ``within`` that, nor once more after it.

    Temporal gives up before a repetition that would come too late: by one interval at most.
    """
    step, what = steps.WishStep(appid=facts.appid, wish=wanted, search=search), _asked_for(wanted)
    first = (_SEARCH if search else _WISH)._replace(overall=within + _SHORT)
    wished = await first.answered_in_time(facts, step, what)
    return wished or await first._replace(overall=_ONCE_MORE).answered_in_time(facts, step, what)


def _asked_for(wanted: Wish) -> str:
    return "ask the account for a turn" if wanted.turn else "ask the account's ledger"


async def tell(facts: steps.AccountFacts, report: Report) -> None:
    """Tell the ledger what only the run knows."""
    what = f"tell the ledger: {report.ended.outcome if report.ended else 'what is known'}"
    await _TELL.answered(facts, steps.TellStep(appid=facts.appid, report=report), what)


async def look_up(
    facts: steps.AccountFacts, key: str, workflow_id: str, started_at: datetime | None, *, and_later: bool = False
) -> steps.Remembered | None:
    """What the key has done before, and nothing is changed; ``None`` where nobody answers within nine minutes.

    It is asked once more after eight: a worker that was down meanwhile has time to answer.
    """
    step = steps.LookUpStep(
        appid=facts.appid, key=key, workflow_id=workflow_id, started_at=started_at, and_later=and_later
    )
    what = _of_key(key)
    return await _LOOK_UP.answered_in_time(facts, step, what) or await _LOOK_UP_IN_TIME.answered_in_time(
        facts, step, what
    )


async def look_up_in_time(
    facts: steps.AccountFacts, key: str, workflow_id: str, started_at: datetime | None, *, or_list: bool = False
) -> steps.Remembered | None:
    """As :func:`look_up`, for a request that is refused anyway; ``None`` where nobody answers within a minute."""
    step = steps.LookUpStep(appid=facts.appid, key=key, workflow_id=workflow_id, started_at=started_at, or_list=or_list)
    return await _LOOK_UP_IN_TIME.answered_in_time(facts, step, _of_key(key))


def _of_key(key: str) -> str:
    return f"what key {key} has done before"


def a_try_within(http_timeout: timedelta) -> timedelta:
    """How long Temporal waits for one try: its connections, its two calls, and telling the ledger of it."""
    return 6 * http_timeout + _SHORT


async def submit(facts: steps.AccountFacts, step: steps.SubmitStep) -> Answer:
    """One HTTP try. An ``ActivityError`` means that nobody knows whether it was written."""
    within = a_try_within(facts.timing.http_timeout)
    a_try: Call[Any] = Call(steps.SUBMIT, None, within=within, retry=ONCE, priority=Priority(priority_key=FIRST))
    answer = await a_try.begin(facts, step, f"submit try {step.lease.number} as {step.lease.clientmsgid}")
    by_hand = Answer(kind="unknown", at=workflow.now(), detail="an operator has completed the try by hand", told=False)
    return read_answer(steps.SUBMIT, Answer, answer) or by_hand


def inspect(facts: steps.AccountFacts, message: SourcedMessage, *, fit_images: bool) -> Begun[Inspection]:
    """Read, hash and check every source of the message.

    Each article has an hour for itself. A slow host may take two minutes for each of its hundred pictures, of which
    four are read at a time. To fit them takes one processor four minutes more. Too short a time is worse than none:
    the look would begin again without end, and never say why.
    """
    articles = message.articles if isinstance(message, MpnewsMessage) else None
    within = _HOUR * len(articles) if articles else _LONG
    look = Call(steps.INSPECT, Inspection, within=within, retry=UNHURRIED)
    step = steps.InspectStep(account=facts.pinned, message=message, news_via=facts.news_via, fit_images=fit_images)
    return look.begin(facts, step, "look at the material")


def upload(facts: steps.AccountFacts, source: Source) -> Begun[Uploaded]:
    """Upload one file, if it still is what it was. A cover stays in WeChat's library for good."""
    step = steps.UploadStep(account=facts.pinned, source=source)
    call = _UPLOAD._replace(retry=_rarely(facts)) if source.use == "cover" else _UPLOAD
    return call.of_wechat(facts).begin(facts, step, f"upload {source.file} as {source.use}: {source.place}")


def make(facts: steps.AccountFacts, work: MakeDraft | Convert, title: str, description: str) -> Begun[Made]:
    """Make the one id that is sent: a draft, or a converted video (which has a title and a description)."""
    if isinstance(work, Convert):
        name, summary = steps.CONVERT_VIDEO, f"convert the video {work.media_id}"
        step: Any = steps.ConvertStep(
            account=facts.pinned, media_id=work.media_id, title=title, description=description
        )
    else:
        name, summary = steps.MAKE_DRAFT, f"make a draft of {len(work.articles)} article(s)"
        step = steps.DraftStep(
            account=facts.pinned,
            articles=work.articles,
            covers=work.covers,
            pictures=work.pictures,
            news_via=facts.news_via,
            contents=work.contents,
        )
    call = Call(name, Made, within=_TWO_MINUTES, retry=_rarely(facts))
    return call.of_wechat(facts).begin(facts, step, summary)


def _rarely(facts: steps.AccountFacts) -> RetryPolicy:
    """As rarely as a submission: each call whose answer is lost may have left something in WeChat's console."""
    return RetryPolicy(initial_interval=facts.timing.repeat, maximum_interval=facts.timing.repeat_max)


def check_draft(facts: steps.AccountFacts, work: CheckDraft) -> Begun[steps.DraftFinding]:
    """Ask WeChat whether the draft still has all of its pictures."""
    step = steps.CheckDraftStep(account=facts.pinned, media_id=work.made.media_id, pictures=work.made.pictures)
    return _CHECK_DRAFT.of_wechat(facts).begin(facts, step, "draft/get: are all pictures there?")


def take_preview(facts: steps.AccountFacts, holder: str) -> Begun[PreviewsLeft]:
    """One of the account's previews of today, from its ledger."""
    return _TAKE_PREVIEW.begin(
        facts, steps.TakePreviewStep(appid=facts.appid, holder=holder), "take one of today's previews"
    )


def preview(facts: steps.AccountFacts, to: PreviewRecipient, message: PreviewMessage) -> Begun[Previewed]:
    """One preview to one person; it is not repeated where nobody knows whether it went out."""
    step = steps.PreviewStep(account=facts.pinned, to=to, message=message, image_via=facts.image_via)
    return _PREVIEW.of_wechat(facts).begin(facts, step, f"preview to {to.name}")


def why_unseen(error: ActivityError, within: timedelta | None) -> str:
    """What a person is told: the activity's own words, or that it took too long."""
    cause = cause_of(error)
    if cause is not None:
        return cause.message
    return f"no answer within {within.total_seconds():.0f} s" if within else "no answer"


def cause_of(error: ActivityError) -> ApplicationError | None:
    """What an activity said; a timeout has the last attempt's failure as its cause."""
    cause: BaseException | None = error
    while cause is not None and not isinstance(cause, ApplicationError):
        cause = cause.__cause__
    return cause
