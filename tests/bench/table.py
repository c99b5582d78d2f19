"""What was measured, and whether it is what is wanted: for a machine and for a person."""

from collections.abc import Mapping, Sequence
from typing import Any

Goal = tuple[str, bool]
"""One wish, and whether it came true."""
Told = tuple[dict[str, Any], str, bool]
"""What was measured: for a machine, for a person, and whether all goals are met."""


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
