"""``AccountSpeed``: how fast an account's mass sends go, read or set. It holds for all of them, until it is set again.

| speed | 0 | 1 | 2 | 3 | 4 |
|---|---|---|---|---|---|
| followers a minute | 800,000 | 600,000 | 450,000 | 300,000 | 100,000 |
"""

from typing import Annotated, Final

from pydantic import Field, model_validator

from qunfa.contract.fields import AccountName, Model, Name, Reason, Stored
from qunfa.contract.steps import Pinned

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


class SpeedRequest(Model):
    """The input of ``AccountSpeed``. With ``speed`` it is set, by somebody who is named in ``by``."""

    account: AccountName
    speed: SpeedLevel | None = None
    by: Name | None = None
    reason: Reason | None = None

    @model_validator(mode="after")
    def _named(self) -> "SpeedRequest":
        if self.speed is not None and self.by is None:
            msg = "by: is missing: who sets it must be named"
            raise ValueError(msg)
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


class GetSpeedStep(Stored):
    """Input of ``get_speed`` → :class:`Speed`."""

    account: Pinned


class SetSpeedStep(Stored):
    """Input of ``set_speed``; setting it again changes nothing."""

    account: Pinned
    speed: int
