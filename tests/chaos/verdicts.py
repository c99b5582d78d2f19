"""Verdicts that WeChat has, and that the last word on a send must have as well.

A run may end as unknown: somebody aborted it, or nobody decided in time. But its upstream starts it again, and the
operator's patience outlasts that, so at last every verdict is heard.
"""

from collections.abc import Iterator
from typing import Final

from qunfa.contract.result import COMPLETES, MassSendResult
from tests.chaos.evidence import Accepted, Run, SendSeen

HEARD_SECONDS: Final = 4.0
"""How soon a run hears of a verdict: by the push, or by the question that follows if it does not come."""
_WITHOUT: Final = frozenset({"submitting", "unknown", "accepted"})
_YES: Final = frozenset({"sent", "sent_nobody", "deleted"})


def missing(result: MassSendResult) -> Iterator[str]:
    """The verdicts that a result cannot do without: only what is unknown may have a job in doubt."""
    rows = [row for row in result.jobs if row.msg_id is not None and row.state in _WITHOUT]
    if result.outcome != "unknown" and rows:
        yield f"ended as {result.outcome}, but has no verdict of msg_id {rows[0].msg_id}"
    if result.outcome not in COMPLETES and any(row.state in _YES for row in result.jobs):
        yield f"ended as {result.outcome}, but says itself that a job is sent"


def unheard(send: SendSeen, last: Run) -> Iterator[str]:
    """What WeChat has long said of the jobs of a send, and its last run does not say."""
    if last.result is None or last.result.outcome != "unknown" or last.closed_at is None:
        return
    rows = {row.msg_id: row for row in last.result.jobs if row.msg_id is not None}
    for job in send.memorable:
        row = rows.get(job.msg_id)
        if row is not None and row.state in _WITHOUT and _audible(job, last.started_at, last.closed_at):
            yield f"ended as unknown, without the verdict that WeChat has of msg_id {job.msg_id}"


def _audible(job: Accepted, began: float, ended: float) -> bool:
    """Whether a run that took so long could have heard of a job's end."""
    return job.finished_at is not None and (job.finished_at < began or job.finished_at + HEARD_SECONDS < ended)
