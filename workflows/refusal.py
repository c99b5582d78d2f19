"""The refusal of an update that does not fit."""

from typing import Any, Final, TypeVar

from pydantic import BaseModel, ValidationError
from temporalio import workflow
from temporalio.exceptions import ApplicationError

with workflow.unsafe.imports_passed_through():
    from qunfa.contract.sentences import sentences

ModelT = TypeVar("ModelT", bound=BaseModel)

REFUSED: Final = "UpdateRefused"
"""Type of the error of an update that does not fit."""


def refusal(sentence: str) -> ApplicationError:
    """An update's refusal; the sentence says why, and what fits instead."""
    return ApplicationError(sentence, type=REFUSED, non_retryable=True)


def parsed(model: type[ModelT], raw: Any) -> ModelT:
    """``raw`` as ``model``; what does not fit is refused with a sentence."""
    try:
        return model.model_validate(raw)
    except ValidationError as error:
        raise refusal("; ".join(sentences(error))) from None
