"""What the simulation has come to: in which phase, and with which problem, what was lost, and what people answered."""

from collections import Counter
from collections.abc import Iterable
from typing import Final

from qunfa.send import steps

LOSSES: Final = ("worker", "terminated", "reset", "cancelled", "ledger", "restored")
ANSWERS: Final = ("Retry", "MarkSent", "Abort", "Approve", "Reject", "Pause", "Resume", "Reschedule")

_NO_RUN: Final = "no run"
_NEVER, _NOT_YET = "-", "."


class Reached:
    """Counts. A cell is a place (phase and problem) and what happened there."""

    def __init__(self) -> None:
        self.cells: Counter[tuple[str, str]] = Counter()
        self.outcomes: Counter[str] = Counter()

    def lost(self, step: steps.Step | steps.End | None, what: str) -> None:
        """Something is lost."""
        self.cells[_place(step), what] += 1

    def answered(self, step: steps.Step | steps.End | None, answer: str) -> None:
        """A person answers."""
        self.cells[_place(step), answer] += 1

    def ended(self, outcome: str) -> None:
        """A send ends."""
        self.outcomes[outcome] += 1

    def add(self, other: "Reached") -> None:
        """Count what another world has come to, too."""
        self.cells.update(other.cells)
        self.outcomes.update(other.outcomes)

    def table(self) -> Iterable[str]:
        """Lines of a table: a row for each place, a column for each loss and answer."""
        columns = (*LOSSES, *ANSWERS)
        places = sorted({place for place, _ in self.cells})
        width = max((len(place) for place in places), default=0)
        yield " ".join([" " * width, *columns])
        for place in places:
            counts = (
                self.cells[place, column] or (_NOT_YET if _can_be(place, column) else _NEVER) for column in columns
            )
            yield " ".join(
                [f"{place:{width}}", *(f"{count:>{len(name)}}" for count, name in zip(counts, columns, strict=True))]
            )
        yield f"{_NEVER}: cannot be, as there is no run, or no call is out"
        yield f"{_NOT_YET}: can be, and was not in these lives"
        yield "ends: " + ", ".join(f"{outcome} {count}" for outcome, count in sorted(self.outcomes.items()))


def _can_be(place: str, what: str) -> bool:
    """Whether this can happen there: where there is no run, others can be lost; a call is out in a try."""
    if place == _NO_RUN:
        return what in {"ledger", "restored"}
    return what != "worker" or place.endswith(steps.Submit.__name__)


def _place(step: steps.Step | steps.End | None) -> str:
    if step is None:
        return _NO_RUN
    if isinstance(step, steps.End):
        return "ending"
    doing = f", {type(step.effect).__name__}" if step.effect is not None else ""
    return step.phase + (f": {step.problem.name}" if step.problem else doing)
