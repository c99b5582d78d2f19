"""What a person is asked about a send in batches."""

from typing import Final

from qunfa.contract.batches import BatchRow, batch_key
from qunfa.contract.request import MassSendRequest
from qunfa.contract.result import Problem
from qunfa.rules.problems import PROBLEMS

BATCH_FAILED: Final = "batch_failed"


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
