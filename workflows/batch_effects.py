"""Carrying out what the plan of a send in batches says: each effect comes to one event, or is begun again."""

from collections.abc import Callable
from datetime import datetime, timedelta
from itertools import count
from typing import Any, Final

from temporalio import workflow
from temporalio.exceptions import ActivityError, ApplicationError, is_cancelled_exception

with workflow.unsafe.imports_passed_through():
    from qunfa.batches import outlook, show, steps
    from qunfa.batches.answers import is_given_again
    from qunfa.batches.rows import looked_up, may_have_news
    from qunfa.batches.state import BatchesState, Case, Content, Passing
    from qunfa.contract import batches
    from qunfa.contract.audience import is_long
    from qunfa.contract.grants import Granted, Wish
    from qunfa.contract.ids import mass_send_id
    from qunfa.contract.message import Material
    from qunfa.contract.request import MassSendRequest, as_preview
    from qunfa.contract.result import INVALID_REQUEST
    from qunfa.contract.steps import ACCOUNT_CHANGED, AUDIENCE_REFUSED, AccountFacts
    from qunfa.rules.digest import digest_at_once, digest_of_all
    from qunfa.rules.material import Ready, next_work, renewed
    from qunfa.rules.terms import is_sent_once
    from qunfa.send import events
    from qunfa.send.joining import REUSED
    from workflows import calls
    from workflows.effects import looked_at
    from workflows.making import Bench, MakingRefusedError, make_ready, problem_of_failure
    from workflows.preview import lines_of, preview_to, warnings_of
    from workflows.refusal import account_facts
    from workflows.waiting import heed_cancellation, pause
    from workflows.whole import UNHEARD, answer_batch, look_back, news_of

_SILENT: Final = timedelta(seconds=30)
_DOUBLINGS: Final = 7
"""After them, an hour has passed each time."""
_AGAIN: Final = timedelta(minutes=1)
_SELDOM: Final = timedelta(minutes=30)
_UNASKED: Final = timedelta(minutes=30)
"""How long a ledger that was silent is left alone."""
_PLAN: Final = calls.Call(batches.PLAN_AUDIENCE, batches.AudiencePlan, within=timedelta(hours=2), retry=calls.UNHURRIED)
_REPORT: Final = calls.Call(
    batches.WRITE_REPORT, batches.Reported, overall=timedelta(minutes=30), retry=calls.UNHURRIED
)
_EARLY_REPORT: Final = _REPORT._replace(overall=timedelta(minutes=2))
"""Of a run that ends before it has a plan: mostly there is none in the store either."""
_FOR_A_PERSON: Final = frozenset({ACCOUNT_CHANGED, AUDIENCE_REFUSED, batches.PLAN_MISSING})
"""Why an audience is not planned until a person has put something right."""


class BatchEffects:
    """The effects of one run.

    ``heard``: what the account has answered to the open wish, by its id. ``tell``: who is told what happens while an
    effect is carried out.
    """

    def __init__(
        self, request: MassSendRequest, heard: dict[str, Granted | None], tell: Callable[[steps.Event], None]
    ) -> None:
        self._request = request
        self._tell = tell
        self._heard = heard
        self._numbers = count(1)
        self._asks_from: dict[str, datetime] = {}

    async def carry_out(self, effect: steps.Effect, state: BatchesState) -> steps.Event | None:  # noqa: PLR0911  a table
        """What the effect comes to, begun in this state."""
        facts = state.pinned
        if facts is None:
            return await self._pin()
        match effect:
            case steps.Inspect():
                return await self._inspect(facts)
            case steps.Join():
                return await self._join(facts, state)
            case steps.PlanAudience():
                return await self._plan(facts, state)
            case steps.Preview():
                return await self._preview(facts, state, effect)
            case steps.Show():
                return self._shown(state)
            case steps.PassOn(passing) if state.plan and state.running:
                batch = Case(self._request, state, workflow.now()).batch(state.running.number)
                return await self._passed_on(batch, passing, facts)
            case steps.LookBack(number):
                return await self._look_back(facts, state, number)
            case steps.WriteReport(rows):
                return await self._report(facts, state, rows)
            case _:
                msg = f"{effect} takes no time"
                raise AssertionError(msg)

    async def _pin(self) -> steps.Event:
        try:
            return steps.Pinned(await account_facts(self._request.account))
        except ApplicationError as error:
            if error.type != INVALID_REQUEST:
                raise
            return steps.Refused(tuple(error.details[0]))

    async def _inspect(self, facts: AccountFacts) -> steps.Event:
        """All messages; what is wrong with that of group b is said of ``message_b``."""
        contents: list[Content] = []
        reasons: list[str] = []
        for number, version in enumerate(self._request.versions):
            seen = await looked_at(version, facts)
            if isinstance(seen, events.Inspected):
                contents.append(Content(digest=seen.digest, material=seen.material))
            else:
                said = "message_b: {}" if number else "{}"
                reasons += [said.format(reason) for reason in seen.reasons if reason not in reasons]
        if reasons:
            return steps.Refused(tuple(reasons))
        return steps.Inspected(digest_of_all(self._request, [one.digest for one in contents]), tuple(contents))

    async def _join(self, facts: AccountFacts, state: BatchesState) -> steps.Event | None:
        """The ledger is asked for the key, and keeps its content; it answers at once, or in a crowd by a signal.

        One that is silent is asked again, after twice as long each time: a history is not to fill with that.
        """
        info, number = workflow.info(), next(self._numbers)
        wish = Wish(
            wish=str(workflow.uuid4()),
            key=self._request.key,
            digest=state.digest or "",
            workflow_id=info.workflow_id,
            run_id=info.run_id,
            number=number,
        )
        self._heard.clear()
        self._heard[wish.wish] = None
        wished = await calls.wish(facts, wish, search=True)
        if wished.granted is not None:
            self._heard[wish.wish] = wished.granted
        silent = _SILENT * 2 ** min(number - 1, _DOUBLINGS)
        heed_cancellation()
        try:
            await workflow.wait_condition(lambda: self._heard.get(wish.wish) is not None, timeout=silent)
        except TimeoutError:
            return None
        answer = self._heard.get(wish.wish)
        if answer is not None and answer.answer == "reused":
            return steps.Refused((REUSED.format(key=self._request.key),))
        return steps.Joined(answer.counted if answer else None)

    async def _plan(self, facts: AccountFacts, state: BatchesState) -> steps.Event | None:
        audience = self._request.audience
        if not is_long(audience):
            return steps.Refused((f"audience.kind: {audience.kind} is not sent in batches",))
        step = batches.PlanStep(
            account=facts.pinned,
            key=self._request.key,
            audience=audience,
            content=state.digest or "",
            split=self._request.split,
            started_at=state.started_at,
            is_unbegun=state.is_unbegun,
            versions=tuple(one.digest for one in state.contents),
            is_sent_once=is_sent_once(self._request, facts),
        )
        try:
            plan = await _PLAN.begin(facts, step, "plan the audience")
        except ActivityError as error:
            if is_cancelled_exception(error):
                raise
            return await _not_planned(error)
        return steps.Planned(plan)

    async def _preview(self, facts: AccountFacts, state: BatchesState, wanted: steps.Preview) -> steps.Event | None:
        """The preview, made of material that WeChat still knows. Where some is to be made first, nothing yet."""
        preview, content = self._request.preview, state.contents[wanted.version]
        message = self._request.versions[wanted.version].message
        if preview is None:
            return None

        def keep(material: Material) -> None:
            self._tell(steps.Kept(wanted.version, material))

        bench = Bench(facts, content.material or Material(), keep)
        work = next_work(message, bench.material, facts.news_via, workflow.now())
        if isinstance(work, Ready):
            to = preview.to[wanted.number]
            return steps.WasPreviewed(await preview_to(facts, to, as_preview(work.message), state.previews))
        try:
            await make_ready(bench, message)
        except MakingRefusedError as refused:
            bench.keep(renewed(bench.material, refused.problem.name, refused.problem.errcode))
            return steps.Obstructed(refused.problem)
        return None

    def _shown(self, state: BatchesState) -> steps.Event | None:
        if state.plan is None or state.pinned is None:
            return None
        case = Case(self._request, state, workflow.now())
        digest = f"digest of all this: {(state.digest or '')[:16]}"
        month = state.counted.month if state.counted else None
        lines: list[str] = []
        warnings: list[str] = []
        groups = ("group a: ", "group b: ") if self._request.split else ("",)
        for group, version, content in zip(groups, self._request.versions, state.contents, strict=True):
            lines += [f"{group}{line}" for line in lines_of(version, content.material)]
            warnings += [f"{group}{line}" for line in warnings_of(version, content.material, state.pinned)]
        if state.plan.is_from_before and any(one.message.msgtype == "mpnews" for one in self._request.versions):
            lines.append(show.LET_GO)
        behind = (*outlook.lines(case), *warnings, *outlook.late(case))
        return steps.Shown((*lines, *show.shown(state.plan, month, behind), digest))

    async def _passed_on(self, batch: MassSendRequest, passing: Passing, facts: AccountFacts) -> steps.Event | None:
        """What the batch says. What was taken already, and ends or holds the whole, is given until it takes it."""
        span = _AGAIN
        while True:
            why = await answer_batch(batch, passing, facts)
            if passing.update is not None or why is None or not (why == UNHEARD or is_given_again(passing.name, why)):
                return steps.WasPassed(passing.id, why)
            if why != UNHEARD:
                self._tell(steps.WasRefused(passing.name, why))
            await pause(span)
            span = min(2 * span, _SELDOM)

    async def _look_back(self, facts: AccountFacts, state: BatchesState, number: int) -> steps.Event:
        """How a batch has ended that an earlier run had begun. What its run cannot say, the ledger may know."""
        key, stop = batches.batch_key(self._request.key, number), state.stop
        workflow_id = mass_send_id(self._request.account, key)
        told = {"by": (stop.by if stop else "") or "qunfa", "reason": "the whole send ends"}
        plan = state.plan.digest if state.plan else None
        step = batches.FollowBatchStep(workflow_id=workflow_id, number=number, plan=plan, abort=told)
        found = await look_back(step, facts)
        if found.is_reused:
            return steps.Refused((REUSED.format(key=self._request.key),))
        started_at = Case(self._request, state, workflow.now()).started_at
        if found.row is not None:
            return await self._settled(facts, found.row, key, workflow_id, started_at)
        if not found.forgotten:
            return steps.LookedBack(number)
        known = await calls.look_up(facts, key, workflow_id, started_at, and_later=True)
        if known is None:
            return steps.Unheard(number)
        is_later = known.later and (state.plan is None or state.plan.is_from_before)
        hidden, record = found.is_hidden, known.has_record
        return looked_up(number, key, known, is_hidden=hidden, is_known=record, is_later=is_later)

    async def _settled(
        self, facts: AccountFacts, row: batches.BatchRow, key: str, workflow_id: str, started_at: datetime | None
    ) -> steps.LookedBack:
        """What the ledger has heard since a batch ended. A silent one is left alone for a while, by kind of end."""
        asks_from = self._asks_from.get(row.outcome)
        if not may_have_news(row) or (asks_from is not None and workflow.now() < asks_from):
            return steps.LookedBack(row.number, row)
        news = await news_of(row, key, workflow_id, started_at, facts)
        if news is None:
            self._asks_from[row.outcome] = workflow.now() + _UNASKED
        return steps.LookedBack(row.number, news or row)

    async def _report(self, facts: AccountFacts, state: BatchesState, rows: int) -> steps.Event:
        plan = state.plan.digest if state.plan else ""
        content = state.digest or digest_at_once(self._request)
        step = batches.ReportStep(
            account=facts.pinned,
            key=self._request.key,
            plan=plan,
            rows=state.all_rows,
            audience=None if plan else self._request.audience,
            content=content,
            split=self._request.split,
            fresh=state.fresh,
            started_at=Case(self._request, state, workflow.now()).started_at,
        )
        try:
            written = await (_REPORT if plan else _EARLY_REPORT).begin(facts, step, "write the report")
        except ActivityError as error:
            if is_cancelled_exception(error):
                raise
            workflow.logger.warning("the report could not be written: %s", error.cause)
            # An earlier run may have sent it, which the store alone remembers.
            is_known = state.plan is not None and not state.plan.is_sent_in_part
            return steps.Reported(rows, sent=None if is_known else "perhaps")
        sent, told = written.was_sent, written.rows
        if not content:  # it may be of another message
            sent, told = "part" if sent == "all" else sent, ()
        return steps.Reported(rows, written.uri or None, sent, told)


async def _not_planned(error: ActivityError) -> steps.Event | None:
    """Why the audience has no plan; nothing where it is to be planned once more."""
    cause = error.cause
    if isinstance(cause, ApplicationError) and cause.type == batches.PLAN_REUSED:
        return steps.Refused((f"key: {cause.message}",))
    if isinstance(cause, ApplicationError) and cause.type == batches.AUDIENCE_INVALID:
        reasons: Any = cause.details[0] if cause.details else [cause.message]
        return steps.Refused(tuple(str(one) for one in reasons))
    if isinstance(cause, ApplicationError) and cause.type in _FOR_A_PERSON:
        return steps.Obstructed(problem_of_failure(error))
    if isinstance(cause, ApplicationError) and cause.non_retryable:
        return steps.Refused((cause.message,))
    workflow.logger.warning("the audience could not be planned (%s); it is planned again", cause)
    await pause(_SILENT)
    return None
