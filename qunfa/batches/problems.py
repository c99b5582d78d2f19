"""What a person is asked about a send in batches."""

from typing import Final

from qunfa.batches.outcome import totals
from qunfa.batches.state import Case
from qunfa.contract.batches import BatchRow, PlannedGroup, batch_key
from qunfa.contract.request import MassSendRequest
from qunfa.contract.result import Problem
from qunfa.rules.problems import PROBLEMS

BATCH_FAILED: Final = "batch_failed"
WINNER_NOT_CHOSEN: Final = "winner_not_chosen"


def batch_failed(request: MassSendRequest, row: BatchRow, total: int) -> Problem:
    """A batch has ended badly."""
    choice = PROBLEMS[BATCH_FAILED]
    how = row.outcome + (f" ({row.problem})" if row.problem else "")
    perhaps = "It may have been delivered." if row.may_have_been_delivered else "Nothing of it was delivered."
    sentence = f"Batch {row.number:,} of {total:,}, {batch_key(request.key, row.number)}, ended as {how}. {perhaps}"
    return Problem(name=BATCH_FAILED, sentence=sentence, todo=choice.todo)


def key_reused(request: MassSendRequest, row: BatchRow | None, before: str | None) -> Problem:
    """The key stands for other content; or that of a batch does. ``before``: what was done for that."""
    choice = PROBLEMS["key_reused"]
    key = request.key if row is None else batch_key(request.key, row.number)
    sentence = f"The key {key} stands for other content already; nothing more is submitted."
    if before:
        told = before.removeprefix("key: ")
        sentence = f"{sentence} {told[:1].upper()}{told[1:]}."
    return Problem(name="key_reused", sentence=sentence, todo=choice.todo)


def winner_not_chosen(case: Case) -> Problem:
    """Both groups of a split test were sent, and the rest waits for a person."""
    choice, groups = PROBLEMS[WINNER_NOT_CHOSEN], case.state.plan.groups if case.state.plan else ()
    rest = next((group.openids for group in groups if group.name == "rest"), 0)
    reached = [_reached(case, group) for group in groups if group.name != "rest"]
    sentence = f"{choice.sentence} {' '.join(reached)} The rest has {rest:,} openids."
    return Problem(name=WINNER_NOT_CHOSEN, sentence=sentence, todo=choice.todo)


def _reached(case: Case, group: PlannedGroup) -> str:
    """How many of a group WeChat says to have reached."""
    rows = [row for row in case.state.rows if case.group_of(row.number) == group.name]
    counted = totals(row.counts for row in rows)
    if counted is None:
        return f"Group {group.name} has {group.openids:,} openids. How many received it is not known."
    return f"Group {group.name} has {group.openids:,} openids, of which {counted.sent:,} received it."
