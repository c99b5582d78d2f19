"""`python -m tests.simulation`: lives of sends without a server, one seed after the other, until a promise breaks."""

import argparse
import asyncio
import logging
import secrets
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Final

import pytest
import structlog
from rich.console import Console
from rich.progress import track

from tests.rules.arbitrary import NOON
from tests.simulation import asking
from tests.simulation.controls import CONTROLS
from tests.simulation.lives import OPTIONS, STEPS, Broken, Kind, life, shortest
from tests.simulation.missed import renewed
from tests.simulation.reached import Reached
from tests.simulation.real import compared
from tests.simulation.rest import Resting
from tests.simulation.world import World
from tests.temporal import development_server

CHUNK: Final = 20
DAY_SECONDS: Final = 86_400.0


def main() -> int:
    """Play them; 1 where a promise is broken, which is told as a story."""
    parser = argparse.ArgumentParser(prog="python -m tests.simulation", description=__doc__)
    parser.add_argument("--seeds", type=int, default=1000, help="how many (default 1000)")
    parser.add_argument("--seed", type=int, help="play this one alone, and tell its story")
    parser.add_argument("--steps", type=int, default=STEPS, help=f"how much happens in a life (default {STEPS})")
    parser.add_argument("--gentle", action="store_true", help="nothing is lost, late or unheard")
    parser.add_argument("--lists", action="store_true", help="with a send in batches in each life")
    parser.add_argument("--rests", action="store_true", help="with a send in batches and keys for its rest instead")
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
        return _one(options)
    return _all(options)


def _kind(options: argparse.Namespace) -> Kind:
    given = " ".join(f"--{one}" for one in ("lists", "rests", "restores") if getattr(options, one))
    asked = next(kind for kind, option in OPTIONS.items() if option == given)
    needed: Kind = CONTROLS[options.control].lives if options.control else "sends"
    return asked if needed == "sends" else needed


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


def _one(options: argparse.Namespace) -> int:
    with _without(options.control):
        lived = _life(options.seed, options)
        if isinstance(lived, Broken):
            return _tell(shortest(lived), len(lived.script))
        print("\n".join(lived.story))  # noqa: T201
        return 0


def _all(options: argparse.Namespace) -> int:
    reached, days, seconds = Reached(), 0.0, 0.0
    first = secrets.randbelow(2**31)
    end = first + options.seeds
    pieces = [range(seed, min(seed + CHUNK, end)) for seed in range(first, end, CHUNK)]
    with ProcessPoolExecutor(options.jobs) as pool:
        played = pool.map(partial(_played, options), pieces)
        for found, counts, lasted, took in track(played, "lives", total=len(pieces), console=Console(stderr=True)):
            if found is not None:
                pool.shutdown(cancel_futures=True)
                return _tell(*found)
            reached.add(counts)
            days, seconds = days + lasted, seconds + took
    print("\n".join(reached.table()))  # noqa: T201
    pace = days / seconds * 3600 if seconds else 0.0
    print(f"simulation: seeds={options.seeds} days={days:.0f} days_a_processor_hour={pace:.0f} broken=0")  # noqa: T201
    return 0


def _played(options: argparse.Namespace, seeds: range) -> tuple[tuple[Broken, int] | None, Reached, float, float]:
    """What broke in these lives, made short; what they have come to, and how long they lasted and took."""
    reached, days, began = Reached(), 0.0, time.process_time()
    with _without(options.control):
        for seed in seeds:
            lived = _life(seed, options)
            if isinstance(lived, Broken):
                return (shortest(lived), len(lived.script)), reached, days, time.process_time() - began
            reached.add(lived.reached)
            days += (lived.now - NOON).total_seconds() / DAY_SECONDS
    return None, reached, days, time.process_time() - began


@contextmanager
def _without(control: str | None) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        if control:
            patch.setattr(asking, "checked", lambda _send: None)  # as where a rule is said to be missed
            CONTROLS[control].take_out(patch)
        yield


def _life(seed: int, options: argparse.Namespace) -> World | Broken:
    return life(seed, gentle=options.gentle, kind=_kind(options), steps=options.steps)


def _tell(found: Broken, before: int) -> int:
    print("\n".join(found.story))  # noqa: T201
    print(f"{found.why}: seed {found.seed}, {len(found.script)} of {before} happenings are needed")  # noqa: T201
    print(f"again: {found.again}")  # noqa: T201
    return 1


if __name__ == "__main__":
    sys.exit(main())
