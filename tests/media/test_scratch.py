"""Temporary folders: gone with their block, and after a kill with the next process that looks; a living one's stay."""

import os
import sys
from pathlib import Path
from subprocess import PIPE, Popen, run

import pytest

from qunfa.media.spool import Scratch, remove_left_over

HOLDS = """
import sys
from qunfa.media.spool import Scratch
with Scratch("source") as folder:
    (folder / "source").write_bytes(b"half a video")
    print(folder, flush=True)
    sys.stdin.read()
"""


LOOKS = """
from qunfa.media.spool import remove_left_over
print("looks", flush=True)
while True:
    remove_left_over()
"""


FULL = """
import resource
import worker
resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
worker.make_room()
"""
"""A worker that can write no file anywhere, as if all disks were full."""


def other(program: str, base: Path) -> Popen[str]:
    """Another process with this temporary directory, once it has begun."""
    environment = {**os.environ, "TMPDIR": str(base)}
    process = Popen([sys.executable, "-c", program], env=environment, stdin=PIPE, stdout=PIPE, text=True)
    assert process.stdout is not None
    process.stdout.readline()
    return process


@pytest.fixture(autouse=True)
def base(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    monkeypatch.setattr("qunfa.media.spool.USUAL", ())
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    return tmp_path


def test_a_folder_goes_with_its_block(base: Path) -> None:
    """With what is in it; nothing is open any more."""
    before = len(list(Path("/proc/self/fd").iterdir()))
    with Scratch("fitted") as folder:
        (folder / "made").write_bytes(b"jpeg")
        assert (folder.name.startswith("qunfa-fitted-"), folder.stat().st_mode & 0o777) == (True, 0o700)
    assert list(base.iterdir()) == []
    assert len(list(Path("/proc/self/fd").iterdir())) == before


def test_what_a_killed_process_left_goes_and_the_rest_stays(base: Path) -> None:
    """Whoever looks, the neighbour's file is there until the neighbour itself has done with it."""
    with other(HOLDS, base) as killed, other(HOLDS, base) as living:
        killed.kill()
        killed.wait()
        with Scratch("source") as own:
            assert len(list(base.iterdir())) == 3
            assert remove_left_over() == 1
            assert remove_left_over() == 0
            [neighbour] = [path for path in base.iterdir() if path != own]
            assert (neighbour / "source").read_bytes() == b"half a video"
        living.communicate()
    assert list(base.iterdir()) == []


def test_left_over_files_go_where_their_folder_is_full(
    base: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Python takes another folder then, and for as long as the process lives."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path_factory.mktemp("chosen")))
    (base / "qunfa-audience-1").mkdir()
    assert remove_left_over() == 1


def test_a_worker_removes_them_and_starts_where_all_is_full(base: Path) -> None:
    """Python names no folder at all then, whichever variable does."""
    (base / "qunfa-source-1").mkdir()
    (base / "qunfa-source-1" / "source").write_bytes(b"half a video")
    given = {name: value for name, value in os.environ.items() if name != "TMPDIR"} | {"TMP": str(base)}
    full = run([sys.executable, "-c", FULL], check=False, env=given, capture_output=True, text=True)
    assert (full.returncode, full.stderr, list(base.iterdir())) == (0, "", [])
    assert "there is no room for temporary files" in full.stdout


def test_what_is_not_ours_stays(base: Path) -> None:
    """A link, a file, and other names: whoever may write to the temporary directory could have put them there."""
    elsewhere = base / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "kept").touch()
    (base / "qunfa-source-link").symlink_to(elsewhere)
    (base / "qunfa-source-file").touch()
    (base / "qunfa-demo-1").mkdir()
    (base / "qunfa-fitted-1").mkdir()
    (base / "qunfa-fitted-1" / "inside").symlink_to(elsewhere)
    assert remove_left_over() == 1
    assert sorted(path.name for path in base.iterdir()) == [
        "elsewhere",
        "qunfa-demo-1",
        "qunfa-source-file",
        "qunfa-source-link",
    ]
    assert (elsewhere / "kept").exists()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can make a file of another user")
def test_what_another_user_has_left_stays(base: Path) -> None:
    """It is theirs, also where the worker is root."""
    (base / "qunfa-source-1").mkdir()
    os.chown(base / "qunfa-source-1", 65534, 65534)
    assert remove_left_over() == 0


def test_a_folder_that_is_removed_before_it_is_locked_is_made_again(base: Path) -> None:
    """One process looks again and again while another makes folders: each that it gets is there, and its own."""
    with other(LOOKS, base) as looks:
        for number in range(500):
            with Scratch("source") as folder:
                (folder / "source").write_text(str(number))
                assert (folder / "source").read_text() == str(number)
        looks.kill()
