"""The one place where what went wrong becomes a sentence and an exit code.

==== ==========================================================
code when
==== ==========================================================
0    done
1    refused, or ended badly
2    wrong use, or a wrong configuration
3    Temporal cannot be reached
130  interrupted from the keyboard, or by its end at a question
141  whoever read the output has gone (as a shell counts SIGPIPE)
==== ==========================================================
"""

import os
import re
import sys
from asyncio import CancelledError
from collections.abc import Callable
from enum import IntEnum
from typing import Final, NamedTuple, TypeVar

import typer
from pydantic import ValidationError
from temporalio.client import WorkflowUpdateFailedError, WorkflowUpdateRPCTimeoutOrCancelledError
from temporalio.exceptions import ApplicationError
from temporalio.service import RPCError, RPCStatusCode

from qunfa.cli.output import OutputLost, note, writing
from qunfa.config_file import SettingsError
from qunfa.contract import InvalidRequestError
from qunfa.contract.refusal import full_stop, sentences
from qunfa.language import ENGLISH, N_, _, spoken
from qunfa.language.phrases import told
from qunfa.temporal.connection import TemporalConfigError, TemporalError, TemporalUnreachable
from qunfa.temporal.paused import PausedError

Typed = TypeVar("Typed")


class ExitCode(IntEnum):
    """What a command's exit code says."""

    DONE = 0
    REFUSED = 1
    WRONG_USE = 2
    UNREACHABLE = 3
    INTERRUPTED = 130
    BROKEN_PIPE = 141


def done_if(well: object) -> ExitCode:
    """The exit code of a command that has shown what it found."""
    return ExitCode.DONE if well else ExitCode.REFUSED


class Refused(Exception):
    """What was asked for was not done, or ended badly; the message says why and what to do next."""


class Unreadable(Refused):
    """The answer to a question is of a form that this version does not know."""

    def __init__(self) -> None:
        super().__init__(_(NEWER))


class PerhapsDone(Refused):
    """It ended badly, and what was asked for may have been done."""


class WrongUse(Exception):
    """The command was not called as it must be; the message says how."""


class AnswerLost(RPCError):
    """An update was sent, and Temporal did not say what became of it."""

    @classmethod
    def by(cls, error: RPCError) -> "AnswerLost":
        """That this error came instead of the answer."""
        return cls(error.message, error.status, error.raw_grpc_status)


class Explained(NamedTuple):
    """An error for a person: lines for stderr (none: stay quiet) and the exit code.

    `perhaps`: what was asked may have been carried out all the same.
    """

    lines: tuple[str, ...]
    code: ExitCode
    perhaps: bool = False

    @property
    def line(self) -> str:
        return " ".join(self.lines)


NOT_DONE: Final = (
    Refused,
    WrongUse,
    WorkflowUpdateFailedError,
    WorkflowUpdateRPCTimeoutOrCancelledError,
    RPCError,
    ValidationError,
)
"""The errors of one among several: the others are carried out all the same."""
EXPLAINED: Final = (
    *NOT_DONE,
    InvalidRequestError,
    SettingsError,
    TemporalError,
    OutputLost,
    BrokenPipeError,
    KeyboardInterrupt,
)
"""The errors that :func:`explain` knows; any other is a fault of the program and keeps its traceback."""

_CODES: tuple[tuple[tuple[type[BaseException], ...], ExitCode], ...] = (
    ((KeyboardInterrupt, CancelledError), ExitCode.INTERRUPTED),
    ((BrokenPipeError,), ExitCode.BROKEN_PIPE),
    ((WrongUse, InvalidRequestError, SettingsError, TemporalConfigError), ExitCode.WRONG_USE),
    ((TemporalUnreachable,), ExitCode.UNREACHABLE),
)
_UNREACHABLE = {RPCStatusCode.UNAVAILABLE, RPCStatusCode.DEADLINE_EXCEEDED, RPCStatusCode.CANCELLED}
_DENIED = {RPCStatusCode.PERMISSION_DENIED, RPCStatusCode.UNAUTHENTICATED}


def reported(carry_out: Callable[[Typed], int | None], typed: Typed) -> None:
    """Carry out what was typed, and exit by its answer. Its errors are told on stderr, and become an exit code."""
    try:
        code = carry_out(typed)
        with writing():
            sys.stdout.flush()
    except EXPLAINED as error:
        code = report(error)
    if code:
        raise typer.Exit(code)


def report(error: BaseException) -> ExitCode:
    """Tell one of :data:`EXPLAINED` on stderr; answers with its exit code."""
    said = explain(error)
    if isinstance(error, OutputLost | BrokenPipeError):
        # What is still buffered goes nowhere, or Python complains about it at the end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    for line in said.lines:
        note(line)
    return said.code


def explain(error: BaseException) -> Explained:
    """The sentence and the exit code for one of :data:`EXPLAINED`, or for Ctrl-C at one among several."""
    return Explained(_lines(error), _code(error), isinstance(error, _PERHAPS))


_UNANSWERED = N_(
    "No worker answered in time. This may still be carried out when a worker comes up: look at "
    "the status before you repeat it, and see that a worker runs (`qunfa worker`)."
)
_INTERRUPTED = N_("Interrupted, and it may still be carried out.")


NEWER: Final = N_("The workers say what this version does not know. Upgrade Qunfa here, or look in Temporal's UI.")
"""Of an answer that this version cannot read."""
_PERHAPS_DONE: Final = N_("What was asked may have been carried out.")
_LOST: Final = N_("This may have been carried out: look before you repeat it.")
_PERHAPS: Final = (CancelledError, AnswerLost, PerhapsDone, WorkflowUpdateRPCTimeoutOrCancelledError, ValidationError)

_NOT_WRITTEN: Final = N_(
    "What was asked was carried out as far as it could be. Its output could not be written: {why}. "
    "Look with `qunfa status`."
)


def _code(error: BaseException) -> ExitCode:
    for kinds, code in _CODES:
        if isinstance(error, kinds):
            return code
    unreachable = isinstance(error, RPCError) and error.status in _UNREACHABLE | _DENIED
    return ExitCode.UNREACHABLE if unreachable else ExitCode.REFUSED


_FOREIGN_STOP: Final = re.compile(r"(?<=[\u4e00-\u9fff）”])\.$")
"""A full stop that was put behind Chinese."""


def told_ended(text: str) -> str:
    """What is told of it, with a full stop where it lacked one: behind Chinese, a Chinese one."""
    said = told(full_stop(text))
    return said if spoken() == ENGLISH or text.endswith(".") else _FOREIGN_STOP.sub("。", said)


def _lines(error: BaseException) -> tuple[str, ...]:
    match error:
        case KeyboardInterrupt() | BrokenPipeError():
            return ()
        case OutputLost(strerror=why):
            return (_(_NOT_WRITTEN).format(why=why),)
        case InvalidRequestError(problems=problems):
            said = _("The request was refused and nothing was sent:")
            return (said, *(f"  - {told_ended(problem)}" for problem in problems))
        case ValidationError():
            return (_(NEWER), *(f"  - {told_ended(one)}" for one in sentences(error)), _(_PERHAPS_DONE))
        case RPCError() if not isinstance(error, PausedError):
            look = (_(_LOST),) if isinstance(error, AnswerLost) else ()
            return (full_stop(f"{_rpc_said(error)}: {error.message}"), *look)
        case WorkflowUpdateFailedError():
            return (refusal(error),)
        case WorkflowUpdateRPCTimeoutOrCancelledError() | CancelledError():
            return (_(_INTERRUPTED if isinstance(error, CancelledError) else _UNANSWERED),)
        case _:
            said = str(error)  # what has several lines may end with a process's log
            return ((told if "\n" in said else told_ended)(said),)


def _rpc_said(error: RPCError) -> str:
    if error.status in _UNREACHABLE:
        return _("Temporal did not answer")
    if isinstance(error, AnswerLost):
        return _("Temporal did not say what became of this")
    return _("Temporal refused the credentials") if error.status in _DENIED else _("Temporal refused")


_OF_TEMPORALS_OWN: Final = {
    "AcceptedUpdateCompletedWorkflow": N_("The workflow ended before it had carried this out: look at its status."),
    "UnprocessedUpdate": N_(
        "The worker never saw this, and nothing was changed: look at the status, then give it again."
    ),
}
"""The types of refusals that come from Temporal itself, and what they mean."""


def refusal(error: WorkflowUpdateFailedError) -> str:
    """The workflow's own sentence for an update that it refused."""
    cause = error.cause
    if not isinstance(cause, ApplicationError):
        return told_ended(str(cause))
    return told_ended(_OF_TEMPORALS_OWN.get(cause.type or "", cause.message))
