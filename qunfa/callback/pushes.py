"""Answering WeChat: who may speak, what is said, and whether it has arrived."""

import asyncio
import secrets
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from enum import Enum
from http import HTTPStatus
from typing import Final

import structlog
from starlette.requests import ClientDisconnect, Request
from starlette.responses import PlainTextResponse, Response

from qunfa.callback.delivery import Delivery, DeliveryError
from qunfa.callback.metrics import ReceiverMetrics
from qunfa.callback.parser import EVENT, EventError, parse_event
from qunfa.callback.signature import is_genuine
from qunfa.contract.event import JobFinished
from qunfa.settings import AccountSettings

BODY_LIMIT: Final = 64 * 1024
UNKNOWN: Final = "unknown"
_OTHER: Final = "other"
_VERIFICATION: Final = "verification"
_LOG: Final = structlog.stdlib.get_logger("qunfa.callback")


class Answer(Enum):
    """What is answered; everything but SUCCESS makes WeChat try again."""

    SUCCESS = HTTPStatus.OK
    MALFORMED = HTTPStatus.BAD_REQUEST
    FORGED = HTTPStatus.FORBIDDEN
    UNKNOWN_ACCOUNT = HTTPStatus.NOT_FOUND
    TOO_LARGE = HTTPStatus.REQUEST_ENTITY_TOO_LARGE
    UNAVAILABLE = HTTPStatus.SERVICE_UNAVAILABLE

    def response(self) -> Response:
        """The word `success` that WeChat waits for, or the status with its name.

        A refusal ends the connection: the rest of a body that was not read would be read otherwise.
        """
        headers = None if self is Answer.SUCCESS else {"Connection": "close"}
        return PlainTextResponse(self.name.lower(), status_code=self.value, headers=headers)


class Refusal(Exception):
    """A push that is not answered with success, and why."""

    def __init__(self, answer: Answer, reason: str) -> None:
        self.answer = answer
        super().__init__(reason)


@dataclass
class Exchange:
    """One request on its way to an answer: what the log line and the metrics say about it."""

    account: str
    event: str
    msg_id: int | None = None
    answer: Answer = Answer.SUCCESS
    reason: str | None = None


class Pushes:
    """The callback URLs of all accounts that have a `[callback]`."""

    def __init__(
        self, accounts: Mapping[str, AccountSettings], deliver: Delivery, deadline: timedelta, metrics: ReceiverMetrics
    ) -> None:
        self._accounts = {name: account for name, account in accounts.items() if account.callback}
        self._deliver = deliver
        self._deadline = deadline.total_seconds()
        self._metrics = metrics
        self._nobodys_token = secrets.token_hex(16)

    async def verify(self, request: Request) -> Response:
        """`GET`: WeChat checks the URL when it is entered in the console; the answer is its `echostr`."""
        started = time.perf_counter()
        exchange = Exchange(self._account_name(request), _VERIFICATION)
        try:
            self._authenticate(request)
            echo = request.query_params.getlist("echostr")
            if len(echo) != 1 or not echo[0]:
                raise Refusal(Answer.FORGED, "no echostr")
            response: Response = PlainTextResponse(echo[0], headers={"X-Content-Type-Options": "nosniff"})
        except Refusal as refusal:
            exchange.answer, exchange.reason = refusal.answer, str(refusal)
            response = refusal.answer.response()
        self._report(exchange, time.perf_counter() - started)
        return response

    async def receive(self, request: Request) -> Response:
        """`POST`: a push. `success` means that Temporal has it, or that it is none of ours."""
        started = time.perf_counter()
        exchange = Exchange(self._account_name(request), UNKNOWN)
        try:
            async with asyncio.timeout(self._deadline):
                await self._take(request, exchange)
        except Refusal as refusal:
            exchange.answer, exchange.reason = refusal.answer, str(refusal)
        except TimeoutError:
            exchange.answer, exchange.reason = Answer.UNAVAILABLE, f"not done within {self._deadline:g} s"
        self._report(exchange, time.perf_counter() - started)
        return exchange.answer.response()

    async def _take(self, request: Request, exchange: Exchange) -> None:
        account = self._authenticate(request)
        event = _parse(await _read(request))
        if event is None:
            exchange.event = _OTHER
            return
        exchange.event, exchange.msg_id = EVENT, event.msg_id
        try:
            await self._deliver(account.appid, event)
        except DeliveryError as error:
            raise Refusal(Answer.UNAVAILABLE, str(error)) from error

    def _account_name(self, request: Request) -> str:
        name: str = request.path_params["account"]
        return name if name in self._accounts else UNKNOWN

    def _authenticate(self, request: Request) -> AccountSettings:
        """The account of the URL, once the signature fits; a name that is not ours costs the same work."""
        account = self._accounts.get(request.path_params["account"])
        callback = account.callback if account else None
        token = callback.token.get_secret_value() if callback else self._nobodys_token
        genuine = is_genuine(token, request.query_params)
        if account is None:
            raise Refusal(Answer.UNKNOWN_ACCOUNT, "no account of this name has a [callback]")
        if not genuine:
            raise Refusal(Answer.FORGED, "the signature does not fit the account's token")
        return account

    def _report(self, exchange: Exchange, seconds: float) -> None:
        """One line without the URL, which could be replayed, and without the content."""
        answer = exchange.answer.name.lower()
        self._metrics.observe(exchange.account, exchange.event, answer, seconds)
        write = _LOG.info if exchange.answer is Answer.SUCCESS else _LOG.warning
        write(
            "push",
            account=exchange.account,
            wechat_event=exchange.event,
            msg_id=exchange.msg_id,
            answer=answer,
            reason=exchange.reason,
            milliseconds=round(seconds * 1000, 1),
        )


async def _read(request: Request) -> bytes:
    body = bytearray()
    try:
        async for chunk in request.stream():
            body += chunk
            if len(body) > BODY_LIMIT:
                raise Refusal(Answer.TOO_LARGE, f"the body is longer than {BODY_LIMIT} bytes")
    except ClientDisconnect:
        raise Refusal(Answer.MALFORMED, "the caller hung up before the end of the body") from None
    return bytes(body)


def _parse(body: bytes) -> JobFinished | None:
    try:
        return parse_event(body)
    except EventError as error:
        raise Refusal(Answer.MALFORMED, str(error)) from None
