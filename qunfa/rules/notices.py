"""Notices: which event an end is, the id of an event, how a problem is told, and what a receiver's answer means.

| the receiver | then |
|---|---|
| 2xx | delivered |
| 410 | stop: it wants no more |
| 429, 503 with ``Retry-After`` | again, not before that time, which may be an hour at most |
| any other status, redirects and 401, 404 or 413 included | again |
| no answer: no connection, too slow, cut off | again |

A 4xx other than 410 is tried again since it is mostly a mistake that a person puts right, at the receiver or in the
configuration (a wrong secret, a wrong path), and a notice is to outlast that. A redirect is never followed: what has
moved has to be configured.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from hashlib import sha256
from http import HTTPStatus
from typing import Final, Literal

from qunfa.contract.audience import Batch
from qunfa.contract.notice import NoticeProblem, NoticeType
from qunfa.contract.request import MassSendRequest
from qunfa.contract.result import COMPLETES, Outcome, Problem
from qunfa.rules import advice
from qunfa.rules.problems import ITS_LIST_GOES_ON, PLAN_MISSING, in_our_words

RETRY_AFTER_MAX: Final = timedelta(hours=1)
_AT_FIRST: Final = timedelta(seconds=1)
_IN_DOUBT: Final = " But a submission of this send may have been delivered all the same."
_UNDER_THE_KEY: Final = " But something under this key was delivered, or may have been."
_OF_DOUBT: Final = frozenset({"unknown_outcome", "no_verdict", PLAN_MISSING})
"""The problems that say so themselves."""
_TELLS_WHEN: Final = frozenset({HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE})


def type_of_end(outcome: Outcome) -> NoticeType:
    """What a send's end is told as; each end is one of three."""
    if outcome in COMPLETES:
        return "sent"
    return "unknown" if outcome == "unknown" else "failed"


def webhook_id(workflow_id: str, first_run_id: str, event: str) -> str:
    """The id of an event: the same whenever the workflow comes to it, also in a run that a reset began.

    ``first_run_id`` is that of the chain of runs, so that the same key started again later has events of its own.
    """
    named = sha256(f"{workflow_id}\n{first_run_id}\n{event}".encode()).hexdigest()
    return f"msg_{named[:40]}"


def notice_problem(problem: Problem, *, in_doubt: bool = False) -> NoticeProblem:
    """The problem as a notice has it: in our own words, which hold nothing of the message.

    ``in_doubt``: something may have been delivered all the same, which the problem does not say.
    """
    sentence, todo = in_our_words(problem)
    if in_doubt and problem.name not in _OF_DOUBT:
        sentence += _IN_DOUBT
    made = NoticeProblem(name=problem.name, sentence=sentence, todo=todo)
    if problem.errcode is None:
        return made
    evidence = {"errcode": problem.errcode, "errmsg": problem.errmsg, "rid": problem.rid}
    return made.model_copy(update=evidence)


Closed = Literal["terminated", "timed_out", "no_result", "invalid_request", "not_recalled", "recall_unknown"]
"""How a run has closed that has told nobody: what its notice has as the problem's name."""

_CLOSED: Final[dict[Closed, tuple[NoticeType, str]]] = {
    "terminated": ("terminated", "The workflow was terminated in Temporal before it had ended."),
    "timed_out": ("terminated", "Temporal ended the workflow when its time was over, before it had a result."),
    "no_result": ("terminated", "The workflow has failed in Temporal without a result."),
    "invalid_request": ("refused", "The request was refused as invalid, and nothing was done."),
    "not_recalled": ("recall_failed", "The recall has ended, and has not deleted the pages."),
    "recall_unknown": ("recall_failed", "The recall has ended, and nobody knows whether it has deleted the pages."),
}
_CORRECT: Final = "The workflow's failure says what is wrong. Correct the request, and start it again."
_SEND_AGAIN: Final = "Start the same key again to send it: what is known of it is looked up first."
_RECALL_AGAIN: Final = "Temporal says why. A recall can be started again: pages that are deleted already do no harm."


def type_of_close(closed: Closed) -> NoticeType:
    return _CLOSED[closed][0]


def told_of_close(
    closed: Closed, request: MassSendRequest | None = None, *, recall: bool, in_doubt: bool
) -> NoticeProblem:
    """The problem as the notice has it. ``in_doubt``: something under the send's key may have been delivered."""
    sentence = _CLOSED[closed][1]
    if recall:
        todo = _CORRECT if closed == "invalid_request" else _RECALL_AGAIN
    elif in_doubt:
        sentence, todo = sentence + _UNDER_THE_KEY, advice.in_doubt(request)
    elif request is not None and isinstance(request.audience, Batch):
        todo = ITS_LIST_GOES_ON
    else:
        todo = _CORRECT if closed == "invalid_request" else _SEND_AGAIN
    return NoticeProblem(name=closed, sentence=sentence, todo=todo)


@dataclass(frozen=True, slots=True)
class Taken:
    """The receiver has the notice."""


@dataclass(frozen=True, slots=True)
class Unwanted:
    """The receiver wants no more of them."""


@dataclass(frozen=True, slots=True)
class Again:
    """Try again: not before ``after``, or as `rarer` has it."""

    after: timedelta | None = None


def understood(status: int, retry_after: str | None, now: datetime) -> Taken | Unwanted | Again:
    """What a receiver's answer means."""
    if HTTPStatus.OK <= status < HTTPStatus.MULTIPLE_CHOICES:
        return Taken()
    if status == HTTPStatus.GONE:
        return Unwanted()
    return Again(_wait(retry_after, now) if retry_after and status in _TELLS_WHEN else None)


def rarer(tried_for: timedelta) -> timedelta:
    """When a notice is tried again: as long again as it was tried already. So 1, 2, 4 … seconds, an hour at most.

    Attempts do not count: of a burst of notices, many an attempt has not asked the receiver.
    """
    return min(max(tried_for, _AT_FIRST), RETRY_AFTER_MAX)


def _wait(retry_after: str, now: datetime) -> timedelta | None:
    """Seconds, or an HTTP date; ``None`` for anything else."""
    if retry_after.isascii() and retry_after.isdigit():
        wait = timedelta(seconds=min(float(retry_after), RETRY_AFTER_MAX.total_seconds()))
    else:
        try:
            named = parsedate_to_datetime(retry_after)
        except (ValueError, OverflowError):
            return None
        wait = min((named if named.tzinfo else named.replace(tzinfo=UTC)) - now, RETRY_AFTER_MAX)
    return wait if wait > timedelta(0) else None
