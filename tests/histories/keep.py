"""Keep what was recorded: `python -m tests.histories.keep FOLDER`, which `make histories` runs.

A history belongs to the version whose code recorded it, and is never recorded anew: what is there already stays.
"""

import shutil
import sys
import tomllib
from pathlib import Path

HISTORIES = Path(__file__).parent
PYPROJECT = HISTORIES.parents[1] / "pyproject.toml"


def version() -> str:
    """The version that `pyproject.toml` names."""
    named: str = tomllib.loads(PYPROJECT.read_text(encoding="utf-8"))["project"]["version"]
    return named


def keep(recorded: Path, folder: Path) -> list[str]:
    """Copy the histories that `folder` lacks; a line for each path that is new, or that was skipped."""
    folder.mkdir(parents=True, exist_ok=True)
    known = {path_of(file) for file in folder.glob("*.json")}
    lines = {}
    for file in sorted(recorded.glob("*.json")):
        path = path_of(file)
        lines[path] = f"{path}: skipped, since it is kept as {folder.name} recorded it"
        if path not in known:
            shutil.copy(file, folder)
            lines[path] = f"{path}: new in {folder.name}"
    return list(lines.values())


def path_of(file: Path) -> str:
    """The path that a history is of: all histories of one path belong together."""
    return file.name.partition(".")[0]


if __name__ == "__main__":
    sys.stdout.writelines(f"{line}\n" for line in keep(Path(sys.argv[1]), HISTORIES / version()))
