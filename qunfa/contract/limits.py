"""What WeChat allows an account: how many calls and mass sends, and how fast a send goes.

``AccountQuota`` tells what is used and what is left. Calls are WeChat's own count, whoever made them. Mass sends are
those that the account's ledger has counted. WeChat does not tell how many are left.

``AccountSpeed`` reads the speed, or sets it. It holds for all sends of the account, until it is set again.

| speed | 0 | 1 | 2 | 3 | 4 |
|---|---|---|---|---|---|
| followers a minute | 800,000 | 600,000 | 450,000 | 300,000 | 100,000 |
"""

from datetime import datetime
from typing import Annotated, Final, Literal

from pydantic import ConfigDict, Field, model_validator

from qunfa.contract.fields import RULES, AccountName, Model, Moment, Name, Reason, Stored, has
from qunfa.contract.ledger import Day, Frozen
from qunfa.contract.steps import Pinned

CALLS_LEFT: Final = "calls_left"
SENDS_COUNTED: Final = "sends_counted"

QUOTA_FAILED: Final = "QuotaFailed"
"""Failure type of the workflow: the account's ledger did not answer."""

PATHS: Final = (
    "/cgi-bin/message/mass/sendall",
    "/cgi-bin/message/mass/send",
    "/cgi-bin/message/mass/get",
    "/cgi-bin/message/mass/preview",
    "/cgi-bin/message/mass/delete",
    "/cgi-bin/media/upload",
    "/cgi-bin/media/uploadimg",
    "/cgi-bin/media/uploadvideo",
    "/cgi-bin/material/add_material",
    "/cgi-bin/draft/add",
    "/cgi-bin/draft/get",
    "/cgi-bin/tags/get",
)
"""The calls that mass sends are made of, by either way of sending articles but ``uploadnews``."""
UPLOADNEWS: Final = "/cgi-bin/media/uploadnews"

GET_SPEED: Final = "get_speed"
SET_SPEED: Final = "set_speed"

SPEED_FAILED: Final = "SpeedFailed"
"""Failure type of the workflow: the speed could not be read, or not be set."""
SPEED_REFUSED: Final = "SpeedRefused"
"""Failure type: WeChat does not let the account look at its speed, or set it. First detail: ``{errcode, errmsg, rid,
token_endpoint, about}``."""

A_REALSPEED: Final = 10_000
"""Followers a minute that 1 stands for in WeChat's ``realspeed``."""
REALSPEEDS: Final = (80, 60, 45, 30, 10)
"""WeChat's published ``realspeed`` of each speed. Its own sample answer has another one (15 at speed 3)."""
SPEED_MAX: Final = len(REALSPEEDS) - 1

SpeedLevel = Annotated[int, Field(strict=True, ge=0, le=SPEED_MAX)]


class QuotaRequest(Model):
    """The input of ``AccountQuota``."""

    account: AccountName


class CallsLeft(Stored):
    """How often one API may be called a day, and was: by WeChat's count, or why there is none.

    At most ``call_count`` calls in ``refresh_second`` seconds, where WeChat tells.
    """

    cgi_path: str
    daily_limit: int | None = None
    used: int | None = None
    remain: int | None = None
    call_count: int | None = None
    refresh_second: int | None = None
    errcode: int | None = None
    errmsg: str | None = None
    rid: str | None = None


class Counted(Day):
    """Accepted submissions ``to_all`` and in ``total``, pushes of sends that were not ours (``others``), previews."""


AllowanceName = Literal["sends", "sends_to_all", "mass_calls", "previews"]


class Allowance(Stored):
    """One limit of WeChat's: ``used`` of ``limit`` by what is known here, until ``renewed_at``.

    ``sends``: to all or to a tag (subscription accounts, 1 a day). ``sends_to_all``: 4 a month (service accounts).
    ``mass_calls``: calls of ``sendall`` and ``send``. ``previews``: 100 a day. ``others`` are sends that were not ours,
    of which nobody here knows to whom they went: they may have used as many more. So may those that ``failed`` after
    WeChat had accepted them. ``whole``: nothing of the day or month lies before the counting began.
    """

    name: AllowanceName
    period: Literal["day", "month"]
    limit: int
    used: int
    left: int
    others: int = 0
    failed: int = 0
    whole: bool = True
    renewed_at: datetime

    @property
    def may_be_less(self) -> bool:
        """Whether more may be used than is known here."""
        return bool(self.others or self.failed or not self.whole)


class QuotaResult(Stored):
    """The result of ``AccountQuota``. Days and months are Shanghai's.

    ``since``: when the account's ledger began to count; ``None`` where it has none, as nothing was sent yet.
    """

    account: str
    appid: str
    kind: Literal["service", "subscription"]
    at: datetime
    since: datetime | None = None
    today: Counted = Counted()
    month: Counted = Counted()
    allowances: tuple[Allowance, ...] = ()
    calls: tuple[CallsLeft, ...] = ()


class CallsLeftStep(Stored):
    """Input of ``calls_left`` → :class:`CallsLeft`: one ``openapi/quota/get``."""

    account: Pinned
    cgi_path: str


class SendsCountedStep(Stored):
    """Input of ``sends_counted`` → :class:`Book`."""

    appid: str


class Book(Stored):
    """The quota book of the account's ledger, by Shanghai day; ``since`` is ``None`` where there is no ledger.

    ``frozen``: who has frozen the account, if anybody.
    """

    since: Moment | None = None
    days: dict[str, Day] = Field(default_factory=dict)
    frozen: Frozen | None = None


class SpeedRequest(Model):
    """The input of ``AccountSpeed``. With ``speed`` it is set, by somebody who is named in ``by``."""

    account: AccountName
    speed: SpeedLevel | None = None
    by: Name | None = None
    reason: Reason | None = None

    model_config = ConfigDict(json_schema_extra={RULES: [{"if": has("speed"), "then": has("by")}]})

    @model_validator(mode="after")
    def _named(self) -> "SpeedRequest":
        if self.speed is not None and self.by is None:
            raise ValueError("by: is missing: who sets it must be named")
        return self


class Speed(Stored):
    """A speed as WeChat tells it: ``realspeed`` is in 10,000 followers a minute."""

    speed: int
    realspeed: int

    @property
    def published(self) -> int | None:
        """The ``realspeed`` of WeChat's table; ``None`` for a speed that it does not have."""
        return REALSPEEDS[self.speed] if 0 <= self.speed <= SPEED_MAX else None


class SpeedResult(Stored):
    """The result of ``AccountSpeed``: ``before`` it was set (``None`` where it was only read), and as it is ``now``."""

    account: str
    now: Speed
    before: Speed | None = None
    by: str | None = None
    reason: str | None = None


class SetSpeedStep(Stored):
    """Input of ``set_speed``; setting it again changes nothing."""

    account: Pinned
    speed: int
