"""Events that another system hands over: the one that owns the callback URL in Qunfa's stead."""

import hmac
import re
import secrets
from collections.abc import Mapping
from typing import Final

from starlette.requests import Request
from starlette.responses import Response

from qunfa.callback.answers import Answer, Desk, Exchange, Refusal
from qunfa.callback.body import read_body
from qunfa.callback.callbacks import Callback
from qunfa.callback.handover import Handover
from qunfa.callback.malformed import EventError
from qunfa.callback.parser import EVENT, parse_event
from qunfa.callback.pushes import OTHER, UNKNOWN, check_recipient

_BEARER: Final = re.compile(r"bearer +(\S+)", re.IGNORECASE | re.ASCII)
_REPORT: Final = "report"


class Reports:
    """`/wechat/<account>/events` of all accounts that have an `events_token`."""

    def __init__(self, callbacks: Mapping[str, Callback], hand_over: Handover, desk: Desk) -> None:
        self._callbacks = {name: callback for name, callback in callbacks.items() if callback.events_token}
        self._hand_over = hand_over
        self._desk = desk
        self._nobodys_token = secrets.token_urlsafe()

    async def receive(self, request: Request) -> Response:
        """`POST`: an event, decrypted, in XML or JSON. `success`: Temporal has it, or it is none of a mass send."""
        name: str = request.path_params["account"]
        label = name if name in self._callbacks else UNKNOWN
        exchange = Exchange(_REPORT, label, UNKNOWN, request.client.host if request.client else None)
        return await self._desk.answer(exchange, self._take(request, exchange))

    async def _take(self, request: Request, exchange: Exchange) -> None:
        callback = self._authorize(request)
        try:
            event = parse_event(await read_body(request.receive))
        except EventError as error:
            raise Refusal(Answer.MALFORMED, str(error)) from None
        exchange.event = OTHER
        if event is not None:
            exchange.event, exchange.msg_id, exchange.status = EVENT, event.msg_id, event.status
            if event.to_user_name:
                check_recipient(event.to_user_name, callback)
            if not await self._hand_over(callback.appid, event):
                exchange.answer = Answer.REPEATED

    def _authorize(self, request: Request) -> Callback:
        callback = self._callbacks.get(request.path_params["account"])
        token = (callback and callback.events_token) or self._nobodys_token
        given = request.headers.getlist("authorization")
        bearer = _BEARER.fullmatch(given[0]) if len(given) == 1 else None
        authorized = hmac.compare_digest(token.encode(), bearer[1].encode() if bearer else b"")
        if callback is None:
            raise Refusal(Answer.UNKNOWN_ACCOUNT, "no account of this name has an events_token")
        if not authorized:
            raise Refusal(Answer.UNAUTHORIZED, "the bearer token is missing, or is not the account's events_token")
        return callback
