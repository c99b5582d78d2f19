"""Whether an account may send another mass message today or this month."""

from __future__ import annotations

from collections.abc import Iterable

from qunfa.simulator.clock import shanghai_day, shanghai_month
from qunfa.simulator.config import AccountConfig
from qunfa.simulator.errors import Refusal
from qunfa.simulator.jobs import Job


def check_mass_right(config: AccountConfig, jobs: Iterable[Job], now: float, *, to_all: bool) -> None:
    """Let a send pass if the account's kind has some left.

    | kind | rule |
    |---|---|
    | test | none |
    | subscription | `sends_per_day` a calendar day, to all or to a tag |
    | service | `to_all_per_month` sends to all a calendar month; others as often as it likes |

    Jobs that are under way count, those that failed do not.

    Raises:
        Refusal: 45028.
    """
    if config.kind == "test":
        raise Refusal(45028)
    counted = [job for job in jobs if job.state != "failed"]
    if config.kind == "subscription":
        today = shanghai_day(now)
        if sum(shanghai_day(job.accepted_at) == today for job in counted) >= config.limits.sends_per_day:
            raise Refusal(45028)
    elif to_all:
        month = shanghai_month(now)
        sent = sum(job.audience.to_all and shanghai_month(job.accepted_at) == month for job in counted)
        if sent >= config.limits.to_all_per_month:
            raise Refusal(45028)
