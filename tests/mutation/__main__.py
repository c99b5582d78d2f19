"""`python -m tests.mutation`: whether the tests that need no server miss what is changed in the core."""

import argparse
import os
import secrets
import sys
import tomllib
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from random import Random
from typing import Final

import pytest
from hypothesis import Phase, settings
from rich.console import Console
from rich.progress import track

from tests.mutation.mutants import Mutant, mutants
from tests.mutation.trial import ROOT, Fate, Played, Trials
from tests.simulation.lives import FIRST_SEED

PLACES: Final = ("qunfa/send", "qunfa/account", "qunfa/rules")
TESTS: Final = (
    *("tests/send", "tests/account", "tests/rules", "tests/contract", "tests/batches"),
    *(f"tests/simulation/test_simulation.py::test_the_promises_hold_whatever_happens[{part}]" for part in range(2)),
)
LEFT_OUT: Final = ("tests/account/test_crowd.py::test_one_message_costs_little_in_a_full_account",)
"""It measures time, and each line costs more while it is noted which are run."""
SURVIVORS: Final = Path(__file__).with_name("survivors.toml")
EXAMPLES: Final = 30
"""How many a property is tried with: a mutant that survives has all of them tried."""
SURVIVING: Final = frozenset[Fate]({"survived", "unreached"})
ENOUGH: Final = 95.0
"""How many of a hundred mutants tests have to miss."""


class Course:
    """As a plugin of pytest: has the tests tried on all mutants instead of running them once."""

    def __init__(self, trials: Trials, console: Console) -> None:
        self.trials, self.console = trials, console
        self.fates: list[tuple[Mutant, Fate]] = []

    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        """Run each test once, and then what it takes of them for each mutant."""
        session.config.pluginmanager.unregister(name="terminalreporter")
        items = session.items
        played: list[Played] = list(track(self.trials.played(items), "tests", total=len(items), console=self.console))
        found, listed = self.trials.fates(played), _listed()
        for mutant, fate in track(found, "mutants", total=len(self.trials.mutants), console=self.console):
            self.fates.append((mutant, fate))
            if _is_unexplained(mutant, fate, listed):
                print(f"{mutant.file}:{mutant.first} {mutant.name}", flush=True)  # noqa: T201
        return True


def main() -> int:
    """Try them; 1 where too many survive, or one that is not listed with its reason."""
    parser = argparse.ArgumentParser(prog="python -m tests.mutation", description=__doc__)
    parser.add_argument("files", nargs="*", help="of these modules alone, such as qunfa/rules/verdict.py")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="processes (default: one a core)")
    parser.add_argument("--sample", type=int, metavar="N", help="so many of them, drawn by chance")
    parser.add_argument("--seed", type=int, default=secrets.randbelow(10**9), help="of what is drawn (it is printed)")
    options = parser.parse_args()
    os.chdir(ROOT)
    os.environ[FIRST_SEED] = "0"
    files = [Path(one) for one in options.files] or [
        one for place in PLACES for one in sorted(Path(place).glob("*.py"))
    ]
    made = [mutant for file in files for mutant in mutants(file)]
    if options.sample is not None and options.sample < len(made):
        drawn = Random(options.seed).sample(range(len(made)), options.sample)  # noqa: S311  nobody is to be kept out
        made = [made[place] for place in sorted(drawn)]
        print(f"mutation: --sample {options.sample} --seed {options.seed}", flush=True)  # noqa: T201
    # The first example that fails is enough: nobody reads it, so it need not be the smallest.
    settings.register_profile(
        "mutation", deadline=None, derandomize=True, database=None, max_examples=EXAMPLES, report_multiple_bugs=False,
        phases=[Phase.explicit, Phase.generate],
    )  # fmt: skip
    course = Course(Trials(made, options.jobs), Console(stderr=True))
    quiet = ("-qq", "--capture=no", "--assert=plain", "--tb=no", "--timeout=0", "--hypothesis-profile=mutation")
    left_out = (f"--deselect={one}" for one in LEFT_OUT)
    ended = pytest.main([*quiet, "-p", "no:cacheprovider", *left_out, *TESTS], plugins=[course])
    return told(course.fates, whole=options.sample is None) if course.fates else int(ended) or 2


def told(fates: Sequence[tuple[Mutant, Fate]], *, whole: bool) -> int:
    """Print a sum and, if all were tried, what is listed and does not survive. Survivors were printed as found."""
    listed = _listed()
    count = Counter(fate for _, fate in fates)
    survivors = [one for one, fate in fates if fate in SURVIVING]
    unexplained = [one for one, fate in fates if _is_unexplained(one, fate, listed)]
    files = {one.file for one, _ in fates}
    for file, name in sorted(listed.difference(*map(_names, survivors))):
        if whole and file in files:
            print(f"{file}: is listed, and does not survive: {name}")  # noqa: T201
    percent = 100 * (count["killed"] + count["timeout"]) / len(fates)
    print(  # noqa: T201
        f"mutation: mutants={len(fates)} killed={count['killed']} timeout={count['timeout']} "
        f"survived={len(survivors)} unexplained={len(unexplained)} percent={percent:.1f}"
    )
    return int(percent < ENOUGH or bool(unexplained))


def _is_unexplained(mutant: Mutant, fate: Fate, listed: set[tuple[str, str]]) -> bool:
    """Whether no test misses what is changed, and nobody has said why."""
    return fate in SURVIVING and not mutant.of_words and not listed & _names(mutant)


def _names(mutant: Mutant) -> set[tuple[str, str]]:
    """As what a survivor may be listed: by itself, or with all others of its function."""
    return {(mutant.file, mutant.name), (mutant.file, mutant.function)}


def _listed() -> set[tuple[str, str]]:
    """The survivors that have a reason, each by its file and name."""
    reasons = tomllib.loads(SURVIVORS.read_text(encoding="utf-8"))
    return {(file, name) for file, why in reasons.items() for names in why.values() for name in names}


if __name__ == "__main__":
    sys.exit(main())
