"""What is read of the payloads in a mass send's history: few fields, so that other versions' payloads are read too."""

from typing import Any, TypeVar

from pydantic import ValidationError
from temporalio.api.common.v1 import Payload
from temporalio.converter import DataConverter
from temporalio.exceptions import ApplicationError

from activities.failures import ledger_unavailable
from qunfa.contract.fields import Stored
from qunfa.contract.job import Answer, Job
from qunfa.contract.ledger import Record
from qunfa.contract.result import Outcome
from qunfa.contract.unreadable import Unreadable

Read = TypeVar("Read")


class RecordedTry(Stored):
    """Of the input of `submit`."""

    digest: str
    index: int
    generation: int
    attempt: int
    clientmsgid: str


class RecordedNote(Stored):
    """Of a note for the ledger."""

    digest: str
    job: Job | None = None
    ended_as: Outcome | None = None
    problem: str | None = None


class RecordedTell(Stored):
    """Of the input of `tell`."""

    note: RecordedNote


class RecordedAsk(Stored):
    """Of what `claim` and `reserve` ask for."""

    digest: str


class RecordedClaim(Stored):
    """Of the input of `claim`."""

    claim: RecordedAsk


class RecordedMemory(Stored):
    """Of the ledger's answers to `claim` and `reserve`; of other content where the key was `reused`."""

    kind: str
    record: Record | None = None


class RecordedState(Stored):
    """Of what a run hands to the one that continues it."""

    digest: str | None = None
    jobs: tuple[Job, ...] = ()


async def decoded(converter: DataConverter, payload: Payload, model: type[Read]) -> Read:
    """The payload as `model`.

    Raises:
        ApplicationError: `LedgerUnavailable`: this worker cannot read it, and must not pass over it.
    """
    try:
        value: Read | None = (await converter.decode([payload], [model]))[0]
    except (KeyError, RuntimeError, ValueError) as error:
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


async def memory_in(converter: DataConverter, result: list[Payload]) -> RecordedMemory | None:
    """What the ledger has said; `None` where that is no answer of ours: an operator has completed the activity by hand.

    Raises:
        ApplicationError: `LedgerUnavailable`: this worker cannot read it, and must not pass over it.
    """
    value = await _value(converter, result, RecordedMemory)
    if not isinstance(value, dict) or "kind" not in value:
        return None
    return await decoded(converter, result[0], RecordedMemory)


async def _value(converter: DataConverter, result: list[Payload], model: type[Any]) -> Any:
    try:
        values = await converter.decode(result)
    except (KeyError, RuntimeError, ValueError) as error:
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
