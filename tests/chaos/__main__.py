"""`python -m tests.chaos`: many sends, all faults and kills at random, judged by WeChat's own ledger."""

import argparse
import asyncio
import os
import random
import signal
import sys
from typing import Final, get_args

from tests.chaos.lists import Lists
from tests.chaos.run import Control, run
from tests.chaos.tally import Tally, say

SENDS: Final = 200
SENDS_A_LIST: Final = 10
"""One list for so many sends."""
_INTERRUPTED: Final = 130


def main() -> int:
    """One run; 0 if no promise was broken, 1 if one was, 130 if it was interrupted."""
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    parser.add_argument("--sends", type=_whole, default=SENDS, help=f"how many sends (default {SENDS})")
    of_lists = f"how many lists, which are sent in batches (default: one for {SENDS_A_LIST} sends)"
    parser.add_argument("--lists", type=int, default=None, help=of_lists)
    parser.add_argument("--openids", type=int, default=0, help="one list alone, of so many openids, until it is over")
    parser.add_argument("--calls", type=int, default=0, help="how often lists may submit in a day")
    parser.add_argument("--seed", type=int, default=None, help="of everything that is left to chance (default: random)")
    parser.add_argument("--control", choices=get_args(Control), help="take a promise out of the workers: to be caught")
    parser.add_argument("--tell-unknown", action="store_true", help="the story of each send that ends as unknown")
    options = parser.parse_args()
    seed = options.seed if options.seed is not None else random.SystemRandom().randrange(1_000_000)
    say(f"seed {seed}")
    tally = Tally(seed, options.sends)
    count = options.sends // SENDS_A_LIST if options.lists is None else options.lists
    lists = Lists(count, options.openids, options.calls)
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell has a job in the background ignore it
    signal.signal(signal.SIGTERM, lambda *_: os.kill(os.getpid(), signal.SIGINT))  # ends as Ctrl-C does
    try:
        asyncio.run(run(tally, lists, options.control, tell_unknown=options.tell_unknown))
    except KeyboardInterrupt:
        say("interrupted")
        return _INTERRUPTED
    finally:
        if not tally.judged:
            say(f"seed {seed}: nothing was judged, so the zeros below say nothing")
        if tally.violations:
            say(f"seed {seed}: a promise was broken")
        say(tally.line())
    return 1 if tally.violations else 0


def _whole(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError("must be at least 1")
    return number


if __name__ == "__main__":
    sys.exit(main())
