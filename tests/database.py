"""The file of a Temporal development server: a consistent copy of it, and how it becomes that copy again."""

import shutil
import sqlite3
from contextlib import closing
from pathlib import Path


def copied(source: Path, target: Path) -> None:
    """The database as it is in this moment, as a backup program takes it."""
    with closing(sqlite3.connect(source)) as there, closing(sqlite3.connect(target)) as here:
        there.backup(here)


def put_back(snapshot: Path, file: Path) -> None:
    """The database is the snapshot from now on; nobody may have it open."""
    for name in (f"{file}-wal", f"{file}-shm"):
        Path(name).unlink(missing_ok=True)
    shutil.copy(snapshot, file)
