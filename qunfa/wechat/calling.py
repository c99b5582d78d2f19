"""How the methods of `OfficialAccount` call: with JSON, with a query alone, or with a file."""

import json
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import httpx

from qunfa.wechat.credentials import Token
from qunfa.wechat.exchange import ANSWER_BYTES_MAX, Call, exchange
from qunfa.wechat.transport import api_url
from qunfa.wechat.upload import MultipartBody

Answer = TypeVar("Answer")
Read = Callable[[Mapping[str, Any]], Answer]


class Caller:
    """The API of one account, as a place to call.

    The constructor raises ValueError for a base URL that is none.
    """

    def __init__(self, http: httpx.AsyncClient, base_url: str, account: str, appid: str) -> None:
        self._http = http
        self._base_url = api_url(base_url)
        self.account = account
        self.appid = appid

    async def _get(self, endpoint: str, token: Token, read: Read[Answer]) -> Answer:
        call = Call(self.account, endpoint, "GET", self._base_url + endpoint, query={"access_token": token})
        return await exchange(self._http, call, read)

    async def _post(  # noqa: PLR0913  the parts of one call
        self,
        endpoint: str,
        token: Token,
        body: Mapping[str, Any],
        read: Read[Answer],
        *,
        about: str = "",
        in_time: Callable[[], bool] | None = None,
        answer_bytes_max: int = ANSWER_BYTES_MAX,
    ) -> Answer:
        content = json.dumps(body, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode()
        call = Call(
            self.account,
            endpoint,
            "POST",
            self._base_url + endpoint,
            {"access_token": token},
            content,
            about=about,
            in_time=in_time,
            answer_bytes_max=answer_bytes_max,
        )
        return await exchange(self._http, call, read)

    async def _upload(  # noqa: PLR0913  the parts of one call
        self,
        endpoint: str,
        token: Token,
        body: MultipartBody,
        read: Read[Answer],
        *,
        about: str,
        query: Mapping[str, str] | None = None,
    ) -> Answer:
        call = Call(
            self.account,
            endpoint,
            "POST",
            self._base_url + endpoint,
            {"access_token": token, **(query or {})},
            body,
            about=about,
        )
        return await exchange(self._http, call, read)
