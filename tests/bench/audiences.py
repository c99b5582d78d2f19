"""A file of openids becomes a plan: what that costs beside `sort -u`; and what its report costs then."""

import asyncio
import base64
import os
import random
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from qunfa.audience.jobs import SNAPSHOT, ListFile, PartJob, PlanJob
from qunfa.audience.plans import PlanFile, Plans, digest_of, snapshot_name
from qunfa.audience.snapshots import cut
from qunfa.audience.store import Store
from qunfa.contract.batches import AudiencePlan
from qunfa.media.policy import SourcePolicy
from tests.bench.table import Told, in_turns, told
from tests.bench.wrk import BenchError

AT_A_TIME: Final = 100_000
SECONDS_FOR: Final = {1_000_000: 6, 10_000_000: 60}
"""The goals, by the number of openids."""
MEGABYTES: Final = 300
_MIB: Final = 1 << 20
_WRITES: Final = """
import asyncio, sys
from datetime import UTC, datetime, timedelta
from qunfa.audience.plans import Plans
from qunfa.audience.store import Store
from qunfa.audience.reports import ReportWriter
from qunfa.contract.batches import BatchRow, ReportStep
from qunfa.contract.result import Counts
from qunfa.contract.steps import Pinned
from qunfa.media.policy import SourcePolicy
store = Store(sys.argv[1], SourcePolicy())
plan = asyncio.run(Plans(store).get("demo", "spring")).plan
rows = tuple(
    BatchRow(number=number + 1, outcome="sent", may_have_been_delivered=True, msg_id=3147483650 + number,
             counts=Counts(total=10_000, filter=10_000, sent=9_990, error=10))
    for number in range(plan.batches)
)
account = Pinned(name="demo", appid="wx", base_url="https://x.test")
step = ReportStep(account=account, key="spring", plan=plan.digest, rows=rows)
asyncio.run(ReportWriter(store, "demo", "spring", timedelta(minutes=1)).write(step, datetime.now(UTC)))
"""


@dataclass(frozen=True)
class Sorting:
    """One run: seconds, seconds of the processor, and the most memory that its process held, in MiB."""

    seconds: float
    processor: float
    megabytes: float


def measured(openids: int, rounds: int) -> dict[str, Sorting]:
    """Of `sort -u`, of Qunfa's planner and of its report, as the medians of the rounds, in turns.

    A tenth of the openids stands in the file twice.

    Raises:
        BenchError: `sort` is missing, or fails.
    """
    if shutil.which("sort") is None:
        raise BenchError("sort is not installed (Debian: apt-get install coreutils)")
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "list.txt")
        _write(file, openids)
        ways: dict[str, Callable[[], Sorting]] = {
            "sort -u": lambda: _run("sort", "-u", "-o", str(Path(folder, "sorted")), str(file)),
            "qunfa": lambda: _by_qunfa(file),
            "its report": lambda: _report(file),
        }
        return in_turns(ways, rounds)


def table(found: dict[str, Sorting], openids: int) -> Told:
    """What a list of so many costs."""
    rows = {
        f"{name}, {openids:,} openids": {
            "seconds": round(one.seconds, 1),
            "processor": round(one.processor, 1),
            "MiB": round(one.megabytes),
        }
        for name, one in found.items()
    }
    most, memory = SECONDS_FOR.get(openids), max(found[name].megabytes for name in ("qunfa", "its report"))
    goals = [(f"less than {MEGABYTES} MiB", memory < MEGABYTES)]
    if most is not None:
        goals.append((f"less than {most} seconds", found["qunfa"].seconds < most))
    return told(rows, goals)


def _write(file: Path, openids: int) -> None:
    """As many lines; openids as WeChat's, in no order."""
    dice = random.Random(20)  # noqa: S311 - the same list each time
    with file.open("wb") as into:
        for _ in range(0, openids, AT_A_TIME):
            raw = dice.randbytes(AT_A_TIME * 18)
            lines = [_openid(raw[at : at + 18]) for at in range(0, len(raw), 18)][: min(AT_A_TIME, openids)]
            into.writelines(lines[: len(lines) * 10 // 11])
            into.writelines(lines[: len(lines) - len(lines) * 10 // 11])


def _openid(raw: bytes) -> bytes:
    return b"oABCD" + base64.urlsafe_b64encode(raw)[:23] + b"\n"


def _by_qunfa(file: Path) -> Sorting:
    """The process that a worker starts."""
    with tempfile.TemporaryDirectory() as folder:
        return _run(sys.executable, "-m", "qunfa.audience.planner", str(_job(file, folder)))


def _job(file: Path, folder: str) -> Path:
    """The job of a planner, which takes its copy of the list away."""
    copy = Path(shutil.copyfile(file, Path(folder, "source")))
    lists = (ListFile(called="the list", path=str(copy)),)
    job = PlanJob(folder=folder, lists=lists, parts=(PartJob(what="it", any=(0,)),), of=(0,))
    written = Path(folder, "job.json")
    written.write_text(job.model_dump_json(), encoding="utf-8")
    return written


def _report(file: Path) -> Sorting:
    """A process that writes the report of a plan which stands in a store, and nothing else."""
    with tempfile.TemporaryDirectory() as folder:
        _run(sys.executable, "-m", "qunfa.audience.planner", str(_job(file, folder)))
        with Path(folder, SNAPSHOT).open("rb") as lines:
            openids = sum(1 for _ in lines)
        found = cut(Path(folder, SNAPSHOT), (openids,))
        told = AudiencePlan(
            digest=digest_of(found.sha256, found.batches),
            openids=found.openids,
            batches=len(found.batches),
            taken_at=datetime.now(UTC),
        )
        name = snapshot_name(found.sha256)
        plan = PlanFile(audience={}, content="", snapshot=name, sha256=found.sha256, plan=told, batches=found.batches)
        store = Path(folder, "store").as_uri()
        asyncio.run(Plans(Store(store, SourcePolicy())).put("demo", "spring", plan, Path(folder, SNAPSHOT)))
        return _run(sys.executable, "-c", _WRITES, store)


def _run(*command: str) -> Sorting:
    began = time.monotonic()
    process = subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, env={**os.environ, "LC_ALL": "C"}
    )
    _, status, usage = os.wait4(process.pid, 0)
    seconds = time.monotonic() - began
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.stdin is not None:
        process.stdin.close()
    if process.returncode != 0:
        raise BenchError(f"{command[0]} ended with {process.returncode}")
    return Sorting(seconds, usage.ru_utime + usage.ru_stime, _mebibytes(usage))


def _mebibytes(usage: resource.struct_rusage) -> float:
    return usage.ru_maxrss * (1 if sys.platform == "darwin" else 1024) / _MIB
