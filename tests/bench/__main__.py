"""`python -m tests.bench`: what Qunfa costs on this machine, beside the least that could do the same."""

import argparse
import json
import os
import platform
import sys
from collections.abc import Callable
from typing import Final

from tests.bench import audiences, costs, pushes, rush, scale, uploads, verdict
from tests.bench.table import Told
from tests.bench.wrk import BenchError

ROUNDS: Final = 3
SECONDS: Final = 5
SENDS: Final = 200
WAITING: Final = 1000
ACCOUNTS: Final = 20
EACH: Final = 10
WORKERS: Final = 2
OPENIDS: Final = 1_000_000
PARTS: Final = ("sends", "uploads", "receiver", "scale", "rush", "audience")
USUAL: Final = ("sends", "uploads", "receiver")
"""What is measured unless it is said otherwise. `scale`, `rush` and `audience` take as long as they are big."""


def main() -> int:
    """Measure; 0 if all goals are met, 1 if one is not, 2 if something cannot be measured."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument("parts", nargs="*", help=f"of {', '.join(PARTS)} (default: {', '.join(USUAL)})")
    parser.add_argument("--rounds", type=_at_least_one, default=ROUNDS, help=f"of all (default {ROUNDS})")
    parser.add_argument("--seconds", type=_seconds, default=SECONDS, help=f"for each receiver (default {SECONDS})")
    parser.add_argument("--sends", type=_at_least_one, default=SENDS, help=f"of each kind (default {SENDS})")
    parser.add_argument("--waiting", type=_at_least_one, default=WAITING, help=f"sends of scale (default {WAITING})")
    parser.add_argument("--accounts", type=_at_least_one, default=ACCOUNTS, help=f"of rush (default {ACCOUNTS})")
    parser.add_argument("--each", type=_at_least_one, default=EACH, help=f"sends of each of them (default {EACH})")
    parser.add_argument("--workers", type=_at_least_one, default=WORKERS, help=f"of rush (default {WORKERS})")
    parser.add_argument("--pace", type=float, help="seconds between two sends of an account (rush; default: Qunfa's)")
    parser.add_argument("--openids", type=_at_least_one, default=OPENIDS, help=f"of audience (default {OPENIDS})")
    parser.add_argument("--json", action="store_true", help="print JSON instead of tables")
    options = parser.parse_args()
    if unknown := set(options.parts) - set(PARTS):
        parser.error(f"there is no part {', '.join(sorted(unknown))}: choose from {', '.join(PARTS)}")
    measures: dict[str, Callable[[], Told]] = {
        "sends": lambda: costs.table(costs.measured(options.rounds, options.sends)),
        "uploads": lambda: uploads.table(uploads.measured(options.rounds)),
        "receiver": lambda: verdict.table(pushes.measured(options.rounds, options.seconds)),
        "scale": lambda: scale.measured(options.waiting),
        "audience": lambda: audiences.table(audiences.measured(options.openids, options.rounds), options.openids),
        "rush": lambda: rush.table(rush.measured(options.accounts, options.each, options.workers, options.pace)),
    }
    with os.fdopen(os.dup(sys.stdout.fileno()), "w") as result:
        os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # the development server introduces itself there
        try:
            found = {part: measures[part]() for part in options.parts or USUAL}
        except BenchError as error:
            sys.stderr.write(f"{error}\n")
            return 2
        result.write(_printed(found, as_json=options.json))
    return 0 if all(met for _, _, met in found.values()) else 1


def _printed(found: dict[str, Told], *, as_json: bool) -> str:
    machine = f"{platform.node()}: {os.cpu_count()} processors, {platform.system()}, Python {platform.python_version()}"
    if as_json:
        parts = {part: told for part, (told, _, _) in found.items()}
        return json.dumps({"machine": machine, **parts}, indent=2, ensure_ascii=False) + "\n"
    return "\n\n".join([machine, *(f"{part}\n{text}" for part, (_, text, _) in found.items())]) + "\n"


def _seconds(text: str) -> int:
    number = int(text)
    if not 1 <= number <= pushes.SECONDS_MAX:
        raise argparse.ArgumentTypeError(f"must be from 1 to {pushes.SECONDS_MAX}")
    return number


def _at_least_one(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError("must be at least 1")
    return number


if __name__ == "__main__":
    sys.exit(main())
