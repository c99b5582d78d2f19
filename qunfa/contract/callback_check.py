"""The check of an account's callback: ``CheckCallback``, which asks WeChat, and the msg_ids of test pushes."""

from typing import Final

from qunfa.contract.fields import MSG_ID_MAX, AccountName, Model, Stored
from qunfa.contract.steps import Pinned

CALLBACK_CHECK: Final = "callback_check"
"""The activity that asks WeChat."""
CALLBACK_CHECK_REFUSED: Final = "CallbackCheckRefused"
"""Failure type: WeChat refuses the question for good; details as of ``AudienceRefused``."""

TEST_MSG_ID_MIN: Final = MSG_ID_MAX - 2**40 + 1
"""WeChat's msg_ids are far smaller. From here on they belong to test pushes, which ``Account`` takes and forgets."""


def is_test(msg_id: int) -> bool:
    """Whether a push is a test push: it is about no send of anybody's."""
    return msg_id >= TEST_MSG_ID_MIN


class CallbackCheckRequest(Model):
    """The input of ``CheckCallback``."""

    account: AccountName


class CallbackCheckStep(Stored):
    """Input of ``callback_check`` → :class:`CallbackView`."""

    account: Pinned


class CallbackAddress(Stored):
    """An address that WeChat finds for the callback's host, and whose network it is in."""

    ip: str
    operator: str = ""


class CallbackPing(Stored):
    """How an address answers WeChat's ping: ``loss`` and ``time`` as WeChat writes them (``0%``, ``23.079ms``)."""

    ip: str
    operator: str = ""
    loss: str = ""
    time: str = ""


class CallbackView(Stored):
    """What WeChat sees of the callback's host."""

    dns: tuple[CallbackAddress, ...] = ()
    ping: tuple[CallbackPing, ...] = ()


class CallbackCheckResult(Stored):
    """The result of ``CheckCallback``: ``view``, or in ``problem`` why there is none.

    ``errcode``, ``errmsg`` and ``rid`` are WeChat's, where it refused.
    """

    account: str
    appid: str
    view: CallbackView | None = None
    problem: str | None = None
    errcode: int | None = None
    errmsg: str | None = None
    rid: str | None = None
