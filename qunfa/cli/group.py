"""The command group: runs a command and turns what goes wrong into a sentence and an exit code."""

import asyncio
import os
import sys
from collections.abc import Coroutine
from typing import Any, TypeVar

import typer
from typer.core import TyperGroup

from qunfa.cli.console import note
from qunfa.cli.errors import EXPLAINED, ExitCode, explain

Answer = TypeVar("Answer")

# Temporal's core may still call into Python when the interpreter ends, which can crash a process whose work is done
# (temporalio/sdk-python issue 300). A moment before the loop closes makes that rare.
_SETTLE_SECONDS = 0.05


class Commands(TyperGroup):
    """All commands; the errors that :mod:`qunfa.cli.errors` knows never show a traceback."""

    def invoke(self, ctx: Any) -> Any:
        """Run the command that was asked for."""
        try:
            answer = super().invoke(ctx)
            sys.stdout.flush()
        except EXPLAINED as error:
            raise typer.Exit(_report(error)) from None
        else:
            return answer


def run(command: Coroutine[Any, Any, Answer]) -> Answer:
    """Run a command's coroutine to its end; the only way in which a command uses asyncio."""
    return asyncio.run(_settled(command))


async def _settled(command: Coroutine[Any, Any, Answer]) -> Answer:
    try:
        return await command
    finally:
        await asyncio.sleep(_SETTLE_SECONDS)


def _report(error: BaseException) -> ExitCode:
    lines, code = explain(error)
    if code is ExitCode.BROKEN_PIPE:
        _close_stdout()
    for line in lines:
        note(line)
    return code


def _close_stdout() -> None:
    """Nobody reads any more: what is still buffered goes nowhere, or Python complains about it at the end."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())
