"""The configured accounts: what the configuration says of them, WeChat's API for them, and whom it lists for them.

A send pins the facts of its account when it starts. Whatever asks WeChat for it later, asks for these alone. There is
one API for each account of a process, around one HTTP client and one token cache.
"""

from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import datetime, timedelta
from functools import partial
from typing import Any, Final, TypeVar

import httpx
from temporalio import activity
from temporalio.exceptions import ApplicationError

from activities.attempts import lasting, passing
from activities.pinned import PinnedBefore
from qunfa.audience.parts import Page
from qunfa.contract import steps
from qunfa.contract.notice import WantedNotice
from qunfa.rules.calendar import shanghai_clock
from qunfa.rules.codes import DAILY, CodeClass, is_listed
from qunfa.rules.submission import next_window
from qunfa.settings import Settings
from qunfa.wechat import (
    Credentials,
    MaybeWritten,
    NoToken,
    NotWritten,
    OfficialAccount,
    OpenidPage,
    Refused,
    Token,
    Tokens,
)

Answer = TypeVar("Answer")
Method = Callable[[OfficialAccount, Token], Awaitable[Answer]]
"""One call of the API."""

NAMED_MAX: Final = 10
"""How many of the configured accounts are named to a caller who has named another one."""
_WHOLE_DAY: Final = ("00:00", "24:00")
_FOR_A_PERSON: Final = frozenset({CodeClass.REFUSED, CodeClass.MEDIA, CodeClass.QUOTA})
_TOKENS_REFUSED_MAX: Final = 5
"""Attempts in which a refused token is left to the next one. A later attempt asks once more with a fresh token.

Where that one is refused too, no token was out of date. Earlier attempts may have failed for quite other reasons.
"""
_LATER: Final = timedelta(minutes=1)
"""WeChat's clock may be a little behind, also by some minutes: then it is asked each minute."""


class Accounts:
    """The accounts by name. An unknown name is a KeyError, so `pinned` is asked first.

    Raises:
        WechatError: of all that ask WeChat but `answer`: as the client does; `NoToken` where no token could be had.
    """

    def __init__(self, settings: Settings, http: httpx.AsyncClient) -> None:
        self._settings = settings
        base_url = settings.wechat.base_url
        self._apis = {name: OfficialAccount(http, base_url, name) for name in settings.accounts}
        credentials = [
            Credentials(account=name, appid=account.appid, secret=account.secret, source=account.token_source)
            for name, account in settings.accounts.items()
        ]
        self._tokens = Tokens(http, base_url, credentials)

    def change_of(self, account: steps.Pinned) -> str | None:
        """How `account` differs from what its send has pinned, as a sentence; None where it does not."""
        configured = self._settings.accounts.get(account.name)
        base_url = self._settings.wechat.base_url
        if configured is None:
            found = "no longer has an account of this name"
        elif configured.appid != account.appid:
            found = f"now has the appid {configured.appid} under this name"
        elif base_url != account.base_url:
            found = f"now has WeChat at {base_url}"
        else:
            return None
        return (
            f"account {account.name}: this send was started for the appid {account.appid} at {account.base_url}, but "
            f"the workers' configuration {found}. Put it back."
        )

    def pinned(self, account: steps.Pinned) -> None:
        """Refuse to go on with another account than the one that the send has pinned.

        Raises:
            ApplicationError: `AccountChanged`, not retried.
        """
        if change := self.change_of(account):
            raise lasting(steps.ACCOUNT_CHANGED, change)

    async def token(self, name: str) -> Token:
        """An access token, cached where possible."""
        return await self._tokens.get(name)

    async def fresh_token(self, name: str) -> Token:
        """An access token asked for now, where that makes no other process' token invalid."""
        return await self._tokens.renew(name)

    def token_source(self, name: str) -> str:
        """Where tokens come from: `stable`, `classic`, or "a token service", whose URL may hold a key."""
        account = self._settings.accounts[name]
        return "a token service" if account.token_url else account.token_source

    async def call(self, name: str, token: Token, method: Method[Answer]) -> Answer:
        """One call of the API. A token that WeChat refuses is forgotten, so that the next call fetches a fresh one."""
        try:
            return await method(self._apis[name], token)
        except Refused as refused:
            if refused.code.code_class is CodeClass.TOKEN:
                self._tokens.forget(name, token)
            raise

    async def ask(self, name: str, method: Method[Answer]) -> Answer:
        """One call of the API with a token from the cache."""
        return await self.call(name, await self.token(name), method)

    async def ask_twice(self, name: str, method: Method[Answer]) -> Answer:
        """As `ask`; where WeChat has refused the token, and so done nothing, once more with a fresh one."""
        try:
            return await self.ask(name, method)
        except Refused as refused:
            if refused.code.code_class is not CodeClass.TOKEN:
                raise
        return await self.ask(name, method)

    async def answer(
        self, account: steps.Pinned, about: str, refused_as: str, method: Method[Answer], *, twice: bool = False
    ) -> Answer:
        """The answer to one call for the account that was pinned. `about` begins a sentence: "Asking for the tag".

        `twice`: where WeChat has refused the token, it is asked once more with a fresh one. Late attempts always are.

        A code that no table lists is for a person too: nobody can be reached by this call, and a person can look it up.

        Raises:
            ApplicationError: `AccountChanged`, not retried. `refused_as`, not retried, with `{errcode, errmsg, rid,
                token_endpoint, about}`: a person has to change something first. `WechatUnavailable`, retried: all else.
        """
        self.pinned(account)
        twice = twice or activity.info().attempt > _TOKENS_REFUSED_MAX
        try:
            return await (self.ask_twice if twice else self.ask)(account.name, method)
        except NoToken as no_token:
            raise _failure(no_token, no_token.refused, about, refused_as, token_endpoint=True) from None
        except Refused as refused:
            raise _failure(refused, refused, about, refused_as) from None
        except (NotWritten, MaybeWritten) as error:
            raise passing(steps.WECHAT_UNAVAILABLE, str(error)) from None


def evidence(refused: Refused) -> dict[str, Any]:
    """What WeChat's support asks for."""
    return {"errcode": refused.errcode, "errmsg": refused.errmsg, "rid": refused.rid}


def _failure(
    error: Exception, refused: Refused | None, about: str, refused_as: str, *, token_endpoint: bool = False
) -> ApplicationError:
    if refused is None or not _is_for_a_person(refused):
        return passing(steps.WECHAT_UNAVAILABLE, str(error))
    return lasting(refused_as, str(error), {**evidence(refused), "token_endpoint": token_endpoint, "about": about})


def _is_for_a_person(refused: Refused) -> bool:
    if refused.code.code_class is CodeClass.TOKEN:
        return activity.info().attempt > _TOKENS_REFUSED_MAX
    unheard_of = refused.code.code_class is CodeClass.UNKNOWN and not is_listed(refused.errcode)
    return unheard_of or refused.code.code_class in _FOR_A_PERSON


class WechatFollowers:
    """Whom WeChat lists for an account, page by page; each is asked for once.

    Raises:
        ApplicationError: of all methods: as `Accounts.answer` does.
    """

    def __init__(self, accounts: Accounts, account: steps.Pinned) -> None:
        self._accounts = accounts
        self._account = account

    def everybody(self, after: str) -> AsyncIterator[Page]:
        """All followers of the account (`user/get`)."""
        return self._pages("Asking for the followers", lambda at, api, token: api.openids(token, at), after)

    def tagged(self, tag_id: int, after: str) -> AsyncIterator[Page]:
        """The followers under a tag (`user/tag/get`)."""
        about = f"Asking for the followers of tag {tag_id}"
        return self._pages(about, lambda at, api, token: api.tag_openids(token, tag_id, at), after)

    async def _pages(
        self, about: str, ask: Callable[[str, OfficialAccount, Token], Awaitable[OpenidPage]], after: str
    ) -> AsyncIterator[Page]:
        while True:
            method = partial(ask, after)
            found = await self._accounts.answer(self._account, about, steps.AUDIENCE_REFUSED, method, twice=True)
            ends = not found.openids or not found.next_openid or found.next_openid == after
            yield Page(found.openids, "" if ends else found.next_openid)
            if ends:
                return
            after = found.next_openid


def on_the_next_day(error: ApplicationError, now: datetime) -> ApplicationError | None:
    """The repeat for which WeChat lists followers again, where that is all it takes."""
    if error.type != steps.AUDIENCE_REFUSED or error.details[0]["errcode"] != DAILY:
        return None
    at = max(next_window(DAILY, now, None), now) + _LATER
    sentence = f"WeChat lists no more followers today. The plan goes on at {shanghai_clock(at)}. {error.message}"
    return passing(steps.WECHAT_UNAVAILABLE, sentence, at - now)


class Configuration:
    """The facts of the configured accounts."""

    def __init__(self, settings: Settings, before: PinnedBefore) -> None:
        self._settings = settings
        self._before = before

    @activity.defn(name=steps.RESOLVE_ACCOUNT)
    async def resolve_account(self, step: steps.ResolveStep) -> steps.AccountFacts:
        """The facts that a send pins when it starts; a reset goes to no other account than before.

        Where another account has the name now, that one's approvals and hours do not count for it. Those of a batch
        are its list's, as its approver was shown them. How fast the workers go is for today's configuration to say.
        """
        if step.whole is not None and (of_whole := await self._before.of_run(step.whole)) is not None:
            is_there = of_whole.base_url == self._settings.wechat.base_url
            return of_whole.model_copy(update={"timing": self._timing()}) if is_there else of_whole
        before = await self._before.of_life(step.first_run_id)
        if before is not None and step.account not in self._settings.accounts:
            return before
        facts = self._configured(step)
        return facts if before is None or before.pinned == facts.pinned else before

    def _configured(self, step: steps.ResolveStep) -> steps.AccountFacts:
        account = self._settings.accounts.get(step.account)
        if account is None:
            names = sorted(self._settings.accounts)
            more = f" and {len(names) - NAMED_MAX} more" if len(names) > NAMED_MAX else ""
            known = f"{', '.join(names[:NAMED_MAX])}{more}" or "none at all"
            raise lasting(
                steps.UNKNOWN_ACCOUNT,
                f"account {step.account}: the workers' configuration does not have it (it has: {known}). Correct the "
                "name, or add the account to the workers' configuration.",
            )
        return steps.AccountFacts(
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
            timing=self._timing(),
        )

    def _timing(self) -> steps.Timing:
        return steps.Timing.model_validate(self._settings.timing.model_dump())
