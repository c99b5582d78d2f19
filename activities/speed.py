"""How fast an account's mass sends go."""

from temporalio import activity

from activities.accounts import Accounts
from activities.asking import Question, ask
from activities.configuration import pinned
from activities.heartbeat import heartbeats
from qunfa.contract.speed import GET_SPEED, SET_SPEED, SPEED_REFUSED, GetSpeedStep, SetSpeedStep, Speed
from qunfa.settings import Settings


class Speeds:
    """`mass/speed/get` and `mass/speed/set`."""

    def __init__(self, settings: Settings, accounts: Accounts) -> None:
        self._settings = settings
        self._accounts = accounts

    @activity.defn(name=GET_SPEED)
    @heartbeats()
    async def get_speed(self, step: GetSpeedStep) -> Speed:
        """The speed, as WeChat tells it.

        Raises:
            ApplicationError: `AccountChanged` and `SpeedRefused`, not retried; `WechatUnavailable`, retried.
        """
        pinned(self._settings, step.account)
        question = Question(step.account.name, "Asking for the speed", SPEED_REFUSED)
        said = await ask(self._accounts, question, lambda api, token: api.speed_get(token))
        return Speed(speed=said.speed, realspeed=said.realspeed)

    @activity.defn(name=SET_SPEED)
    @heartbeats()
    async def set_speed(self, step: SetSpeedStep) -> None:
        """Set the speed of all mass sends of the account from now on; a lost call is repeated, which changes nothing.

        Raises:
            ApplicationError: `AccountChanged` and `SpeedRefused`, not retried; `WechatUnavailable`, retried.
        """
        pinned(self._settings, step.account)
        question = Question(step.account.name, "Setting the speed", SPEED_REFUSED)
        await ask(self._accounts, question, lambda api, token: api.speed_set(token, step.speed))
