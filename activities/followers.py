"""Whom WeChat lists: all followers of an account, or those under a tag, page by page."""

from collections.abc import AsyncIterator, Callable
from datetime import datetime, timedelta
from functools import partial
from typing import Final

from temporalio.exceptions import ApplicationError

from activities.accounts import Accounts, Method
from activities.attempts import passing
from qunfa.audience.parts import Page
from qunfa.contract.steps import AUDIENCE_REFUSED, WECHAT_UNAVAILABLE, Pinned
from qunfa.rules.calendar import shanghai_clock
from qunfa.rules.codes import DAILY
from qunfa.rules.submission import next_window
from qunfa.wechat import OpenidPage

_LATER: Final = timedelta(minutes=1)
"""WeChat's clock may be a little behind, also by some minutes: then it is asked each minute."""


class WechatFollowers:
    """Whom WeChat lists for an account, page by page; each is asked for once.

    Raises:
        ApplicationError: of all methods: as `Accounts.answer` does.
    """

    def __init__(self, accounts: Accounts, account: Pinned) -> None:
        self._accounts = accounts
        self._account = account

    def everybody(self, after: str) -> AsyncIterator[Page]:
        """All followers of the account (`user/get`)."""
        return self._pages("Asking for the followers", _followers_after, after)

    def tagged(self, tag_id: int, after: str) -> AsyncIterator[Page]:
        """The followers under a tag (`user/tag/get`)."""
        return self._pages(f"Asking for the followers of tag {tag_id}", partial(_tagged_after, tag_id), after)

    async def _pages(self, about: str, asked: Callable[[str], Method[OpenidPage]], after: str) -> AsyncIterator[Page]:
        while True:
            found = await self._accounts.answer(self._account, about, AUDIENCE_REFUSED, asked(after), twice=True)
            ends = not found.openids or not found.next_openid or found.next_openid == after
            yield Page(found.openids, "" if ends else found.next_openid)
            if ends:
                return
            after = found.next_openid


def _followers_after(after: str) -> Method[OpenidPage]:
    return lambda api, token: api.openids(token, after)


def _tagged_after(tag_id: int, after: str) -> Method[OpenidPage]:
    return lambda api, token: api.tag_openids(token, tag_id, after)


def on_the_next_day(error: ApplicationError, now: datetime) -> ApplicationError | None:
    """The repeat for which WeChat lists followers again, where that is all it takes."""
    if error.type != AUDIENCE_REFUSED or error.details[0]["errcode"] != DAILY:
        return None
    at = max(next_window(DAILY, now, None), now) + _LATER
    sentence = f"WeChat lists no more followers today. The plan goes on at {shanghai_clock(at)}. {error.message}"
    return passing(WECHAT_UNAVAILABLE, sentence, at - now)
