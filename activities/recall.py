"""A recall: which job is meant, what WeChat says of it, and one call that deletes its pages."""

from datetime import timedelta
from typing import Any, Final

from temporalio import activity
from temporalio.client import Client
from temporalio.service import RPCError, RPCStatusCode

from activities.accounts import Accounts
from activities.asking import Question, ask
from activities.clock import Clock, SystemClock
from activities.configuration import pinned
from activities.failures import ledger_unavailable
from activities.heartbeat import heartbeats
from activities.ledger_view import ledger_view
from activities.once import refuse_a_second_time, to_its_end
from qunfa.contract.ledger import LedgerView, Record
from qunfa.contract.recall import (
    DELETE_JOB,
    FIND_JOB,
    LOOK_AT_JOB,
    LOOK_REFUSED,
    DeleteStep,
    FindJobStep,
    KnownJob,
    LookStep,
    RecallCall,
    article_at,
)
from qunfa.contract.steps import JobStatus
from qunfa.rules.codes import CodeClass
from qunfa.settings import Settings
from qunfa.wechat import MaybeWritten, NoToken, NotWritten, OfficialAccount, Refused, Token

_RPC: Final = timedelta(seconds=10)
_ANSWERS: Final = frozenset({40059, 89504, 89505})
"""Refusals of `mass/get` that say something of the job: not known (yet), or the administrator has been asked."""


class Recalls:
    """The steps of a recall. None of them can reach anybody's phone."""

    def __init__(self, settings: Settings, accounts: Accounts, client: Client, clock: Clock | None = None) -> None:
        self._settings = settings
        self._accounts = accounts
        self._client = client
        self._clock = clock or SystemClock()

    @activity.defn(name=FIND_JOB)
    @heartbeats()
    async def find_job(self, step: FindJobStep) -> KnownJob:
        """What the account's ledger, and the send itself, know of the job; nothing where it is not one of ours.

        Raises:
            ApplicationError: `LedgerUnavailable`, retried.
        """
        wanted = None if step.msg_id is None else {"msg_id": step.msg_id}
        view = await ledger_view(self._client, step.account.appid, wanted)
        if view is None:
            return KnownJob(msg_id=step.msg_id)
        if step.msg_id is not None:
            known = _by_msg_id(view, step.msg_id, step.article_idx)
        else:
            known = _by_url(view, step.url or "")
        if known.workflow_id is None:
            return known
        return known.model_copy(update=_content(await self._request(known.workflow_id)))

    @activity.defn(name=LOOK_AT_JOB)
    @heartbeats()
    async def look_at_job(self, step: LookStep) -> JobStatus:
        """What `mass/get` says now.

        Raises:
            ApplicationError: `AccountChanged` and `LookRefused`, not retried; `WechatUnavailable`, retried.
        """
        pinned(self._settings, step.account)

        async def get(api: OfficialAccount, token: Token) -> JobStatus:
            try:
                said = await api.get(token, step.msg_id)
            except Refused as refused:
                if refused.errcode not in _ANSWERS:
                    raise
                return JobStatus(errcode=refused.errcode, errmsg=refused.errmsg, rid=refused.rid)
            return JobStatus(status=said.msg_status.value if said.msg_status else said.text)

        return await ask(self._accounts, Question(step.account.name, "Asking for the job", LOOK_REFUSED), get)

    @activity.defn(name=DELETE_JOB)
    @heartbeats()
    async def delete_job(self, step: DeleteStep) -> RecallCall:
        """What came of the call: WeChat's refusal is an answer too, as is that nothing was heard.

        Cancelled before its call it writes nothing; a call under way is ended all the same, and its answer returned.

        Raises:
            ApplicationError: `AccountChanged` and `TriedBefore`, not retried.
        """
        refuse_a_second_time(f"account {step.account.name}: the call of mass/delete")
        pinned(self._settings, step.account)
        return await to_its_end(self._called(step))

    async def _called(self, step: DeleteStep) -> RecallCall:
        call: dict[str, Any]
        try:
            await self._delete(step)
            call = {"answer": "ok"}
        except NoToken as no_token:
            call = _without_token(no_token)
        except Refused as refused:
            call = {"answer": "refused", **_evidence(refused)}
        except NotWritten as error:
            call = {"answer": "not_written", "detail": error.reason}
        except MaybeWritten as error:
            call = {"answer": "lost", "detail": error.reason}
        return RecallCall(at=self._clock.now(), **call)

    async def _delete(self, step: DeleteStep) -> None:
        """One call, or a second one with a fresh token where WeChat has refused the first one's."""

        async def delete(api: OfficialAccount, token: Token) -> None:
            if activity.is_cancelled():
                why = "the activity was cancelled before its call"
                raise NotWritten(why, account=step.account.name, endpoint="mass/delete")
            if step.msg_id is not None:
                await api.delete(token, step.msg_id, step.article_idx)
            else:
                await api.delete_url(token, step.url or "")

        try:
            await self._accounts.ask(step.account.name, delete)
        except Refused as refused:
            if refused.code.code_class is not CodeClass.TOKEN:
                raise
        else:
            return
        await self._accounts.ask(step.account.name, delete)

    async def _request(self, workflow_id: str) -> dict[str, Any]:
        """The request with which the newest run of a send was started; nothing where Temporal keeps it no more."""
        handle = self._client.get_workflow_handle(workflow_id)
        try:
            async for event in handle.fetch_history_events(page_size=1, rpc_timeout=_RPC):
                payloads = event.workflow_execution_started_event_attributes.input.payloads
                (raw, *_) = await self._client.data_converter.decode(list(payloads)) or [None]
                return raw if isinstance(raw, dict) else {}
        except RPCError as error:
            if error.status != RPCStatusCode.NOT_FOUND:
                raise ledger_unavailable(
                    f"{workflow_id} could not be looked at: Temporal answered {error.status.name}. It is tried again."
                ) from None
        return {}


def _by_msg_id(view: LedgerView, msg_id: int, article_idx: int | None) -> KnownJob:
    for record in view.records:
        if (known := _of(record, msg_id, article_idx)) is not None:
            return known
    return KnownJob(msg_id=msg_id)


def _by_url(view: LedgerView, url: str) -> KnownJob:
    found = article_at(view, url)
    if found is None:
        return KnownJob()
    known = _of(found.record, found.msg_id, found.article_idx) if found.record else None
    return (known or KnownJob(msg_id=found.msg_id)).model_copy(update={"article_idx": found.article_idx})


def _of(record: Record, msg_id: int, article_idx: int | None) -> KnownJob | None:
    job = next((job for job in record.jobs if job.msg_id == msg_id), None)
    if job is None:
        return None
    same = [one for one in record.recalled if (one.msg_id, one.article_idx) == (msg_id, article_idx)]
    return KnownJob(
        msg_id=msg_id,
        key=record.key,
        digest=record.digest,
        workflow_id=record.workflow_id,
        index=job.index,
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
    return {"answer": "refused", "token_endpoint": True, **_evidence(refused)}


def _evidence(refused: Refused) -> dict[str, Any]:
    return {"errcode": refused.errcode, "errmsg": refused.errmsg, "rid": refused.rid}
