"""``CheckMassSend``: what a mass send would be, and what a start would meet. It changes nothing."""

import asyncio
from datetime import datetime, timedelta
from typing import Any, Final, NamedTuple

from temporalio import workflow
from temporalio.common import RetryPolicy
from temporalio.exceptions import ActivityError, ApplicationError

with workflow.unsafe.imports_passed_through():
    from qunfa.batches.plan import forgotten, sent_before
    from qunfa.contract.audience import Batch, Long, Openids, Tag, describe, is_long
    from qunfa.contract.batches import AUDIENCE_INVALID, PLAN_AUDIENCE, AudiencePlan, PlanStep, batch_key
    from qunfa.contract.checks import CheckResult
    from qunfa.contract.ids import CHECK_MASS_SEND
    from qunfa.contract.message import Inspection
    from qunfa.contract.prospect import COUNT_FOLLOWERS, LOOK_AHEAD, Ahead, Followers, LookAheadStep
    from qunfa.contract.request import MassSendRequest, parse_request
    from qunfa.contract.steps import (
        AUDIENCE_REFUSED,
        CHECK_AUDIENCE,
        AccountFacts,
        AccountStep,
        AudienceFinding,
        AudienceStep,
    )
    from qunfa.rules.codes import DAILY
    from qunfa.rules.digest import content_digest, digest_of_all
    from qunfa.rules.material import found, needs_material
    from qunfa.rules.quota_view import Remaining, through
    from qunfa.rules.terms import (
        KEY_MAX,
        NOT_ASKED_FOR,
        is_sent_once,
        news_calls,
        not_by_itself,
        not_kept,
        not_through,
        of_account,
        of_each,
        of_form,
        terms,
        warnings,
    )
    from qunfa.send import prospect
    from qunfa.send.joining import REUSED
    from qunfa.send.prospect import Start
    from workflows import calls
    from workflows.making import problem_of_failure
    from workflows.preview import audience_problem
    from workflows.refusal import account_facts, invalid_request, read_input

PLAN_WITHIN: Final = timedelta(minutes=15)
"""A list of ten million is fetched, sorted and counted."""
CHECK_WITHIN: Final = timedelta(seconds=20)
"""What a check of a request cannot find out in this time is not known; its material takes as long as it takes."""
_RETRIES: Final = RetryPolicy(initial_interval=timedelta(seconds=1), maximum_interval=timedelta(seconds=10))
_PLAN: Final = calls.Call(PLAN_AUDIENCE, AudiencePlan, overall=PLAN_WITHIN, retry=_RETRIES)
_COUNT_FOLLOWERS: Final = calls.Call(COUNT_FOLLOWERS, Followers, overall=CHECK_WITHIN, retry=_RETRIES)
_CHECK_AUDIENCE: Final = calls.Call(CHECK_AUDIENCE, AudienceFinding, overall=CHECK_WITHIN, retry=_RETRIES)
_LOOK_AHEAD: Final = calls.Call(LOOK_AHEAD, Ahead, overall=CHECK_WITHIN, retry=_RETRIES)


@workflow.defn(name=CHECK_MASS_SEND)
class CheckMassSend:
    """The request, the account, the material, the audience and the key: all that can be looked at beforehand."""

    @workflow.run
    async def run(self, raw: Any = None, *more: Any) -> CheckResult:
        """What would be sent to how many, what stands against it, and what a start would meet."""
        request = read_input(parse_request, raw, more)
        if isinstance(request.audience, Batch):
            raise invalid_request([f"audience.kind: {NOT_ASKED_FOR}"])
        facts = await account_facts(request.account)
        or_list = not is_long(request.audience) and len(request.key) <= KEY_MAX
        first = _ahead(request, facts, batch_key(request.key, 1)) if is_long(request.audience) else _nothing()
        (inspections, problems), counted, ahead, batch = await asyncio.gather(
            _material(request, facts),
            _audience(request, facts),
            _ahead(request, facts, request.key, or_list=or_list),
            first,
        )
        start = Start(request, facts, workflow.info().namespace, _digest(request, inspections), workflow.now())
        past = prospect.of_key(start, ahead, batch or ahead.first)
        refused_for = [*_too_old(request, counted.plan), *of_account(request, facts), *terms(request, workflow.now())]
        starts = max(filter(None, (start.now, request.send_at)))
        ends_at = _through(start, ahead, counted.plan, starts)
        late = [
            *not_through(request, facts, ends_at),
            *not_by_itself(request, facts, starts, ends_at),
            *not_kept(request, facts, start.now, ends_at or starts),
            *prospect.left_out(start, ahead, past, starts),
        ]
        reused = [REUSED.format(key=request.key)] if past.start == "be_refused" else []
        return CheckResult(
            account=request.account,
            key=request.key,
            msgtype=request.message.msgtype,
            audience=describe(request.audience),
            followers=counted.followers,
            uncounted=counted.uncounted,
            plan=counted.plan,
            ends_at=ends_at,
            sources=tuple(source for one in inspections if one for source in one.sources),
            removed=tuple(removed for one in inspections if one for removed in one.removed),
            problems=(*problems, *counted.problems, *refused_for, *reused),
            warnings=(*_warnings(request, inspections, facts), *late),
            past=past,
            approval=prospect.of_approval(start, past),
            freeze=prospect.of_freeze(start, ahead, past),
            quota=prospect.of_quota(start, ahead, past),
        )


def _through(start: Start, ahead: Ahead, plan: AudiencePlan | None, starts: datetime) -> datetime | None:
    """When a send in batches would be through."""
    if plan is None:
        return None
    used = {day: counted.total for day, counted in ahead.book.days.items()} if ahead.book else {}
    news = news_calls(start.request, start.facts, start.now)
    return through(Remaining(plan.batches, start.facts.timing.pace, used, news), starts, start.facts.send_hours)


def _too_old(request: MassSendRequest, plan: AudiencePlan | None) -> list[str]:
    """Why the time of a list that was planned before is too late; a plan that is too old by now is none."""
    send_at = request.send_at
    is_late = plan is not None and send_at is not None and plan.is_doubted(send_at)
    return [forgotten(request, send_at).sentence] if is_late else []


async def _material(request: MassSendRequest, facts: AccountFacts) -> tuple[list[Inspection | None], list[str]]:
    """What was found of each message; and what is wrong, in sentences that name that of a split test's group b."""
    looks = [await _looked_at(version, facts) for version in request.versions]
    return [found for found, _ in looks], of_each([problems for _, problems in looks])


def _warnings(request: MassSendRequest, inspections: list[Inspection | None], facts: AccountFacts) -> list[str]:
    seen = zip(request.versions, inspections, strict=True)
    return of_each([warnings(one, found.sources if found else (), facts) for one, found in seen])


async def _looked_at(request: MassSendRequest, facts: AccountFacts) -> tuple[Inspection | None, list[str]]:
    """What was found of the sources, ``None`` where they could not be looked at; and what is wrong."""
    problems = of_form(request.message, facts)
    if not needs_material(request.message):
        return Inspection(), problems
    try:
        inspection = await calls.inspect(facts, request.message, fit_images=request.fit_images)
    except ActivityError as error:
        return None, [*problems, problem_of_failure(error).sentence]
    return inspection, [*inspection.problems, *problems]


def _digest(request: MassSendRequest, inspections: list[Inspection | None]) -> str | None:
    """Of the content; ``None`` where a source of it could not be read."""
    digests: list[str] = []
    for version, inspection in zip(request.versions, inspections, strict=True):
        if not needs_material(version.message):
            digests.append(content_digest(version))
        elif inspection is None or inspection.problems:
            return None
        else:
            digests.append(content_digest(version, found(inspection)))
    return digest_of_all(request, digests)


class _Counted(NamedTuple):
    """How many it goes to, or why that is not known; and what is wrong with the audience."""

    followers: int | None = None
    uncounted: str | None = None
    problems: tuple[str, ...] = ()
    plan: AudiencePlan | None = None


async def _audience(request: MassSendRequest, facts: AccountFacts) -> _Counted:
    audience = request.audience
    if isinstance(audience, Openids):
        return _Counted(len(audience.openids))
    if is_long(audience):
        return await _planned(request, audience, facts)
    try:
        if not isinstance(audience, Tag):
            everybody = AccountStep(account=facts.pinned)
            return _Counted((await _COUNT_FOLLOWERS.begin(facts, everybody)).total)
        tagged = AudienceStep(account=facts.pinned, tag_id=audience.tag_id)
        finding = await _CHECK_AUDIENCE.begin(facts, tagged)
    except ActivityError as error:
        refused = isinstance(audience, Tag) and isinstance(error.cause, ApplicationError) and error.cause.non_retryable
        problems = (problem_of_failure(error).sentence,) if refused else ()
        return _Counted(None, calls.why_unseen(error, CHECK_WITHIN), problems)
    problem = audience_problem(audience, finding)
    return _Counted(finding.count, None, (problem.sentence,) if problem else ())


async def _planned(request: MassSendRequest, audience: Long, facts: AccountFacts) -> _Counted:
    """The plan of a send in batches, of which nothing is kept; it takes as long as its audience does."""
    step = PlanStep(
        account=facts.pinned,
        key=request.key,
        audience=audience,
        content="",
        split=request.split,
        keep=False,
        is_sent_once=is_sent_once(request, facts),
    )
    try:
        plan = await _PLAN.begin(facts, step, "the plan, of which nothing is kept")
    except ActivityError as error:
        return _unplanned(error)
    problems = (sent_before(request).sentence,) if plan.is_sent_in_part else ()
    return _Counted(plan.openids, plan=plan, problems=problems)


def _unplanned(error: ActivityError) -> _Counted:
    """Why there is no plan. It is a problem where a start would end by it, or ask; calls of the day are waited for."""
    cause, why = error.cause, calls.why_unseen(error, PLAN_WITHIN)
    if not (isinstance(cause, ApplicationError) and cause.non_retryable):
        return _Counted(uncounted=why)
    if cause.type == AUDIENCE_REFUSED:
        problem = problem_of_failure(error)
        return _Counted(uncounted=why, problems=() if problem.errcode == DAILY else (problem.sentence,))
    reasons: Any = cause.details[0] if cause.type == AUDIENCE_INVALID else [cause.message]
    return _Counted(problems=tuple(str(one) for one in reasons))


async def _nothing() -> None:
    """Of a plain send, which has no batches."""


async def _ahead(request: MassSendRequest, facts: AccountFacts, key: str, *, or_list: bool = False) -> Ahead:
    step = LookAheadStep(appid=facts.appid, account=request.account, key=key, or_list=or_list)
    try:
        return await _LOOK_AHEAD.begin(facts, step)
    except ActivityError as error:
        why = calls.why_unseen(error, CHECK_WITHIN)
        return Ahead(unbooked=why, forgotten=why)
