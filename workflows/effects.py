"""Carrying out what the plan of a send says: each effect comes to one event, or to none to be begun again."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from temporalio import exceptions, workflow
from temporalio.exceptions import ActivityError, ApplicationError, is_cancelled_exception

with workflow.unsafe.imports_passed_through():
    from qunfa.contract.audience import All, Batch, Openids, Tag
    from qunfa.contract.facts import Ended, Known
    from qunfa.contract.grants import Lease, Report
    from qunfa.contract.ids import mass_send_id
    from qunfa.contract.message import Material, Message
    from qunfa.contract.request import MassSendRequest, as_preview
    from qunfa.contract.result import INVALID_REQUEST
    from qunfa.contract.steps import TRIED_BEFORE, AccountFacts, Listed, Run, SubmitStep
    from qunfa.rules.calendar import closing
    from qunfa.rules.digest import content_digest
    from qunfa.rules.material import found, needs_material
    from qunfa.rules.submission import write_end
    from qunfa.rules.terms import KEY_MAX, of_account, of_form
    from qunfa.send import events, ledger, steps
    from qunfa.send.doubt import ignores_reprint
    from qunfa.send.state import Case, SendState
    from workflows import calls
    from workflows.making import Bench, MakingRefusedError, make_ready, understood
    from workflows.preview import look_at_tag, preview_to, shown
    from workflows.refusal import NO_ACCOUNT, UNREAD, account_facts
    from workflows.waiting import UnderWay, pause

SOON: Final = timedelta(seconds=10)
"""How long what is soon done is left alone before it is cancelled; it would end just as it is cancelled, as a rule."""
_SHORT: Final = (steps.SendWish, steps.Report, steps.LookUp, steps.AskWechat)


@dataclass
class SendUnderWay(UnderWay[steps.Effect, events.Event]):
    """An effect of a send: since when, what was known then, and what is shown of it."""

    since: datetime
    knew: Known
    lost_at: datetime | None
    resets: int
    what: str = ""

    @property
    def soon_done(self) -> datetime | None:
        """Until when it is left alone, although something else comes next."""
        return self.since + SOON if isinstance(self.effect, _SHORT) else None


class Effects:
    """The effects of one request. ``hear`` takes in what happens on the way, ``doing`` shows what is being done."""

    def __init__(
        self, request: MassSendRequest, hear: Callable[[events.Event], None], doing: Callable[[str], None]
    ) -> None:
        self._request = request
        self._hear = hear
        self._doing = doing

    async def carry_out(self, effect: steps.Effect, state: SendState) -> events.Event | None:  # noqa: C901, PLR0911, PLR0912  a table
        """What the effect comes to, begun in this state."""
        facts = state.pinned
        if facts is None:
            return await self._pin(state)
        match effect:
            case steps.Inspect():
                return await looked_at(self._request, facts)
            case steps.LookUp():
                return await self._look_up(facts, state)
            case steps.SendWish():
                return await self._wish(facts, state, effect)
            case steps.Make(until):
                return await self._make(facts, state, until)
            case steps.Preview(number):
                return await self._preview(facts, state, number)
            case steps.Show(told):
                return await shown(facts, self._request, state, told)
            case steps.LookAtTag() if isinstance(self._request.audience, Tag):
                return await look_at_tag(facts, self._request.audience)
            case steps.Submit(lease):
                return await self._submit(facts, state, lease)
            case steps.Report(ended):
                await calls.tell(facts, self._report(state, ended))
                return events.Reported(ended)
            case steps.Poll():
                return await self._poll(facts, state, effect)
            case steps.AskWechat(msg_id):
                return await _ask_wechat(facts, msg_id)
            case _:
                msg = f"{effect} takes no time"
                raise AssertionError(msg)

    async def _pin(self, state: SendState) -> events.Event:
        """The account as it is pinned. Of a refused request it is said that nobody knows what its key has done."""
        try:
            return events.Pinned(await account_facts(self._request.account, self._whole))
        except ApplicationError as error:
            is_unknown = error.type == INVALID_REQUEST
            if state.refused:
                return events.LookedUp(Known(), NO_ACCOUNT if is_unknown else UNREAD)
            if not is_unknown:
                raise
            return events.Refused(tuple(error.details[0]))

    @property
    def _whole(self) -> Run | None:
        """The run that has started this batch, where it is one."""
        parent = workflow.info().parent if isinstance(self._request.audience, Batch) else None
        return Run(workflow_id=parent.workflow_id, run_id=parent.run_id) if parent else None

    async def _look_up(self, facts: AccountFacts, state: SendState) -> events.Event:
        """What the key has done. For a request that is refused anyway, nobody waits longer than a minute."""
        key = self._request.key
        workflow_id = mass_send_id(self._request.account, key)
        started_at = Case(self._request, state, workflow.now()).started_at
        if state.refused:
            or_list = len(key) <= KEY_MAX and not isinstance(self._request.audience, Batch)
            known = await calls.look_up_in_time(facts, key, workflow_id, started_at, or_list=or_list)
        else:
            known = await calls.look_up(facts, key, workflow_id, started_at)
        if known is None:
            return events.LookedUp(Known(), "its ledger does not answer")
        return events.LookedUp(known, first_batch=known.first_batch)

    async def _wish(self, facts: AccountFacts, state: SendState, send: steps.SendWish) -> events.Event | None:
        """The wish, told. One of a send that ends counts as told where it cannot be: it is unanswered then."""
        wanted = state.wish
        if wanted is None or wanted.wish != send.wish:
            return None
        case, info = Case(self._request, state, workflow.now()), workflow.info()
        told = ledger.wish_of(case, wanted, info.workflow_id, info.run_id)
        if send.ends:
            within = ledger.LONG_ASKS * facts.timing.ask
            wished = await calls.wish_in_time(facts, told, search=send.search, within=within)
        else:
            wished = await calls.wish(facts, told, search=send.search)
        if wished is None:
            return events.WishSent(send.wish)
        sent = events.WishSent(send.wish, wished.known, searched=send.search, came_up_at=wished.came_up_at)
        if wished.granted is None:
            return sent
        self._hear(sent)  # first: the answer of a ledger without a record is judged by what was found
        self._hear(wished.granted)
        return None

    async def _make(self, facts: AccountFacts, state: SendState, until: datetime) -> events.Event:
        bench = Bench(facts, state.material or Material(), lambda made: self._hear(events.Kept(made)), self._doing)
        try:
            made: Any = await make_ready(bench, self._request.message, until)
            return events.Made(made)
        except MakingRefusedError as refused:
            return events.Obstructed(refused.problem)

    async def _preview(self, facts: AccountFacts, state: SendState, number: int) -> events.Event | None:
        preview = self._request.preview
        if preview is None:
            return None
        return events.WasPreviewed(
            await preview_to(facts, preview.to[number], as_preview(self._message(state)), state.previews)
        )

    async def _submit(self, facts: AccountFacts, state: SendState, lease: Lease) -> events.Event:
        try:
            return events.Answered(await calls.submit(facts, self._step(facts, state, lease)))
        except ActivityError as error:
            return events.Lost(_how_lost(error))

    async def _poll(self, facts: AccountFacts, state: SendState, poll: steps.Poll) -> events.Event | None:
        """What ``mass/get`` says in the end. An operator may end the asking; it is begun again then, but at an end."""
        interval = self._request.result.poll_interval
        try:
            said = await calls.await_verdict(facts, poll.msg_id, interval, poll.until)
        except ActivityError as error:
            if is_cancelled_exception(error):
                raise
            if Case(self._request, state, workflow.now()).check("ending", poll.msg_id):
                return events.Polled(poll.msg_id, None)
            workflow.logger.warning("mass/get of msg_id %s was ended; it is begun again", poll.msg_id)
            await pause(interval)
            return None
        return events.Polled(poll.msg_id, said.status, said.detail)

    def _step(self, facts: AccountFacts, state: SendState, lease: Lease) -> SubmitStep:
        request = self._request
        case = Case(request, state, workflow.now())
        conditions = case.conditions()
        ends = [lease.valid_until, write_end(case.newest, conditions), closing(lease.not_before, conditions.send_hours)]
        audience: Any = request.audience
        return SubmitStep(
            account=facts.pinned,
            key=request.key,
            digest=state.digest or "",
            workflow_id=workflow.info().workflow_id,
            lease=lease,
            audience=Listed.of(audience.openids) if isinstance(audience, Openids) else audience,
            message=self._message(state),
            send_ignore_reprint=ignores_reprint(request, state.known),
            image_via=facts.image_via,
            write_before=min(end for end in ends if end is not None),
        )

    def _message(self, state: SendState) -> Message:
        """The message with the ids that WeChat knows."""
        return state.ready or self._request.message

    def _report(self, state: SendState, ended: Ended | None) -> Report:
        return Report(
            key=self._request.key,
            digest=state.digest or "",
            workflow_id=workflow.info().workflow_id,
            known=state.known,
            to_all=isinstance(self._request.audience, All),
            ended=ended,
        )


async def looked_at(request: MassSendRequest, facts: AccountFacts) -> events.Refused | events.Inspected:
    """The digest of the content, once its sources were looked at; or what is wrong with it.

    A batch is of what its whole has found, which was shown and approved.
    """
    if problems := of_account(request, facts):
        return events.Refused(tuple(problems))
    problems = of_form(request.message, facts)
    if not needs_material(request.message):
        return events.Refused(tuple(problems)) if problems else events.Inspected(content_digest(request))
    if isinstance(request.audience, Batch) and request.audience.material is not None:
        if problems:
            return events.Refused(tuple(problems))
        return events.Inspected(content_digest(request, request.audience.material), request.audience.material)
    looking = calls.inspect(facts, request.message, fit_images=request.fit_images)
    try:
        inspection = await understood(looking)
    except MakingRefusedError as refused:
        return events.Refused((refused.problem.sentence,))
    if problems := [*problems, *inspection.problems]:
        return events.Refused(tuple(problems))
    material = found(inspection, facts.news_via)
    return events.Inspected(content_digest(request, material), material)


async def _ask_wechat(facts: AccountFacts, msg_id: int) -> events.Event:
    try:
        return events.WechatSaid(msg_id, await calls.job_status(facts, msg_id))
    except ActivityError as error:
        if is_cancelled_exception(error):
            raise
        return events.WechatSaid(msg_id, None)


def _how_lost(error: ActivityError) -> str:
    if isinstance(error.cause, ApplicationError) and error.cause.type == TRIED_BEFORE:
        return error.cause.message
    timed_out = isinstance(error.cause, exceptions.TimeoutError)
    return f"the worker that submitted {'did not answer in time' if timed_out else 'ended without an answer'}"
