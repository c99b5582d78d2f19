"""How values become payloads, and payloads values: Temporal's converter for pydantic, and what it cannot read.

A workflow takes its input, its updates and its signals as ``Any`` and validates them itself. What could not be read
would never come so far: its workflow task would fail again and again. For ``Any`` such a payload is therefore an
`Unreadable`, which no model accepts. Where a type is named, it is an error as before.

A refusal of ours is an `ApplicationError` and says all in its sentence. Its Python stack would bury that in Temporal's
UI: it is left out there. Any other error keeps its stack, also where it is the cause of a refusal.
"""

from collections.abc import Sequence
from typing import Any, Final

from pydantic import ValidationError
from temporalio.api.common.v1 import Payload
from temporalio.api.failure.v1 import Failure
from temporalio.contrib.pydantic import PydanticPayloadConverter
from temporalio.converter import CompositePayloadConverter, DataConverter, DefaultFailureConverter, PayloadConverter
from temporalio.exceptions import ApplicationError

from qunfa.contract.refusal import Unreadable, of_encoding, of_json, of_other

_PARTS: Final = tuple(PydanticPayloadConverter().converters.values())
_UNREADABLE: Final = (KeyError, ValueError, RuntimeError)
"""An unknown encoding; JSON that is none, or names that are no text; anything else that does not fit its encoding."""


class ReadingPayloadConverter(PydanticPayloadConverter):
    """Reads whatever is sent where nothing is expected of it.

    Temporal's SDK makes several of them for each workflow task. All of them share what they work with.
    """

    def __init__(self) -> None:
        CompositePayloadConverter.__init__(self, *_PARTS)

    def from_payloads(self, payloads: Sequence[Payload], type_hints: list[type] | None = None) -> list[Any]:
        """The values.

        Raises:
            KeyError, ValueError, RuntimeError: one for which a type is named cannot be read as that.
        """
        try:
            return super().from_payloads(payloads, type_hints)
        except _UNREADABLE:
            hints: Sequence[Any] = type_hints or [None] * len(payloads)
            return [self._value(payload, hint) for payload, hint in zip(payloads, hints, strict=True)]

    def _value(self, payload: Payload, hint: Any) -> Any:
        named = hint is not None and hint is not Any
        try:
            return super().from_payloads([payload], [hint] if named else None)[0]
        except _UNREADABLE as error:
            if named:
                raise
            return self._why(payload, error)

    def _why(self, payload: Payload, error: Exception) -> Unreadable:
        encoding = payload.metadata.get("encoding")
        if encoding is None or encoding not in self.converters:
            return of_encoding(encoding)
        if isinstance(error, ValidationError):
            return of_json(error.errors(include_url=False, include_input=False)[0]["msg"])
        return of_other(encoding)


class SayingFailureConverter(DefaultFailureConverter):
    """Leaves out the Python stack of our refusals."""

    def to_failure(self, exception: BaseException, payload_converter: PayloadConverter, failure: Failure) -> None:
        """As Temporal's own; causes come here as well, each by itself."""
        super().to_failure(exception, payload_converter, failure)
        if isinstance(exception, ApplicationError) and exception.failure is None:
            failure.stack_trace = ""


data_converter: Final = DataConverter(
    payload_converter_class=ReadingPayloadConverter, failure_converter_class=SayingFailureConverter
)
"""Of every client and worker of Qunfa."""
