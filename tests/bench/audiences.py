"""A file of openids becomes a plan: what that costs beside `sort -u`."""

import base64
import os
import random
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from qunfa.audience.jobs import ListFile, PartJob, PlanJob
from tests.bench.wrk import BenchError

AT_A_TIME: Final = 100_000
SECONDS_FOR: Final = {1_000_000: 6, 10_000_000: 60}
"""The goals, by the number of openids."""
MEGABYTES: Final = 300
_MIB: Final = 1 << 20


@dataclass(frozen=True)
class Sorting:
    """One run: seconds, seconds of the processor, and the most memory that its process held, in MiB."""

    seconds: float
    processor: float
    megabytes: float


def measured(openids: int, rounds: int) -> dict[str, Sorting]:
    """Of `sort -u` and of Qunfa's planner, as the medians of the rounds, in turns. A tenth stands there twice.

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
        }
        found = [{name: way() for name, way in ways.items()} for _ in range(rounds)]
    return {name: _median([one[name] for one in found]) for name in ways}


def told(found: dict[str, Sorting], openids: int) -> tuple[dict[str, Any], str, bool]:
    """The table for a machine and for a person, and whether the goals are met."""
    rows = {
        name: {"seconds": round(one.seconds, 1), "processor": round(one.processor, 1), "MiB": round(one.megabytes)}
        for name, one in found.items()
    }
    most, ours = SECONDS_FOR.get(openids), found["qunfa"]
    met = ours.megabytes < MEGABYTES and (most is None or ours.seconds < most)
    lines = [f"{'':10}{'seconds':>10}{'processor':>11}{'MiB':>8}"]
    lines += [f"{name:10}{row['seconds']:>10}{row['processor']:>11}{row['MiB']:>8}" for name, row in rows.items()]
    goal = f"goal: below {MEGABYTES} MiB" + (f" and {most} seconds" if most else "")
    return {**rows, "openids": openids}, "\n".join([f"{openids:,} openids", *lines, goal]), met


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
    """The process that a worker starts; it takes its copy of the list away."""
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(shutil.copyfile(file, Path(folder, "source")))
        lists = (ListFile(called="the list", path=str(copy)),)
        job = PlanJob(folder=folder, lists=lists, parts=(PartJob(what="it", any=(0,)),), of=(0,))
        written = Path(folder, "job.json")
        written.write_text(job.model_dump_json(), encoding="utf-8")
        return _run(sys.executable, "-m", "qunfa.audience.planner", str(written))


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


def _median(rows: list[Sorting]) -> Sorting:
    return Sorting(
        statistics.median(one.seconds for one in rows),
        statistics.median(one.processor for one in rows),
        statistics.median(one.megabytes for one in rows),
    )
