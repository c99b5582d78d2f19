"""What sends are measured on: a Temporal server, a worker and a receiver as processes, and WeChat in this one."""

import asyncio
import contextlib
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal, TypeVar

from temporalio.client import Client, WorkflowHandle

from qunfa.contract.ids import MASS_SEND, TASK_QUEUE, mass_send_id
from qunfa.simulator import Simulator, SimulatorConfig
from tests.bench.wrk import BenchError
from tests.ports import free_ports
from tests.temporal import OURS, bare_environment, connected, server_command

ResultT = TypeVar("ResultT")
Store = Literal["memory", "file"]
LOCALHOST: Final = "127.0.0.1"
ACCOUNTS: Final = tuple(f"bench-{number:03}" for number in range(200))
SECRET: Final = "bench-SECRET-of-the-account-0123456789"
CALLBACK_TOKEN: Final = "benchCALLBACKtoken0123456789"
TAG: Final = {"id": 100, "name": "all", "first": 0, "count": 1000}
FOLLOWERS: Final = 1000
FOR_MANY: Final = (
    "history.shardIOConcurrency=32",
    'history.shardIOTimeout="60s"',
    "history.timerProcessorSchedulerWorkerCount=8",
)
"""What lets a development server have thousands of sends in hand: its one shard writes one thing at a time, and what
waits for that too long is done again. docs/performance.md tells what each brings."""
_LOOK_SECONDS: Final = 0.5
_UNLIMITED: Final = 10_000_000
_CALLS: Final = (
    "mass",
    "mass/get",
    "tags/get",
    "media/upload",
    "media/uploadimg",
    "media/uploadvideo",
    "draft/add",
    "draft/get",
)


@dataclass(frozen=True)
class Process:
    """A process that is measured."""

    name: str
    running: subprocess.Popen[bytes]
    log: Path

    def processor_seconds(self) -> float:
        """How long it has had a processor so far."""
        fields = Path(f"/proc/{self.running.pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
        return sum(map(int, fields[11:13])) / os.sysconf("SC_CLK_TCK")

    def memory(self) -> int:
        """Bytes of memory that it holds now."""
        pages = Path(f"/proc/{self.running.pid}/statm").read_text(encoding="utf-8").split()[1]
        return int(pages) * os.sysconf("SC_PAGE_SIZE")

    def said(self) -> str:
        """All that it has written."""
        return self.log.read_text(encoding="utf-8", errors="replace")


@dataclass
class Machinery:
    """All that runs, and how it is reached. ``start``: a process, by its name."""

    client: Client
    sim: Simulator
    processes: list[Process]
    folder: Path
    start: Callable[[str], Process]

    def appid(self, account: str) -> str:
        """Of one of `ACCOUNTS`."""
        return self.sim.world.accounts[account].config.appid

    def process(self, name: str) -> Process:
        """The one that runs under this name."""
        return next(one for one in self.processes if one.name == name)

    def restart(self, name: str) -> None:
        """Kill a process, and start another one in its place."""
        old = self.process(name)
        old.running.kill()
        old.running.wait()
        self.processes[self.processes.index(old)] = self.start(name)

    async def send(self, account: str, key: str, **more: Any) -> WorkflowHandle[Any, Any]:
        """Start one of Qunfa's: a text to all, unless ``more`` says otherwise."""
        text = {"msgtype": "text", "content": f"{key}: 你好"}
        request = {"account": account, "key": key, "audience": {"kind": "all"}, "message": text, **more}
        return await self.client.start_workflow(
            MASS_SEND, request, id=mass_send_id(account, key), task_queue=TASK_QUEUE
        )

    async def unless_it_ends(self, work: Awaitable[ResultT]) -> ResultT:
        """What comes of this work.

        Raises:
            BenchError: a process has ended meanwhile.
        """
        awaited = asyncio.ensure_future(work)
        while not (await asyncio.wait({awaited}, timeout=_LOOK_SECONDS))[0]:
            for one in self.processes:
                if one.running.poll() is not None:
                    awaited.cancel()
                    raise BenchError(f"the {one.name} has ended: {one.said()[-2000:]}")
        return awaited.result()


async def few_at_once(most: int, calls: Iterable[Callable[[], Awaitable[ResultT]]]) -> list[ResultT]:
    """What these come to, of which so many are under way at the same time."""
    room = asyncio.Semaphore(most)

    async def one(call: Callable[[], Awaitable[ResultT]]) -> ResultT:
        async with room:
            return await call()

    return await asyncio.gather(*map(one, calls))


@contextlib.asynccontextmanager
async def machinery(
    kind: Literal["simple", "qunfa"],
    store: Store,
    folder: Path,
    workers: int = 1,
    *,
    for_many: bool = False,
    pace: float | None = None,
) -> AsyncIterator[Machinery]:
    """Everything started and ready; nothing is left running afterwards.

    Args:
        kind: whose worker and receiver; those of `tests.bench.rivals` are one process.
        store: where Temporal's development server keeps its data.
        folder: for its file, configuration and logs.
        workers: how many.
        for_many: whether the server has the settings of `FOR_MANY`.
        pace: seconds between two sends of an account; Qunfa's own when None.

    Raises:
        BenchError: something does not start.
    """
    at_temporal, at_receiver = free_ports(2)
    address, receiver = f"{LOCALHOST}:{at_temporal}", f"http://{LOCALHOST}:{at_receiver}"
    async with Simulator(_simulated(receiver)) as sim, contextlib.AsyncExitStack() as stack:
        configuration = _configuration(sim.url, at_receiver, folder, pace)
        (folder / "qunfa.toml").touch(mode=0o600)
        (folder / "qunfa.toml").write_text(configuration, encoding="utf-8")
        configured = {"QUNFA_CONFIG": str(folder / "qunfa.toml"), "QUNFA_LOG": "json"}
        environment = bare_environment(TEMPORAL_ADDRESS=address, **configured)
        file = folder / "temporal.db" if store == "file" else None
        python = [sys.executable, "-m"]
        commands = {
            "server": server_command(address, *OURS, file=file, configured=FOR_MANY if for_many else ()),
            **{
                "simple": {"worker": [*python, "tests.bench.simple", sim.url, str(at_receiver)]},
                "qunfa": {"worker": [sys.executable, "worker.py"], "receiver": [*python, "qunfa.cli", "callback"]},
            }[kind],
        }

        def start(name: str) -> Process:
            return stack.enter_context(_running(name, commands[name], environment, folder))

        server = start("server")
        client = await connected(address)
        others = [start(name) for name in [*commands, *["worker"] * (workers - 1)] if name != "server"]
        yield Machinery(client, sim, [server, *others], folder, start)


@contextlib.contextmanager
def _running(name: str, command: list[str], environment: dict[str, str], folder: Path) -> Iterator[Process]:
    file = folder / f"{name}.log"
    with file.open("ab") as log, subprocess.Popen(command, stdout=log, stderr=log, env=environment) as process:
        try:
            yield Process(name, process, file)
        finally:
            process.kill()


def _configuration(wechat: str, port: int, folder: Path, pace: float | None) -> str:
    accounts = "".join(
        f'[accounts.{name}]\nappid = "wx{name}"\nsecret = "{SECRET}"\nkind = "service"\n'
        f'callback.token = "{CALLBACK_TOKEN}"\n'
        for name in ACCOUNTS
    )
    return f"""
wechat.base_url = "{wechat}"
metrics = {{ worker = "", receiver = "" }}
media.roots = ["{folder}"]
receiver = {{ host = "{LOCALHOST}", port = {port} }}
{"" if pace is None else f"timing.pace = {pace}"}
{accounts}
"""


def _simulated(receiver: str) -> SimulatorConfig:
    def account(name: str) -> dict[str, Any]:
        return {
            "appid": f"wx{name}",
            "secret": SECRET,
            "followers": FOLLOWERS,
            "tags": [TAG],
            "callback": {"url": f"{receiver}/wechat/{name}", "token": CALLBACK_TOKEN},
            "limits": {
                "calls_per_day": dict.fromkeys(_CALLS, _UNLIMITED),
                "mass_per_minute": _UNLIMITED,
                "sends_per_day": _UNLIMITED,
                "to_all_per_month": _UNLIMITED,
                "user_per_month": 254,
            },
        }

    timing = {"too_fast": 0, "delivery": 0.5}
    return SimulatorConfig.model_validate({"timing": timing, "accounts": {name: account(name) for name in ACCOUNTS}})
