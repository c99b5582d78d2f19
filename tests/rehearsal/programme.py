"""The scenes in their order, and how they are shown: a line for each, its steps where they are wanted, or JSON.

Each one's name is its account's as well, and its docstring the rule that it shows.
"""

import asyncio
import json
import sys
import textwrap
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from types import MappingProxyType
from typing import Final, Protocol

from temporalio.exceptions import TemporalError

from tests.e2e.stage import Stage
from tests.e2e.staging import scene_of
from tests.rehearsal import scenes
from tests.rehearsal.act import Act, Deviation, Play, Step

PROGRAMME: Final[Mapping[str, Play]] = MappingProxyType(
    {
        "approval": scenes.approval,
        "pause": scenes.pause,
        "freeze": scenes.freeze,
        "reprint": scenes.reprint,
        "whitelist": scenes.whitelist,
        "silence": scenes.silence,
        "unknown": scenes.unknown,
        "abort": scenes.abort,
        "recall": scenes.recall,
        "batches": scenes.batches,
        "split": scenes.split_test,
    }
)
WIDTH = 120
INDENT = " " * 24
SECONDS: Final = 30.0
"""Within which a scene must have ended."""


@dataclass(frozen=True)
class Report:
    """How a scene went. `deviation` says what did not come as it should."""

    name: str
    rule: str
    steps: tuple[Step, ...]
    deviation: str | None
    seconds: float

    @property
    def ok(self) -> bool:
        return self.deviation is None


def rule(play: Play) -> str:
    """What a scene shows."""
    return " ".join((play.__doc__ or "").split())


async def play(stage: Stage, name: str, scene_play: Play, seconds: float = SECONDS) -> Report:
    """Play one scene with the account of this name; it must have ended within so long."""
    began = time.monotonic()
    async with scene_of(stage, name) as scene:
        act = Act(scene)
        deviation = await _deviation(act, scene_play, seconds)
    return Report(name, rule(scene_play), tuple(act.steps), deviation, time.monotonic() - began)


async def _deviation(act: Act, scene_play: Play, seconds: float) -> str | None:
    try:
        async with asyncio.timeout(seconds):
            await scene_play(act)
    except TimeoutError:
        return f"nothing more happened within {seconds:g} s"
    except Deviation as error:
        return str(error)
    except (AssertionError, TemporalError) as error:
        return f"{type(error).__name__}: {error}"
    return None


class Board(Protocol):
    """Is told how the rehearsal goes."""

    def begins(self, name: str, rule: str) -> None:
        """A scene begins."""

    def ended(self, report: Report) -> None:
        """It has ended."""

    def over(self, reports: Sequence[Report]) -> None:
        """All have."""

    def interrupted(self) -> None:
        """Somebody has stopped it."""


class LineBoard:
    """Text. On a terminal the scene that is played is shown as well."""

    def __init__(self, *, steps: bool) -> None:
        # Commands that are typed in a scene have their output taken away from them by other streams of the same name.
        self._out = sys.stdout
        self._steps = steps

    def begins(self, name: str, rule: str) -> None:
        if self._out.isatty():
            self._write(f"...           {name:<11}", end="\r")

    def ended(self, report: Report) -> None:
        verdict = "ok  " if report.ok else "NOT "
        head = f"{verdict} {report.seconds:5.1f} s   {report.name:<11}"
        self._write(textwrap.fill(report.rule, WIDTH, initial_indent=head, subsequent_indent=INDENT))
        if self._steps or not report.ok:
            for step in report.steps:
                self._write(f"{INDENT}{step.kind}  {step.what}")
        if report.deviation:
            self._write(f"{INDENT}BUT  {report.deviation}")

    def over(self, reports: Sequence[Report]) -> None:
        well = sum(report.ok for report in reports)
        seconds = sum(report.seconds for report in reports)
        rest = "WeChat's own ledger agrees" if well == len(reports) else "the others did not"
        self._write(f"{well} of {len(reports)} scenes ended as they should in {seconds:.0f} s; {rest}.")

    def interrupted(self) -> None:
        self._write("interrupted; nothing is left running")

    def _write(self, text: str, end: str = "\n") -> None:
        self._out.write(f"{text}{end}")
        self._out.flush()


class JsonBoard:
    """One JSON list at the end."""

    def begins(self, name: str, rule: str) -> None:
        pass

    def ended(self, report: Report) -> None:
        pass

    def over(self, reports: Sequence[Report]) -> None:
        rows = [_row(report) for report in reports]
        sys.stdout.write(json.dumps(rows, ensure_ascii=False, indent=2) + "\n")

    def interrupted(self) -> None:
        sys.stderr.write("interrupted; nothing is left running\n")


def _row(report: Report) -> dict[str, object]:
    steps = [{step.kind: step.what} for step in report.steps]
    return {**asdict(report), "steps": steps, "ok": report.ok, "seconds": round(report.seconds, 2)}
