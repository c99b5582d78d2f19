"""The Official Account API, as far as mass sends need it: one method is one HTTP call."""

import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, Final, TypeVar

import httpx

from qunfa.wechat.answers import JobStatus, Quota, Submitted, Tag, Tags
from qunfa.wechat.credentials import Token
from qunfa.wechat.exchange import Call, exchange
from qunfa.wechat.submission import SendallBody, SendBody
from qunfa.wechat.transport import api_url

Answer = TypeVar("Answer")

SENDALL: Final = "/cgi-bin/message/mass/sendall"
SEND: Final = "/cgi-bin/message/mass/send"
_GET: Final = "/cgi-bin/message/mass/get"
_TAGS: Final = "/cgi-bin/tags/get"
_QUOTA: Final = "/cgi-bin/openapi/quota/get"


class OfficialAccount:
    """The API of one account. It never repeats a call, never waits and never fetches a token.

    The constructor raises ValueError for a base URL that is none. Every method raises `NotWritten` (the request never
    left), `MaybeWritten` (no usable answer) or `Refused` (an errcode).
    """

    def __init__(self, http: httpx.AsyncClient, base_url: str, account: str, appid: str) -> None:
        self._http = http
        self._base_url = api_url(base_url)
        self.account = account
        self.appid = appid

    async def sendall(self, token: Token, body: SendallBody, *, in_time: Callable[[], bool] | None = None) -> Submitted:
        """Submit a send to everybody or to a tag. Accepted is not delivered: the event, or `get`, tells the result.

        `in_time` is asked right before the first byte: `NotWritten` where it says no.
        """
        return await self._submit(SENDALL, token, body, in_time)

    async def send(self, token: Token, body: SendBody, *, in_time: Callable[[], bool] | None = None) -> Submitted:
        """Submit a send to a list of openids; only verified service accounts may. `in_time` as for `sendall`."""
        return await self._submit(SEND, token, body, in_time)

    async def get(self, token: Token, msg_id: int) -> JobStatus:
        """The state of a job. A job that was just accepted may still be unknown (40059)."""

        def read(answer: Mapping[str, Any]) -> JobStatus:
            status = JobStatus.model_validate({"msg_id": msg_id, **answer})
            if status.msg_id != msg_id:
                raise ValueError("the answer is about another job")
            return status

        return await self._post(_GET, token, {"msg_id": str(msg_id)}, read, about=f"msg_id {msg_id}")

    async def tags(self, token: Token) -> tuple[Tag, ...]:
        """All tags of the account."""
        call = Call(self.account, _TAGS, "GET", self._base_url + _TAGS, query={"access_token": token})
        return (await exchange(self._http, call, Tags.model_validate)).tags

    async def quota(self, token: Token, cgi_path: str) -> Quota:
        """How often the API at `cgi_path` (`/cgi-bin/…`) may be called today, and was."""
        return await self._post(_QUOTA, token, {"cgi_path": cgi_path}, Quota.model_validate, about=cgi_path)

    async def _submit(
        self, endpoint: str, token: Token, body: SendallBody | SendBody, in_time: Callable[[], bool] | None
    ) -> Submitted:
        about = f"clientmsgid {body['clientmsgid']}"
        call = replace(self._posting(endpoint, token, body, about), in_time=in_time)
        return await exchange(self._http, call, Submitted.model_validate)

    async def _post(
        self,
        endpoint: str,
        token: Token,
        body: Mapping[str, Any],
        read: Callable[[Mapping[str, Any]], Answer],
        *,
        about: str,
    ) -> Answer:
        return await exchange(self._http, self._posting(endpoint, token, body, about), read)

    def _posting(self, endpoint: str, token: Token, body: Mapping[str, Any], about: str) -> Call:
        content = json.dumps(body, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode()
        url = self._base_url + endpoint
        return Call(self.account, endpoint, "POST", url, {"access_token": token}, content, about=about)
