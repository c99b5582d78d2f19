"""What was measured, and whether it is what is wanted: for a machine and for a person."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields
from statistics import median
from typing import Any, TypeVar

Goal = tuple[str, bool]
"""One wish, and whether it came true."""
Told = tuple[dict[str, Any], str, bool]
"""What was measured: for a machine, for a person, and whether all goals are met."""

RowT = TypeVar("RowT")


def in_turns(ways: Mapping[str, Callable[[], RowT]], rounds: int) -> dict[str, RowT]:
    """What each way costs, as the median of the rounds: other work on the machine meets all of them alike."""
    found = [{name: way() for name, way in ways.items()} for _ in range(rounds)]
    return {name: median_of([one[name] for one in found]) for name in ways}


def median_of(rows: Sequence[RowT]) -> RowT:
    """Of each figure of a dataclass the one in the middle; each stands alone, or by a name."""
    kind: Any = type(rows[0])
    figures = {one.name: [getattr(row, one.name) for row in rows] for one in fields(kind)}
    return kind(**{name: _middle(found) for name, found in figures.items()})  # type: ignore[no-any-return]


def _middle(found: list[Any]) -> Any:
    if isinstance(found[0], dict):
        return {name: median(one[name] for one in found) for name in found[0]}
    return median(found)


def told(rows: Mapping[str, Mapping[str, float | None]], goals: Sequence[Goal] = ()) -> Told:
    """A table of figures by row and column, and the goals; None is what is not known."""
    columns = list(dict.fromkeys(column for row in rows.values() for column in row))
    names, gap = max(map(len, rows)), 3
    lines = [" " * names + "".join(f"{' ' * gap}{column}" for column in columns)]
    for name, row in rows.items():
        figures = ("-" if (figure := row.get(column)) is None else f"{figure:g}" for column in columns)
        cells = (f"{figure:>{len(column) + gap}}" for column, figure in zip(columns, figures, strict=True))
        lines.append(f"{name:{names}}{''.join(cells)}")
    lines += [f"{'met' if met else 'NOT MET':8} {text}" for text, met in goals]
    machine = {"rows": rows, "goals": [{"goal": text, "met": met} for text, met in goals]}
    return machine, "\n".join(lines), all(met for _, met in goals)
