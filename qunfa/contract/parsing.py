"""The input of a workflow as its model, or everything that is wrong with it."""

from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from qunfa.contract.refusal import InvalidRequestError
from qunfa.contract.sentences import sentences
from qunfa.contract.unreadable import Unreadable

ModelT = TypeVar("ModelT", bound=BaseModel)


def parsed(model: type[ModelT], raw: Any) -> ModelT:
    """``raw``, a JSON object, as ``model``.

    Raises:
        InvalidRequestError: naming every wrong field.
    """
    if isinstance(raw, Unreadable):
        raise InvalidRequestError([raw.sentence])
    if not isinstance(raw, dict):
        raise InvalidRequestError(["the input must be one JSON object"])
    try:
        return model.model_validate(raw)
    except ValidationError as error:
        raise InvalidRequestError(sentences(error)) from None
