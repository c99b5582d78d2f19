"""The project's own processes and Temporal's command line, as a person starts them."""

import asyncio
import json
import signal
import sys
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path

from tests.e2e.stage import CALLBACK_TOKEN, SECRET, TIMING, Scene
from tests.looking import PATIENCE, until
from tests.temporal import bare_environment, binary

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True)
class Ended:
    """A process that has ended."""

    code: int
    stdout: str
    stderr: str


def environment(address: str, **more: str) -> dict[str, str]:
    """Of a process that works with this Temporal."""
    return bare_environment(TEMPORAL_ADDRESS=address, **more)


async def temporal(address: str, *arguments: str) -> Ended:
    """Run Temporal's command line."""
    process = await asyncio.create_subprocess_exec(
        binary("temporal"), *arguments, env=environment(address), stdin=PIPE, stdout=PIPE, stderr=PIPE
    )
    return await ended(process)


async def ended(process: Process, within: float = PATIENCE) -> Ended:
    """What a process has said and how it ended."""
    async with asyncio.timeout(within):
        stdout, stderr = await process.communicate()
    assert process.returncode is not None
    return Ended(process.returncode, (stdout or b"").decode(), (stderr or b"").decode())


def configuration(scene: Scene, folder: Path, *, metrics: str = "", more: str = "") -> Path:
    """A `qunfa.toml` with the scene's account, on a queue of its own."""
    scene.queue = f"{scene.queue}-{scene.account}"
    timing = "\n".join(f"{name} = {value}" for name, value in TIMING.items())
    file = folder / "qunfa.toml"
    file.write_text(
        f"""
task_queue = "{scene.queue}"
wechat.base_url = "{scene.sim.url}"
metrics.worker = "{metrics}"
[timing]
{timing}
[receiver]
host = "127.0.0.1"
port = 0
[accounts.{scene.account}]
appid = "{scene.appid}"
secret = "{SECRET}"
kind = "service"
callback.token = "{CALLBACK_TOKEN}"
{more}
""",
        encoding="utf-8",
    )
    return file


@asynccontextmanager
async def running(
    scene: Scene, command: list[str], config: Path | str, more: Mapping[str, str], log: Path | None = None
) -> AsyncIterator[Process]:
    """A process of the project, which does not outlive the block; its log goes to a file, or to stderr."""
    own = {"QUNFA_METRICS__RECEIVER": ""} if "callback" in command else {}  # others may be of an earlier version
    given = environment(scene.stage.address, QUNFA_CONFIG=str(config), QUNFA_LOG="json", **own) | dict(more)
    with nullcontext(PIPE) if log is None else log.open("wb") as stderr:
        process = await asyncio.create_subprocess_exec(
            sys.executable, *command, cwd=ROOT, env=given, stdin=DEVNULL, stdout=PIPE, stderr=stderr
        )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
            await process.communicate()


def children_of(pid: int) -> list[int]:
    """The processes that it has started; Linux tells them."""
    try:
        return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii").split()]
    except FileNotFoundError:
        return []


def lives(pid: int) -> bool:
    """Whether there is such a process, and it has not ended; Linux tells it."""
    return _state(pid) not in {None, "Z"}


def waits(pid: int) -> bool:
    """Whether its main thread stands in a call of the system, as one that reads does; Linux tells it."""
    return _state(pid) == "S"


def _state(pid: int) -> str | None:
    try:
        return Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return None


async def stopped(process: Process) -> int:
    """The exit code after SIGTERM."""
    process.send_signal(signal.SIGTERM)
    return (await ended(process)).code


async def listening(log: Path) -> str:
    """The address that a receiver has logged, once it has."""
    await logged(log, '"listening"')
    lines = [json.loads(line) for line in (await asyncio.to_thread(log.read_text, encoding="utf-8")).splitlines()]
    [url] = [str(line["url"]) for line in lines if line["event"] == "listening"]
    return url


async def logged(log: Path, word: str) -> None:
    """Until the log holds the word."""
    await until(lambda: asyncio.to_thread(log.read_text, encoding="utf-8"), lambda text: word in text)
