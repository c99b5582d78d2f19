"""What is measured: each server in a process of its own, and what it says of the pushes that it got."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import httpx
from prometheus_client.parser import text_string_to_metric_families

from qunfa.callback.event import EVENT
from qunfa.cli.demo_folder import LOCALHOST
from tests.bench.requests import Mode
from tests.bench.wrk import BenchError
from tests.ports import free_ports
from tests.temporal import bare_environment

_START: Final = 60.0
_LOOK: Final = 0.05
_TAKEN: Final = frozenset({"success", "repeated"})
_STOP: Final = 20.0


@dataclass(frozen=True)
class Server:
    """A server that is ready."""

    url: str
    metrics: str
    pid: int

    def processor_seconds(self) -> float | None:
        """How long it has had a processor so far; None where the system does not say."""
        try:
            fields = Path(f"/proc/{self.pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
        except OSError:
            return None
        return sum(map(int, fields[11:13])) / os.sysconf("SC_CLK_TCK")


@contextmanager
def serving(what: str, mode: Mode, log: Path, temporal: str | None = None) -> Iterator[Server]:
    """A server of tests.bench.serve; it is stopped afterwards. `temporal`: an address.

    Raises:
        BenchError: It does not start.
    """
    env = bare_environment(QUNFA_LOG="json", **({"TEMPORAL_ADDRESS": temporal} if temporal else {}))
    port, shown = free_ports(2)
    command = [sys.executable, "-m", "tests.bench.serve", what, mode, str(port), str(shown)]
    url = f"http://{LOCALHOST}:{port}"
    with log.open("ab") as errors, subprocess.Popen(command, stdout=errors, stderr=errors, env=env) as process:
        try:
            _wait_until_ready(process, url)
            yield Server(url, f"http://{LOCALHOST}:{shown}/metrics", process.pid)
        finally:
            process.terminate()
            try:
                process.wait(_STOP)
            except subprocess.TimeoutExpired:
                process.kill()


def pushes_taken(metrics: str) -> tuple[int, int]:
    """How many results of mass sends the receiver has taken, and how many other answers it has given.

    One that comes again was taken before, or would not be called `repeated`.
    """
    shown = httpx.get(metrics, trust_env=False, timeout=_STOP).text
    samples = [
        sample
        for family in text_string_to_metric_families(shown)
        for sample in family.samples
        if sample.name == "qunfa_pushes_total"
    ]
    taken = [one.value for one in samples if one.labels["event"] == EVENT and one.labels["answer"] in _TAKEN]
    return int(sum(taken)), int(sum(one.value for one in samples) - sum(taken))


def _wait_until_ready(process: subprocess.Popen[bytes], url: str) -> None:
    until = time.monotonic() + _START
    with httpx.Client(trust_env=False, timeout=_START) as http:
        while True:
            with suppress(httpx.TransportError):
                if http.get(f"{url}/readyz").is_success:
                    return
            if process.poll() is not None or time.monotonic() > until:
                raise BenchError("a server to be measured did not start: see its log above")
            time.sleep(_LOOK)
