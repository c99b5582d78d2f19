"""In which life each rule of `CONTROLS` is missed, as docs/reliability.md tells, and by which word of the judge's."""

import re
from collections.abc import Iterable
from pathlib import Path
from typing import Final

import pytest

from tests.simulation.controls import CONTROLS
from tests.simulation.lives import Kind, broken

PAGE: Final = Path(__file__).parents[2] / "docs" / "reliability.md"
WITHIN: Final = 300
"""In so many lives each is missed."""
KINDS: Final[dict[str, Kind]] = {
    "checkpoint-at-fetch": "lists",
    "rest-unasked": "lists",
    "ends-unlooked": "lists",
    "ends-again": "lists",
    "hold-untold": "lists",
    "unfrozen-by-a-loss": "lists",
    "owner-unasked": "lists",
    "earlier-runs-forgotten": "restores",
    "restored-untold": "restores",
    "told-once": "restores",
    "batches-undoubted": "restored lists",
    "end-undoubted": "restores",
}
"""The lives that miss them, where those of sends alone do not."""
_TWICE: Final = r"is delivered \d+ times"
_DELIVERED: Final = "ends as (failed|aborted|expired), and was delivered"
_COMES: Final = "ends as (failed|aborted|expired), and may still be delivered"
WHY: Final[dict[str, str]] = {
    "forget-unknown": _DELIVERED,
    "random-clientmsgid": _TWICE,
    "believe-the-run-before": _DELIVERED,
    "two-leases": "write while .* may",
    "grant-while-frozen": "is frozen, and grants a lease",
    "lease-for-ever": "do not end",
    "earlier-runs-forgotten": _TWICE,
    "reset-forgets": "waits for its turn, and its account does not know of it",
    "grant-twice": "two leases for one wish",
    "without-pace": "write too soon after another call",
    "under-way-beats-answered": _DELIVERED,
    "without-approval": "is written, and nobody has approved it",
    "pause-unheard": "is written while it is paused",
    "before-its-time": "is written at .*, and wanted",
    "after-its-time": "is written at .*, not after",
    "approve-ones-own": "is approved by crm, who has asked for it",
    "end-unasked": _DELIVERED,
    "retry-unasked": _TWICE,
    "no-stragglers": _COMES,
    "first-word-stands": "says .*, and was pushed",
    "abort-unheard": "is written although it was aborted",
    "end-in-doubt": _DELIVERED,
    "forget-silence": _COMES,
    "window-of-two-days": _TWICE,
    "evict-a-doubt": _TWICE,
    "drop-early-pushes": "does not know the push",
    "poll-overrules-push": "says .*, and was pushed",
    "checkpoint-at-fetch": "begins while .* is under way",
    "rest-unasked": "before anybody has chosen what the rest gets",
    "ends-unlooked": "is reported as .*, and was delivered, or may be",
    "ends-again": "had ended as sent in part, and begins batch",
    "hold-untold": "is written, and was never told to",
    "restored-untold": _TWICE,
    "told-once": _TWICE,
    "batches-undoubted": _TWICE,
    "end-undoubted": _DELIVERED,
    "begin-anew": "is written once more, and had failed before",
    "unfrozen-by-a-loss": "is frozen, and grants a lease",
    "owner-unasked": "awaits a verdict on .*, which is another's",
    "nobody-unflagged": "ends as sent, and was pushed that nobody was reached",
}
"""What the judge says of each: another word would be another rule's."""
_ROW: Final = r"^\| `{}`: .* \| (\d+) \|$"


def is_missed(control: str, seed: int) -> bool:
    """Whether the judge misses the rule in this life, and says so."""
    with pytest.MonkeyPatch.context() as patch:
        CONTROLS[control](patch)
        found = broken(seed, kind=KINDS.get(control, "sends"))
    return found is not None and re.search(WHY[control], found.why) is not None


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
        if is_missed(control, before):
            continue
        seed = next((seed for seed in range(WITHIN) if is_missed(control, seed)), None)
        if seed is None:
            raise LookupError(f"{control} is missed in none of {WITHIN} lives")
        lines = PAGE.read_text(encoding="utf-8").splitlines(keepends=True)
        row = f"| `{control}`: "
        changed = [one.replace(f"| {before} |", f"| {seed} |") if one.startswith(row) else one for one in lines]
        PAGE.write_text("".join(changed), encoding="utf-8")
        yield f"{control}: {before} -> {seed}"
