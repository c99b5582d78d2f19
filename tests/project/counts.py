"""`python -m tests.project.counts`: how big the core is, so that everybody sees when it grows."""

import ast
from pathlib import Path
from typing import Final

from pydantic import BaseModel

from qunfa.send import state

ROOT: Final = Path(__file__).parents[2]


def fields_of_a_send() -> int:
    """The fields of a send's state, on all levels that are its own: those of facts and of the contract not counted."""
    own = [one for one in vars(state).values() if isinstance(one, type) and one.__module__ == state.__name__]
    return sum(len(one.model_fields) for one in own if issubclass(one, BaseModel))


def sources(*folders: str) -> list[Path]:
    return [path for folder in folders for path in sorted((ROOT / folder).rglob("*.py"))]


def lines(paths: list[Path]) -> int:
    return sum(len(path.read_text(encoding="utf-8").splitlines()) for path in paths)


def awaits(paths: list[Path]) -> int:
    trees = (ast.parse(path.read_text(encoding="utf-8")) for path in paths)
    return sum(isinstance(node, ast.Await) for tree in trees for node in ast.walk(tree))


def markers(paths: list[Path]) -> int:
    return sum(path.read_text(encoding="utf-8").count("workflow.patched(") for path in paths)


def main() -> None:
    """Print the table."""
    rows = {
        "fields of a send's state": str(fields_of_a_send()),
        "patch markers": str(markers(sources("workflows"))),
        "awaits in workflows/mass_send.py": str(awaits([ROOT / "workflows/mass_send.py"])),
    }
    for folder in ("qunfa/send", "qunfa/account", "qunfa/rules", "qunfa/contract", "workflows", "activities", "tests"):
        found = sources(folder)
        rows[f"{folder}/: files, lines"] = f"{len(found)}, {lines(found):,}"
    for name, value in rows.items():
        print(f"{name:<36} {value}")  # noqa: T201


if __name__ == "__main__":
    main()
