"""Access tokens: how the accounts prove who they are, and one cached token for each account."""

import asyncio
import json
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Annotated, Final

import httpx
from pydantic import Field, SecretStr

from qunfa.rules.codes import token_endpoint_code
from qunfa.wechat.answers import FrozenAnswer, Whole
from qunfa.wechat.errors import MaybeWritten, NoToken, NotWritten, Refused
from qunfa.wechat.exchange import Call, exchange

STABLE: Final = "stable"
CLASSIC: Final = "classic"
_MARGIN: Final = timedelta(seconds=200)
"""A token is fetched anew when it has this long to live, or half of a shorter life.

It is more than a call takes. `stable_token` hands out the next token 300 seconds before the end, and the same until
then.
"""
_LIFE_MAX: Final = 366 * 24 * 60 * 60
"""WeChat's tokens live two hours. A number of any length would not fit into a time."""


class Token(SecretStr):
    """An access token; its text is hidden everywhere but in `get_secret_value()`."""


@dataclass(frozen=True, slots=True)
class Credentials:
    """How the access tokens of one account are had.

    With the `source` `stable` (`cgi-bin/stable_token`), every process gets the same token. With `classic`
    (`cgi-bin/token`), a fetch makes the tokens of all other processes invalid. Both need the app secret. Else it is the
    URL of a token server, which answers GET with `{"access_token": "…", "expires_in": seconds}`.
    """

    account: str
    appid: str
    secret: SecretStr | None = None
    source: str = field(default=STABLE, repr=False)


class _Grant(FrozenAnswer):
    access_token: Annotated[SecretStr, Field(min_length=1)]
    expires_in: Annotated[Whole, Field(gt=0, le=_LIFE_MAX)]


@dataclass(frozen=True, slots=True)
class _Given:
    token: Token
    stale_at: float


@dataclass(frozen=True, slots=True)
class _Failure:
    reason: str
    endpoint: str
    refused: Refused | None = None


class Tokens:
    """The tokens of all accounts of a process.

    However many calls want a token at once, one fetch answers them all; when it fails, it fails for all that waited
    for it, and the next call fetches again. `clock` gives seconds that never go back.

    Nobody can tell whose a token is that two accounts are given. Neither has one until both are asked for anew, and
    differ.
    """

    def __init__(
        self,
        http: httpx.AsyncClient,
        base_url: str,
        accounts: Iterable[Credentials],
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._http = http
        self._base_url = base_url
        self._accounts = {credentials.account: credentials for credentials in accounts}
        self._clock = clock
        self._cached: dict[str, _Given] = {}
        self._given: dict[str, _Given] = {}  # last to each account, also what was not taken
        self._mixed_up: set[frozenset[str]] = set()  # pairs that were given the same token
        self._flights: dict[str, asyncio.Task[_Given | _Failure]] = {}

    async def get(self, account: str) -> Token:
        """A token that is good for some minutes, or for half its life if that is shorter.

        Raises:
            NoToken: none could be had; where WeChat refused, `refused` says why.
            KeyError: there are no credentials for this account.
        """
        cached = self._cached.get(account)
        if cached is not None and self._clock() < cached.stale_at:
            return cached.token
        return await self._fetched(self._accounts[account])

    async def renew(self, account: str) -> Token:
        """As `get`, but past what is cached, so that it shows whether a token can be had now.

        Only the classic endpoint is not asked while a token is good: each fetch there makes the tokens of all other
        processes invalid.

        Raises:
            NoToken: as `get`.
            KeyError: as `get`.
        """
        credentials = self._accounts[account]
        return await (self.get(account) if credentials.source == CLASSIC else self._fetched(credentials))

    async def _fetched(self, credentials: Credentials) -> Token:
        outcome = await asyncio.shield(self._flight(credentials))  # one caller's cancellation is not the others'
        if isinstance(outcome, _Failure):
            raise NoToken(
                outcome.reason, account=credentials.account, endpoint=outcome.endpoint, refused=outcome.refused
            )
        return outcome.token

    def forget(self, account: str, token: Token) -> None:
        """Drop a token that WeChat has refused, unless a newer one has taken its place meanwhile."""
        cached = self._cached.get(account)
        if cached is not None and cached.token == token:
            del self._cached[account]

    def _flight(self, credentials: Credentials) -> asyncio.Task[_Given | _Failure]:
        flight = self._flights.get(credentials.account)
        if flight is None or flight.done():
            flight = asyncio.create_task(self._fetch(credentials), name=f"access token of {credentials.account}")
            self._flights[credentials.account] = flight
        return flight

    async def _fetch(self, credentials: Credentials) -> _Given | _Failure:
        """The token for an account; after a mix-up only once those of all concerned differ.

        The others are asked before and after it: a service may renew the one token that it gives to all of them.
        """
        account = credentials.account
        others = [name for pair in self._mixed_up if account in pair for name in pair - {account}]
        silent = await self._without(others)
        given = await self._granted(credentials)
        if isinstance(given, _Failure):
            return given
        if other := silent or self._sharer(account) or await self._without(others) or self._sharer(account):
            self._mixed_up.add(frozenset((account, other)))
            for name in (account, other):
                self._cached.pop(name, None)
            endpoint = _call(credentials, self._base_url).endpoint
            return _Failure(f"account {other} has been given the same token", endpoint)
        self._mixed_up = {pair for pair in self._mixed_up if account not in pair}
        self._cached[account] = given
        return given

    async def _without(self, accounts: Iterable[str]) -> str | None:
        """The first of these for which no token can be had; each is asked for anew."""
        for account in accounts:
            if isinstance(await self._granted(self._accounts[account]), _Failure):
                return account
        return None

    async def _granted(self, credentials: Credentials) -> _Given | _Failure:
        call = _call(credentials, self._base_url)
        asked_at = self._clock()
        try:
            grant = await exchange(self._http, call, _Grant.model_validate)
        except Refused as refused:
            return _Failure(f"{refused.errcode}, {refused.code.meaning}", call.endpoint, refused.with_traceback(None))
        except (NotWritten, MaybeWritten) as error:
            return _Failure(error.reason, call.endpoint)
        life = grant.expires_in
        stale_at = asked_at + life - min(_MARGIN.total_seconds(), life / 2)
        given = self._given[credentials.account] = _Given(Token(grant.access_token.get_secret_value()), stale_at)
        return given

    def _sharer(self, account: str) -> str | None:
        """Another account that was last given the same token: WeChat would take the calls of both for those of one."""
        token, others = self._given[account].token, (one for one in self._given.items() if one[0] != account)
        return next((name for name, given in others if given.token == token), None)


def _call(credentials: Credentials, base_url: str) -> Call:
    account, secret = credentials.account, credentials.secret or SecretStr("")
    asked = {"grant_type": "client_credential", "appid": credentials.appid}
    if credentials.source == STABLE:
        # `force_refresh` would make the token of every other process invalid at once.
        body = json.dumps({**asked, "secret": secret.get_secret_value(), "force_refresh": False}).encode()
        endpoint, url = "/cgi-bin/stable_token", f"{base_url}/cgi-bin/stable_token"
        return Call(account, endpoint, "POST", url, content=body, secrets=(secret,), meaning=token_endpoint_code)
    if credentials.source == CLASSIC:
        endpoint, url = "/cgi-bin/token", f"{base_url}/cgi-bin/token"
        return Call(account, endpoint, "GET", url, query={**asked, "secret": secret}, meaning=token_endpoint_code)
    endpoint, url = f"the token server {httpx.URL(credentials.source).host}", credentials.source
    return Call(account, endpoint, "GET", url, meaning=token_endpoint_code, url_is_secret=True)
