"""A minute of chaos breaks no promise; with a promise taken out of the workers, chaos notices."""

import asyncio
import re
import shutil
import signal
import sys
from asyncio.subprocess import DEVNULL, PIPE, Process
from pathlib import Path

import pytest

from tests.chaos.processes import ROOT
from tests.e2e.processes import children_of, lives

pytestmark = [pytest.mark.long, pytest.mark.xdist_group("crashes")]

FIGURES = (
    *("sends", "worker_kills", "receiver_kills", "temporal_kills", "faults"),
    *("double", "lost", "wrong", "open", "leaked"),
)
LAST_LINE = re.compile("chaos: " + " ".join(rf"{name}=(?P<{name}>\d+)" for name in FIGURES))
ENDS = re.compile(r"^ends: .*\bsent=(\d+)", re.MULTILINE)
CLEAN = {"double": 0, "lost": 0, "wrong": 0, "open": 0, "leaked": 0}


async def chaos(*arguments: str) -> Process:
    """Start `make chaos`'s command."""
    return await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.chaos", *arguments, cwd=ROOT, stdin=DEVNULL, stdout=PIPE, stderr=PIPE
    )


async def finished(process: Process) -> tuple[int, str, dict[str, int]]:
    """Its exit code, what it said, and the figures of its last line."""
    try:
        stdout, stderr = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    said = stdout.decode()
    sys.stderr.write(stderr.decode())  # shown where the test fails
    figures = LAST_LINE.fullmatch(said.splitlines()[-1] if said else "")
    assert figures, said[-3000:]
    code = process.returncode
    assert code is not None
    return code, said, {name: int(figure) for name, figure in figures.groupdict().items()}


LISTS = re.compile(r"^lists: .*; openids: .*\bsent=(\d+)", re.MULTILINE)
SENT_AT_LEAST = 15
"""Of 30 sends; about 20 are, the others are refused, aborted, cancelled or too late."""
OPENIDS_AT_LEAST = 15_000
"""Of the 36,000 of two lists; batches may fail."""


@pytest.mark.timeout(600)  # longer than the run itself waits for its sends: it has to tell the story
async def test_a_minute_of_chaos_breaks_no_promise() -> None:
    """Faults of every kind, and each process killed: every follower at most once, every result known, nothing open.

    Most sends are sent: who aborts everything breaks no promise, and is of no use.
    """
    code, said, figures = await finished(await chaos("--sends", "30", "--lists", "2", "--seed", "20261125"))
    assert {name: figures[name] for name in CLEAN} == CLEAN, said[-20_000:]
    assert code == 0
    assert said.startswith("seed 20261125\n")
    assert figures["sends"] == 30
    assert min(figures["worker_kills"], figures["receiver_kills"], figures["temporal_kills"]) >= 1
    assert figures["faults"] > 30
    assert re.search(r"^restores: [1-9]", said, re.MULTILINE)
    ends = ENDS.search(said)
    assert ends
    assert int(ends[1]) >= SENT_AT_LEAST
    lists = LISTS.search(said)
    assert lists
    assert int(lists[1]) >= OPENIDS_AT_LEAST


@pytest.mark.timeout(600)
async def test_a_promise_taken_out_of_the_workers_is_noticed() -> None:
    """An id of its own for each try delivers twice; a no believed after an unknown try tells a wrong outcome.

    A list that is terminated and started again sends its first batches once more, where no other run knows of them.
    """
    some, a_list = ("--sends", "5"), ("--sends", "1", "--lists", "1")
    controls = {"random-clientmsgid": "double", "forget-unknown": "wrong", "batches-of-a-run": "double"}
    running = [
        await chaos(*(a_list if control == "batches-of-a-run" else some), "--seed", "1", "--control", control)
        for control in controls
    ]
    ended = await asyncio.gather(*(finished(process) for process in running))
    for (code, said, figures), (control, caught) in zip(ended, controls.items(), strict=True):
        assert code == 1
        assert figures[caught] > 0, said[-20_000:]
        assert "seed 1: a promise was broken" in said
        broken = set(re.findall(rf"^{caught.upper()}  ((?:send|list)-\d+)[. ]", said, re.MULTILINE))
        assert broken
        stories = taken_stories(said)
        assert broken <= stories.keys()
        assert all(": seed 1, " in stories[key].partition("\n")[0] for key in broken)
        assert control != "batches-of-a-run" or stories.keys() == {"list-00001"}


def taken_stories(said: str) -> dict[str, str]:
    """What a run has kept of its sends, by their keys; all that it has kept is removed."""
    [kept] = re.findall(r"are kept in (\S+)$", said, re.MULTILINE)
    stories = {file.stem: file.read_text(encoding="utf-8") for file in Path(kept, "stories").iterdir()}
    shutil.rmtree(kept)
    return stories


@pytest.mark.timeout(120)
async def test_ctrl_c_ends_everything_and_still_says_the_seed() -> None:
    """Exit code 130, the last line, and no process left behind."""
    process = await chaos("--sends", "50", "--seed", "4")
    assert process.stdout is not None
    said = b""
    while b"the sends begin" not in said:
        said += await process.stdout.readline()
    left = children_of(process.pid)
    assert len(left) == 4
    process.send_signal(signal.SIGINT)
    code, rest, _ = await finished(process)
    assert code == 130
    assert "seed 4: nothing was judged" in rest
    assert [pid for pid in left if lives(pid)] == []
