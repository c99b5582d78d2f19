"""`python -m tests.crowd`: how long a crowd takes that is due in one second, beside what its pace alone would take."""

import argparse
import asyncio
import tempfile
from pathlib import Path

from tests.crowd.crowd import Drained, crowded, drained


def main() -> None:
    """Measure one crowd, and print what it came to."""
    parser = argparse.ArgumentParser(prog="python -m tests.crowd", description=__doc__)
    parser.add_argument("--sends", type=int, default=150, help="how many (default 150)")
    parser.add_argument("--pace", type=float, default=0.2, help="seconds between two submissions (default 0.2)")
    parser.add_argument("--workers", type=int, default=1, help="in this process (default 1)")
    options = parser.parse_args()
    found = asyncio.run(_measured(options.sends, options.pace, options.workers))
    ideal = options.sends * options.pace
    print(f"{options.sends} sends, pace {options.pace:g} s, {options.workers} worker(s)")  # noqa: T201
    print(f"drained in {found.seconds:.1f} s, {found.seconds / ideal:.2f} times the pace's {ideal:g} s")  # noqa: T201
    print(f"events of a send: {found.usual_events:g} as a rule, {max(found.events)} at most")  # noqa: T201
    print(f"another account's send meanwhile: {found.other:.1f} s")  # noqa: T201
    print(f"ends: {sorted(set(found.outcomes))}; messages received by a follower: {sorted(found.received)}")  # noqa: T201


async def _measured(sends: int, pace: float, workers: int) -> Drained:
    with tempfile.TemporaryDirectory() as media:
        async with crowded(Path(media), pace=pace, workers=workers) as stage:
            return await drained(stage, sends)


if __name__ == "__main__":
    main()
