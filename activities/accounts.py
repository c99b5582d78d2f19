"""WeChat's API for every configured account: made once per process, around one HTTP client and one token cache."""

from collections.abc import Awaitable, Callable
from typing import TypeVar

import httpx

from qunfa.rules.codes import CodeClass
from qunfa.settings import Settings
from qunfa.wechat import Credentials, OfficialAccount, Refused, Token, Tokens

Found = TypeVar("Found")


class Accounts:
    """The accounts by name; an unknown name is a KeyError, so the configuration is asked first."""

    def __init__(self, settings: Settings, http: httpx.AsyncClient) -> None:
        base_url = settings.wechat.base_url
        self._apis = {
            name: OfficialAccount(http, base_url, name, account.appid) for name, account in settings.accounts.items()
        }
        self._tokens = Tokens(
            http,
            base_url,
            [
                Credentials(account=name, appid=account.appid, secret=account.secret, source=account.token_source)
                for name, account in settings.accounts.items()
            ],
        )

    async def token(self, name: str) -> Token:
        """An access token, cached where possible.

        Raises:
            NoToken: none could be had.
        """
        return await self._tokens.get(name)

    async def fresh_token(self, name: str) -> Token:
        """An access token asked for now, where that makes no other process' token invalid.

        Raises:
            NoToken: none could be had.
        """
        return await self._tokens.renew(name)

    async def call(
        self, name: str, token: Token, method: Callable[[OfficialAccount, Token], Awaitable[Found]]
    ) -> Found:
        """One call of the API. A token that WeChat refuses is forgotten, so that the next call fetches a fresh one.

        Raises:
            WechatError: as the client does.
        """
        try:
            return await method(self._apis[name], token)
        except Refused as refused:
            if refused.code.code_class is CodeClass.TOKEN:
                self._tokens.forget(name, token)
            raise

    async def ask(self, name: str, method: Callable[[OfficialAccount, Token], Awaitable[Found]]) -> Found:
        """One call of the API with a token from the cache.

        Raises:
            NoToken: none could be had.
            WechatError: as the client does.
        """
        return await self.call(name, await self.token(name), method)
