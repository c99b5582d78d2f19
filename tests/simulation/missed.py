"""In which life each rule of `CONTROLS` is missed, as docs/reliability.md tells."""

import re
from collections.abc import Iterable
from pathlib import Path
from typing import Final

import pytest

from tests.simulation import asking
from tests.simulation.controls import CONTROLS
from tests.simulation.lives import Broken, life

PAGE: Final = Path(__file__).parents[2] / "docs" / "reliability.md"
WITHIN: Final = 200
"""In so many lives each is missed."""
_ROW: Final = r"^\| `{}`: .* \| (\d+) \|$"


def is_missed(control: str, seed: int) -> bool:
    """Whether the judge misses the rule in this life, and says so."""
    with pytest.MonkeyPatch.context() as patch:
        rule = CONTROLS[control]
        patch.setattr(asking, "checked", lambda _send: None)  # it would notice some rules first
        rule.take_out(patch)
        found = life(seed, kind=rule.lives)
    return isinstance(found, Broken) and re.search(rule.why, found.why) is not None


def told_seed(control: str) -> int:
    """The seed of the life that the page names for the rule."""
    rows = re.findall(_ROW.format(control), PAGE.read_text(encoding="utf-8"), re.MULTILINE)
    (seed,) = map(int, rows)
    return seed


def renewed() -> Iterable[str]:
    """Write the page anew where a life that it names misses its rule no more; a line for each such rule.

    Raises:
        LookupError: no life misses it.
    """
    for control in CONTROLS:
        before = told_seed(control)
        if before < WITHIN and is_missed(control, before):
            continue
        seed = next((seed for seed in range(WITHIN) if is_missed(control, seed)), None)
        if seed is None:
            raise LookupError(f"{control} is missed in none of {WITHIN} lives")
        lines = PAGE.read_text(encoding="utf-8").splitlines(keepends=True)
        row = f"| `{control}`: "
        changed = [one.replace(f"| {before} |", f"| {seed} |") if one.startswith(row) else one for one in lines]
        PAGE.write_text("".join(changed), encoding="utf-8")
        yield f"{control}: {before} -> {seed}"
