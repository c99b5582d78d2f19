"""What the workers' configuration says of an account: read once for a send, and held against it afterwards."""

from typing import Final

from temporalio import activity
from temporalio.exceptions import ApplicationError

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
from qunfa.settings import Settings

_WHOLE_DAY: Final = ("00:00", "24:00")


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
            known = ", ".join(sorted(self._settings.accounts)) or "none at all"
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
