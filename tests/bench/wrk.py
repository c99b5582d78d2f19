"""wrk, and what it says."""

import shutil
import subprocess
from pathlib import Path
from typing import Final

from pydantic import BaseModel, ConfigDict, ValidationError

CONNECTIONS: Final = 32
_SCRIPT: Final = Path(__file__).with_name("push.lua")
_SPARE: Final = 30


class BenchError(Exception):
    """Nothing can be measured. The message says what to do."""


class Measured(BaseModel):
    """What wrk saw: latencies in microseconds, answers of 400 and above, and requests that got no answer."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    requests: int
    microseconds: int
    p50: int
    p99: int
    refused: int
    broken: int

    @property
    def rate(self) -> float:
        """Answers per second."""
        return self.requests * 1_000_000 / self.microseconds


def find_wrk() -> str:
    """Where wrk is.

    Raises:
        BenchError: Nowhere.
    """
    found = shutil.which("wrk")
    if found is None:
        raise BenchError("wrk is not installed. Debian and Ubuntu: apt-get install wrk; macOS: brew install wrk")
    return found


def run_wrk(wrk: str, url: str, requests: Path, seconds: int, first: int = 1) -> Measured:
    """Sends the file's requests, from `first` on, over `CONNECTIONS` connections; from the start again at its end.

    Raises:
        BenchError: wrk failed.
    """
    command = [wrk, "-t1", f"-c{CONNECTIONS}", f"-d{seconds}s", "--timeout", "10s", "-s", str(_SCRIPT), url]
    done = subprocess.run(
        [*command, "--", str(requests), str(first)],
        capture_output=True, text=True, timeout=seconds + _SPARE, check=False,
    )  # fmt: skip
    if done.returncode:
        raise BenchError(f"wrk ended with {done.returncode}: {(done.stderr or done.stdout).strip()[-500:]}")
    return parse(done.stdout)


def parse(output: str) -> Measured:
    """The line of JSON that push.lua adds to wrk's own words.

    Raises:
        BenchError: There is none.
    """
    lines = [line for line in output.splitlines() if line.startswith("{")]
    try:
        return Measured.model_validate_json(lines[-1] if lines else "")
    except ValidationError as error:
        raise BenchError(f"wrk did not say what it measured: {output.strip()[-500:]}") from error
