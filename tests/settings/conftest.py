"""A working directory of its own, an environment without Qunfa's variables, and a way to write `qunfa.toml`."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

WriteToml = Callable[[str], Path]


@pytest.fixture(autouse=True)
def directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working directory, empty; no variable of Qunfa is set."""
    for name in list(os.environ):
        if name.startswith("QUNFA_"):
            monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def write_toml(directory: Path) -> WriteToml:
    """Writes the `qunfa.toml` that is found without being named."""

    def write(text: str) -> Path:
        path = directory / "qunfa.toml"
        path.write_text(text, encoding="utf-8")
        return path

    return write
