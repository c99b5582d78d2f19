"""What is read of the payloads in a mass send's history: few fields, so that other versions' payloads are read too.

Activities are our own: what they have recorded is read, or nothing may be sent. A signal may come from anybody, and one
that is none of ours is passed over.
"""

from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError
from temporalio.api.common.v1 import Payload
from temporalio.converter import DataConverter
from temporalio.exceptions import ApplicationError

from activities.failures import ledger_unavailable
from qunfa.contract.facts import Ended, Known, Try
from qunfa.contract.fields import Stored
from qunfa.contract.job import Answer
from qunfa.contract.unreadable import Unreadable

Read = TypeVar("Read")
ModelT = TypeVar("ModelT", bound=BaseModel)

_UNREADABLE = (KeyError, RuntimeError, ValueError)
"""What a converter raises: an unknown encoding, a codec's failure, JSON that is none or is no such model."""


class RecordedState(Stored):
    """Of what a run hands to the one that continues it."""

    digest: str | None = None
    known: Known = Known()


class RecordedAsk(Stored):
    """Of a wish."""

    digest: str
    known: Known = Known()


class RecordedWish(Stored):
    """Of the input of `wish`."""

    wish: RecordedAsk


class RecordedTry(Stored):
    """Of the input of `submit`. A lease has all that a try has, as long as it is under way."""

    digest: str
    lease: Try


class RecordedReport(Stored):
    """Of what the ledger is told."""

    digest: str
    known: Known = Known()
    ended: Ended | None = None


class RecordedTell(Stored):
    """Of the input of `tell`."""

    report: RecordedReport


class RecordedGrant(Stored):
    """Of the signal `granted`: what the ledger knew."""

    wish: str
    answer: str
    known: Known = Known()
    ended: Ended | None = None


async def decoded(converter: DataConverter, payload: Payload, model: type[Read]) -> Read:
    """The payload as `model`.

    Raises:
        ApplicationError: `LedgerUnavailable`: this worker cannot read it, and must not pass over it.
    """
    try:
        value: Read | None = (await converter.decode([payload], [model]))[0]
    except _UNREADABLE as error:
        raise _unreadable(model, type(error).__name__) from None
    if value is None:
        raise _unreadable(model, "null")
    return value


async def answer_in(converter: DataConverter, result: list[Payload]) -> Answer | None:
    """What came of a try; `None` where that is no answer of ours: an operator has completed the activity by hand.

    Raises:
        ApplicationError: `LedgerUnavailable`: this worker cannot read it, and must not pass over it.
    """
    try:
        return Answer.model_validate(await _value(converter, result, Answer))
    except ValidationError:
        return None


async def known_in(converter: DataConverter, result: list[Payload]) -> Known | None:
    """What earlier runs had left; `None` where that is no object: an operator has completed the activity by hand.

    Raises:
        ApplicationError: `LedgerUnavailable`: this worker cannot read it, and must not pass over it.
    """
    if not isinstance(await _value(converter, result, Known), dict):
        return None
    return await decoded(converter, result[0], Known)


async def signalled(converter: DataConverter, payloads: list[Payload], model: type[ModelT]) -> ModelT | None:
    """What a signal has brought; `None` where that is no `model`: a stranger has sent it."""
    try:
        values = await converter.decode(payloads[:1])
        return model.model_validate(values[0]) if values else None
    except _UNREADABLE:
        return None


async def _value(converter: DataConverter, result: list[Payload], model: type[Any]) -> Any:
    try:
        values = await converter.decode(result)
    except _UNREADABLE as error:
        raise _unreadable(model, type(error).__name__) from None
    value = values[0] if values else None
    if isinstance(value, Unreadable):
        raise _unreadable(model, value.why)
    return value


def _unreadable(model: type[Any], why: str) -> ApplicationError:
    return ledger_unavailable(
        f"a {model.__name__} in an earlier run's history cannot be read ({why}). Nothing may be sent before it is: run "
        "the worker version, and the payload codec, that wrote it."
    )
