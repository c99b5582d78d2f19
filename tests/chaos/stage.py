"""The stage of a run: Temporal on a file, two workers and a receiver as processes, and WeChat in this one."""

import asyncio
import contextlib
import sys
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

import httpx
from temporalio.api.common.v1 import WorkflowExecution
from temporalio.api.workflowservice.v1 import ResetWorkflowExecutionRequest
from temporalio.client import (
    Client,
    WorkflowHandle,
    WorkflowUpdateFailedError,
    WorkflowUpdateRPCTimeoutOrCancelledError,
)
from temporalio.runtime import LoggingConfig, Runtime, TelemetryConfig, TelemetryFilter
from temporalio.service import RPCError

from qunfa.simulator import Simulator, SimulatorConfig
from tests.chaos import lists, words
from tests.chaos.director import Director
from tests.chaos.lists import Rolls
from tests.chaos.plan import FOLLOWERS, SAFE, TAG, ChaosPlan
from tests.chaos.processes import Child
from tests.looking import Looks
from tests.ports import NoFreePortsError, free_ports
from tests.temporal import OURS, bare_environment, connected, server_command

LOCALHOST: Final = "127.0.0.1"
QUEUE: Final = "chaos"
RPC: Final = timedelta(seconds=5)
WORKERS: Final = 2
SECRET: Final = "chaos-SECRET-of-the-account-0123456789"
CALLBACK_TOKEN: Final = "chaosCALLBACKtoken0123456789"
AES_KEY: Final = "chaosENCODINGaesKEY0123456789abcdefghijklmn"
DATABASE: Final = "temporal.db"
MEDIA: Final = "media"
"""The folder of what messages are made of, and of the files of lists."""
STORE: Final = "store"
"""The folder of the plans and reports of lists."""
WINDOW_SECONDS: Final = 20
WECHAT_REMEMBERS_SECONDS: Final = 32
"""Longer than the window by more than any answer or process is held up."""
HEARTBEAT_SECONDS: Final = 4
TIMING: Final = {
    "window": WINDOW_SECONDS,
    "repeat": 0.35,
    "repeat_max": 1,
    "pace": 0.2,
    "ask": 4,
    "http_timeout": 1,
    "heartbeat": HEARTBEAT_SECONDS,
    "push_grace": 0.5,
    "confirmation": 4,
}
READY_SECONDS: Final = 60.0


class NotReadyError(Exception):
    """A process of the stage does not come up."""


@dataclass
class Stage:
    """What a run works with."""

    plan: ChaosPlan
    folder: Path
    client: Client
    sim: Simulator
    director: Director
    rolls: Rolls
    temporal: Child
    workers: list[Child]
    receiver: Child
    metrics: dict[str, str]
    environment: dict[str, str]
    strikes: list[tuple[float, str]] = field(default_factory=list)
    """What was struck, and when by the clock."""
    lost_at: dict[str, float] = field(default_factory=dict)
    """When the ledger of an account was lost for the last time, or a part of it."""
    lapses: list[tuple[float, float]] = field(default_factory=list)
    """What Temporal has forgotten: from a snapshot until the workers ran again after it was put back."""
    flooded_at: dict[str, float] = field(default_factory=dict)
    """When an account heard so many pushes for the last time that it may have let go of one that it kept."""

    @property
    def processes(self) -> list[Child]:
        return [*self.workers, self.receiver, self.temporal]


@contextlib.asynccontextmanager
async def staged(plan: ChaosPlan, folder: Path, control: str | None) -> AsyncIterator[Stage]:
    """Everything started and ready; nothing is left running afterwards. `control`: what the workers do without."""
    try:
        at_temporal, at_receiver, at_metrics, *at_workers = free_ports(3 + WORKERS)
    except NoFreePortsError as error:
        raise NotReadyError(str(error)) from None
    address, receiver_url = f"{LOCALHOST}:{at_temporal}", f"http://{LOCALHOST}:{at_receiver}"
    configured = {"QUNFA_CONFIG": str(folder / "qunfa.toml"), "QUNFA_LOG": "json", "QUNFA_LOG_LEVEL": "DEBUG"}
    environment = bare_environment(TEMPORAL_ADDRESS=address, **configured)
    command = server_command(address, "--sqlite-pragma", "synchronous=off", *OURS, file=folder / DATABASE)
    temporal = Child("temporal", command, environment, folder)
    scraped = {"QUNFA_METRICS__RECEIVER": f"{LOCALHOST}:{at_metrics}"}
    receiver = Child("receiver", [sys.executable, "-m", "qunfa.cli", "callback"], environment | scraped, folder)
    workers = [_worker(number, port, environment, folder, control) for number, port in enumerate(at_workers)]
    metrics = {f"worker-{number}": f"http://{LOCALHOST}:{port}/metrics" for number, port in enumerate(at_workers)}
    rolls = Rolls(plan)
    async with Simulator(_simulated(plan, receiver_url)) as sim, contextlib.AsyncExitStack() as stack:
        _write_configuration(plan, folder, sim.url, at_receiver)
        words.write_files(folder / MEDIA)
        lists.write_files(plan, folder / MEDIA)
        director = Director(sim.world, plan, rolls)
        stack.push_async_callback(director.close)
        for child in (temporal, receiver, *workers):
            stack.push_async_callback(child.let_go)
            await child.start()
        # Calls that fail while Temporal is down are what is wanted: no word about them.
        quiet = LoggingConfig(filter=TelemetryFilter(core_level="ERROR", other_level="ERROR"))
        client = await connected(address, runtime=Runtime(telemetry=TelemetryConfig(logging=quiet)))
        metrics["receiver"] = f"http://{LOCALHOST}:{at_metrics}/metrics"
        stage = Stage(plan, folder, client, sim, director, rolls, temporal, workers, receiver, metrics, environment)
        await _ready(stage)
        yield stage


def _worker(number: int, port: int, environment: dict[str, str], folder: Path, control: str | None) -> Child:
    """One worker. The first alone writes all that it could, since that takes time; the clocks of others go wrong."""
    own = {"QUNFA_METRICS__WORKER": f"{LOCALHOST}:{port}", "QUNFA_LOG_LEVEL": "INFO" if number else "DEBUG"}
    command = ["-m", "tests.chaos.worker", *([control] if control else [])] if control or number else ["worker.py"]
    if number:
        set_clock(folder, number, 0.0)
        command += ["--clock", str(_clock(folder, number))]
    return Child(f"worker-{number}", [sys.executable, *command], environment | own, folder)


def set_clock(folder: Path, number: int, seconds: float) -> None:
    """The clock of this worker is wrong by so much from now on."""
    written = _clock(folder, number).with_suffix(".new")
    written.write_text(str(seconds), encoding="utf-8")
    written.replace(_clock(folder, number))


def _clock(folder: Path, number: int) -> Path:
    return folder / f"clock-{number}"


def _write_configuration(plan: ChaosPlan, folder: Path, wechat: str, receiver: int) -> None:
    timing = "\n".join(f"{name} = {value}" for name, value in TIMING.items())
    accounts = "\n".join(
        f"""
[accounts.{name}]
appid = "{account["appid"]}"
secret = "{SECRET}"
kind = "{account["kind"]}"
quota = "ask"
callback.token = "{CALLBACK_TOKEN}"
callback.aes_key = "{AES_KEY}"
callback.mode = "{_mode(name)}"
"""
        for name, account in plan.accounts.items()
    )
    text = f"""
task_queue = "{QUEUE}"
wechat.base_url = "{wechat}"
[media]
roots = ["{folder / MEDIA}"]
[store]
uri = "file:{folder / STORE}"
[receiver]
host = "{LOCALHOST}"
port = {receiver}
[timing]
{timing}
{accounts}
"""
    file = folder / "qunfa.toml"
    file.touch(mode=0o600)
    file.write_text(text, encoding="utf-8")


def _mode(account: str) -> str:
    return "safe" if account in SAFE else "plain"


def _simulated(plan: ChaosPlan, receiver: str) -> SimulatorConfig:
    def account(name: str, special: dict[str, Any]) -> dict[str, Any]:
        special = {"followers": FOLLOWERS, "tags": [TAG], **special}
        to_all, calls = special.pop("to_all_per_month", 1_000_000), special.pop("calls", 0)
        counted = ("mass", "mass/get", "tags/get", "token", "stable_token")
        return {
            **special,
            "secret": SECRET,
            "callback": {
                "url": f"{receiver}/wechat/{name}",
                "token": CALLBACK_TOKEN,
                "aes_key": AES_KEY,
                "mode": _mode(name),
            },
            "limits": {
                "calls_per_day": dict.fromkeys(counted, 10_000_000) | ({"mass": calls} if calls else {}),
                "mass_per_minute": 15,
                "sends_per_day": 1_000_000,
                "to_all_per_month": to_all,
                "user_per_month": 254,
            },
        }

    return SimulatorConfig.model_validate(
        {
            "seed": plan.seed,
            "call_log": 10_000 + 50 * len(plan.sends),
            "timing": {
                "delivery": 0.15,
                "unknown": 0.4,
                "confirmation": 3,
                "duplicate_window": WECHAT_REMEMBERS_SECONDS,
                "too_fast": 0.3,
                "rate_window": 1,
            },
            "tokens": {"forced_spacing": 0, "forced_per_day": 1_000_000},
            "push": {"deadline": 2, "tries": 3, "spacing": 1.5},
            "accounts": {name: account(name, special) for name, special in plan.accounts.items()},
        }
    )


async def _ready(stage: Stage) -> None:
    """Until the workers and the receiver have said that they work.

    Raises:
        NotReadyError: One has not.
    """
    until, looks = time.monotonic() + READY_SECONDS, Looks()
    for child, word in [(stage.receiver, '"connected"'), *((worker, '"started"') for worker in stage.workers)]:
        while True:
            said = await asyncio.to_thread(child.log.read_text, encoding="utf-8")
            if word in said:
                break
            if time.monotonic() > until:
                raise NotReadyError(f"{child.name} was not ready within {READY_SECONDS:.0f} s: {said[-2000:]}")
            await looks.again()


async def read_metrics(stage: Stage, seconds: float) -> dict[str, bytes]:
    """What each process shows at `/metrics`; nothing where it does not within so long."""
    seen: dict[str, bytes] = {}
    until, looks = time.monotonic() + seconds, Looks()
    async with httpx.AsyncClient(trust_env=False, timeout=5) as http:
        for name, url in stage.metrics.items():
            while not (shown := await _shown(http, url)):
                if time.monotonic() > until:
                    break
                await looks.again()
            seen[f"metrics of {name}"] = shown
    return seen


async def _shown(http: httpx.AsyncClient, url: str) -> bytes:
    with contextlib.suppress(httpx.TransportError):
        answer = await http.get(url)
        if answer.is_success:
            return answer.content
    return b""


async def updated(handle: WorkflowHandle[Any, Any], name: str, payload: dict[str, Any]) -> str:
    """Carry out an update; why it was not, or nothing."""
    try:
        await handle.execute_update(name, payload, rpc_timeout=RPC)
    except WorkflowUpdateFailedError as error:
        return f"refused: {error.cause}"
    except (WorkflowUpdateRPCTimeoutOrCancelledError, RPCError) as error:
        return f"not answered: {type(error).__name__}"
    return ""


async def reset(client: Client, workflow_id: str, run: str, point: int) -> str:
    """Take a run back to a point of its history, by mistake; the id of the new one. Asked again, it is the same."""
    request = ResetWorkflowExecutionRequest(
        namespace=client.namespace,
        workflow_execution=WorkflowExecution(workflow_id=workflow_id, run_id=run),
        reason="by mistake",
        workflow_task_finish_event_id=point,
        request_id=f"{run}:{point}",
    )
    return (await client.workflow_service.reset_workflow_execution(request, timeout=RPC)).run_id


async def temporal_answers(client: Client) -> bool:
    """Whether Temporal is up."""
    try:
        return await client.service_client.check_health(timeout=timedelta(seconds=1))
    except RPCError:
        return False
