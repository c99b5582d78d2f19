"""Pictures that take much memory are decoded elsewhere, and everything is said of them all the same."""

import asyncio
import ctypes
import errno
import os
import platform
import re
import signal
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image

from qunfa.media.darkroom import BYTES_HERE, PIXELS_HERE, SCANS_HERE, Darkroom
from qunfa.media.facts import inspect
from qunfa.media.fitting import CannotFitError, Use, fit
from tests.media.samples import clip, encoded, noise, picture, recording

MB = 1024 * 1024
BIG = (1600, 1600)
assert BIG[0] * BIG[1] > PIXELS_HERE


def progressive(size: tuple[int, int]) -> bytes:
    """A JPEG that can only be decoded as a whole."""
    return encoded(Image.new("RGB", size, "red"), "JPEG", progressive=True)


def refined(scans: int) -> bytes:
    """A small JPEG that goes over all of its pixels so many times more, for 12 bytes each."""
    content = encoded(Image.new("L", (1440, 1440)), "JPEG", progressive=True)
    return content[:-2] + content[content.rindex(b"\xff\xda") : -2] * scans + content[-2:]


def padded(segments: int) -> bytes:
    """A small JPEG with so many parts that say nothing."""
    content = picture("JPEG")
    return content[:2] + b"\xff\xe5\0\2" * segments + content[2:]


HERE = {
    "a recording": recording(),
    "a clip": clip(),
    "text": b"text",
    "a PNG": picture("PNG"),
    "a BMP": picture("BMP"),
    "a JPEG": picture("JPEG"),
    "a progressive JPEG": progressive((1000, 1000)),
    "one with a broken head": b"\xff\xd8\xff\xe0" + bytes(50),
}
ELSEWHERE = {
    "a big PNG": picture("PNG", BIG),
    "a big JPEG": picture("JPEG", BIG),
    "a big progressive JPEG": progressive(BIG),
    "a big BMP": picture("BMP", BIG),
    "a big one that is cut off": picture("BMP", BIG)[:-50_000],
    "a small one of many scans": refined(SCANS_HERE),
    "a small one of many bytes": padded(BYTES_HERE // 4),
    "any GIF": picture("GIF"),
}


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> "asyncio.Queue[int]":
    """The processes that were started."""
    pids: asyncio.Queue[int] = asyncio.Queue()
    start = asyncio.create_subprocess_exec

    async def noted(*command: str, **options: object) -> asyncio.subprocess.Process:
        process = await start(*command, **options)  # type: ignore[arg-type]  # handed on as they came
        pids.put_nowait(process.pid)
        return process

    monkeypatch.setattr("asyncio.create_subprocess_exec", noted)
    return pids


def put(folder: Path, content: bytes) -> Path:
    path = folder / "source"
    path.write_bytes(content)
    return path


@pytest.mark.parametrize("what", [*HERE, *ELSEWHERE])
async def test_the_facts_are_the_same(tmp_path: Path, what: str, started: "asyncio.Queue[int]") -> None:
    """Wherever a file is looked at. Only what may take much is decoded elsewhere."""
    path = put(tmp_path, (HERE | ELSEWHERE)[what])
    assert await Darkroom().inspect(path) == inspect(path)
    assert started.qsize() == (what in ELSEWHERE)


async def test_no_decoder_is_taken_from_the_working_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A worker may run in a folder where others write."""
    (tmp_path / "PIL.py").write_text("raise SystemExit(9)")
    monkeypatch.chdir(tmp_path)
    assert (await Darkroom().inspect(put(tmp_path, picture("GIF")))).damage is None


@pytest.mark.skipif(sys.platform != "linux", reason="other systems do not bound a process's time")
async def test_a_picture_that_takes_too_long_is_damaged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A small file of scans would take a processor for minutes, and a thread could not be ended."""
    hasty = "import sys; from qunfa.media import darkroom; darkroom.SECONDS_MAX = 1; darkroom.main(sys.argv[1:])"
    short = tmp_path / "python"
    short.write_text(f"#!/bin/sh\nshift 3\nexec {sys.executable} -c '{hasty}' \"$@\"\n")
    short.chmod(0o755)
    monkeypatch.setattr("sys.executable", str(short))
    facts = await Darkroom().inspect(put(tmp_path, refined(30_000)))
    assert "takes too much memory or time" in (facts.damage or "")


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only there a process's peak can be told")
async def test_this_process_does_not_grow(tmp_path: Path) -> None:
    """A picture whose decoding takes 50 MB, and re-encoding more, costs this process next to nothing."""
    room, path = Darkroom(), put(tmp_path, progressive((4000, 4000)))
    before = new_peak()
    await room.inspect(path)
    await room.fit(path, Use.THUMB, tmp_path)
    assert peak() - before < 5 * MB
    inspect(path)
    assert peak() - before > 20 * MB


def new_peak() -> int:
    """The peak from now on. What earlier tests have left free would be used again, and nothing would grow."""
    ctypes.CDLL(None).malloc_trim(0)
    Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
    return peak()


def peak() -> int:
    """The most memory that this process has had, in bytes."""
    status = Path("/proc/self/status").read_text(encoding="ascii")
    found = re.search(r"^VmHWM:\s+(\d+) kB$", status, re.MULTILINE)
    assert found
    return int(found[1]) * 1024


async def test_what_is_made_to_fit_is_the_same(tmp_path: Path) -> None:
    """The same bytes."""
    path, here, there = put(tmp_path, noise(size=(700, 700))), tmp_path / "here", tmp_path / "there"
    here.mkdir()
    there.mkdir()
    made, expected = await Darkroom().fit(path, Use.THUMB, there), fit(path, Use.THUMB, here)
    assert made.path.read_bytes() == expected.path.read_bytes()
    assert replace(made, path=expected.path) == expected


async def test_what_goes_wrong_elsewhere_is_raised_here(tmp_path: Path) -> None:
    """A picture that cannot be made to fit says why. A disk that fails is no fault of the picture."""
    with pytest.raises(CannotFitError, match="is no picture, so it cannot be made to fit"):
        await Darkroom().fit(put(tmp_path, recording()), Use.THUMB, tmp_path)
    with pytest.raises(FileNotFoundError):
        await Darkroom().fit(put(tmp_path, noise(size=(700, 700))), Use.THUMB, tmp_path / "missing")


@pytest.mark.skipif(sys.platform != "linux", reason="other systems do not bound a process's memory")
async def test_a_picture_that_takes_too_much_is_damaged(tmp_path: Path) -> None:
    """The process is refused the memory, and says so of the picture."""
    path = put(tmp_path, progressive((3000, 3000)))
    command = (
        "import sys; from qunfa.media import darkroom; darkroom.MEMORY_MAX = 5_000_000; darkroom.main(sys.argv[1:])"
    )
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", command, "inspect", str(path), stdout=asyncio.subprocess.PIPE
    )
    said, _ = await process.communicate()
    assert re.search(rb'"damage": "is (damaged|too large)', said)  # as the decoder puts it


@pytest.mark.parametrize("use", [None, Use.THUMB])
async def test_a_decoder_that_dies_takes_nobody_along(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, use: Use | None
) -> None:
    """Its picture is what is wrong."""
    killer = tmp_path / "python"
    killer.write_text("#!/bin/sh\nkill -9 $$\n")
    killer.chmod(0o755)
    monkeypatch.setattr("sys.executable", str(killer))
    path = put(tmp_path, picture("JPEG", BIG))
    if use is None:
        facts = await Darkroom().inspect(path)
        assert (facts.format, facts.size) == ("jpeg", path.stat().st_size)
        assert "the process that tried ended with -9" in (facts.damage or "")
    else:
        with pytest.raises(CannotFitError, match="the process that tried ended with -9"):
            await Darkroom().fit(path, use, tmp_path)


@pytest.mark.parametrize("number", ["TERM", "INT", "HUP"])
@pytest.mark.parametrize("use", [None, Use.THUMB])
async def test_a_decoder_that_is_stopped_says_nothing_of_it(
    tmp_path: Path, started: "asyncio.Queue[int]", use: Use | None, number: str
) -> None:
    """A restart of the worker stops it: whoever asked can ask again. The worker's terminal does not reach it."""
    path = put(tmp_path, picture("JPEG", BIG))
    room = Darkroom()
    waiting = asyncio.create_task(room.inspect(path) if use is None else room.fit(path, use, tmp_path))
    pid = await started.get()
    assert os.getsid(pid) == pid
    os.kill(pid, signal.Signals[f"SIG{number}"])
    with pytest.raises(OSError, match=r"was stopped|could not begin") as stopped:  # as far as it had come
        await waiting
    assert stopped.value.errno == errno.ECANCELED


@pytest.mark.parametrize("use", [None, Use.THUMB])
async def test_a_decoder_that_cannot_begin_says_nothing_of_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, use: Use | None
) -> None:
    """A part of it may be missing while Qunfa is upgraded in place."""
    (tmp_path / "PIL.py").write_text("raise ImportError")
    monkeypatch.setattr("qunfa.process.bare_environment", lambda: {"PYTHONPATH": str(tmp_path)})
    path = put(tmp_path, picture("JPEG", BIG))
    room = Darkroom()
    with pytest.raises(OSError, match="could not begin"):
        await (room.inspect(path) if use is None else room.fit(path, use, tmp_path))


async def test_whoever_waits_no_longer_ends_the_process(tmp_path: Path, started: "asyncio.Queue[int]") -> None:
    """Nothing goes on for an activity that was cancelled."""
    path = put(tmp_path, noise(size=(1000, 1000)))
    waiting = asyncio.create_task(Darkroom().fit(path, Use.THUMB, tmp_path))
    pid = await started.get()
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


async def test_no_secret_goes_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The worker's environment, in which secrets may stand, is not handed on."""
    monkeypatch.setenv("QUNFA_ACCOUNTS__DEMO__SECRET", "SECRET")
    seen = tmp_path / "seen"
    spy = tmp_path / "python"
    spy.write_text(f"#!/bin/sh\nenv > {seen}\necho '{{}}'\nexit 1\n")
    spy.chmod(0o755)
    monkeypatch.setattr("sys.executable", str(spy))
    await Darkroom().inspect(put(tmp_path, picture("JPEG", BIG)))
    told = seen.read_text()
    assert "PYTHONPATH" in told
    assert "SECRET" not in told
