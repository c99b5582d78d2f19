"""Several accounts at once under one simulated WeChat, each with workers of its own that may die without the others."""

import asyncio
import signal
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field, fields
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

from temporalio.api.enums.v1 import TimeoutType
from temporalio.api.history.v1 import HistoryEvent
from temporalio.client import WorkflowHandle

from qunfa.contract import ACCOUNT, MassSendResult, account_id, mass_send_id
from qunfa.contract.steps import SUBMIT
from qunfa.simulator import SimulatorConfig
from qunfa.simulator.jobs import Job
from qunfa.simulator.world import Call
from tests.e2e.processes import configuration, environment, listening, logged
from tests.e2e.stage import SCALE, VIP, Scene, Stage, working
from tests.faults.nursery import Forked, Nursery
from tests.faults.place import Place
from tests.looking import PATIENCE

TASK_TIMEOUT: Final = timedelta(seconds=4)
"""After which Temporal gives a workflow task to another worker, when the one that took it is silent."""
HEARTBEAT_SECONDS: Final = 3.0
"""Temporal's SDK sends a sign of life only when four fifths of this have passed: less would leave it no time."""
TAG: Final = 2
HTTP_TIMEOUT_SECONDS: Final = 2.5
"""How long an answer of WeChat's may take, and a lease lasts: all the processes of a company at once make its simulated
WeChat, which is in the tests' process, late by a second and more. A worker that is taken for lost is past its lease.
"""
EXPECTING: Final = {"audience": {"kind": "tag", "tag_id": TAG, "expect": {"name": VIP["name"]}}}
_STARTS: Final = 2
"""Processes that may be starting at the same time: it is work, and those that run must not starve."""


class Peer(Scene):
    """One of several scenes under the same simulated WeChat."""

    @property
    def tries(self) -> list[Call]:
        """The calls of this account that submit something."""
        return [call for call in super().tries if call.account is self.simulated]

    @property
    def jobs(self) -> list[Job]:
        """WeChat's jobs of this account."""
        return [job for job in super().jobs if job.account is self.simulated]


@dataclass(frozen=True)
class Program:
    """A process of the project, whose log is read as it comes."""

    process: Forked
    log: Path

    async def says(self, word: str) -> None:
        """Until it has said this."""
        await logged(self.log, word)

    def wake(self) -> None:
        """Let it go on after a stop."""
        self.process.send_signal(signal.SIGCONT)

    async def killed(self) -> None:
        """It dies at once."""
        self.process.send_signal(signal.SIGKILL)
        await self.ended()

    async def ended(self) -> int:
        """How it ended, once it has."""
        async with asyncio.timeout(PATIENCE):
            return await self.process.wait()

    async def finished(self) -> int:
        """Its exit code after SIGTERM, which lets it end what it is about."""
        self.process.send_signal(signal.SIGTERM)
        return await self.ended()


@dataclass
class Company:
    """The scenes that run at the same time, and what all their processes share."""

    stage: Stage
    nursery: Nursery
    folder: Path
    starts: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(_STARTS))
    peers: list[Peer] = field(default_factory=list)

    async def simulate(self, **more: Any) -> None:
        """WeChat as new, with the accounts of all actors, each with its callback."""
        accounts = {peer.account: peer.at_wechat() for peer in self.peers}
        raw = {"scale": SCALE, **more, "accounts": accounts}
        await self.stage.sim.reset(SimulatorConfig.model_validate(raw))

    def actor(self, **timing: float) -> "Actor":
        """An account that nobody has used, with a configuration of its own; `timing` in seconds."""
        scene = self.stage.scene()
        peer = Peer(**{one.name: getattr(scene, one.name) for one in fields(scene)})
        self.peers.append(peer)
        folder = self.folder / peer.account
        folder.mkdir()
        times = {"heartbeat": HEARTBEAT_SECONDS, "http_timeout": HTTP_TIMEOUT_SECONDS, **timing}
        return Actor(self, peer, configuration(peer, folder), times)


@dataclass
class Actor:
    """One send of one account, and the workers that carry it out."""

    company: Company
    scene: Peer
    config: Path
    timing: dict[str, float]
    started: int = 0

    @asynccontextmanager
    async def running(self, *words: str, ready: str, **more: str) -> AsyncIterator[Program]:
        """A victim with these words; it has said `ready`."""
        self.started += 1
        log = self.config.with_name(f"{self.started}.log")
        times = {f"QUNFA_TIMING__{name.upper()}": str(seconds) for name, seconds in self.timing.items()}
        own = {"QUNFA_CONFIG": str(self.config), "QUNFA_LOG": "json"}
        given = environment(self.scene.stage.address, **own, **times, **more)
        async with AsyncExitStack() as stack:
            async with self.company.starts:
                process = self.company.nursery.forked(words, given, log)
                program = Program(await stack.enter_async_context(process), log)
                await program.says(ready)
            yield program

    def victim(self, place: Place, how: str, passing: int = 1) -> AbstractAsyncContextManager[Program]:
        """A worker process that dies, sleeps or stays at the place, or nowhere: then `passing` is 0."""
        return self.running("worker", place, how, str(passing), ready='"started"')

    @asynccontextmanager
    async def receiver(self, place: Place, how: str, passing: int = 1, port: int = 0) -> AsyncIterator[Program]:
        """As `victim`, a receiver that can deliver; WeChat pushes to it what it pushes to this account."""
        own = {"QUNFA_RECEIVER__PORT": str(port), "QUNFA_METRICS__RECEIVER": ""}
        words = ("receiver", place, how, str(passing))
        async with self.running(*words, ready='"connected"', **own) as receiver:
            self.scene.callback = f"{await listening(receiver.log)}/wechat/{self.scene.account}"
            yield receiver

    @asynccontextmanager
    async def successor(self) -> AsyncIterator[None]:
        """Another worker, in the tests' own process: starting so many would cost more than all else."""
        settings = self.scene.stage.settings
        times = {name: timedelta(seconds=seconds) for name, seconds in self.timing.items()}
        timing = settings.timing.model_copy(update=times)
        settings = settings.model_copy(update={"task_queue": self.scene.queue, "timing": timing})
        async with working(self.scene.client, settings):
            yield

    async def send(self, *, tag: bool = False, **request: Any) -> WorkflowHandle[Any, MassSendResult]:
        """Start the send, to all or to a tag. To a tag it asks for its lease by a call of its own, else with the key.

        A workflow task of the send, or of the ledger, that a worker takes and loses is soon given to another.
        """
        scene = self.scene
        await scene.client.start_workflow(
            ACCOUNT, id=account_id(scene.appid), task_queue=scene.queue, task_timeout=TASK_TIMEOUT
        )
        raw = scene.request("spring", **(EXPECTING if tag else {}), **request)
        return await scene.start_raw(raw, mass_send_id(scene.account, "spring"), task_timeout=TASK_TIMEOUT)


async def result_of(handle: WorkflowHandle[Any, MassSendResult]) -> MassSendResult:
    """The result of a send that completes, however long a crash holds it up."""
    async with asyncio.timeout(PATIENCE):
        return await handle.result()


async def delivered_once(scene: Peer, result: MassSendResult, *, tag: bool = False) -> None:
    """By WeChat's own books: one job, the one that the result names, always tried alike, and each follower once."""
    [job], [simulated] = result.jobs, scene.jobs
    assert (result.outcome, result.may_have_been_delivered) == ("sent", True)
    assert (job.state, job.generation, job.msg_id) == ("sent", 0, simulated.msg_id)
    assert {call.clientmsgid for call in scene.tries} == {job.clientmsgid}
    followers = scene.simulated.tagged(TAG) if tag else scene.simulated.everybody()
    assert await scene.received() == dict.fromkeys(followers or (), 1)


async def heartbeat_missed(handle: WorkflowHandle[Any, Any]) -> None:
    """Until Temporal has given up the submitting activity, since its worker is silent."""
    await _recorded(handle, _tells_of_a_missed_heartbeat)


async def account_of_tries(scene: Peer) -> str:
    """What the history knows of each try of the one send, and when WeChat was asked: for whom a number surprises."""
    [handle] = scene.started
    tries: dict[int, str] = {}
    async for event in handle.fetch_history_events():
        scheduled = event.activity_task_scheduled_event_attributes
        if scheduled.activity_type.name == SUBMIT:
            tries[event.event_id] = f"try {len(tries) + 1}:"
        for what in ("started", "completed", "failed", "timed_out"):
            attributes = getattr(event, f"activity_task_{what}_event_attributes")
            if attributes.scheduled_event_id in tries:
                answer = attributes.result.payloads[0].data.decode() if what == "completed" else ""
                who = f"{what} {event.event_time.ToJsonString()} {getattr(attributes, 'identity', '')} {answer}"
                tries[attributes.scheduled_event_id] += f"\n  {who.rstrip()}"
    asked = [f"WeChat was asked {datetime.fromtimestamp(call.time, UTC)}: {call.errcode}" for call in scene.tries]
    return "\n".join(["", *tries.values(), *asked])


async def operator_asked(handle: WorkflowHandle[Any, Any], problem: str) -> None:
    """Until the send asks an operator about `problem`."""

    def asked(event: HistoryEvent) -> bool:
        attributes = event.upsert_workflow_search_attributes_event_attributes.search_attributes.indexed_fields
        return "MassSendProblem" in attributes and attributes["MassSendProblem"].data == f'"{problem}"'.encode()

    await _recorded(handle, asked)


def _tells_of_a_missed_heartbeat(event: HistoryEvent) -> bool:
    given_up, repeated = event.activity_task_timed_out_event_attributes, event.activity_task_started_event_attributes
    kinds = {failure.timeout_failure_info.timeout_type for failure in (given_up.failure, repeated.last_failure)}
    return TimeoutType.TIMEOUT_TYPE_HEARTBEAT in kinds


async def _recorded(handle: WorkflowHandle[Any, Any], fits: Callable[[HistoryEvent], bool]) -> None:
    """Until the history has an event that fits."""
    async with asyncio.timeout(PATIENCE):
        async for event in handle.fetch_history_events(wait_new_event=True):
            if fits(event):
                return
    raise AssertionError("the send has ended without it")
