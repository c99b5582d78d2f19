"""What WeChat's word on an accepted job means.

| status (blanks and case do not count) | means |
|---|---|
| ``send success`` with ``sent`` 0, and all that ``filter`` left failed | ``sent_nobody`` |
| ``send success`` otherwise: counts come early, and are not exact | ``sent`` |
| ``SEND_SUCCESS`` of ``mass/get`` (no counts) | ``sent`` |
| ``DELETE`` | ``deleted`` |
| ``err(30001)`` | problem ``originality_check_error`` |
| ``err(30002)`` | problem ``originality_forbidden`` |
| ``err(30003)`` (CheckState is evidence only) | problem ``reprint_needs_decision`` |
| ``err(40001)``, ``err(40002)`` | problems ``admin_refused``, ``admin_timeout`` |
| ``err(10001)`` … ``err(22000)``, any other ``err(n)`` | problem ``content_refused`` |
| ``send fail``, ``SEND_FAIL`` | problem ``send_failed`` |
| one of these no's with ``sent`` above 0, which WeChat has not been seen to say | ``sent`` |
| ``SENDING``, any other text | no verdict |

Of two verdicts on one job the better informed stands: a yes beats a no (what was delivered cannot be undelivered, and
only a no opens the way to a second submission); of two alike a push beats a poll; else the earlier one.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from qunfa.contract.result import NOT_DELIVERED, JobFinished, Verdict

CONTENT_MEANINGS: Final = {
    10001: "advertising",
    20001: "politics",
    20002: "pornography",
    20004: "social matters",
    20006: "crime or illegality",
    20008: "fraud",
    20013: "copyright",
    21000: "other",
    22000: "mutual promotion",
}
_PROBLEM_OF_ERR: Final = {
    30001: "originality_check_error",
    30002: "originality_forbidden",
    30003: "reprint_needs_decision",
    40001: "admin_refused",
    40002: "admin_timeout",
}
_ERR: Final = re.compile(r"err\((\d{1,18})\)")
_SUCCESS: Final = frozenset({"sendsuccess", "send_success"})
_FAILURE: Final = frozenset({"sendfail", "send_fail"})


@dataclass(frozen=True, slots=True)
class Judgement:
    """``delivered`` is WeChat's yes or no; ``name`` the outcome of a yes, the problem of a no."""

    delivered: bool
    name: str


def judge(verdict: Verdict) -> Judgement | None:
    """The meaning of ``verdict``; ``None`` where its status is no verdict."""
    status, counts = _normal(verdict.status), verdict.counts
    if status in _SUCCESS:
        nobody = counts is not None and counts.sent == 0 and counts.error >= counts.filter
        return Judgement(delivered=True, name="sent_nobody" if nobody else "sent")
    if status == "delete":
        return Judgement(delivered=True, name="deleted")
    problem = _no(verdict.status)
    if problem is not None and counts is not None and counts.sent > 0:
        return Judgement(delivered=True, name="sent")
    return Judgement(delivered=False, name=problem) if problem else None


def _no(status: str) -> str | None:
    """The problem that a status is, where it is a no."""
    if _normal(status) == _normal(NOT_DELIVERED):
        return "not_delivered"
    if _normal(status) in _FAILURE:
        return "send_failed"
    code = err_code(status)
    return None if code is None else _PROBLEM_OF_ERR.get(code, "content_refused")


def err_code(status: str) -> int | None:
    """``30003`` of ``err(30003)``."""
    match = _ERR.fullmatch(_normal(status))
    return int(match[1]) if match else None


def verdict_of_push(event: JobFinished) -> Verdict:
    return Verdict(
        status=event.status,
        observed_by="push",
        counts=event.counts,
        check_state=event.check_state,
        articles=event.articles,
    )


def verdict_of_poll(status: str) -> Verdict | None:
    """The verdict in a ``msg_status`` of ``mass/get``, where it is one."""
    verdict = Verdict(status=status, observed_by="poll")
    return verdict if judge(verdict) else None


def best(told: Iterable[Verdict]) -> Verdict | None:
    """Which of all verdicts on one job stands. A plain yes says more than a no whose counts tell of followers."""
    return max((one for one in told if judge(one)), key=_weight, default=None)


def is_yes(verdict: Verdict) -> bool:
    """Whether it says that the job was delivered."""
    judgement = judge(verdict)
    return judgement is not None and judgement.delivered


def says_no(verdict: Verdict) -> bool:
    """Whether its status is a no, whatever its counts tell of followers."""
    return _no(verdict.status) is not None


def _weight(verdict: Verdict) -> tuple[bool, bool, bool]:
    return is_yes(verdict), verdict.observed_by == "push", not says_no(verdict)


def _normal(status: str) -> str:
    return "".join(status.split()).lower()
