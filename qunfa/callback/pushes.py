"""The callback URL: who may speak, what is said, and whether it has arrived."""

from collections.abc import Mapping, Sequence
from typing import Final

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.types import Receive, Scope

from qunfa.callback.addresses import Caller, Network, caller
from qunfa.callback.answers import Answer, Desk, Exchange, Refusal
from qunfa.callback.body import read_body
from qunfa.callback.callbacks import Callback
from qunfa.callback.document import read_document
from qunfa.callback.forwarding import Forwarder, ForwardError
from qunfa.callback.gate import Gate, Push
from qunfa.callback.handover import Handover
from qunfa.callback.malformed import EncryptedError, EventError, HostileError
from qunfa.callback.parser import EVENT, read_event
from qunfa.callback.recent import digest
from qunfa.callback.signature import read_query
from qunfa.contract.result import JobFinished

UNKNOWN: Final = "unknown"
OTHER: Final = "other"
_VERIFICATION: Final = "verification"
_PUSH: Final = "push"


class Pushes:
    """`/wechat/<account>` of all accounts to which WeChat pushes."""

    def __init__(
        self,
        callbacks: Mapping[str, Callback],
        proxies: Sequence[Network],
        hand_over: Handover,
        forwarder: Forwarder,
        desk: Desk,
    ) -> None:
        self._callbacks = {name: callback for name, callback in callbacks.items() if callback.gate}
        self._proxies = proxies
        self._hand_over = hand_over
        self._forwarder = forwarder
        self._desk = desk

    async def verify(self, request: Request) -> Response:
        """`GET`: WeChat checks the URL when it is entered in the console; the answer is its `echostr`."""
        exchange, sender = self._open(request.scope, _VERIFICATION)
        return await self._desk.answer(exchange, self._echo(request.scope, sender))

    async def receive(self, request: Request) -> Response:
        """`POST`: a push. `success` means that Temporal has it, or that nobody needs it."""
        return await self.take(request.scope, request.receive)

    async def take(self, scope: Scope, receive: Receive) -> Response:
        """The same for a request that nobody has looked at, but for the account in its path."""
        exchange, sender = self._open(scope, UNKNOWN)
        return await self._desk.answer(exchange, self._take(scope, receive, sender, exchange))

    def _open(self, scope: Scope, event: str) -> tuple[Exchange, Caller | None]:
        name: str = scope["path_params"]["account"]
        sender = caller(scope, self._proxies)
        label = name if name in self._callbacks else UNKNOWN
        return Exchange(_PUSH, label, event, sender.shown if sender else None), sender

    async def _echo(self, scope: Scope, sender: Caller | None) -> Response:
        _, gate = self._callback(scope, sender)
        query = read_query(scope["query_string"])
        gate.check_url(query)
        echo = query.get("echostr", ())
        if len(echo) != 1 or not echo[0]:
            raise Refusal(Answer.FORGED, "no echostr")
        return PlainTextResponse(echo[0], headers={"X-Content-Type-Options": "nosniff"})

    async def _take(self, scope: Scope, receive: Receive, sender: Caller | None, exchange: Exchange) -> Response | None:
        callback, gate = self._callback(scope, sender)
        return await gate.admit(
            read_query(scope["query_string"]),
            lambda: read_body(receive),
            lambda push: self._pass(callback, push, scope, exchange),
        )

    async def _pass(self, callback: Callback, push: Push, scope: Scope, exchange: Exchange) -> Response | None:
        event = _parse(push, callback)
        exchange.event = OTHER
        if event is not None:
            exchange.event, exchange.msg_id, exchange.status = EVENT, event.msg_id, event.status
            if not await self._hand_over(callback.appid, event):
                exchange.answer = Answer.REPEATED
        if callback.forward_to is None or (event is not None and not callback.forward_results):
            return None
        key = digest(callback.appid.encode(), push.content)
        try:
            response = await self._forwarder.pass_on(callback.forward_to, Request(scope), push.body, key)
        except ForwardError as error:
            raise Refusal(Answer.UNAVAILABLE, str(error)) from None
        if response is None:
            exchange.answer = Answer.REPEATED
        else:
            exchange.answer, exchange.forwarded_status = Answer.FORWARDED, response.status_code
        return response

    def _callback(self, scope: Scope, sender: Caller | None) -> tuple[Callback, Gate]:
        callback = self._callbacks.get(scope["path_params"]["account"])
        if callback is None or callback.gate is None:
            raise Refusal(Answer.UNKNOWN_ACCOUNT, "no account of this name has a [callback] with a token")
        if callback.sources is not None and not callback.sources.admit(sender):
            raise Refusal(Answer.STRANGER, "the address is not among the account's sources")
        return callback, callback.gate


def _parse(push: Push, callback: Callback) -> JobFinished | None:
    """A genuine push that cannot be read is for the other system, unless it may be a result or does harm.

    With an `original_id` it is for nobody: whose it is cannot be read either.
    """
    try:
        document = read_document(push.content)
        check_recipient(document.first("ToUserName"), callback)
        return read_event(document)
    except (HostileError, EncryptedError) as error:
        raise Refusal(Answer.MALFORMED, str(error)) from None
    except EventError as error:
        unclear = callback.original_id is not None or EVENT.encode() in push.content.upper()
        if callback.forward_to is None or unclear:
            raise Refusal(Answer.MALFORMED, str(error)) from None
        return None


def check_recipient(to_user_name: str, callback: Callback) -> None:
    """Raises Refusal where the account's original id is configured, and another one is addressed, or none."""
    if callback.original_id is not None and to_user_name != callback.original_id:
        raise Refusal(
            Answer.FORGED,
            "ToUserName is not the account's original_id: it is for another account, or original_id is wrong",
        )
