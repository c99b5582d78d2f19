"""`python -m tests.crowd`: how thousands of pushes are taken, with a send in the midst of them."""

import argparse
import asyncio
import tempfile
from pathlib import Path
from typing import get_args

from tests.crowd.flood import Flooded, Way, flooded, flooding


def main() -> None:
    """Measure one flood, and print what it came to."""
    parser = argparse.ArgumentParser(prog="python -m tests.crowd", description=__doc__)
    parser.add_argument("--pushes", type=int, default=1_000, help="how many (default 1000)")
    parser.add_argument("--way", choices=get_args(Way), default="signal", help="how they come (default signal)")
    parser.add_argument("--restart", action="store_true", help="with another worker from the midst on")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as media:
        asyncio.run(_flood(Path(media), options))


async def _flood(media: Path, options: argparse.Namespace) -> None:
    async with flooding(media) as stage:
        found: Flooded = await flooded(stage, options.pushes, options.way, restart=options.restart)
    print(f"{options.pushes} pushes by {options.way}{', with a restart' if options.restart else ''}")  # noqa: T201
    print(f"handed in after {found.handed_in:.1f} s, {found.again} of them again; all taken after {found.taken:.1f} s")  # noqa: T201
    print(f"the account's runs have {', '.join(map(str, found.events))} events; it counted {found.counted} pushes")  # noqa: T201
    print(f"a send meanwhile: {found.outcome} in {found.meanwhile:.1f} s")  # noqa: T201


if __name__ == "__main__":
    main()
