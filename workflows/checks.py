"""The short checks: of a request, of an account, of its callback, and of a worker. They change nothing.

| workflow | says |
|---|---|
| ``CheckMassSend`` | what a mass send would be |
| ``CheckAccount`` | whether the workers can work with an account, as ``qunfa doctor`` asks |
| ``CheckCallback`` | what WeChat sees of an account's callback |
| ``CheckWorker`` | whether a worker answers, as ``qunfa doctor`` asks |
| ``ShowPictures`` | what pictures of articles look like, as ``qunfa article preview`` asks |
"""

import asyncio
from datetime import timedelta
from typing import Any, Final, NamedTuple, TypeVar

from temporalio import workflow
from temporalio.common import RetryPolicy
from temporalio.exceptions import ActivityError, ApplicationError

with workflow.unsafe.imports_passed_through():
    from pydantic import BaseModel

    from qunfa.contract.audience import Batch, Long, Openids, Tag, describe, is_long
    from qunfa.contract.batches import AUDIENCE_INVALID, PLAN_AUDIENCE, AudiencePlan, PlanStep
    from qunfa.contract.checks import (
        CALLBACK_CHECK,
        CALLS,
        CHECK_TOKEN,
        READ_CLOCKS,
        AccountStep,
        CallbackCheckRequest,
        CallbackCheckResult,
        CallbackCheckStep,
        CallbackView,
        CheckAccountRequest,
        CheckAccountResult,
        CheckResult,
        Clocks,
        TokenSeen,
    )
    from qunfa.contract.ids import CHECK_ACCOUNT, CHECK_CALLBACK, CHECK_MASS_SEND, CHECK_WORKER, SHOW_PICTURES
    from qunfa.contract.limits import CALLS_LEFT, SENDS_COUNTED, Book, CallsLeft, CallsLeftStep, SendsCountedStep
    from qunfa.contract.message import Inspection
    from qunfa.contract.pictures import READ_PICTURES, ReadPicturesStep, ShowPicturesRequest, ShowPicturesResult
    from qunfa.contract.prospect import (
        COUNT_FOLLOWERS,
        LOOK_AHEAD,
        Ahead,
        Followers,
        FollowersStep,
        LookAheadStep,
    )
    from qunfa.contract.refusal import InvalidRequestError, Unreadable, parsed
    from qunfa.contract.request import MassSendRequest, parse_request
    from qunfa.contract.steps import CHECK_AUDIENCE, AccountFacts, AudienceFinding, AudienceStep
    from qunfa.rules import approval
    from qunfa.rules.digest import content_digest
    from qunfa.rules.material import found, needs_material
    from qunfa.rules.quota_view import allowances
    from qunfa.send import hindrance, prospect
    from qunfa.send.joining import REUSED
    from qunfa.send.prospect import Start
    from workflows import calls
    from workflows.effects import form_problems
    from workflows.making import problem_of_failure
    from workflows.preview import audience_problem
    from workflows.refusal import NOT_ASKED_FOR, account_facts, refuse

ACCOUNT_WITHIN: Final = timedelta(seconds=10)
"""Each step has so long, and is tried once: somebody waits in front of a terminal."""
_ONCE: Final = RetryPolicy(maximum_attempts=1)

Found = TypeVar("Found")
Asked = TypeVar("Asked", bound=BaseModel)

NOT_SHOWN: Final = "NotShown"
"""Failure type of ``ShowPictures``: no worker could read anything. Its text says why."""
PICTURES_WITHIN: Final = timedelta(minutes=3)
CHECK_WITHIN: Final = timedelta(seconds=20)
"""What a check of a request cannot find out in this time is not known; its material takes as long as it takes."""
PLANNED_WITHIN: Final = timedelta(minutes=5)
"""An audience of any size is read as a whole."""
CALLBACK_WITHIN: Final = timedelta(seconds=45)
"""Somebody is waiting in front of a terminal."""
_RETRIES: Final = RetryPolicy(initial_interval=timedelta(seconds=1), maximum_interval=timedelta(seconds=10))


@workflow.defn(name=CHECK_MASS_SEND)
class CheckMassSend:
    """The request, the account, the material, the audience and the key: all that can be looked at beforehand."""

    @workflow.run
    async def run(self, raw: Any = None, *more: Any) -> CheckResult:
        """What would be sent to how many, what stands against it, and what a start would meet."""
        if more:
            raise refuse(["the workflow takes one input, the request"])
        try:
            request = parse_request(raw)
        except InvalidRequestError as error:
            raise refuse(error.problems) from None
        if isinstance(request.audience, Batch):
            raise refuse([f"audience.kind: {NOT_ASKED_FOR}"])
        facts = await account_facts(request.account)
        (inspection, problems), counted, ahead = await asyncio.gather(
            _material(request, facts), _audience(request, facts), _ahead(request, facts)
        )
        start = Start(request, facts, workflow.info().namespace, _digest(request, inspection), workflow.now())
        past = prospect.of_key(start, ahead)
        reused = [REUSED.format(key=request.key)] if past.start == "be_refused" else []
        return CheckResult(
            account=request.account,
            key=request.key,
            msgtype=request.message.msgtype,
            audience=describe(request.audience),
            followers=counted.followers,
            uncounted=counted.uncounted,
            plan=counted.plan,
            sources=inspection.sources if inspection else (),
            removed=inspection.removed if inspection else (),
            problems=(*problems, *counted.problems, *_terms(request, facts), *reused),
            past=past,
            freeze=hindrance.of_freeze(start, ahead, past),
            quota=hindrance.of_quota(start, ahead, past),
        )


def _terms(request: MassSendRequest, facts: AccountFacts) -> list[str]:
    """What a send would be refused for before its material is looked at."""
    problems = approval.problems(facts.approval, request)
    if approval.too_far_ahead(request.send_at, workflow.now()):
        problems.append(f"send_at: must be at most {approval.AHEAD_MAX.days} days ahead")
    return problems


async def _material(request: MassSendRequest, facts: AccountFacts) -> tuple[Inspection | None, list[str]]:
    """What was found of the sources, ``None`` where they could not be looked at; and what is wrong."""
    problems = list(form_problems(request.message, facts))
    if not needs_material(request.message):
        return Inspection(), problems
    try:
        inspection = await calls.inspect(facts, request.message, fit_images=request.fit_images)
    except ActivityError as error:
        return None, [*problems, problem_of_failure(error).sentence]
    return inspection, [*inspection.problems, *problems]


def _digest(request: MassSendRequest, inspection: Inspection | None) -> str | None:
    """Of the content; ``None`` where a source of it could not be read."""
    if not needs_material(request.message):
        return content_digest(request)
    if inspection is None or inspection.problems:
        return None
    return content_digest(request, found(inspection))


class _Counted(NamedTuple):
    """How many it goes to, or why that is not known; and what is wrong with the audience."""

    followers: int | None = None
    uncounted: str | None = None
    problems: tuple[str, ...] = ()
    plan: AudiencePlan | None = None


async def _planned(request: MassSendRequest, audience: Long, facts: AccountFacts) -> _Counted:
    """The plan of an audience of any size, of which nothing is kept."""
    step = PlanStep(account=facts.pinned, key=request.key, audience=audience, content="", keep=False)
    try:
        plan: AudiencePlan = await workflow.execute_activity(
            PLAN_AUDIENCE,
            step,
            result_type=AudiencePlan,
            schedule_to_close_timeout=PLANNED_WITHIN,
            heartbeat_timeout=timedelta(minutes=1),
            retry_policy=_RETRIES,
        )
    except ActivityError as error:
        cause = error.cause
        if isinstance(cause, ApplicationError) and cause.type == AUDIENCE_INVALID and cause.details:
            return _Counted(None, "the audience cannot be planned", tuple(map(str, cause.details[0])))
        return _Counted(None, _why_unseen(error, PLANNED_WITHIN))
    return _Counted(plan.openids, plan=plan)


async def _audience(request: MassSendRequest, facts: AccountFacts) -> _Counted:
    audience = request.audience
    if isinstance(audience, Openids):
        return _Counted(len(audience.openids))
    if is_long(audience):
        return await _planned(request, audience, facts)
    try:
        if not isinstance(audience, Tag):
            everybody = FollowersStep(account=facts.pinned)
            return _Counted((await _in_time(facts, COUNT_FOLLOWERS, everybody, Followers)).total)
        tagged = AudienceStep(account=facts.pinned, tag_id=audience.tag_id)
        finding = await _in_time(facts, CHECK_AUDIENCE, tagged, AudienceFinding)
    except ActivityError as error:
        refused = isinstance(audience, Tag) and isinstance(error.cause, ApplicationError) and error.cause.non_retryable
        problems = (problem_of_failure(error).sentence,) if refused else ()
        return _Counted(None, _why_unseen(error, CHECK_WITHIN), problems)
    problem = audience_problem(audience, finding)
    return _Counted(finding.count, None, (problem.sentence,) if problem else ())


async def _ahead(request: MassSendRequest, facts: AccountFacts) -> Ahead:
    step = LookAheadStep(appid=facts.appid, account=request.account, key=request.key)
    try:
        return await _in_time(facts, LOOK_AHEAD, step, Ahead)
    except ActivityError as error:
        why = _why_unseen(error, CHECK_WITHIN)
        return Ahead(unbooked=why, forgotten=why)


async def _in_time(facts: AccountFacts, name: str, step: Any, result_type: type[Found]) -> Found:
    """What an activity finds, repeated for as long as somebody waits in front of a terminal."""
    found: Found = await workflow.execute_activity(
        name,
        step,
        result_type=result_type,
        schedule_to_close_timeout=CHECK_WITHIN,
        heartbeat_timeout=facts.timing.heartbeat,
        retry_policy=_RETRIES,
    )
    return found


@workflow.defn(name=CHECK_ACCOUNT)
class CheckAccount:
    """Look at an account's token, clocks and quotas, each once; what could not be seen says why."""

    @workflow.run
    async def run(self, raw: Any = None, *more: Any) -> CheckAccountResult:
        """What a worker sees; that WeChat or the ledger does not answer is a result as well."""
        facts = await account_facts(_read(CheckAccountRequest, raw, more).account)
        (token, calls), clocks, (book, uncounted) = await asyncio.gather(_wechat(facts), _clocks(facts), _book(facts))
        return CheckAccountResult(
            account=facts.name,
            appid=facts.appid,
            kind=facts.kind,
            token=token,
            clocks=clocks,
            calls=calls,
            allowances=() if book is None else allowances(facts.kind, book, calls, workflow.now()),
            uncounted=uncounted,
            frozen=None if book is None else book.frozen,
        )


def _read(model: type[Asked], raw: Any, more: tuple[Any, ...]) -> Asked:
    if more:
        raise refuse(["the workflow takes one input, the request"])
    try:
        return parsed(model, raw)
    except InvalidRequestError as error:
        raise refuse(error.problems) from None


async def _wechat(facts: AccountFacts) -> tuple[TokenSeen, tuple[CallsLeft, ...]]:
    """Nothing can be asked without a token."""
    try:
        token = await _once(facts, CHECK_TOKEN, AccountStep(account=facts.pinned), TokenSeen)
    except ActivityError as error:
        return TokenSeen(detail=_why_unseen(error)), ()
    if token.detail is not None:
        return token, ()
    return token, tuple(await asyncio.gather(*(_calls_left(facts, path) for path in CALLS)))


async def _calls_left(facts: AccountFacts, path: str) -> CallsLeft:
    try:
        return await _once(facts, CALLS_LEFT, CallsLeftStep(account=facts.pinned, cgi_path=path), CallsLeft)
    except ActivityError as error:
        return CallsLeft(cgi_path=path, errmsg=_why_unseen(error))


async def _clocks(facts: AccountFacts) -> Clocks:
    try:
        return await _once(facts, READ_CLOCKS, AccountStep(account=facts.pinned), Clocks)
    except ActivityError as error:
        return Clocks(detail=_why_unseen(error))


async def _book(facts: AccountFacts) -> tuple[Book | None, str | None]:
    try:
        return await _once(facts, SENDS_COUNTED, SendsCountedStep(appid=facts.appid), Book), None
    except ActivityError as error:
        return None, _why_unseen(error)


async def _once(facts: AccountFacts, name: str, step: Any, result_type: type[Found]) -> Found:
    found: Found = await workflow.execute_activity(
        name,
        step,
        result_type=result_type,
        schedule_to_close_timeout=ACCOUNT_WITHIN,
        heartbeat_timeout=facts.timing.heartbeat,
        retry_policy=_ONCE,
    )
    return found


def _why_unseen(error: ActivityError, within: timedelta = ACCOUNT_WITHIN) -> str:
    cause = _cause(error)
    return cause.message if cause is not None else f"no answer within {within.total_seconds():.0f} s"


def _cause(error: ActivityError) -> ApplicationError | None:
    """What an activity said; a timeout has the last attempt's failure as its cause."""
    cause: BaseException | None = error
    while cause is not None and not isinstance(cause, ApplicationError):
        cause = cause.__cause__
    return cause


@workflow.defn(name=CHECK_CALLBACK)
class CheckCallback:
    """One question to WeChat, repeated for a short while where it cannot be asked; it changes nothing."""

    @workflow.run
    async def run(self, raw: Any = None, *more: Any) -> CallbackCheckResult:
        """What WeChat sees; that it refuses or cannot be asked is a result as well."""
        facts = await account_facts(_read(CallbackCheckRequest, raw, more).account)
        found = CallbackCheckResult(account=facts.name, appid=facts.appid)
        try:
            return found.model_copy(update={"view": await _callback_view(facts)})
        except ActivityError as error:
            return found.model_copy(update=_why_no_view(error))


async def _callback_view(facts: AccountFacts) -> CallbackView:
    view: CallbackView = await workflow.execute_activity(
        CALLBACK_CHECK,
        CallbackCheckStep(account=facts.pinned),
        result_type=CallbackView,
        start_to_close_timeout=timedelta(seconds=30),
        schedule_to_close_timeout=CALLBACK_WITHIN,
        heartbeat_timeout=facts.timing.heartbeat,
        retry_policy=_RETRIES,
        summary="callback/check",
    )
    return view


def _why_no_view(error: ActivityError) -> dict[str, Any]:
    """WeChat's refusal, or what kept it from being asked."""
    cause = _cause(error)
    if cause is None:
        return {"problem": f"no worker had an answer of WeChat's within {CALLBACK_WITHIN.total_seconds():.0f} s"}
    evidence = cause.details[0] if cause.details and isinstance(cause.details[0], dict) else {}
    return {"problem": cause.message, **{name: evidence.get(name) for name in ("errcode", "errmsg", "rid")}}


@workflow.defn(name=SHOW_PICTURES)
class ShowPictures:
    """Read the pictures once; somebody waits for them."""

    @workflow.run
    async def run(self, raw: Any = None, *more: Any) -> ShowPicturesResult:
        """The first of them, as many as fit; what cannot be read is a result as well."""
        request = _read(ShowPicturesRequest, raw, more)
        facts = await account_facts(request.account)
        try:
            shown: ShowPicturesResult = await workflow.execute_activity(
                READ_PICTURES,
                ReadPicturesStep(account=facts.pinned, uris=tuple(one.uri for one in request.pictures)),
                result_type=ShowPicturesResult,
                start_to_close_timeout=PICTURES_WITHIN,
                schedule_to_close_timeout=2 * PICTURES_WITHIN,
                heartbeat_timeout=facts.timing.heartbeat,
                retry_policy=_RETRIES,
            )
        except ActivityError as error:
            raise ApplicationError(problem_of_failure(error).sentence, type=NOT_SHOWN, non_retryable=True) from None
        return shown


@workflow.defn(name=CHECK_WORKER)
class CheckWorker:
    """Ends as soon as a worker has it: that it has ended is the answer. It takes no input."""

    @workflow.run
    async def run(self, given: Any = None) -> None:
        """Do nothing."""
        if isinstance(given, Unreadable):
            raise refuse([given.sentence])
