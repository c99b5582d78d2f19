"""How a batch has ended whose workflow did not complete, by Temporal's error."""

from typing import Any

from temporalio import exceptions
from temporalio.exceptions import ApplicationError, CancelledError, TerminatedError

from qunfa.batches.rows import row_of, row_of_closed, row_of_refused
from qunfa.contract.batches import BatchRow
from qunfa.contract.result import INVALID_REQUEST, MASS_SEND_FAILED, MassSendResult


def row_of_failure(number: int, key: str, cause: BaseException | None) -> BatchRow:
    """How a batch has ended whose workflow did not complete."""
    match cause:
        case ApplicationError(type=kind, details=details) if kind == MASS_SEND_FAILED and details:
            return row_of(number, MassSendResult.model_validate(details[0]))
        case ApplicationError(type=kind, details=details) if kind == INVALID_REQUEST:
            listed: Any = details[0] if details else []
            return row_of_refused(number, key, [str(one) for one in listed] if isinstance(listed, list) else [])
        case CancelledError():
            return row_of_closed(number, "cancelled")
        case TerminatedError():
            return row_of_closed(number, "terminated")
        case exceptions.TimeoutError():
            return row_of_closed(number, "timed_out")
        case _:
            return row_of_closed(number, "broken")
