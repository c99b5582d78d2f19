"""The payload of an update, from options."""

from typing import TypeVar

from pydantic import BaseModel, ValidationError

from qunfa.cli.errors import WrongUse
from qunfa.contract.refusal import sentences

Payload = TypeVar("Payload", bound=BaseModel)


def payload(model: type[Payload], **fields: object) -> Payload:
    """`model` with these fields.

    Raises:
        WrongUse: Naming every field that does not fit.
    """
    try:
        return model.model_validate(fields)
    except ValidationError as error:
        raise WrongUse("; ".join(sentences(error)) + ".") from None
