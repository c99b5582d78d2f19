"""A video goes to WeChat: what Qunfa's client costs beside `curl -F`."""

import asyncio
import resource
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Final

from qunfa.wechat import OfficialAccount, Token, UploadFile, open_http
from tests.bench.stand import serving
from tests.bench.table import Told, in_turns, told
from tests.bench.wrk import BenchError

BYTES: Final = 10_000_000
"""As big as a video may be."""
TIMES: Final = 20
"""How often it goes in one round."""
_TOKEN: Final = Token("bench-token-of-the-account")
_TIMEOUT: Final = timedelta(seconds=30)


@dataclass(frozen=True)
class Upload:
    """One upload: seconds until it is answered, and milliseconds of the processor of who sends it."""

    seconds: float
    processor_ms: float


def measured(rounds: int) -> dict[str, Upload]:
    """Of curl and of Qunfa, as the medians of the rounds, in turns.

    Raises:
        BenchError: curl is missing, or a server does not start.
    """
    curl = shutil.which("curl")
    if curl is None:
        raise BenchError("curl is not installed (Debian: apt-get install curl)")
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "video.mp4")
        file.write_bytes(bytes(BYTES))
        with serving("sink", "plain", Path(folder, "sink.log")) as server:
            ways: dict[str, Callable[[], Upload]] = {
                "curl -F": lambda: _by_curl(curl, server.url, file),
                "qunfa": lambda: _by_qunfa(server.url, file),
            }
            return in_turns(ways, rounds)


def table(found: dict[str, Upload]) -> Told:
    """There are no goals."""
    return told(
        {
            f"{name}, {BYTES / 1e6:g} MB": {
                "seconds": round(one.seconds, 4),
                "processor ms": round(one.processor_ms, 1),
            }
            for name, one in found.items()
        }
    )


def _by_curl(curl: str, url: str, file: Path) -> Upload:
    """A process for all: its start counts for a twentieth."""
    target = f"{url}/cgi-bin/media/upload?type=video"
    one = ["--silent", "--fail", "--output", "/dev/null", "--noproxy", "*", "-F", f"media=@{file}", target]
    before, began = _children(), time.monotonic()
    subprocess.run([curl, *one, *["--next", *one] * (TIMES - 1)], check=True)
    return Upload((time.monotonic() - began) / TIMES, 1000 * (_children() - before) / TIMES)


def _by_qunfa(url: str, file: Path) -> Upload:
    before, began = time.process_time(), time.monotonic()
    asyncio.run(_uploaded(url, file))
    return Upload((time.monotonic() - began) / TIMES, 1000 * (time.process_time() - before) / TIMES)


async def _uploaded(url: str, file: Path) -> None:
    upload = UploadFile(file, file.name, "video/mp4", BYTES)
    async with open_http(_TIMEOUT) as http:
        account = OfficialAccount(http, url, "bench")
        for _ in range(TIMES):
            await account.upload(_TOKEN, "video", upload)


def _children() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime
