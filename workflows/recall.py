"""``RecallMassSend``: the pages behind what was delivered go. It can reach nobody."""

import asyncio
import contextlib
from datetime import timedelta
from typing import Any, Final, Literal, TypeVar

from temporalio import workflow
from temporalio.common import SearchAttributeKey
from temporalio.exceptions import ActivityError, ApplicationError, is_cancelled_exception
from temporalio.workflow import ActivityCancellationType

with workflow.unsafe.imports_passed_through():
    from qunfa.contract import recall
    from qunfa.contract.grants import Report
    from qunfa.contract.ids import RECALL_MASS_SEND, recall_id
    from qunfa.contract.ledger import Recalled
    from qunfa.contract.operators import WaitingFor
    from qunfa.contract.recall import (
        LOOK_REFUSED,
        RECALL_FAILED,
        DeleteStep,
        FindJobStep,
        Heard,
        KnownJob,
        LookStep,
        RecallCall,
        RecallRequest,
        RecallResult,
        RecallStatus,
        SentFrom,
        SentFromStep,
    )
    from qunfa.contract.steps import ACCOUNT_CHANGED, TELL, TRIED_BEFORE, AccountFacts, JobStatus, TellStep
    from qunfa.printable import printable
    from qunfa.rules.recall import (
        Delete,
        End,
        Look,
        Recall,
        begin,
        called,
        interrupted,
        looked,
        next_step,
        obstacle,
        stranger,
    )
    from workflows.calls import ONCE, Begun, Call, a_try_within
    from workflows.notices import Notices, recall_notice
    from workflows.pages import recall_page
    from workflows.refusal import account_facts, check_id, invalid_request, read_as

_ACCOUNT = SearchAttributeKey.for_keyword("MassSendAccount")
_MSG_IDS = SearchAttributeKey.for_keyword_list("MassSendMsgId")

_CANCELLED: Final = "It was cancelled."

Answered = TypeVar("Answered")
Phase = Literal["looking", "waiting", "deleting", "verifying", "done"]

_SHORT: Final = timedelta(seconds=30)
_A_MINUTE: Final = timedelta(minutes=1)
_FIND_JOB: Final = Call(recall.FIND_JOB, KnownJob, within=_SHORT, overall=_A_MINUTE)
_SENT_FROM: Final = Call(recall.SENT_FROM, SentFrom, within=_SHORT, overall=_A_MINUTE)
_LOOK_AT_JOB: Final = Call(recall.LOOK_AT_JOB, JobStatus, within=_A_MINUTE, overall=_A_MINUTE)
_TELL: Final[Call[None]] = Call(TELL, None, within=_SHORT, overall=_A_MINUTE)


@workflow.defn(name=RECALL_MASS_SEND)
class RecallMassSend:
    """Look at the job, call ``mass/delete`` until WeChat takes it, verify; :mod:`qunfa.rules.recall` has the steps."""

    def __init__(self) -> None:
        self._request: RecallRequest | None = None
        self._known = KnownJob()
        self._recall: Recall | None = None
        self._cancelled = False
        self._notices = Notices(workflow.logger.warning)
        self._status = RecallStatus(phase="looking", updated_at=workflow.now())

    @workflow.run
    async def run(self, raw: Any = None, *more: Any) -> RecallResult:
        """Recall the job; the result has each call with WeChat's code.

        A cancellation ends it, but waits for the answer to a call that is under way: what is known is told.
        """
        life = asyncio.ensure_future(self._live(raw, more))
        while True:
            try:
                return await asyncio.shield(life)
            except asyncio.CancelledError:
                if life.done():
                    return life.result()
                self._cancelled = True

    async def _live(self, raw: Any, more: tuple[Any, ...]) -> RecallResult:
        request = self._request = _read(raw, more)
        facts = await self._unless_cancelled(asyncio.ensure_future(account_facts(request.account)))
        self._enter("looking")
        self._known = await self._found(facts, request)
        _make_searchable(request, self._known)
        sent_from = await self._sent_from(facts, request)
        against = stranger(request, self._known, facts.pinned, sent_from) or obstacle(request, self._known)
        if against:
            return await self._finish(facts, End("not_recalled", against))
        recall = self._recall = begin(request, self._known, facts.timing, workflow.now())
        while not isinstance(step := next_step(recall, workflow.now()), End):
            if self._cancelled:
                step = _cut_short(recall)
                break
            try:
                recall = self._recall = await self._take(facts, recall, step)
            except _AccountChangedError as changed:
                step = interrupted(recall, str(changed)) or End("not_recalled", str(changed))
                break
        return await self._finish(facts, step)

    @workflow.query(description="status: what the recall does or waits for, and WeChat's answers so far")
    def status(self) -> RecallStatus:
        return self._status

    async def _take(self, facts: AccountFacts, recall: Recall, step: Look | Delete) -> Recall:
        """The step, or as much of it as there is time for where the recall is cancelled."""
        if (left := step.at - workflow.now()) > timedelta(0):
            self._enter("waiting", WaitingFor(reason=step.why, until=step.at))
            with contextlib.suppress(TimeoutError):
                await workflow.wait_condition(lambda: self._cancelled, timeout=left)
                return recall
        if isinstance(step, Look):
            self._enter("verifying" if recall.calls and recall.calls[-1].answer == "ok" else "looking")
            with contextlib.suppress(asyncio.CancelledError):
                return looked(recall, await self._heard(facts, recall.msg_id or 0))
            return recall
        self._enter("deleting")
        asked = self._request
        aim = DeleteStep(account=facts.pinned, url=asked.url if asked and recall.msg_id is None else None)
        if recall.msg_id is not None:
            aim = aim.model_copy(update={"msg_id": recall.msg_id, "article_idx": self._article()})
        call = await self._called(facts, aim)
        return called(recall, call.model_copy(update={"at": workflow.now()}))  # a worker's clock may be wrong

    async def _found(self, facts: AccountFacts, request: RecallRequest) -> KnownJob:
        """What is known here; where the ledger does not answer, WeChat's word has to do."""
        step = FindJobStep(
            account=facts.pinned, msg_id=request.msg_id, url=request.url, article_idx=request.article_idx
        )
        try:
            return await self._unless_cancelled(_FIND_JOB.begin(facts, step, "which job is meant"))
        except ActivityError as error:
            workflow.logger.warning("the ledger could not be asked for the job: %s", error.cause)
            return KnownJob(msg_id=request.msg_id)

    async def _sent_from(self, facts: AccountFacts, request: RecallRequest) -> SentFrom:
        """The account that the send of the key had, as far as Temporal tells."""
        if request.key is None or request.msg_id is None:
            return SentFrom()
        step = SentFromStep(account=facts.pinned, key=request.key, msg_id=request.msg_id)
        try:
            return await self._unless_cancelled(_SENT_FROM.begin(facts, step, "from which account it was sent"))
        except ActivityError as error:
            workflow.logger.warning("the runs of %s could not be looked at: %s", request.key, error.cause)
            return SentFrom()

    async def _heard(self, facts: AccountFacts, msg_id: int) -> Heard:
        step = LookStep(account=facts.pinned, msg_id=msg_id)
        asking = _LOOK_AT_JOB.of_wechat(facts).begin(facts, step, f"mass/get of msg_id {msg_id}")
        try:
            said = await self._unless_cancelled(asking)
        except ActivityError as error:
            _same_account(error)
            cause = error.cause
            lasting = isinstance(cause, ApplicationError) and cause.type == LOOK_REFUSED
            detail = cause.message if isinstance(cause, ApplicationError) else "no answer in time"
            return Heard(at=workflow.now(), detail=detail, lasting=lasting)
        return Heard(at=workflow.now(), status=said.status, errcode=said.errcode, errmsg=said.errmsg, rid=said.rid)

    async def _called(self, facts: AccountFacts, step: DeleteStep) -> RecallCall:
        """What came of the call; one that has not begun when the recall is cancelled is not begun."""
        within = a_try_within(facts.timing.http_timeout)
        # A cancellation ends it only where it has not called, and otherwise waits for its answer.
        waits = ActivityCancellationType.WAIT_CANCELLATION_COMPLETED
        delete = Call(recall.DELETE_JOB, RecallCall, within=within, retry=ONCE, cancellation=waits)
        calling = delete.begin(facts, step, printable(f"mass/delete of {step.url or f'msg_id {step.msg_id}'}"))
        await workflow.wait_condition(lambda: self._cancelled or calling.done())
        if not calling.done():
            calling.cancel()
        try:
            return await calling
        except ActivityError as error:
            _same_account(error)
            if is_cancelled_exception(error):
                return RecallCall(at=workflow.now(), answer="not_written", detail="it was cancelled before its call")
            return RecallCall(at=workflow.now(), answer="lost", detail=_how_lost(error))

    async def _unless_cancelled(self, asking: "asyncio.Task[Answered] | Begun[Answered]") -> Answered:
        """The answer, where it is there before the recall is cancelled, or comes with that."""
        await workflow.wait_condition(lambda: self._cancelled or asking.done())
        if not asking.done():
            asking.cancel()
            raise asyncio.CancelledError
        return await asking

    def _article(self) -> int | None:
        asked = self._request
        return self._known.article_idx if asked is None or asked.article_idx is None else asked.article_idx

    async def _finish(self, facts: AccountFacts, end: End) -> RecallResult:
        self._enter("done")
        result = self._result(end)
        if end.outcome == "recalled":
            self._notices.tell(facts.notices, recall_notice(result), "recalled")
            await self._tell(facts, verified=end.verified)
            await self._notices.started()
        await workflow.wait_condition(workflow.all_handlers_finished)
        if end.outcome == "recalled":
            return result
        raise ApplicationError(end.sentence, result, type=RECALL_FAILED, non_retryable=True)

    def _result(self, end: End) -> RecallResult:
        asked, known = self._asked(), self._known
        heard = self._recall.heard if self._recall else None
        return RecallResult(
            outcome=end.outcome,
            sentence=end.sentence,
            account=asked.account,
            msg_id=known.msg_id,
            article_idx=self._article(),
            url=asked.url,
            key=asked.key or known.key,
            msgtype=known.msgtype,
            verified=end.verified,
            status=heard.status if heard else None,
            calls=self._recall.calls if self._recall else (),
            by=asked.by,
            reason=asked.reason,
        )

    async def _tell(self, facts: AccountFacts, *, verified: bool) -> None:
        """The ledger keeps it beside the verdict, which stands; the recall itself does not depend on that.

        An earlier note stands where this recall has deleted nothing: what it verifies is that one.
        """
        asked, known = self._asked(), self._known
        if known.key is None or known.digest is None or known.workflow_id is None or known.msg_id is None:
            return
        deleted = self._recall is not None and any(call.answer == "ok" for call in self._recall.calls)
        if (before := known.recalled) is not None and not deleted:
            if before.verified or not verified:
                return
            recalled = before.model_copy(update={"verified": True})
        else:
            recalled = Recalled(
                at=workflow.now(),
                msg_id=known.msg_id,
                article_idx=self._article(),
                by=asked.by,
                reason=asked.reason,
                verified=verified,
            )
        report = Report(key=known.key, digest=known.digest, workflow_id=known.workflow_id, recalled=recalled)
        try:
            await _TELL.begin(facts, TellStep(appid=facts.appid, report=report), "tell the ledger of the recall")
        except ActivityError as error:
            workflow.logger.warning("the ledger could not be told of the recall: %s", error.cause)

    def _asked(self) -> RecallRequest:
        if self._request is None:
            raise invalid_request(["the workflow takes one input, the request"])
        return self._request

    def _enter(self, phase: Phase, waiting_for: WaitingFor | None = None) -> None:
        asked, recall = self._asked(), self._recall
        self._status = RecallStatus(
            phase=phase,
            waiting_for=waiting_for,
            msg_id=self._known.msg_id or asked.msg_id,
            article_idx=self._article(),
            url=asked.url,
            heard=recall.heard if recall else None,
            calls=recall.calls if recall else (),
            by=asked.by,
            reason=asked.reason,
            updated_at=workflow.now(),
        )
        workflow.set_current_details(recall_page(asked.account, self._status))


class _AccountChangedError(Exception):
    """The worker's configuration has another account under the name."""


def _read(raw: Any, more: tuple[Any, ...]) -> RecallRequest:
    request = read_as(RecallRequest, raw, more)
    check_id(recall_id(request.account, request.msg_id if request.msg_id is not None else request.url or ""))
    return request


def _make_searchable(request: RecallRequest, known: KnownJob) -> None:
    updates: list[Any] = [_ACCOUNT.value_set(request.account)]
    if known.msg_id is not None:
        updates.append(_MSG_IDS.value_set([str(known.msg_id)]))
    workflow.upsert_search_attributes(updates)


def _cut_short(recall: Recall) -> End:
    """What a recall that was cancelled ends with, where it has called."""
    end = interrupted(recall, _CANCELLED)
    if end is None:
        raise asyncio.CancelledError
    return end


def _how_lost(error: ActivityError) -> str:
    cause = error.cause
    if isinstance(cause, ApplicationError) and cause.type == TRIED_BEFORE:
        return cause.message
    return "the worker that called ended without an answer"


def _same_account(error: ActivityError) -> None:
    cause = error.cause
    if isinstance(cause, ApplicationError) and cause.type == ACCOUNT_CHANGED:
        raise _AccountChangedError(cause.message)
