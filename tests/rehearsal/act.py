"""One scene of the rehearsal as it is played: what somebody does, what is seen, and whether it is as it should be."""

import shlex
import sys
from dataclasses import dataclass
from typing import Any

from temporalio.client import WorkflowFailureError, WorkflowHandle
from temporalio.exceptions import ApplicationError
from typer.testing import Result

from qunfa.contract import MassSendResult
from tests.e2e.commands import qunfa
from tests.e2e.stage import FOLLOWERS, Scene


def say(what: str) -> None:
    """Show it, if pytest shows what tests print; else it stands beside what fails."""
    sys.stdout.write(f"{what}\n")


@dataclass
class Act:
    """A scene under way."""

    scene: Scene

    def does(self, what: str) -> None:
        """Somebody does something."""
        say(f"did  {what}")

    def sees(self, what: str, *, when: object) -> None:
        """It is so."""
        assert when, f"this was to be seen, and was not: {what}"
        say(f"saw  {what}")

    async def types(self, *words: str) -> Result:
        """The operator types a command, which is to be carried out."""
        result = await self._run(*words)
        assert not result.exit_code, f"{shlex.join(words)} ended with exit code {result.exit_code}: {_said(result)}"
        return result

    async def is_refused(self, *words: str, because: str) -> None:
        """The operator types a command, which is to be refused with this sentence."""
        result = await self._run(*words)
        self.sees(f"refused: {because}", when=result.exit_code == 1 and because in _said(result))

    async def _run(self, *words: str) -> Result:
        self.does(shlex.join(("qunfa", *words)))
        # Wide enough for every sentence to stay on its line.
        store = self.scene.stage.settings.store.uri or ""
        return await qunfa(self.scene, *words, COLUMNS="400", LANGUAGE="en", QUNFA_STORE__URI=store)

    async def ends(self, handle: WorkflowHandle[Any, MassSendResult], outcome: str) -> MassSendResult:
        """The send has ended so; its result."""
        result = await _ended(handle)
        self.sees(f"ended as {outcome}", when=result.outcome == outcome)
        return result

    async def everyone_received(self, times: int = 1) -> None:
        """Every follower has received so many messages, by WeChat's own ledger."""
        received = await self.scene.received()
        said = "1 message" if times == 1 else f"{times} messages"
        self.sees(f"{FOLLOWERS} followers received {said} each", when=received == _each(times))

    async def nobody_received(self) -> None:
        """Nobody has received anything."""
        self.sees("nobody received anything", when=await self.scene.nobody())


def _said(result: Result) -> str:
    """All that a command printed."""
    return " ".join((result.stderr + result.stdout).split())


def _each(times: int) -> dict[int, int]:
    return dict.fromkeys(range(FOLLOWERS), times)


async def _ended(handle: WorkflowHandle[Any, MassSendResult]) -> MassSendResult:
    try:
        return await handle.result()
    except WorkflowFailureError as error:
        cause = error.cause
        if isinstance(cause, ApplicationError) and cause.details:
            return MassSendResult.model_validate(cause.details[0])
        raise
