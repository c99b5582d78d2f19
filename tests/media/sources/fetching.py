"""Fetching in one line, and names that lead where a test wants."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from qunfa.media import SourceError, Sources


async def content(sources: Sources, uri: str) -> bytes:
    """The bytes of a source, which are as many and have the hash that is said."""
    async with sources.fetch(uri) as fetched:
        data = fetched.path.read_bytes()
        assert (fetched.size, fetched.sha256) == (len(data), hashlib.sha256(data).hexdigest())
        return data


async def failure(sources: Sources, uri: str, kind: type[SourceError], folder: Path | None = None) -> str:
    """What is said when a source cannot be had; nothing is left behind then."""
    with pytest.raises(SourceError) as caught:
        await content(sources, uri)
    assert type(caught.value) is kind
    assert caught.value.__cause__ is None
    assert caught.value.__context__ is None
    assert folder is None or not left_in(folder)
    return str(caught.value)


def left_in(folder: Path) -> list[str]:
    """What stands in a folder."""
    return sorted(path.name for path in folder.iterdir())


@dataclass
class Names:
    """A resolver that gives the next of its answers for a name each time, the last one for ever."""

    answers: dict[str, list[list[str]]]
    asked: list[tuple[str, int]] = field(default_factory=list)

    async def __call__(self, host: str, port: int) -> Sequence[str]:
        self.asked.append((host, port))
        answers = self.answers.get(host, [[host]])
        return answers.pop(0) if len(answers) > 1 else answers[0]
