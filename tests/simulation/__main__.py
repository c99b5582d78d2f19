"""`python -m tests.simulation`: lives of sends without a server, one seed after the other, until a promise breaks."""

import argparse
import asyncio
import logging
import secrets
import sys
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Final

import pytest
import structlog
from rich.console import Console
from rich.progress import track

from tests.rules.arbitrary import NOON
from tests.simulation.controls import CONTROLS
from tests.simulation.lives import OPTIONS, STEPS, Broken, Kind, life, shortest
from tests.simulation.missed import KINDS, renewed
from tests.simulation.reached import Reached
from tests.simulation.real import compared
from tests.simulation.rest import Resting
from tests.temporal import development_server

CHUNK: Final = 20
DAY_SECONDS: Final = 86_400.0

Piece = tuple[int, int, bool, Kind, str | None]


def main() -> int:
    """Play them; 1 where a promise is broken, which is told as a story."""
    parser = argparse.ArgumentParser(prog="python -m tests.simulation", description=__doc__)
    parser.add_argument("--seeds", type=int, default=1000, help="how many (default 1000)")
    parser.add_argument("--seed", type=int, help="play this one alone, and tell its story")
    parser.add_argument("--steps", type=int, default=STEPS, help=f"how much happens in a life (default {STEPS})")
    parser.add_argument("--gentle", action="store_true", help="nothing is lost, late or unheard")
    parser.add_argument("--lists", action="store_true", help="with a send in batches in each life")
    parser.add_argument("--restores", action="store_true", help="with a Temporal that is restored from a snapshot")
    parser.add_argument("--control", choices=sorted(CONTROLS), help="take this rule out of the product first")
    parser.add_argument("--real", type=int, metavar="N", help="play so many on a real Temporal, too, and compare")
    parser.add_argument("--renew", action="store_true", help="have docs/reliability.md name lives that miss each rule")
    parser.add_argument("--jobs", type=int, default=1, help="processes (default 1)")
    options = parser.parse_args()
    if options.renew:
        print("\n".join(renewed()))  # noqa: T201
        return 0
    if options.real is not None:
        return asyncio.run(_real(options.real, options.seed))
    if options.seed is not None:
        return _one(options.seed, options.steps, options)
    first = secrets.randbelow(2**31)
    pieces = [
        (seed, min(CHUNK, first + options.seeds - seed), options.gentle, _kind(options), options.control)
        for seed in range(first, first + options.seeds, CHUNK)
    ]
    return _all(pieces, options.steps, options.jobs, options.seeds)


def _kind(options: argparse.Namespace) -> Kind:
    given = " ".join(f"--{one}" for one in ("lists", "restores") if getattr(options, one))
    asked = next(kind for kind, option in OPTIONS.items() if option == given)
    return KINDS.get(options.control, asked)


async def _real(count: int, seed: int | None) -> int:
    """So many lives on both stages, or one ``seed``; 1 where they tell different stories."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    first = secrets.randbelow(2**31) if seed is None else seed
    scripts = [Resting(number).play() for number in range(first, first + count)]
    with tempfile.TemporaryDirectory() as media:
        async with development_server() as client:
            found = await compared(client, Path(media), scripts)
    for _seed, error in found:
        print("\n".join([*error.__notes__, str(error), ""]))  # noqa: T201
    cues = sum(len(script.cues) for script in scripts)
    print(f"real: seeds={first}..{first + count - 1} cues={cues} different={len(found)}")  # noqa: T201
    return 1 if found else 0


def _one(seed: int, steps: int, options: argparse.Namespace) -> int:
    with pytest.MonkeyPatch.context() as patch:
        if options.control:
            CONTROLS[options.control](patch)
        lived = life(seed, gentle=options.gentle, kind=_kind(options), steps=steps)
        if isinstance(lived, Broken):
            return _tell(shortest(lived), len(lived.script))
        print("\n".join(lived.story))  # noqa: T201
        return 0


def _all(pieces: list[Piece], steps: int, jobs: int, seeds: int) -> int:
    reached, days, seconds = Reached(), 0.0, 0.0
    console = Console(stderr=True)
    with ProcessPoolExecutor(jobs) as pool:
        played = pool.map(_played, pieces, [steps] * len(pieces))
        for found, counts, lasted, took in track(played, "lives", total=len(pieces), console=console):
            if found is not None:
                pool.shutdown(cancel_futures=True)
                return _tell(found[0], found[1])
            reached.add(counts)
            days, seconds = days + lasted, seconds + took
    print("\n".join(reached.table()))  # noqa: T201
    pace = days / seconds * 3600 if seconds else 0.0
    print(f"simulation: seeds={seeds} days={days:.0f} days_a_processor_hour={pace:.0f} broken=0")  # noqa: T201
    return 0


def _played(piece: Piece, steps: int) -> tuple[tuple[Broken, int] | None, Reached, float, float]:
    """What broke in these lives, made short; what they have come to, and how long they lasted and took."""
    first, count, gentle, kind, control = piece
    reached, days, began = Reached(), 0.0, time.process_time()
    with pytest.MonkeyPatch.context() as patch:
        if control:
            CONTROLS[control](patch)
        for seed in range(first, first + count):
            lived = life(seed, gentle=gentle, kind=kind, steps=steps)
            if isinstance(lived, Broken):
                return (shortest(lived), len(lived.script)), reached, days, time.process_time() - began
            reached.add(lived.reached)
            days += (lived.now - NOON).total_seconds() / DAY_SECONDS
    return None, reached, days, time.process_time() - began


def _tell(found: Broken, before: int) -> int:
    print("\n".join(found.story))  # noqa: T201
    print(f"{found.why}: seed {found.seed}, {len(found.script)} of {before} happenings are needed")  # noqa: T201
    options = " ".join(filter(None, ["--gentle" if found.gentle else "", OPTIONS[found.kind]]))
    print(f"again: make simulate SEED={found.seed}" + (f' ARGS="{options}"' if options else ""))  # noqa: T201
    return 1


if __name__ == "__main__":
    sys.exit(main())
