"""How a rehearsal is shown: a line for each scene, its steps where they are wanted, or JSON."""

import json
import sys
import textwrap
from collections.abc import Sequence
from dataclasses import asdict
from typing import Protocol

from tests.rehearsal.programme import Report

WIDTH = 120
INDENT = " " * 24


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
