"""The configured accounts: what the configuration says of them, and WeChat's API for them.

The facts are read once for a send, and held against the configuration afterwards. The API is made once per process,
around one HTTP client and one token cache. What stands against a question for good is told apart from what passes.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final, TypeVar

import httpx
from temporalio import activity
from temporalio.exceptions import ApplicationError

from activities.attempts import wechat_unavailable
from qunfa.contract.notice import WantedNotice
from qunfa.contract.steps import (
    ACCOUNT_CHANGED,
    RESOLVE_ACCOUNT,
    UNKNOWN_ACCOUNT,
    AccountFacts,
    Pinned,
    ResolveStep,
    Timing,
)
from qunfa.rules.codes import CodeClass
from qunfa.settings import Settings
from qunfa.wechat import Credentials, MaybeWritten, NoToken, NotWritten, OfficialAccount, Refused, Token, Tokens

Found = TypeVar("Found")

_WHOLE_DAY: Final = ("00:00", "24:00")

_FOR_A_PERSON: Final = frozenset({CodeClass.REFUSED, CodeClass.MEDIA, CodeClass.QUOTA})

Answer = TypeVar("Answer")


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


NAMED_MAX: Final = 10
"""How many of the configured accounts are named to a caller who has named another one."""


class Configuration:
    """The facts of the configured accounts."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    @activity.defn(name=RESOLVE_ACCOUNT)
    async def resolve_account(self, step: ResolveStep) -> AccountFacts:
        """The facts that a send pins when it starts.

        Raises:
            ApplicationError: `UnknownAccount`, not retried: no account is configured under this name.
        """
        account = self._settings.accounts.get(step.account)
        if account is None:
            names = sorted(self._settings.accounts)
            more = f" and {len(names) - NAMED_MAX} more" if len(names) > NAMED_MAX else ""
            known = f"{', '.join(names[:NAMED_MAX])}{more}" or "none at all"
            raise ApplicationError(
                f"account {step.account}: the workers' configuration does not have it (it has: {known}). Nothing was "
                "sent. Correct the name, or add the account to the workers' configuration.",
                type=UNKNOWN_ACCOUNT,
                non_retryable=True,
            )
        return AccountFacts(
            name=step.account,
            appid=account.appid,
            base_url=self._settings.wechat.base_url,
            kind=account.kind,
            approval=account.approval,
            quota=account.quota,
            news_via=account.news_via,
            image_via=account.image_via,
            send_hours=None if account.send_hours == _WHOLE_DAY else account.send_hours,
            notices=tuple(WantedNotice(name=name, events=one.events) for name, one in account.notices.items()),
            timing=Timing.model_validate(self._settings.timing.model_dump()),
        )


def change_of(settings: Settings, account: Pinned) -> str | None:
    """How `account` differs from what its send has pinned, as a sentence; None where it does not."""
    configured = settings.accounts.get(account.name)
    if configured is None:
        found = "no longer has an account of this name"
    elif configured.appid != account.appid:
        found = f"now has the appid {configured.appid} under this name"
    elif settings.wechat.base_url != account.base_url:
        found = f"now has WeChat at {settings.wechat.base_url}"
    else:
        return None
    return (
        f"account {account.name}: this send was started for the appid {account.appid} at {account.base_url}, but the "
        f"workers' configuration {found}. Put it back, or end this send and start it anew."
    )


def pinned(settings: Settings, account: Pinned) -> None:
    """Refuse to go on with another account than the one that the send has pinned.

    Raises:
        ApplicationError: `AccountChanged`, not retried.
    """
    if change := change_of(settings, account):
        raise ApplicationError(change, type=ACCOUNT_CHANGED, non_retryable=True)


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked for which account; `about` begins a sentence, `failure_type` is that of a lasting refusal."""

    account: str
    about: str
    failure_type: str


async def ask(
    accounts: Accounts, question: Question, method: Callable[[OfficialAccount, Token], Awaitable[Answer]]
) -> Answer:
    """One call of WeChat's API.

    Raises:
        ApplicationError: of the question's type, not retried, with `{errcode, errmsg, rid, token_endpoint, about}`,
            where a person has to change something first; `WechatUnavailable`, retried, otherwise.
    """
    try:
        return await accounts.ask(question.account, method)
    except NoToken as no_token:
        raise _failure(no_token, no_token.refused, question, token_endpoint=True) from None
    except Refused as refused:
        raise _failure(refused, refused, question) from None
    except (NotWritten, MaybeWritten) as error:
        raise wechat_unavailable(str(error)) from None


def _failure(
    error: Exception, refused: Refused | None, question: Question, *, token_endpoint: bool = False
) -> ApplicationError:
    if refused is None or refused.code.code_class not in _FOR_A_PERSON:
        return wechat_unavailable(str(error))
    evidence = {
        "errcode": refused.errcode,
        "errmsg": refused.errmsg,
        "rid": refused.rid,
        "token_endpoint": token_endpoint,
        "about": question.about,
    }
    return ApplicationError(str(error), evidence, type=question.failure_type, non_retryable=True)
