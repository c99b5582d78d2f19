"""``CheckAccount``: whether the workers can work with an account, as ``qunfa doctor`` asks. It changes nothing.

The calls of WeChat's API that it makes: one for an access token (none for a classic one that is still good), and one
``openapi/quota/get`` for each of :data:`CALLS`. The clock is read from the answer to a ``HEAD`` of WeChat's root, which
is no call of the API.
"""

from typing import Final

from qunfa.contract.fields import AccountName, Model, Stored
from qunfa.contract.ledger import Frozen
from qunfa.contract.quota import Allowance, CallsLeft
from qunfa.contract.steps import Pinned

CHECK_TOKEN: Final = "check_token"  # noqa: S105  the name of an activity
READ_CLOCKS: Final = "read_clocks"

CALLS: Final = ("/cgi-bin/message/mass/sendall", "/cgi-bin/message/mass/send")
"""The calls whose count is asked for."""


class CheckAccountRequest(Model):
    """The input of ``CheckAccount``."""

    account: AccountName


class AccountStep(Stored):
    """Input of ``check_token`` → :class:`TokenSeen` and of ``read_clocks`` → :class:`Clocks`."""

    account: Pinned


class TokenSeen(Stored):
    """How an access token was had: from ``source``, or why there is none.

    ``refused`` is Qunfa's name of the problem where WeChat refused for good; ``errcode``, ``errmsg`` and ``rid`` are
    WeChat's.
    """

    source: str = ""
    detail: str | None = None
    refused: str | None = None
    errcode: int | None = None
    errmsg: str | None = None
    rid: str | None = None


class Clocks(Stored):
    """By how many seconds the worker's clock is ahead of Temporal's and of WeChat's; ``None`` where not known."""

    ahead_of_temporal: float | None = None
    ahead_of_wechat: float | None = None
    detail: str | None = None


class CheckAccountResult(Stored):
    """The result of ``CheckAccount``; ``calls`` are empty where no token was had. Nothing of it is a secret."""

    account: str
    appid: str
    kind: str
    token: TokenSeen
    clocks: Clocks
    calls: tuple[CallsLeft, ...] = ()
    allowances: tuple[Allowance, ...] = ()
    uncounted: str | None = None
    frozen: Frozen | None = None
