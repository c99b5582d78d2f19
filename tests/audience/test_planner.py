"""Planning in a process of its own: it ends with whoever waits for it, and says what keeps it from planning."""

import asyncio
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from qunfa.audience.jobs import SNAPSHOT, ListFile, PartJob, PlanFound, PlanJob
from qunfa.audience.planner import PlannerError, plan
from qunfa.audience.snapshots import TOO_LARGE
from tests.looking import until

_WAITS: str = """
import asyncio, sys
from pathlib import Path
from qunfa.audience.jobs import PlanJob
from qunfa.audience.planner import plan
asyncio.run(plan(PlanJob.model_validate_json(Path(sys.argv[1]).read_bytes())))
"""


def job_in(folder: Path, path: Path) -> PlanJob:
    """One list, at `path`."""
    return PlanJob(
        folder=str(folder),
        lists=(ListFile(called="the list", path=str(path)),),
        parts=(PartJob(what="it", any=(0,)),),
        of=(0,),
    )


def endless(folder: Path) -> PlanJob:
    """A list that nobody finishes to write: the process waits for it as long as it lives."""
    os.mkfifo(folder / "source")
    return job_in(folder, folder / "source")


def planners(folder: Path) -> list[int]:
    """The processes that plan in this folder."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = path.read_bytes().split(b"\0")
        except (FileNotFoundError, ProcessLookupError):
            continue
        if b"qunfa.audience.planner" in words and str(folder / "job.json").encode() in words:
            found.append(int(path.parent.name))
    return found


async def planning(folder: Path) -> list[int]:
    """As `planners`."""
    return planners(folder)


linux = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="looks into /proc")


async def test_a_planner_makes_a_snapshot(tmp_path: Path) -> None:
    """From a list that it takes away: a worker's disk holds each openid once."""
    (tmp_path / "source").write_bytes(b"b\na\nb\n")
    found = await plan(job_in(tmp_path, tmp_path / "source"))
    assert (found.openids, found.duplicates, (tmp_path / SNAPSHOT).read_bytes()) == (2, 1, b"a\nb\n")
    assert not (tmp_path / "source").exists()


async def test_a_planner_says_what_keeps_it_from_planning(tmp_path: Path) -> None:
    """That is no fault of the audience: it is tried again."""
    with pytest.raises(PlannerError, match="No such file"):
        await plan(job_in(tmp_path, tmp_path / "nothing"))


_WITH_LITTLE: str = """
import sys
from qunfa.audience import snapshots
from qunfa.audience.planner import main
snapshots.FILE_MAX = int(sys.argv[2])
snapshots.MEMORY = sys.argv[3]
sys.exit(main(sys.argv[1]))
"""


def halves(folder: Path) -> tuple[ListFile, ListFile]:
    """A list, and a report by which others were reached: 4,000 openids each."""
    many = [f"o{number:027d}" for number in range(8_000)]
    (folder / "list").write_text("".join(f"{openid}\n" for openid in many[::2]))
    (folder / "report").write_text("openid,batch,msg_id,state\n" + "".join(f"{one},1,7,sent\n" for one in many[1::2]))
    of = ListFile(called="the list", path=str(folder / "list"))
    return of, ListFile(called="the report", path=str(folder / "report"), states=("sent",))


def said_with_little(job: PlanJob, file_max: int, memory: str) -> str:
    """What the process says where it may write no larger file, and use no more memory."""
    told = Path(job.folder) / "job"
    told.write_text(job.model_dump_json())
    planner = [sys.executable, "-c", _WITH_LITTLE, str(told), str(file_max), memory]
    with subprocess.Popen(planner, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        return process.stdout.read().decode()


def test_lists_that_are_too_large_together_are_refused(tmp_path: Path) -> None:
    """No room that anybody makes would help, so it is not tried again."""
    job = PlanJob(folder=str(tmp_path), lists=halves(tmp_path), parts=(PartJob(what="it", any=(0, 1)),), of=(0,))
    found = PlanFound.model_validate_json(said_with_little(job, 150_000, "24MB"))
    assert (found.kind, found.problems) == ("refused", (TOO_LARGE,))


def test_reports_that_are_too_long_hold_up_no_plan(tmp_path: Path) -> None:
    """It is made without them: whom earlier sends have reached is only looked at."""
    one = PartJob(what="it", any=(0,))
    job = PlanJob(folder=str(tmp_path), lists=halves(tmp_path), parts=(one,), of=(0,), reports=(1,))
    for file_max, reached in ((1 << 30, (4_000, 0, 0, 0, 0)), (150_000, ())):
        halves(tmp_path)
        found = PlanFound.model_validate_json(said_with_little(job, file_max, "24MB"))
        assert (found.openids, found.reached_before) == (4_000, reached)


def test_too_little_memory_is_not_called_a_full_disk(tmp_path: Path) -> None:
    """Nobody has to make room on a disk that has it."""
    job = PlanJob(folder=str(tmp_path), lists=halves(tmp_path), parts=(PartJob(what="it", any=(0,)),), of=(0,))
    assert said_with_little(job, 1 << 30, "1MB").partition(". ")[0].endswith("more memory than planning has")


@linux
async def test_a_planner_ends_with_the_activity_that_waits(tmp_path: Path) -> None:
    """Nothing computes on for nobody, and the next plan is not held up."""
    waiting = asyncio.create_task(plan(endless(tmp_path)))
    await until(lambda: planning(tmp_path))
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert planners(tmp_path) == []


@linux
async def test_a_planner_ends_with_a_worker_that_is_killed(tmp_path: Path) -> None:
    """It leaves no snapshot."""
    job = endless(tmp_path)
    (tmp_path / "told").write_text(job.model_dump_json())
    with subprocess.Popen([sys.executable, "-c", _WAITS, str(tmp_path / "told")]) as worker:  # noqa: ASYNC220
        await until(lambda: planning(tmp_path))
        worker.send_signal(signal.SIGKILL)
    await until(lambda: planning(tmp_path), lambda found: not found)
    assert not (tmp_path / SNAPSHOT).exists()


@linux
async def test_a_planner_that_is_killed_is_tried_again(tmp_path: Path) -> None:
    """As where memory is short."""
    waiting = asyncio.create_task(plan(endless(tmp_path)))
    [process] = await until(lambda: planning(tmp_path))
    os.kill(process, signal.SIGKILL)
    with pytest.raises(PlannerError, match="memory"):
        await waiting
