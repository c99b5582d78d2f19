"""`python -m tests.crowd`: how long sends take that are due in one second. With `--pushes`: how pushes are taken."""

import argparse
import asyncio
import tempfile
from pathlib import Path
from typing import get_args

from tests.crowd.crowd import Drained, crowded, drained
from tests.crowd.flood import Flooded, Way, flooded, flooding


def main() -> None:
    """Measure one crowd, or one flood, and print what it came to."""
    parser = argparse.ArgumentParser(prog="python -m tests.crowd", description=__doc__)
    parser.add_argument("--sends", type=int, default=150, help="how many (default 150)")
    parser.add_argument("--pace", type=float, default=0.2, help="seconds between two submissions (default 0.2)")
    parser.add_argument("--workers", type=int, default=1, help="in this process (default 1)")
    parser.add_argument("--pushes", type=int, help="so many pushes instead, and a send in the midst of them")
    parser.add_argument("--way", choices=get_args(Way), default="signal", help="how they come (default signal)")
    parser.add_argument("--restart", action="store_true", help="with another worker from the midst on")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as media:
        asyncio.run(_flood(Path(media), options) if options.pushes else _crowd(Path(media), options))


async def _crowd(media: Path, options: argparse.Namespace) -> None:
    async with crowded(media, pace=options.pace, workers=options.workers) as stage:
        found: Drained = await drained(stage, options.sends)
    ideal = options.sends * options.pace
    print(f"{options.sends} sends, pace {options.pace:g} s, {options.workers} worker(s)")  # noqa: T201
    print(f"drained in {found.seconds:.1f} s, {found.seconds / ideal:.2f} times the pace's {ideal:g} s")  # noqa: T201
    print(f"events of a send: {found.usual_events:g} as a rule, {max(found.events)} at most")  # noqa: T201
    print(f"another account's send meanwhile: {found.other:.1f} s")  # noqa: T201
    print(f"ends: {sorted(set(found.outcomes))}; messages received by a follower: {sorted(found.received)}")  # noqa: T201


async def _flood(media: Path, options: argparse.Namespace) -> None:
    async with flooding(media) as stage:
        found: Flooded = await flooded(stage, options.pushes, options.way, restart=options.restart)
    print(f"{options.pushes} pushes by {options.way}{', with a restart' if options.restart else ''}")  # noqa: T201
    print(f"handed in after {found.handed_in:.1f} s, {found.again} of them again; all taken after {found.taken:.1f} s")  # noqa: T201
    print(f"the account's runs have {', '.join(map(str, found.events))} events; it counted {found.counted} pushes")  # noqa: T201
    print(f"a send meanwhile: {found.outcome} in {found.meanwhile:.1f} s")  # noqa: T201


if __name__ == "__main__":
    main()
