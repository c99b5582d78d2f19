"""Temporary folders: gone with their block, and after a kill with the next process that looks; a living one's stay."""

import os
import sys
from pathlib import Path
from subprocess import PIPE, Popen

import pytest

from qunfa.media.scratch import Scratch, remove_left_over

HOLDS = """
import sys
from pathlib import Path
from qunfa.media.scratch import Scratch
with Scratch("source", Path(sys.argv[1])) as folder:
    (folder / "source").write_bytes(b"half a video")
    print(folder, flush=True)
    sys.stdin.read()
"""


def holding(base: Path) -> tuple[Popen[str], Path]:
    """Another process with a folder, and that."""
    process = Popen([sys.executable, "-c", HOLDS, str(base)], stdin=PIPE, stdout=PIPE, text=True)
    assert process.stdout is not None
    return process, Path(process.stdout.readline().strip())


def test_a_folder_goes_with_its_block(tmp_path: Path) -> None:
    """With what is in it; nothing is open any more."""
    before = len(list(Path("/proc/self/fd").iterdir()))
    with Scratch("fitted", tmp_path) as folder:
        (folder / "made").write_bytes(b"jpeg")
        assert (folder.name.startswith("qunfa-fitted-"), folder.stat().st_mode & 0o777) == (True, 0o700)
    assert list(tmp_path.iterdir()) == []
    assert len(list(Path("/proc/self/fd").iterdir())) == before


def test_what_a_killed_process_left_goes_and_the_rest_stays(tmp_path: Path) -> None:
    """Whoever looks, the neighbour's file is there until the neighbour itself has done with it."""
    with holding(tmp_path)[0] as killed, holding(tmp_path)[0] as living:
        killed.kill()
        killed.wait()
        with Scratch("source", tmp_path) as own:
            assert len(list(tmp_path.iterdir())) == 3
            assert remove_left_over(tmp_path) == 1
            assert remove_left_over(tmp_path) == 0
            [neighbour] = [path for path in tmp_path.iterdir() if path != own]
            assert (neighbour / "source").read_bytes() == b"half a video"
        living.communicate()
    assert list(tmp_path.iterdir()) == []


def test_what_is_not_ours_stays(tmp_path: Path) -> None:
    """A link, a file, and other names: whoever may write to the temporary directory could have put them there."""
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "kept").touch()
    base = tmp_path / "base"
    base.mkdir()
    (base / "qunfa-source-link").symlink_to(elsewhere)
    (base / "qunfa-source-file").touch()
    (base / "qunfa-demo-1").mkdir()
    (base / "qunfa-fitted-1").mkdir()
    (base / "qunfa-fitted-1" / "inside").symlink_to(elsewhere)
    assert remove_left_over(base) == 1
    assert sorted(path.name for path in base.iterdir()) == ["qunfa-demo-1", "qunfa-source-file", "qunfa-source-link"]
    assert (elsewhere / "kept").exists()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can make a file of another user")
def test_what_another_user_has_left_stays(tmp_path: Path) -> None:
    """It is theirs, also where the worker is root."""
    (tmp_path / "qunfa-source-1").mkdir()
    os.chown(tmp_path / "qunfa-source-1", 65534, 65534)
    assert remove_left_over(tmp_path) == 0


def test_a_folder_that_is_removed_before_it_is_locked_is_made_again(tmp_path: Path) -> None:
    """One process looks again and again while another makes folders: each that it gets is there, and its own."""
    looks = Popen([sys.executable, "-c", LOOKS, str(tmp_path)], stdout=PIPE, text=True)
    with looks:
        assert looks.stdout is not None
        looks.stdout.readline()
        for number in range(2_000):
            with Scratch("source", tmp_path) as folder:
                (folder / "source").write_text(str(number))
                assert (folder / "source").read_text() == str(number)
        looks.kill()


LOOKS = """
import sys
from pathlib import Path
from qunfa.media.scratch import remove_left_over
print("looks", flush=True)
while True:
    remove_left_over(Path(sys.argv[1]))
"""
