"""Telling a webhook: one signed POST per attempt, in the way of Standard Webhooks.

What is told is read from a workflow's own history, and from nobody else's word. Else who may start workflows could have
Qunfa sign whatever he likes. So the request only names a workflow. What is told is what that workflow's code has
recorded, on this worker's task queue.
"""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from functools import cached_property
from ssl import SSLContext
from typing import Any, Final

import httpcore
import httpx
from pydantic import ValidationError
from standardwebhooks import Webhook
from temporalio import activity
from temporalio.api.common.v1 import Payload
from temporalio.api.history.v1 import HistoryEvent
from temporalio.client import Client
from temporalio.exceptions import ApplicationError
from temporalio.service import RPCError, RPCStatusCode

from activities.attempts import Places, lasting, passing, tried_for
from activities.closed_runs import ClosedRuns
from qunfa.contract import ids
from qunfa.contract.notice import (
    DELIVER_NOTICE,
    NOTICE_REFUSED,
    NOTICE_UNDELIVERED,
    NOTICE_UNWANTED,
    Notice,
    NoticeDelivered,
    NotifyRequest,
)
from qunfa.media.web import NamedNetwork, resolver_of
from qunfa.rules.notices import Again, Unwanted, rarer, understood
from qunfa.settings import NoticeSettings, Settings
from qunfa.temporal.connection import is_gone, workflow_link

_RPC: Final = timedelta(seconds=5)
_RESOLVE: Final = resolver_of("webhooks")
"""A webhook whose name hangs may hold all of these threads, and none of those for files that a send reads."""
_PREFIXES: Final = {ids.RECALL_MASS_SEND: "recall", ids.ACCOUNT_NOTICES: "notices"}
"""Who may ask beside sends and `Account`, and how their ids begin."""

PATIENCE: Final = timedelta(seconds=10)
"""How long a receiver may take in all, from the connection to the head of its answer."""
AT_ONCE: Final = 5
"""How many notices of one webhook a worker tells at the same time; of all, it has `Places`."""


Asked = Callable[[NotifyRequest, str], Awaitable[Notice]]
"""What the named workflow has asked for, with the account's appid: see `RecordedNotices.asked`."""


class RecordedNotices:
    """The histories that Temporal keeps."""

    def __init__(self, client: Client, closed: ClosedRuns) -> None:
        self._client = client
        self._closed_runs = closed

    async def asked(self, request: NotifyRequest, appid: str) -> Notice:
        """The notice that the named workflow has asked for, or that its close gives rise to; and its page, if known.

        Raises:
            ApplicationError: `NoticeRefused`, not retried. `NoticeUndelivered`, retried: Temporal could not be asked.
        """
        try:
            notice = await self._recorded(request, appid)
        except ApplicationError as refused:
            of_close = await self._of_close(request) if refused.type == NOTICE_REFUSED else None
            if of_close is None:
                raise
            notice = of_close
        page = workflow_link(self._client, request.workflow_id, request.run_id)
        return notice.model_copy(update={"data": notice.data.model_copy(update={"link": page})})

    async def _of_close(self, request: NotifyRequest) -> Notice | None:
        """What is told of a run on this task queue that has closed, and cannot have asked for it."""
        handle = self._client.get_workflow_handle(request.workflow_id, run_id=request.run_id)
        try:
            run = await handle.describe(rpc_timeout=_RPC)
            notice = await self._closed_runs.notice_of(run) if run.task_queue == activity.info().task_queue else None
        except RPCError as error:
            if is_gone(error) or error.status is RPCStatusCode.INVALID_ARGUMENT:
                return None
            raise _undelivered(
                f"{request.workflow_id} could not be read: Temporal answered {error.status.name}."
            ) from None
        if notice is None or notice.data.account != request.account:
            return None
        return notice if ClosedRuns.webhook_id(notice) == request.webhook_id else None

    async def _recorded(self, request: NotifyRequest, appid: str) -> Notice:
        """The notice that the named workflow has asked for, `appid` being that of the account.

        Raises:
            ApplicationError: `NoticeRefused`, not retried: there is no such workflow, it is none of this account, or it
                has not asked for this. `NoticeUndelivered`, retried: Temporal could not be asked.
        """
        who = f"{request.workflow_id} (run {request.run_id})"
        handle = self._client.get_workflow_handle(request.workflow_id, run_id=request.run_id)
        sender = False
        try:
            async for event in handle.fetch_history_events(rpc_timeout=_RPC):
                sender = sender or _is_ours(event, request, appid)
                if not sender:
                    raise _refused(f"{who} is no workflow of this account on this task queue that tells notices.")
                if found := await self._asked_in(event, request):
                    return found
        except RPCError as error:
            if is_gone(error) or error.status is RPCStatusCode.INVALID_ARGUMENT:
                raise _refused(f"{who} does not exist, or Temporal does not keep it any more.") from None
            raise _undelivered(f"{who} could not be read: Temporal answered {error.status.name}.") from None
        raise _refused(f"{who} has not asked for {request.webhook_id}.")

    async def _asked_in(self, event: HistoryEvent, request: NotifyRequest) -> Notice | None:
        for payload in _inputs(event, request):
            read = await self._read(payload, request)
            if _names(read) != _names(request):
                continue
            if read.notice is None:
                raise _unreadable(request, "of another version")
            if read.notice.data.account == request.account:
                return read.notice
        return None

    async def _read(self, payload: Payload, request: NotifyRequest) -> NotifyRequest:
        try:
            [raw] = await self._client.data_converter.decode([payload], [Any])
            return NotifyRequest.model_validate(raw)
        except (ValidationError, KeyError, RuntimeError, ValueError) as error:
            raise _unreadable(request, type(error).__name__) from None


def _refused(sentence: str) -> ApplicationError:
    return lasting(NOTICE_REFUSED, f"{sentence} Nothing is told.")


def _unreadable(request: NotifyRequest, why: str) -> ApplicationError:
    return _undelivered(
        f"what {request.workflow_id} has asked for cannot be read here ({why}). A worker of the version that wrote it "
        "can, with its payload codec."
    )


def _undelivered(sentence: str, after: timedelta | None = None) -> ApplicationError:
    return passing(NOTICE_UNDELIVERED, sentence, after or rarer(tried_for()))


def _names(request: NotifyRequest) -> tuple[str, str, str]:
    return request.account, request.name, request.webhook_id


def _is_ours(event: HistoryEvent, request: NotifyRequest, appid: str) -> bool:
    """Whether the history that begins so is of a workflow that may ask, carried on by workers like this one."""
    if not event.HasField("workflow_execution_started_event_attributes"):
        return False
    started = event.workflow_execution_started_event_attributes
    kind = started.workflow_type.name
    if started.task_queue.name != activity.info().task_queue:
        return False
    if kind == ids.ACCOUNT:
        return ids.parse_account_id(request.workflow_id) == appid
    if kind in {ids.MASS_SEND, ids.MASS_SEND_IN_BATCHES}:
        send = ids.parse_mass_send_id(request.workflow_id)
        return send is not None and send.account == request.account
    return kind in _PREFIXES and ids.account_of(_PREFIXES[kind], request.workflow_id) == request.account


def _inputs(event: HistoryEvent, request: NotifyRequest) -> list[Payload]:
    """What the event gives to `Notify`, or to its activity."""
    if event.HasField("start_child_workflow_execution_initiated_event_attributes"):
        child = event.start_child_workflow_execution_initiated_event_attributes
        wanted = ids.notify_id(*_names(request))
        return (
            list(child.input.payloads[:1])
            if (child.workflow_type.name, child.workflow_id) == (ids.NOTIFY, wanted)
            else []
        )
    if event.HasField("activity_task_scheduled_event_attributes"):
        scheduled = event.activity_task_scheduled_event_attributes
        return list(scheduled.input.payloads[:1]) if scheduled.activity_type.name == DELIVER_NOTICE else []
    return []


class Notices:
    """The webhooks of the configured accounts.

    Each POST has a connection of its own. Redirects, cookies and bodies are ignored. No failure names the
    URL, which may be a secret.
    """

    def __init__(self, settings: Settings, asked: Asked, patience: timedelta = PATIENCE) -> None:
        self._settings = settings
        self._asked = asked
        self._patience = patience
        self._places = Places(of_each=AT_ONCE)

    @activity.defn(name=DELIVER_NOTICE)
    async def deliver_notice(self, request: NotifyRequest) -> NoticeDelivered:
        """Tell the webhook once."""
        who = f'account {request.account}, notice "{request.name}"'
        appid, webhook = self._webhook(who, request)
        full, latest = f"{who}: this worker has too many notices under way.", rarer(tried_for())
        with self._places.one(NOTICE_UNDELIVERED, full, (request.account, request.name), latest):
            notice = await self._asked(request, appid)
            now = datetime.now(UTC)
            response = await self._post(who, _signed(webhook, request.webhook_id, notice, now))
        answer = understood(response.status_code, response.headers.get("retry-after"), now)
        if isinstance(answer, Unwanted):
            raise lasting(
                NOTICE_UNWANTED,
                f"{who}: the receiver answers 410 Gone, so it is not told of this. Take the notice out of the workers' "
                "configuration, or put the receiver right.",
            )
        if isinstance(answer, Again):
            moved = " (a redirect is not followed: configure where it leads)" if response.is_redirect else ""
            raise _undelivered(f"{who}: the receiver answers {response.status_code}{moved}.", answer.after)
        return NoticeDelivered(at=now, status=response.status_code, attempt=activity.info().attempt)

    def _webhook(self, who: str, request: NotifyRequest) -> tuple[str, NoticeSettings]:
        """The account's appid, and where and how it is told."""
        account = self._settings.accounts.get(request.account)
        found = account.notices.get(request.name) if account else None
        if account is None or found is None:
            # Not the end of it: another worker may have it already, or still.
            raise _undelivered(f"{who}: this worker's configuration does not have it.")
        return account.appid, found

    async def _post(self, who: str, request: httpx.Request) -> httpx.Response:
        """The head of the answer; the rest is not read."""
        asked = request.url
        url = httpcore.URL(scheme=asked.raw_scheme, host=asked.raw_host, port=asked.port, target=asked.raw_path)
        try:
            async with (
                asyncio.timeout(self._patience.total_seconds()),
                httpcore.AsyncConnectionPool(ssl_context=self._tls, network_backend=NamedNetwork(_RESOLVE)) as pool,
                pool.stream(request.method, url, headers=request.headers.raw, content=request.content) as response,
            ):
                return httpx.Response(response.status, headers=response.headers)
        except TimeoutError:
            raise _undelivered(f"{who}: no answer within {self._patience.total_seconds():g} s.") from None
        except (httpcore.NetworkError, httpcore.ProtocolError, httpcore.TimeoutException, OSError) as error:
            raise _undelivered(f"{who}: no answer from the receiver ({type(error).__name__}).") from None

    @cached_property
    def _tls(self) -> SSLContext:
        return httpx.create_ssl_context()


def _signed(webhook: NoticeSettings, webhook_id: str, notice: Notice, now: datetime) -> httpx.Request:
    body = notice.model_dump_json()
    signatures = (Webhook(secret).sign(webhook_id, now, body) for secret in webhook.secrets)
    return httpx.Request(
        "POST",
        webhook.url.get_secret_value(),
        content=body.encode(),
        headers={
            "Content-Type": "application/json",
            "User-Agent": "qunfa",
            "webhook-id": webhook_id,
            "webhook-timestamp": str(int(now.timestamp())),
            "webhook-signature": " ".join(signatures),
        },
    )
