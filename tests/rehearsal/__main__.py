"""`python -m tests.rehearsal`: what operators meet, played against a simulated WeChat with scaled times."""

import argparse
import asyncio
import os
import signal
import sys
import tempfile
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

from temporalio.client import Client
from temporalio.runtime import Runtime

from qunfa.cli.demo.folder import LOCALHOST
from qunfa.cli.demo.stack import Child
from qunfa.telemetry import configure_logging, worker_runtime
from qunfa.temporal.connection import TemporalUnreachable, connect
from qunfa.temporal.namespace import register_search_attributes
from tests.e2e.stage import TIMING
from tests.e2e.staging import staged, temporal_at
from tests.looking import PATIENCE
from tests.ports import free_ports
from tests.rehearsal.programme import PROGRAMME, SECONDS, Board, JsonBoard, LineBoard, Report, play, rule
from tests.temporal import FINE_TIMERS, binary

_INTERRUPTED: Final = 130
_ASK_AGAIN_SECONDS: Final = 0.05
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
        _own_server(folder, worker_runtime("")) as client,
        staged(folder, client, names=names, timing=_TIMING) as stage,
    ):
        for name in names:
            board.begins(name, rule(PROGRAMME[name]))
            reports.append(await play(stage, name, PROGRAMME[name], seconds))
            board.ended(reports[-1])
    return reports


@asynccontextmanager
async def _own_server(folder: Path, runtime: Runtime) -> AsyncIterator[Client]:
    """A connection to a server that does not outlive the block, nor this process; its log goes to the folder.

    It has a session of its own, so that Ctrl-C reaches the rehearsal alone, which then ends it.
    """
    [port] = free_ports(1)
    command = [
        *(binary("temporal"), "server", "start-dev", "--headless", "--ip", LOCALHOST, "--port", str(port)),
        *("--log-level", "error", "--dynamic-config-value", FINE_TIMERS),
    ]
    child = await Child.start("temporal", command, {**os.environ, "TEMPORAL_CONFIG_FILE": os.devnull}, folder)
    try:
        with temporal_at(f"{LOCALHOST}:{port}"):
            client = await _connected(child, runtime)
        await register_search_attributes(client)
        yield client
    finally:
        await child.stop()


async def _connected(child: Child, runtime: Runtime) -> Client:
    async with asyncio.timeout(PATIENCE):
        while True:
            try:
                return await connect(runtime=runtime)
            except TemporalUnreachable:
                await asyncio.wait({child.ended}, timeout=_ASK_AGAIN_SECONDS)
            if child.ended.done():
                raise child.died()


if __name__ == "__main__":
    sys.exit(main())
