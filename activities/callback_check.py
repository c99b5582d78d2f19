"""What WeChat sees of an account's callback."""

from temporalio import activity

from activities.accounts import Accounts
from activities.asking import Question, ask
from activities.configuration import pinned
from activities.heartbeat import heartbeats
from qunfa.contract.callback_check import (
    CALLBACK_CHECK,
    CALLBACK_CHECK_REFUSED,
    CallbackAddress,
    CallbackCheckStep,
    CallbackPing,
    CallbackView,
)
from qunfa.settings import Settings


class CallbackCheck:
    """What `callback/check` says: it resolves the callback's host and pings it."""

    def __init__(self, settings: Settings, accounts: Accounts) -> None:
        self._settings = settings
        self._accounts = accounts

    @activity.defn(name=CALLBACK_CHECK)
    @heartbeats()
    async def callback_check(self, step: CallbackCheckStep) -> CallbackView:
        """The addresses of the callback's host, and how they answer.

        Raises:
            ApplicationError: `AccountChanged` and `CallbackCheckRefused`, not retried; `WechatUnavailable`, retried.
        """
        pinned(self._settings, step.account)
        question = Question(step.account.name, "Asking about the callback", CALLBACK_CHECK_REFUSED)
        seen = await ask(self._accounts, question, lambda api, token: api.callback_check(token))
        return CallbackView(
            dns=tuple(CallbackAddress(ip=one.ip, operator=one.real_operator) for one in seen.dns),
            ping=tuple(
                CallbackPing(ip=one.ip, operator=one.from_operator, loss=one.package_loss, time=one.time)
                for one in seen.ping
            ),
        )
