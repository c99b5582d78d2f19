"""Telling a webhook: one signed POST per attempt, in the way of Standard Webhooks."""

import asyncio
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from functools import cached_property
from ssl import SSLContext
from typing import Final

import httpx
from standardwebhooks import Webhook
from temporalio import activity
from temporalio.exceptions import ApplicationError

from activities.failures import notice_undelivered
from activities.notice_record import NoticeRecord
from qunfa.contract.notice import DELIVER_NOTICE, NOTICE_UNWANTED, Notice, NoticeDelivered, NotifyRequest
from qunfa.rules.notices import Again, Unwanted, understood
from qunfa.settings import NoticeSettings, Settings

PATIENCE: Final = timedelta(seconds=10)
"""How long a receiver may take in all, from the connection to the head of its answer."""
AT_ONCE: Final = 5
AT_ONCE_IN_ALL: Final = 20
"""How many notices of one webhook, and of all, a worker tells at the same time: receivers that hang must not take the
places of activities that sends wait for."""


class Notices:
    """The webhooks of the configured accounts.

    Each POST has a connection of its own: no redirect is followed, no cookie kept, no body read. No failure names the
    URL, which may be a secret.
    """

    def __init__(self, settings: Settings, record: NoticeRecord, patience: timedelta = PATIENCE) -> None:
        self._settings = settings
        self._record = record
        self._patience = patience
        self._under_way: Counter[tuple[str, str]] = Counter()

    @activity.defn(name=DELIVER_NOTICE)
    async def deliver_notice(self, request: NotifyRequest) -> NoticeDelivered:
        """Tell the webhook once.

        Raises:
            ApplicationError: `NoticeUndelivered`, retried; `NoticeUnwanted`, `NoticeRefused`, not retried.
        """
        who = f'account {request.account}, notice "{request.name}"'
        appid, webhook = self._webhook(who, request)
        with self._place(who, (request.account, request.name)):
            notice = await self._record.asked(request, appid)
            now = datetime.now(UTC)
            response = await self._post(who, _signed(webhook, request.webhook_id, notice, now))
        answer = understood(response.status_code, response.headers.get("retry-after"), now)
        if isinstance(answer, Unwanted):
            raise ApplicationError(
                f"{who}: the receiver answers 410 Gone, so it is not told of this. Take the notice out of the workers' "
                "configuration, or put the receiver right.",
                type=NOTICE_UNWANTED,
                non_retryable=True,
            )
        if isinstance(answer, Again):
            moved = " (a redirect is not followed: configure where it leads)" if response.is_redirect else ""
            raise notice_undelivered(f"{who}: the receiver answers {response.status_code}{moved}.", answer.after)
        return NoticeDelivered(at=now, status=response.status_code, attempt=activity.info().attempt)

    def _webhook(self, who: str, request: NotifyRequest) -> tuple[str, NoticeSettings]:
        """The account's appid, and where and how it is told."""
        account = self._settings.accounts.get(request.account)
        found = account.notices.get(request.name) if account else None
        if account is None or found is None:
            # Not the end of it: another worker may have it already, or still.
            raise notice_undelivered(f"{who}: this worker's configuration does not have it.")
        return account.appid, found

    @contextmanager
    def _place(self, who: str, webhook: tuple[str, str]) -> Iterator[None]:
        """One of the places that a worker has for notices; nobody waits for one, as that would take a place, too."""
        if self._under_way[webhook] >= AT_ONCE or self._under_way.total() >= AT_ONCE_IN_ALL:
            raise notice_undelivered(f"{who}: this worker has too many notices under way.")
        self._under_way[webhook] += 1
        try:
            yield
        finally:
            self._under_way[webhook] -= 1

    async def _post(self, who: str, request: httpx.Request) -> httpx.Response:
        """The head of the answer; the rest is not read."""
        try:
            async with (
                asyncio.timeout(self._patience.total_seconds()),
                httpx.AsyncHTTPTransport(verify=self._tls) as transport,
            ):
                response = await transport.handle_async_request(request)
                await response.aclose()
                return response
        except TimeoutError:
            raise notice_undelivered(f"{who}: no answer within {self._patience.total_seconds():g} s.") from None
        except (httpx.TransportError, OSError) as error:
            raise notice_undelivered(f"{who}: no answer from the receiver ({type(error).__name__}).") from None

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
