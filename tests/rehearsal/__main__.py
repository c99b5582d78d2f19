"""`python -m tests.rehearsal`: what operators meet, played against a simulated WeChat with scaled times."""

import argparse
import asyncio
import os
import signal
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from qunfa.telemetry import configure_logging, worker_runtime
from tests.e2e.stage import TIMING
from tests.e2e.staging import staged
from tests.rehearsal.programme import PROGRAMME, SECONDS, Report, play, rule
from tests.rehearsal.server import own_server
from tests.rehearsal.showing import Board, JsonBoard, LineBoard

_INTERRUPTED: Final = 130
_TIMING: Final = TIMING | {"window": 6, "http_timeout": 10}
"""A lost answer is looked for so long; WeChat's own memory lasts longer. An answer may take its time."""


def main(arguments: Sequence[str] | None = None) -> int:
    """One rehearsal; 0 if every scene ended as it should, 1 if one did not, 130 if it was interrupted."""
    parser = argparse.ArgumentParser(prog="python -m tests.rehearsal", description=__doc__)
    parser.add_argument("scenes", nargs="*", metavar="SCENE", help=f"only these: {', '.join(PROGRAMME)} (default: all)")
    parser.add_argument("--steps", action="store_true", help="show each step: what is done, and what is seen")
    parser.add_argument(
        "--json", action="store_true", help="print one JSON list at the end, and nothing else on stdout"
    )
    parser.add_argument("--seconds", type=float, default=SECONDS, help="for one scene at most (default: %(default)g)")
    options = parser.parse_args(arguments)
    unknown = [name for name in options.scenes if name not in PROGRAMME]
    if unknown:
        parser.error(f"no such scene: {', '.join(unknown)}")
    board: Board = JsonBoard() if options.json else LineBoard(steps=options.steps)
    signal.signal(signal.SIGTERM, lambda *_: os.kill(os.getpid(), signal.SIGINT))  # ends as Ctrl-C does
    try:
        reports = asyncio.run(_rehearse(board, options.scenes or list(PROGRAMME), options.seconds))
    except KeyboardInterrupt:
        board.interrupted()
        return _INTERRUPTED
    return 0 if all(report.ok for report in reports) else 1


async def _rehearse(board: Board, names: Sequence[str], seconds: float) -> list[Report]:
    with tempfile.TemporaryDirectory(prefix="qunfa-rehearsal-") as folder:
        log = Path(folder) / "log"
        with log.open("w", encoding="utf-8") as stream:
            configure_logging(stream)
            reports = await _play_all(board, names, seconds, Path(folder))
        board.over(reports)
    return reports


async def _play_all(board: Board, names: Sequence[str], seconds: float, folder: Path) -> list[Report]:
    reports: list[Report] = []
    async with (
        own_server(folder, worker_runtime("")) as client,
        staged(folder, client, names=names, timing=_TIMING) as stage,
    ):
        for name in names:
            board.begins(name, rule(PROGRAMME[name]))
            reports.append(await play(stage, name, PROGRAMME[name], seconds))
            board.ended(reports[-1])
    return reports


if __name__ == "__main__":
    sys.exit(main())
