"""The refusal of an update that does not fit."""

from typing import Final

from temporalio.exceptions import ApplicationError

REFUSED: Final = "UpdateRefused"
"""Type of the error of an update that does not fit."""


def refusal(sentence: str) -> ApplicationError:
    """An update's refusal; the sentence says why, and what fits instead."""
    return ApplicationError(sentence, type=REFUSED, non_retryable=True)
