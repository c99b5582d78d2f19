"""The Official Account API, as far as mass sends need it: one method is one HTTP call."""

from collections.abc import Callable, Mapping
from typing import Any, Final

from qunfa.wechat.answers import JobStatus, Previewed, Submitted, done
from qunfa.wechat.credentials import Token
from qunfa.wechat.errors import SEND, SENDALL
from qunfa.wechat.material import MaterialCalls
from qunfa.wechat.operations import OperationsCalls
from qunfa.wechat.preview import PreviewBody
from qunfa.wechat.submission import SendallBody, SendBody

_GET: Final = "/cgi-bin/message/mass/get"
_PREVIEW: Final = "/cgi-bin/message/mass/preview"


class OfficialAccount(MaterialCalls, OperationsCalls):
    """The API of one account. It never repeats a call, never waits and never fetches a token.

    The constructor raises ValueError for a base URL that is none. Every method raises `NotWritten` (the request never
    left), `MaybeWritten` (no usable answer) or `Refused` (an errcode). The bodies of a send to many and of a preview
    are types of their own: TypeError for the wrong one, before anything is written.
    """

    async def sendall(self, token: Token, body: SendallBody, *, in_time: Callable[[], bool] | None = None) -> Submitted:
        """Submit a send to everybody or to a tag. Accepted is not delivered: the event, or `get`, tells the result.

        `in_time` is asked right before the first byte: `NotWritten` where it says no.
        """
        _check(body, SendallBody)
        return await self._submit(SENDALL, token, body, in_time)

    async def send(self, token: Token, body: SendBody, *, in_time: Callable[[], bool] | None = None) -> Submitted:
        """Submit a send to a list of openids; only verified service accounts may. `in_time` as for `sendall`."""
        _check(body, SendBody)
        return await self._submit(SEND, token, body, in_time)

    async def preview(self, token: Token, body: PreviewBody) -> Previewed:
        """Show a message to one person (`mass/preview`). It counts against 100 a day, and no event tells of it."""
        _check(body, PreviewBody)

        def read(answer: Mapping[str, Any]) -> Previewed:
            previewed = Previewed.model_validate(answer)
            if previewed.msg_id is None:
                done(answer)
            return previewed

        about = "preview to " + (f"WeChat id {body['towxname']}" if "towxname" in body else f"openid {body['touser']}")
        return await self._post(_PREVIEW, token, body, read, about=about)

    async def get(self, token: Token, msg_id: int) -> JobStatus:
        """The state of a job. A job that was just accepted may still be unknown (40059)."""

        def read(answer: Mapping[str, Any]) -> JobStatus:
            status = JobStatus.model_validate({"msg_id": msg_id, **answer})
            if status.msg_id != msg_id:
                raise ValueError("the answer is about another job")
            return status

        return await self._post(_GET, token, {"msg_id": str(msg_id)}, read, about=f"msg_id {msg_id}")

    async def _submit(
        self, endpoint: str, token: Token, body: SendallBody | SendBody, in_time: Callable[[], bool] | None
    ) -> Submitted:
        about = f"clientmsgid {body['clientmsgid']}"
        return await self._post(endpoint, token, body, Submitted.model_validate, about=about, in_time=in_time)


def _check(body: object, wanted: type[SendallBody | SendBody | PreviewBody]) -> None:
    if not isinstance(body, wanted):
        raise TypeError(f"this call takes a {wanted.__name__}, not a {type(body).__name__}")
