"""Jobs that WeChat has accepted: the verdict by `mass/get`, and the recall of the pages by `mass/delete`."""

import asyncio
from datetime import timedelta
from typing import Any, Final

from pydantic import ValidationError
from temporalio import activity
from temporalio.client import Client
from temporalio.service import RPCError

from activities.accounts import Accounts, evidence
from activities.attempts import (
    Clock,
    SystemClock,
    TemporalsClock,
    heartbeats,
    passing,
    refuse_a_second_time,
    to_its_end,
    unread,
)
from activities.earlier_runs import VisibleRuns
from activities.ledger import ledger_view
from activities.run_history import input_of
from qunfa.contract import recall, steps
from qunfa.contract.ids import MassSendId
from qunfa.contract.ledger import LedgerView, Record
from qunfa.rules.codes import CodeClass
from qunfa.rules.recall import submitter
from qunfa.send.doubt import is_doubt
from qunfa.temporal.connection import is_gone
from qunfa.wechat import MaybeWritten, NoToken, NotWritten, OfficialAccount, Refused, Token

GROWTH: Final = 1.5
LATE: Final = timedelta(minutes=1)
"""How long after the end of its time an attempt begins that is bounded: those before it may have ended unheard."""
LAST_WORD_SECONDS: Final = 30
"""How long such an attempt awaits WeChat's answer."""
_GROWTHS_MAX: Final = 100

_FINAL: Final = frozenset({"SEND_SUCCESS", "SEND_FAIL", "DELETE"})
_PASSING: Final = frozenset({CodeClass.UNKNOWN, CodeClass.TOKEN, CodeClass.PACE, CodeClass.LATER})
_NOT_KNOWN_TO_WECHAT: Final = 40059
_ANSWERS: Final = frozenset({40059, 89504, 89505})
"""Refusals of `mass/get` that say something of the job: not known (yet), or the administrator has been asked."""


class Results:
    """What `mass/get` says. It tells no counts and no reasons: those come with the push only."""

    def __init__(self, accounts: Accounts, clock: Clock | None = None) -> None:
        self._accounts = accounts
        self._clock = clock or SystemClock()

    @activity.defn(name=steps.JOB_STATUS)
    @heartbeats()
    async def job_status(self, step: steps.JobStatusStep) -> steps.JobStatus:
        """What WeChat says of the job now; a lasting refusal, 40059 among them, is an answer too."""
        self._accounts.pinned(step.account)
        try:
            return await self._ask(step)
        except Refused as refused:
            if refused.code.code_class in _PASSING and refused.errcode != _NOT_KNOWN_TO_WECHAT:
                raise passing(steps.WECHAT_UNAVAILABLE, str(refused)) from None
            return _refusal(refused)
        except (NotWritten, MaybeWritten) as error:
            raise passing(steps.WECHAT_UNAVAILABLE, str(error)) from None

    @activity.defn(name=steps.AWAIT_VERDICT)
    @heartbeats()
    async def await_verdict(self, step: steps.JobStatusStep) -> steps.JobStatus:
        """The verdict, or a status of None once `until` has come without one.

        Each attempt asks once; Temporal repeats the activity. One that begins long after `until`, as after an outage,
        asks for a moment: those before it may have ended without an answer, and so may it.
        """
        attempt, clock = activity.info().attempt, TemporalsClock(self._clock)
        late = attempt > 1 and step.until is not None and clock.now() >= step.until + LATE
        try:
            async with asyncio.timeout(LAST_WORD_SECONDS if late else None):
                heard, sentence = await self._heard(step)
        except TimeoutError:
            return steps.JobStatus()
        if heard.status in _FINAL:
            return heard
        now = clock.now()
        if step.until is not None and now >= step.until:
            return heard.model_copy(update={"status": None})
        delay = next_delay(attempt, step.interval, step.interval_max, None if step.until is None else step.until - now)
        about = f"account {step.account.name}: no verdict on msg_id {step.msg_id} yet"
        raise passing(steps.NOT_DECIDED, f"{about}: {sentence}. WeChat is asked again in {delay}.", delay)

    async def _heard(self, step: steps.JobStatusStep) -> tuple[steps.JobStatus, str]:
        """What `mass/get` said, and the same in words; no status where it could not be asked."""
        if change := self._accounts.change_of(step.account):
            return steps.JobStatus(detail=change), change
        try:
            status = await self._ask(step)
        except Refused as refused:
            said = f"WeChat answered {refused.errcode}, {refused.code.meaning}"
            return _refusal(refused).model_copy(update={"detail": said}), said
        except (NotWritten, MaybeWritten) as error:
            unasked = f"WeChat could not be asked ({error.reason})"
            return steps.JobStatus(detail=unasked), unasked
        return status, f"WeChat says {status.status}"

    async def _ask(self, step: steps.JobStatusStep) -> steps.JobStatus:
        return steps.JobStatus(
            status=await self._accounts.ask(step.account.name, lambda api, token: api.get(token, step.msg_id))
        )


def next_delay(attempt: int, interval: timedelta, interval_max: timedelta, left: timedelta | None) -> timedelta:
    """How long to wait after the `attempt`-th question (from 1): `interval`, half as much again each time.

    It is at most what is `left`, and at most the longer of `interval` and `interval_max`.
    """
    growths = min(max(attempt, 1) - 1, _GROWTHS_MAX)
    longest = max(interval, interval_max)
    delay = min(interval.total_seconds() * GROWTH**growths, longest.total_seconds())
    wanted = timedelta(seconds=delay)
    return wanted if left is None else min(wanted, left)


def _refusal(refused: Refused) -> steps.JobStatus:
    return steps.JobStatus.model_validate(evidence(refused))


class Recalls:
    """The steps of a recall. None of them can reach anybody's phone."""

    def __init__(self, accounts: Accounts, client: Client, clock: Clock | None = None) -> None:
        self._accounts = accounts
        self._client = client
        self._clock = clock or SystemClock()

    @activity.defn(name=recall.FIND_JOB)
    @heartbeats()
    async def find_job(self, step: recall.FindJobStep) -> recall.KnownJob:
        """What the account's ledger, and the send itself, know of the job; nothing where it is not one of ours."""
        wanted = None if step.msg_id is None else {"msg_id": step.msg_id}
        view = await ledger_view(self._client, step.account.appid, wanted)
        if view is None:
            return recall.KnownJob(msg_id=step.msg_id)
        if step.msg_id is not None:
            known = _by_msg_id(view, step.msg_id, step.article_idx)
        else:
            known = _by_url(view, step.url or "")
        if known.workflow_id is None:
            return known
        run_id = await self._submitter(step.account.appid, known)
        request = await self._request(known.workflow_id, run_id) if run_id else {}
        return known.model_copy(update=_content(request))

    @activity.defn(name=recall.SENT_FROM)
    @heartbeats()
    async def sent_from(self, step: recall.SentFromStep) -> recall.SentFrom:
        """By the histories of the send's runs: the ledger of another appid knows nothing of it."""
        return await VisibleRuns(self._client).sent_from(MassSendId(step.account.name, step.key), step.msg_id)

    @activity.defn(name=recall.LOOK_AT_JOB)
    @heartbeats()
    async def look_at_job(self, step: recall.LookStep) -> steps.JobStatus:
        """What `mass/get` says now."""

        async def get(api: OfficialAccount, token: Token) -> steps.JobStatus:
            try:
                return steps.JobStatus(status=await api.get(token, step.msg_id))
            except Refused as refused:
                if refused.errcode not in _ANSWERS:
                    raise
                return _refusal(refused)

        return await self._accounts.answer(step.account, "Asking for the job", recall.LOOK_REFUSED, get)

    @activity.defn(name=recall.DELETE_JOB)
    @heartbeats()
    async def delete_job(self, raw: dict[str, Any]) -> recall.RecallCall:
        """What came of the call: WeChat's refusal is an answer too, as is that nothing was heard.

        `raw` is a `DeleteStep`. One that only another version can read deletes nothing, and says so.
        Cancelled before its call it writes nothing; a call under way is ended all the same, and its answer returned.
        """
        refuse_a_second_time(f"account {recall.AnyDelete.model_validate(raw).account.name}: the call of mass/delete")
        try:
            step = recall.DeleteStep.model_validate(raw)
        except ValidationError as error:
            return recall.RecallCall(at=self._clock.now(), answer="not_written", detail=unread(error, "deleted"))
        self._accounts.pinned(step.account)
        return await to_its_end(self._called(step))

    async def _called(self, step: recall.DeleteStep) -> recall.RecallCall:
        call: dict[str, Any]
        try:
            await self._delete(step)
            call = {"answer": "ok"}
        except NoToken as no_token:
            call = _without_token(no_token)
        except Refused as refused:
            call = {"answer": "refused", **evidence(refused)}
        except NotWritten as error:
            call = {"answer": "not_written", "detail": error.reason}
        except MaybeWritten as error:
            call = {"answer": "lost", "detail": error.reason}
        return recall.RecallCall(at=self._clock.now(), **call)

    async def _delete(self, step: recall.DeleteStep) -> None:
        async def delete(api: OfficialAccount, token: Token) -> None:
            if activity.is_cancelled():
                why = "the activity was cancelled before its call"
                raise NotWritten(why, account=step.account.name, endpoint="mass/delete")
            if step.msg_id is not None:
                await api.delete(token, step.msg_id, step.article_idx)
            else:
                await api.delete_url(token, step.url or "")

        await self._accounts.ask_twice(step.account.name, delete)

    async def _submitter(self, appid: str, known: recall.KnownJob) -> str | None:
        """The run that submitted this job; `None` where no try of it is known."""
        view = await ledger_view(self._client, appid, {"key": known.key})
        tries = [one for record in view.records if record.known for one in record.known.tries] if view else []
        return submitter([one for one in tries if not is_doubt(one)], known)

    async def _request(self, workflow_id: str, run_id: str) -> dict[str, Any]:
        """The request with which a run of a send was started; nothing where Temporal keeps it no more."""
        try:
            raw = await input_of(self._client, workflow_id, run_id)
        except RPCError as error:
            if is_gone(error):
                return {}
            raise passing(
                steps.LEDGER_UNAVAILABLE,
                f"{workflow_id} could not be looked at: Temporal answered {error.status.name}. It is tried again.",
            ) from None
        return raw if isinstance(raw, dict) else {}


def _by_msg_id(view: LedgerView, msg_id: int, article_idx: int | None) -> recall.KnownJob:
    for record in view.records:
        if (known := _of(record, msg_id, article_idx)) is not None:
            return known
    return recall.KnownJob(msg_id=msg_id)


def _by_url(view: LedgerView, url: str) -> recall.KnownJob:
    found = recall.article_at(view, url)
    if found is None:
        return recall.KnownJob()
    known = _of(found.record, found.msg_id, found.article_idx) if found.record else None
    return (known or recall.KnownJob(msg_id=found.msg_id)).model_copy(update={"article_idx": found.article_idx})


def _of(record: Record, msg_id: int, article_idx: int | None) -> recall.KnownJob | None:
    job = next((job for job in record.jobs if job.msg_id == msg_id), None)
    if job is None:
        return None
    same = [one for one in record.recalled if (one.msg_id, one.article_idx) == (msg_id, article_idx)]
    return recall.KnownJob(
        msg_id=msg_id,
        key=record.key,
        digest=record.digest,
        workflow_id=record.workflow_id,
        generation=job.generation,
        verdict=job.verdict,
        recalled=same[-1] if same else None,
    )


def _content(request: dict[str, Any]) -> dict[str, Any]:
    """The type of the message, and how many articles it has, as far as the request tells."""
    message = request.get("message")
    msgtype = message.get("msgtype") if isinstance(message, dict) else None
    if not isinstance(message, dict) or not isinstance(msgtype, str):
        return {}
    articles = message.get("articles")
    count = 1 if msgtype == "mpvideo" else len(articles) if isinstance(articles, list) else None
    return {"msgtype": msgtype, "articles": count}


def _without_token(no_token: NoToken) -> dict[str, Any]:
    refused = no_token.refused
    if refused is None or refused.code.code_class is not CodeClass.REFUSED:
        return {"answer": "not_written", "detail": str(no_token)}
    return {"answer": "refused", "token_endpoint": True, **evidence(refused)}
